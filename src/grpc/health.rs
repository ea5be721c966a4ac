//! What the health service reports: whether calls are taken, and whether the journal works.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_check_response::ServingStatus as WireStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use super::pb::risk_service_server::SERVICE_NAME;
use super::server_state::ServerState;

/// The names under which the health service knows the whole server, and our service.
const NAMES: [&str; 2] = ["", SERVICE_NAME];

/// Its name for the journal: not serving while a restart may forget what is answered.
pub const JOURNAL: &str = "doublecheck.Journal";

/// How often the journal is checked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Not serving, as before the engine has recovered. Names are all known from the beginning.
pub(super) async fn outside() -> HealthReporter {
    let health = HealthReporter::new();
    report(&health, &NAMES, ServingStatus::NotServing).await;
    report(&health, &[JOURNAL], ServingStatus::NotServing).await;
    health
}

/// The service as its protocol has it. tonic's ends a watch of a name that is not known with NOT_FOUND, and clients
/// begin it anew for ever.
#[derive(Debug)]
pub(super) struct Watchable(HealthService);

impl Watchable {
    pub(super) fn new(health: HealthReporter) -> Self {
        Self(HealthService::from_health_reporter(health))
    }
}

#[tonic::async_trait]
impl Health for Watchable {
    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send + 'static>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watch = self.0.watch(request).await;
        let unknown = match watch {
            Ok(watch) => return Ok(watch.map(|statuses| Box::pin(statuses) as _)),
            Err(status) if status.code() == Code::NotFound => HealthCheckResponse {
                status: WireStatus::ServiceUnknown.into(),
            },
            Err(status) => return Err(status),
        };
        // No name becomes known later. It ends when the others do.
        let told = tokio_stream::once(Ok(unknown));
        let server = Request::new(HealthCheckRequest::default());
        Ok(Response::new(match self.0.watch(server).await {
            Ok(server) => Box::pin(told.chain(server.into_inner().filter(|_| false))),
            // They have.
            Err(_) => Box::pin(told),
        }))
    }
}

/// Reports until `shutdown` completes; then reports not serving, and waits for `grace`, so that clients that watch
/// turn away before connections close. Then ends all watches.
pub(super) async fn tell(
    shutdown: impl Future<Output = ()>,
    server_state: ServerState,
    mut health: HealthReporter,
    grace: Duration,
) {
    tokio::select! {
        () = shutdown => {}
        () = follow(&server_state, &health) => {}
    }
    server_state.begin_draining();
    report(&health, &NAMES, ServingStatus::NotServing).await;
    tokio::time::sleep(grace).await;
    // A watch ends when what it watches is removed, after it was sent the last report.
    for name in NAMES.iter().chain(&[JOURNAL]) {
        health.clear_service_status(name).await;
    }
}

/// Serving once the engine has recovered; from then on follows the journal.
async fn follow(server_state: &ServerState, health: &HealthReporter) {
    let engine = server_state.ready().await;
    report(health, &NAMES, ServingStatus::Serving).await;
    let mut known = None;
    loop {
        let works = engine.keeps_its_promise();
        if known != Some(works) {
            let status = match works {
                true => ServingStatus::Serving,
                false => ServingStatus::NotServing,
            };
            report(health, &[JOURNAL], status).await;
            known = Some(works);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn report(health: &HealthReporter, names: &[&str], status: ServingStatus) {
    for name in names {
        health.set_service_status(*name, status).await;
    }
}
