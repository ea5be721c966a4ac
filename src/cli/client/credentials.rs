//! What is shown to a server, and which server is trusted: read from what flags name.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio_rustls::rustls;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::causes;
use crate::cli::Failure;
use crate::config::fault::{Fault, Place, Problem};
use crate::grpc::ACCOUNT_HEADER;
use crate::grpc::pb::risk_service_client::RiskServiceClient;
use crate::tls::{ClientFiles, ClientPem};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

const TLS_CA: &str = "--tls-ca";
const TLS_CERTIFICATE: &str = "--tls-client-certificate";
const TLS_KEY: &str = "--tls-client-key";

/// A client that says with every call who calls, and about whom.
pub(in crate::cli) type Client = RiskServiceClient<InterceptedService<Channel, Said>>;

/// What goes with every call: the token, and the account that all calls are about, by which proxies know where
/// to send them.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Said {
    bearer: Bearer,
    account_id: Option<MetadataValue<Ascii>>,
}

/// The token that goes with every call, if there is one.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Bearer(Option<MetadataValue<Ascii>>);

/// What connections are made with.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Credentials {
    pub(in crate::cli) tls: Option<ClientTlsConfig>,
    pub(in crate::cli) bearer: Bearer,
}

impl Bearer {
    /// `token`, which the flag called `flag` gave.
    pub(in crate::cli) fn given(flag: &'static str, token: &str) -> Result<Self, Failure> {
        let header = format!("Bearer {token}").parse();
        // What it is must not be told.
        let no_token = |_| faulty(flag, Problem::Content("is no token".to_owned()));
        let mut header: MetadataValue<Ascii> = header.map_err(no_token)?;
        header.set_sensitive(true);
        Ok(Self(Some(header)))
    }

    /// What stands in the file at `path`, which the flag called `flag` gave.
    pub(in crate::cli) fn read(flag: &'static str, path: &Path) -> Result<Self, Failure> {
        let about = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| {
            faulty(
                flag,
                Problem::Content(about(format!("cannot be read: {error}"))),
            )
        })?;
        match text.trim() {
            "" => Err(faulty(flag, Problem::Content(about("is empty".to_owned())))),
            token => Self::given(flag, token),
        }
    }

    pub(in crate::cli) const fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

impl Interceptor for Said {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(token) = &self.bearer.0 {
            metadata.insert("authorization", token.clone());
        }
        if let Some(account_id) = &self.account_id {
            metadata.insert(ACCOUNT_HEADER, account_id.clone());
        }
        Ok(request)
    }
}

/// What TLS is agreed on with, from the files that `--tls-ca` and those with it name; none without it.
pub(in crate::cli) fn tls(
    ca: Option<&PathBuf>,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Result<Option<ClientTlsConfig>, Failure> {
    let Some(ca) = ca else {
        return Ok(None);
    };
    let files = ClientFiles {
        roots: ca.clone(),
        shown: certificate.cloned().zip(key.cloned()),
    };
    let ClientPem { roots, shown } = files.read().map_err(|fault| {
        let flag = match &fault.file {
            file if Some(file) == key => TLS_KEY,
            file if Some(file) == certificate => TLS_CERTIFICATE,
            _ => TLS_CA,
        };
        faulty(flag, Problem::Content(fault.to_string()))
    })?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots));
    Ok(Some(match shown {
        Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
        None => tls,
    }))
}

impl Credentials {
    /// The same, for a server whose certificate is good for this name.
    pub(in crate::cli) fn expecting(self, name: &str) -> Self {
        Self {
            tls: self.tls.map(|tls| tls.domain_name(name)),
            ..self
        }
    }

    /// How to reach the server at `address`, which the flag called `flag` gave: a URL, or one without its
    /// scheme.
    pub(in crate::cli) fn endpoint(
        &self,
        flag: &'static str,
        address: &str,
    ) -> Result<Endpoint, Failure> {
        let scheme = match self.tls {
            Some(_) => "https",
            None => "http",
        };
        let url = match address.split_once("://") {
            None => format!("{scheme}://{address}"),
            Some((given, _)) if given == scheme => address.to_owned(),
            Some(("http", _)) => {
                let why = format!("takes an address of https://, and {address} is none");
                return Err(faulty(TLS_CA, Problem::Content(why)));
            }
            Some((given, _)) if given != "https" => {
                let why = format!("{address}: must be an address of http:// or https://");
                return Err(faulty(flag, Problem::Content(why)));
            }
            Some(_) => {
                let why = format!(
                    "{address} takes {TLS_CA}, the roots that its certificate must come from"
                );
                return Err(faulty(flag, Problem::Content(why)));
            }
        };
        let misused = |error: tonic::transport::Error| {
            let source = error.source();
            let why = source.map_or_else(|| error.to_string(), ToString::to_string);
            faulty(flag, Problem::Content(format!("{address}: {why}")))
        };
        let endpoint = Endpoint::from_shared(url).map_err(misused)?;
        let endpoint = endpoint.connect_timeout(CONNECT_WITHIN);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()).map_err(misused),
            None => Ok(endpoint),
        }
    }

    /// Why there is no connection to `address`.
    pub(in crate::cli) fn unreached(&self, address: &str, why: &(dyn Error + 'static)) -> Failure {
        let tried = format!("connecting to {}", address.trim_end_matches('/'));
        match Failure::at_work(tried, why) {
            Failure::Work(told) if self.tls.is_some() && causes(why).any(speaks_no_tls) => {
                Failure::Work(format!(
                    "{told}\n  if no TLS is spoken there, the address begins with http://, and {TLS_CA} is left out"
                ))
            }
            failure => failure,
        }
    }

    /// A client over `channel` for calls about any accounts.
    pub(in crate::cli) fn client(&self, channel: Channel) -> Client {
        self.client_saying(channel, None)
    }

    /// A client over `channel` for calls about one account.
    pub(in crate::cli) fn client_about(&self, channel: Channel, account_id: &str) -> Client {
        // What is no header is no account's id either: the server says so.
        self.client_saying(channel, account_id.as_bytes().try_into().ok())
    }

    fn client_saying(&self, channel: Channel, account_id: Option<MetadataValue<Ascii>>) -> Client {
        let bearer = self.bearer.clone();
        RiskServiceClient::with_interceptor(channel, Said { bearer, account_id })
    }
}

/// Whether a handshake that ends so may be with a server that speaks no TLS: it closes the connection, or answers
/// with something else.
fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<io::Error>() else {
        return false;
    };
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => matches!(inner, rustls::Error::InvalidMessage(_)),
        None => matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
        ),
    }
}

fn faulty(flag: &'static str, problem: Problem) -> Failure {
    Failure::faulty(&[Fault {
        place: Place::Flag(flag),
        field: String::new(),
        problem,
    }])
}
