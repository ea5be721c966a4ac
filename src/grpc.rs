//! The edge: gRPC in, gRPC out. No decisions are made here.
//!
//! A call is decoded, converted, scored and encoded on one task, its own: nothing is handed over and
//! nothing queued in between, so a call waits for no other and a slow client slows only itself.

mod service;
mod convert;
mod status;
pub mod pb;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::server::NamedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Error, Server};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::engine::Engine;
use pb::risk_service_server::RiskServiceServer;
use service::Service;

/// The largest message taken, in bytes. A batch of 1,000 payments with every id at its longest is
/// under 1 MiB. A larger message gets OUT_OF_RANGE, by tonic.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long open calls may go on after shutdown began. A health `Watch` and an idle stream never end
/// by themselves.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What the health service calls the whole server, and the one service in it.
const HEALTH_NAMES: [&str; 2] = ["", RiskServiceServer::<Service>::NAME];

/// Serves until `shutdown` completes and the calls that are open then have ended, or [`DRAIN_MAX`]
/// has passed.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    serve_and_drain(listener, engine, shutdown, DRAIN_MAX).await
}

/// As [`serve`], with another limit than [`DRAIN_MAX`]. Connections that are open beyond it live until
/// the runtime does not.
///
/// # Errors
/// When the transport fails.
pub async fn serve_and_drain(
    listener: TcpListener,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()> + Send,
    drain_max: Duration,
) -> Result<(), Error> {
    let health = HealthReporter::new();
    report(&health, ServingStatus::Serving).await;
    let router = router(engine, health.clone());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));

    let (drain, draining) = oneshot::channel();
    let stop_taking_calls = async {
        shutdown.await;
        report(&health, ServingStatus::NotServing).await;
        // Nobody listens once the server has failed, and then there is nothing to drain.
        let _ = drain.send(());
    };
    let mut serving = pin!(router.serve_with_incoming_shutdown(incoming, stop_taking_calls));
    tokio::select! {
        result = &mut serving => return result,
        Ok(()) = draining => {}
    }
    if let Ok(result) = tokio::time::timeout(drain_max, serving).await {
        return result;
    }
    tracing::warn!(?drain_max, "calls were still open at the drain deadline");
    Ok(())
}

fn router(engine: Arc<Engine>, health: HealthReporter) -> Router {
    let risk =
        RiskServiceServer::new(Service::new(engine)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let health = tonic_health::server::HealthService::from_health_reporter(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both descriptor sets are constants that compilers wrote; a test asks the services.
    let v1 = reflection().build_v1().expect("descriptors are valid");
    // What Python's and older tools speak.
    let v1alpha = reflection().build_v1alpha().expect("descriptors are valid");
    Server::builder()
        .add_service(risk)
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(v1)
        .add_service(v1alpha)
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}
