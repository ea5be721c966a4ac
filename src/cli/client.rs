//! Talking to a running server.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::Failure;
use crate::grpc::pb::risk_service_client::RiskServiceClient;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Which server to talk to.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The server to talk to
    #[arg(
        long,
        value_name = "URL",
        env = "DOUBLECHECK_SERVER",
        default_value = "http://127.0.0.1:50051"
    )]
    server: String,
    /// The token to call it with
    #[arg(
        long,
        value_name = "TOKEN",
        env = "DOUBLECHECK_BEARER_TOKEN",
        hide_env_values = true
    )]
    bearer_token: Option<String>,
    /// The roots that its certificate must come from, in PEM; the URL begins with https:// then
    #[arg(long, value_name = "FILE", env = "DOUBLECHECK_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// The certificate to show it, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "DOUBLECHECK_TLS_CLIENT_CERTIFICATE",
        requires = "tls_client_key"
    )]
    tls_client_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "DOUBLECHECK_TLS_CLIENT_KEY",
        requires = "tls_client_certificate"
    )]
    tls_client_key: Option<PathBuf>,
}

/// A client that shows its token.
pub(super) type Client = RiskServiceClient<InterceptedService<Channel, Bearer>>;

/// Shows the token with every call, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl Server {
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let scheme = if self.tls_ca.is_some() {
            "https"
        } else {
            "http"
        };
        let url = if self.server.contains("://") {
            self.server.clone()
        } else {
            format!("{scheme}://{}", self.server)
        };
        let misused = |error| Failure::Usage(format!("--server {}: {error}", self.server));
        let mut endpoint = Endpoint::from_shared(url).map_err(misused)?;
        if let Some(tls) = self.tls()? {
            endpoint = endpoint.tls_config(tls).map_err(misused)?;
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Failure::at_work(format!("connecting to {}", self.server), &error))?;
        Ok(RiskServiceClient::with_interceptor(channel, self.bearer()?))
    }

    fn tls(&self) -> Result<Option<ClientTlsConfig>, Failure> {
        let Some(ca) = &self.tls_ca else {
            return Ok(None);
        };
        let read = |path: &PathBuf| {
            fs::read(path)
                .map_err(|error| Failure::at_work(format!("reading {}", path.display()), &error))
        };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        Ok(Some(
            match (&self.tls_client_certificate, &self.tls_client_key) {
                (Some(certificate), Some(key)) => {
                    tls.identity(Identity::from_pem(read(certificate)?, read(key)?))
                }
                (_, _) => tls,
            },
        ))
    }

    fn bearer(&self) -> Result<Bearer, Failure> {
        let header = |token: &String| {
            let header = format!("Bearer {token}").parse();
            // What it is must not be told.
            let mut header: MetadataValue<Ascii> =
                header.map_err(|_| Failure::Usage("--bearer-token: is no token".to_owned()))?;
            header.set_sensitive(true);
            Ok(header)
        };
        self.bearer_token
            .as_ref()
            .map(header)
            .transpose()
            .map(Bearer)
    }
}

/// Runs `task` to its end on this thread.
pub(super) fn block_on<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::at_work("starting the runtime", &error))?
        .block_on(task)
}

impl From<Status> for Failure {
    /// The code and message first, then the details, one a line.
    fn from(status: Status) -> Self {
        let mut message = format!("error: {}: {}", code_name(status.code()), status.message());
        let details = status.get_error_details();
        for violation in details
            .bad_request()
            .iter()
            .flat_map(|bad| &bad.field_violations)
        {
            message.push_str(&format!(
                "\n  {}: {}",
                violation.field, violation.description
            ));
        }
        if let Some(info) = details.error_info() {
            message.push_str(&format!("\n  reason: {}", info.reason));
            let mut metadata: Vec<_> = info.metadata.iter().collect();
            metadata.sort();
            for (name, value) in metadata {
                message.push_str(&format!("\n  {name}: {value}"));
            }
        }
        Self::Work(message)
    }
}

/// The code as the gRPC specification spells it.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
