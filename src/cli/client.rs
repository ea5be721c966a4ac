//! Talking to a running server.

use std::error::Error;
use std::io;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

use super::{Failure, push_causes};
use crate::grpc::code_name;

mod credentials;

pub(super) use credentials::{Bearer, Client, Credentials, tls};

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
        requires_all = ["tls_client_key", "tls_ca"]
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

impl Server {
    /// A client for calls about this account.
    pub(super) async fn connect_about(&self, account_id: &str) -> Result<Client, Failure> {
        let (certificate, key) = (&self.tls_client_certificate, &self.tls_client_key);
        let token = self.bearer_token.as_ref();
        let bearer = token.map(|token| Bearer::given("--bearer-token", token));
        let credentials = Credentials {
            tls: tls(self.tls_ca.as_ref(), certificate.as_ref(), key.as_ref())?,
            bearer: bearer.transpose()?.unwrap_or_default(),
        };
        let endpoint = credentials.endpoint("--server", &self.server)?;
        let channel = endpoint
            .timeout(ANSWER_WITHIN)
            .connect()
            .await
            .map_err(|error| credentials.unreached(&self.server, &error))?;
        Ok(credentials.client_about(channel, account_id))
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
    /// The code and message first, with what they come from where no server said them, then the details, one a
    /// line.
    fn from(status: Status) -> Self {
        let mut message = format!("error: {}: {}", code_name(status.code()), status.message());
        push_causes(&mut message, &status);
        if may_speak_tls(&status) {
            message.push_str(
                "\n  if TLS is spoken there, the address begins with https://, and --tls-ca names the roots of its \
                 certificate",
            );
        }
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

/// Whether a call that ended so may have gone in plain to a server that speaks TLS. What comes back is an alert, of
/// which the first bytes are read as the length of a frame that none may have; or the server was quicker to close.
fn may_speak_tls(error: &(dyn Error + 'static)) -> bool {
    let is_no_frame = |error: &h2::Error| {
        !error.is_remote() && error.reason() == Some(h2::Reason::FRAME_SIZE_ERROR)
    };
    let is_broken = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        )
    };
    causes(error).any(|cause| {
        cause.downcast_ref().is_some_and(is_no_frame) || cause.downcast_ref().is_some_and(is_broken)
    })
}

/// `error`, and what it comes from.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}
