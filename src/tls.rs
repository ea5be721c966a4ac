//! TLS: who the service says it is, and whose clients it lets in.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, version};
use webpki::{EndEntityCert, KeyUsage};

use crate::scoring::time::Timestamp;

mod client;

pub use client::{ClientFiles, ClientPem};

/// The one protocol that is spoken behind it.
const HTTP2: &[u8] = b"h2";

/// Where certificates and key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate that the service shows, and those between it and a root that clients know.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The roots of clients' certificates. Where there are any, every client has to show one.
    pub client_ca: Option<PathBuf>,
}

/// What TLS is agreed on with.
#[derive(Clone)]
pub struct Tls {
    server: Arc<ServerConfig>,
    valid_from: Timestamp,
    valid_to: Timestamp,
}

/// What is wrong with one of the files.
#[derive(Debug)]
pub struct TlsFault {
    /// Which.
    pub file: PathBuf,
    /// What is wrong.
    pub problem: TlsProblem,
}

/// What is wrong with a file of certificates or keys.
#[derive(Debug)]
pub enum TlsProblem {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not PEM.
    NotPem(PemError),
    /// It has no certificate.
    NoCertificate,
    /// It has no private key.
    NoKey,
    /// A certificate in it is none.
    NotACertificate(String),
    /// The key is not the certificate's.
    KeyOfAnother,
    /// What it holds cannot be used.
    Unusable(rustls::Error),
}

impl TlsFiles {
    /// Reads them all.
    ///
    /// # Errors
    /// What is wrong with the first that is no good.
    pub fn read(&self) -> Result<Tls, TlsFault> {
        let chain = certificates(&self.certificate)?;
        let (valid_from, valid_to) = validity(&chain[0])
            .map_err(|why| fault(&self.certificate, TlsProblem::NotACertificate(why)))?;
        let key = private_key(&self.key)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| fault(&self.certificate, TlsProblem::Unusable(error)))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = roots(file)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| fault(file, TlsProblem::NotACertificate(error.to_string())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server = builder
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => fault(&self.key, TlsProblem::KeyOfAnother),
                error => fault(&self.certificate, TlsProblem::Unusable(error)),
            })?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        if self.client_ca.is_some() {
            // A session that is resumed shows no certificate: it would go on after that has expired.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Tls {
            server: Arc::new(server),
            valid_from,
            valid_to,
        })
    }
}

impl Tls {
    /// What connections that begin from now on are agreed on with.
    #[must_use]
    pub const fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    /// Whether the service's certificate is good at this moment.
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.valid_from <= now && now < self.valid_to
    }

    /// From when on the service's certificate is good.
    #[must_use]
    pub const fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    /// Until when it is.
    #[must_use]
    pub const fn valid_to(&self) -> Timestamp {
        self.valid_to
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(file).map_err(|error| fault(file, TlsProblem::Unreadable(error)))
}

/// The certificates in a file; there is at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = contents(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| fault(file, TlsProblem::NotPem(error)))?;
    match certificates.is_empty() {
        true => Err(fault(file, TlsProblem::NoCertificate)),
        false => Ok(certificates),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_slice(&contents(file)?).map_err(|error| match error {
        PemError::NoItemsFound => fault(file, TlsProblem::NoKey),
        error => fault(file, TlsProblem::NotPem(error)),
    })
}

fn roots(file: &Path) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| fault(file, TlsProblem::NotACertificate(error.to_string())))?;
    }
    Ok(Arc::new(roots))
}

/// From when to when a certificate is good. It is asked for at moments when none is: that is the first thing
/// that is looked at, and what is told then are the bounds.
fn validity(certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), String> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
    let checked_at = |secs| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let usage = KeyUsage::server_auth();
        certificate.verify_for_usage(&[], &[], &[], time, usage, None, None)
    };
    let from = match checked_at(0) {
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => timestamp(not_before),
        Ok(_) | Err(_) => Timestamp::from_unix_ms(0),
    };
    match checked_at(u64::MAX) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Ok((from, timestamp(not_after))),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it never expires".to_owned()),
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(secs.saturating_mul(1_000))
}

fn fault(file: &Path, problem: TlsProblem) -> TlsFault {
    TlsFault {
        file: file.to_owned(),
        problem,
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("valid_from", &self.valid_from)
            .field("valid_to", &self.valid_to)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::NotPem(error) => write!(f, "is not PEM: {error}"),
            Self::NoCertificate => f.write_str("has no certificate in PEM"),
            Self::NoKey => f.write_str("has no private key in PEM"),
            Self::NotACertificate(why) => write!(f, "has a certificate that is none: {why}"),
            Self::KeyOfAnother => f.write_str("is not the key of the certificate"),
            Self::Unusable(error) => write!(f, "cannot be used: {error}"),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for TlsFault {}
