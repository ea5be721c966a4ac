//! What the health service reports: whether calls are taken, and whether the journal works.

use std::future::Future;
use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::pb::risk_service_server::SERVICE_NAME;
use super::server_state::ServerState;

/// What the health service calls the whole server, and the one service in it.
const NAMES: [&str; 2] = ["", SERVICE_NAME];

/// What it calls the journal: not serving while a restart may forget what is answered.
pub const JOURNAL: &str = "doublecheck.Journal";

/// How often it is looked whether the journal works.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Health as it is before the door opens.
pub(super) async fn outside() -> HealthReporter {
    let health = HealthReporter::new();
    report(&health, &NAMES, ServingStatus::NotServing).await;
    health
}

/// Tells health until `shutdown` completes, everybody who asks is told that, and `grace` has passed: whoever
/// watches turns away before connections close. Then nobody watches any more.
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
    // A watch ends with what it watches, and what was reported last is still told first.
    for name in NAMES.iter().chain(&[JOURNAL]) {
        health.clear_service_status(name).await;
    }
}

/// Serving once the door opens; and from then on as the journal is.
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
