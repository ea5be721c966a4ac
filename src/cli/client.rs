//! Talking to a running server.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
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
}

impl Server {
    pub(super) async fn connect(&self) -> Result<RiskServiceClient<Channel>, Failure> {
        let url = if self.server.contains("://") {
            self.server.clone()
        } else {
            format!("http://{}", self.server)
        };
        let endpoint = Endpoint::from_shared(url)
            .map_err(|error| Failure::Usage(format!("--server {}: {error}", self.server)))?
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Failure::at_work(format!("connecting to {}", self.server), &error))?;
        Ok(RiskServiceClient::new(channel))
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
