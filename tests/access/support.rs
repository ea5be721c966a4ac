//! A server behind an entrance, and clients that try to get in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use doublecheck::access::Access;
use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::grpc::auth::Auth;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::{self, pb};
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::Timestamp;
use doublecheck::telemetry::Page;
use doublecheck::tls::{Tls, TlsFiles};
use doublecheck::token::TokenKey;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, DEFAULT_VERSIONS, RootCertStore, SupportedProtocolVersion,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::authority::{Authority, Pair};

/// When every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<ManualClock>,
}

impl Server {
    pub(crate) async fn start(access: Option<Access>, tls: Option<Tls>) -> Self {
        Self::start_within(Limits::DEFAULT, access, tls).await
    }

    /// One at which clients have so many milliseconds to greet.
    pub(crate) async fn start_greeted_within(handshake_ms: u64, tls: Tls) -> Self {
        let limits = Limits {
            handshake_ms,
            ..Limits::DEFAULT
        };
        Self::start_within(limits, None, Some(tls)).await
    }

    async fn start_within(limits: Limits, access: Option<Access>, tls: Option<Tls>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let key = TokenKey::from_bytes(&[7; 32]);
        let engine = Arc::new(Engine::new(Policy::default(), Arc::clone(&clock) as _, key));
        let auth = Auth::new(access, tls, Arc::clone(&clock) as _);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = grpc::Settings {
            auth: auth.clone(),
            limits: Limits {
                // However busy the machine is.
                queue_ms: 60_000,
                ..limits
            },
            ..Default::default()
        };
        let served = grpc::serve(
            listener,
            Arc::clone(&engine),
            settings,
            std::future::pending(),
        );
        tokio::spawn(served);
        Self {
            address,
            engine,
            auth,
            clock,
        }
    }

    /// What a metric of the entrance says, with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut page = Page::default();
        self.auth.put_on(&mut page);
        let page = page.finish();
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {page}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Scores a payment over a connection of its own.
    pub(crate) async fn score_by_tls(&self, tls: ClientTlsConfig) -> Result<(), Status> {
        score(&mut self.connect(Some(tls)).await?, None).await
    }

    pub(crate) async fn connect(&self, tls: Option<ClientTlsConfig>) -> Result<Client, Status> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address)).unwrap();
        let endpoint = match tls {
            Some(tls) => endpoint.tls_config(tls).unwrap(),
            None => endpoint,
        };
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(RiskServiceClient::new(channel))
    }
}

pub(crate) type Client = RiskServiceClient<Channel>;

/// Scores a payment of an account of its own, with this header `authorization`.
pub(crate) async fn score(client: &mut Client, authorization: Option<&str>) -> Result<(), Status> {
    let answer = client.score_payment(with(payment(), authorization)).await?;
    let decision = answer.into_inner().assessment.unwrap().decision();
    assert_eq!(decision, pb::Decision::Allow);
    Ok(())
}

pub(crate) fn with<T>(message: T, authorization: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(header) = authorization {
        request
            .metadata_mut()
            .insert("authorization", header.parse().unwrap());
    }
    request
}

/// A payment of an account that never paid before.
pub(crate) fn payment() -> pb::ScorePaymentRequest {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let payment = pb::Payment {
        payment_id: "p1".to_owned(),
        account_id: format!("payer-{nth}"),
        payee: Some(pb::Payee {
            id: "13800138000".to_owned(),
            r#type: pb::PayeeType::Phone.into(),
        }),
        money: Some(pb::Money {
            amount_minor: 5_000,
            currency_code: "CNY".to_owned(),
        }),
        kind: pb::PaymentKind::TopUp.into(),
        ..Default::default()
    };
    pb::ScorePaymentRequest {
        payment: Some(payment),
        confirmation_token: String::new(),
    }
}

/// What a server shows, and whom it lets in, from files as it has them.
pub(crate) fn tls(shown: &Pair, client_ca: Option<&Authority>) -> Tls {
    let folder = Folder::new();
    let files = folder.tls_files(shown, client_ca);
    files.read().unwrap()
}

/// A client that trusts `root`, and shows `pair`.
pub(crate) fn client_tls(root: &Authority, pair: Option<&Pair>) -> ClientTlsConfig {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&root.pem))
        .domain_name("localhost");
    match pair {
        Some(pair) => tls.identity(Identity::from_pem(&pair.certificate, &pair.key)),
        None => tls,
    }
}

/// A connection by TLS, on which nothing was said yet, of a client that trusts `root`.
pub(crate) async fn by_tls(address: SocketAddr, root: &Authority) -> TlsStream<TcpStream> {
    connected(address, &client_config(root, None, DEFAULT_VERSIONS)).await
}

/// What a client agrees on TLS with that trusts `root`, shows `pair`, and remembers its sessions.
pub(crate) fn client_config(
    root: &Authority,
    pair: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(root.pem.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            let chain = vec![pair.der.clone().into()];
            config.with_client_auth_cert(chain, key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A connection by TLS, on which nothing was said yet.
pub(crate) async fn connected(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(name, socket).await.unwrap()
}

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("doublecheck-auth-{}-{nth}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn tls_files(&self, shown: &Pair, client_ca: Option<&Authority>) -> TlsFiles {
        TlsFiles {
            certificate: self.write("server.pem", &shown.certificate),
            key: self.write("server.key", &shown.key),
            client_ca: client_ca.map(|authority| self.write("clients.pem", &authority.pem)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
