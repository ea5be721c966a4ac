//! The edge: gRPC in, gRPC out. No decisions are made here.
//!
//! A call is decoded, converted, scored and encoded on one task, its own, on the one thread of its
//! connection: nothing is handed over and nothing queued in between, so a slow client slows only itself.

pub mod door;
pub mod health;
pub mod listeners;
pub mod workers;
mod drain;
mod service;
mod batch;
mod noted;
mod rejected;
mod routed;
#[cfg(feature = "otlp")]
mod traced;
mod stream;
mod convert;
mod status;
mod echo;
pub mod pb;

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::server::Router;
use tonic::transport::{Error, Server};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use door::Door;
use listeners::Listeners;
use pb::risk_service_server::RiskServiceServer;
use rejected::CountRejected;
use service::Service;

/// The largest message taken, in bytes. A batch of 1,000 payments with every id at its longest is
/// under 1 MiB. A larger message gets OUT_OF_RANGE, by tonic.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long open calls may go on after shutdown began. A health `Watch` and an idle stream never end
/// by themselves.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves on one thread for each listener until `shutdown` completes and the calls that are open then
/// have ended, or `drain_max` has passed. While the `door` is closed every call is UNAVAILABLE, and so says
/// the health service.
///
/// # Errors
/// When a thread cannot start, or the transport fails.
pub async fn serve_on_workers(
    listeners: Listeners,
    door: impl Into<Door>,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) -> io::Result<()> {
    let door = door.into();
    let health = health::outside().await;
    let stop = health::tell(shutdown, door.clone(), health.clone());
    let tools = tools(health);
    let router = move || router(door.clone(), tools.clone());
    workers::run(listeners, router, stop, drain_max).await
}

/// Serves the echo twin, which allows every payment unread, in the same way.
///
/// # Errors
/// When a thread cannot start, or the transport fails.
pub async fn serve_echo_on_workers(
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) -> io::Result<()> {
    workers::run(listeners, echo::router, shutdown, drain_max).await
}

/// Serves on the runtime that this is called on, until `shutdown` completes and the calls that are open
/// then have ended, or [`DRAIN_MAX`] has passed.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    door: impl Into<Door>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    serve_and_drain(listener, door, shutdown, DRAIN_MAX).await
}

/// As [`serve`], with another limit than [`DRAIN_MAX`]. Connections that are open beyond it live until
/// the runtime does not.
///
/// # Errors
/// When the transport fails.
pub async fn serve_and_drain(
    listener: TcpListener,
    door: impl Into<Door>,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) -> Result<(), Error> {
    let door = door.into();
    let health = health::outside().await;
    let stop = health::tell(shutdown, door.clone(), health.clone());
    drain::serve(listener, router(door, tools(health)), stop, drain_max).await
}

fn router(door: Door, tools: Routes) -> Router {
    let service = RiskServiceServer::new(Service::new(door.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let service = CountRejected { service, door };
    #[cfg(feature = "otlp")]
    let service = traced::Traced(service);
    Server::builder().add_routes(tools.add_service(service))
}

/// What tools ask for: health and reflection. Every thread shares them, for the descriptions that
/// reflection answers from take megabytes and milliseconds to make.
fn tools(health: HealthReporter) -> Routes {
    let health = HealthService::from_health_reporter(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both descriptor sets are constants that compilers wrote; a test asks the services.
    let v1 = reflection().build_v1().expect("descriptors are valid");
    // What Python's and older tools speak.
    let v1alpha = reflection().build_v1alpha().expect("descriptors are valid");
    Routes::new(HealthServer::new(health))
        .add_service(v1)
        .add_service(v1alpha)
}
