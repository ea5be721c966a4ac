//! The other side of TLS: whom a client trusts, and what it shows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ClientConfig, version};

use super::{TlsFault, TlsProblem, certificates, contents, fault, private_key, roots};

/// Where they are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The roots that the server's certificate must come from.
    pub roots: PathBuf,
    /// The certificate to show, and its key.
    pub shown: Option<(PathBuf, PathBuf)>,
}

/// What they hold, in PEM.
#[derive(Clone)]
pub struct ClientPem {
    /// The roots.
    pub roots: Vec<u8>,
    /// The certificate and its key.
    pub shown: Option<(Vec<u8>, Vec<u8>)>,
}

impl ClientFiles {
    /// Reads them all.
    ///
    /// # Errors
    /// What is wrong with the first that is no good.
    pub fn read(&self) -> Result<ClientPem, TlsFault> {
        let unusable = |file: &Path, error| fault(file, TlsProblem::Unusable(error));
        let provider = Arc::new(ring::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| unusable(&self.roots, error))?
            .with_root_certificates(roots(&self.roots)?);
        let Some((certificate, key)) = &self.shown else {
            return Ok(ClientPem {
                roots: contents(&self.roots)?,
                shown: None,
            });
        };
        trusting
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => fault(key, TlsProblem::KeyOfAnother),
                error => unusable(certificate, error),
            })?;
        Ok(ClientPem {
            roots: contents(&self.roots)?,
            shown: Some((contents(certificate)?, contents(key)?)),
        })
    }
}

impl fmt::Debug for ClientPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key is nobody's to read.
        f.debug_struct("ClientPem").finish_non_exhaustive()
    }
}
