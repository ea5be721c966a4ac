//! The edge: gRPC in, gRPC out. No decisions are made here.
//!
//! A call is decoded, converted, scored and encoded in one go on the one thread of its connection: nothing is
//! handed over in between, so a slow client slows only itself.
//!
//! A connection has a place (`places`) and a life (`connections`), and what it sends for nothing is held
//! against it (`owed`); its calls (`calls`) are let in or refused (`admission`), and given up at their deadline
//! (`deadline`), before their service (`services`) sees them or while it waits. Those that score one payment stand
//! in line (`line`), and are scored with others whose turn has come; every other is a task (`exchange`). Those that
//! score go from bytes to bytes (`direct`); all others through tonic.
//!
//! What the words stand for: the *door* is how far the service has come, from its start to its end, and the counters
//! of all who ask; a *pulse* is what has happened on a connection so far; what is *owed* is the work that its client
//! made for nothing; a *place* is an address that connections come from; the *clerk* serves the line of a worker; and
//! what is *noted* of an answer is its counters, its log line and its trace.

pub mod server_state;
pub mod health;
pub mod listeners;
pub mod workers;
pub mod limits;
pub mod admission;
mod connections;
pub mod entry;
mod calls;
pub mod router;
mod codec;
mod service;
#[cfg(feature = "otlp")]
mod traced;
mod convert;
mod status;
mod echo;
pub mod pb;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use admission::Admission;
use connections::Edge;
use entry::Entry;
use limits::Limits;
use listeners::Listeners;
use router::Router;
use server_state::ServerState;
pub use service::RiskServer;
use service::Service;

/// How long open calls may go on after shutdown began. An idle stream never ends by itself.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How the edge serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much clients may ask of it.
    pub limits: Limits,
    /// Who gets in.
    pub entry: Entry,
    /// Whether tools may ask what is served.
    pub reflection: bool,
    /// How long calls are still taken once shutdown was announced.
    pub drain_grace: Duration,
    /// How long open calls may go on after that.
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            entry: Entry::default(),
            reflection: true,
            drain_grace: Duration::ZERO,
            drain_max: DRAIN_MAX,
        }
    }
}

/// Serves on one thread for each listener until `shutdown` completes and the calls that are open then
/// have ended, or the time for that has passed. While the `server_state` is closed every call is UNAVAILABLE, and
/// so says the health service.
///
/// # Errors
/// When a thread cannot start.
pub async fn serve_on_workers(
    listeners: Listeners,
    server_state: impl Into<ServerState>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let server_state = server_state.into();
    let health = health::outside().await;
    let stop = health::tell(
        shutdown,
        server_state.clone(),
        health.clone(),
        settings.drain_grace,
    );
    let tools = tools(health, settings.reflection);
    let edge = server_state.clone();
    let limits = settings.limits;
    let services =
        move |admission| services(&limits, server_state.clone(), admission, tools.clone());
    workers::run(listeners, edge, services, settings, stop).await
}

/// Serves the echo twin, which allows every payment unread, on threads of the same kind.
///
/// # Errors
/// When a thread cannot start.
pub async fn serve_echo_on_workers(
    listeners: Listeners,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Settings {
        limits, drain_max, ..
    } = settings;
    let serve = move |listener, stop| echo::serve(listener, limits, stop, drain_max);
    workers::run_each(listeners, serve, shutdown).await
}

/// Serves on the runtime that this is called on, until `shutdown` completes and the calls that are open
/// then have ended, or the time for that has passed. Connections that are open beyond it live until the
/// runtime does not.
pub async fn serve(
    listener: TcpListener,
    server_state: impl Into<ServerState>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) {
    let server_state = server_state.into();
    let health = health::outside().await;
    let stop = health::tell(
        shutdown,
        server_state.clone(),
        health.clone(),
        settings.drain_grace,
    );
    let (limits, tools) = (settings.limits, tools(health, settings.reflection));
    let edge = Edge::new(server_state.clone(), settings, 1);
    let services = |admission| services(&limits, server_state, admission, tools);
    edge.serve(listener, services, stop).await;
}

/// The service by itself, for a server or a test of one's own: without connections, health and who gets in.
pub fn service(server_state: impl Into<ServerState>, limits: &Limits) -> RiskServer {
    let admission = Arc::new(Admission::new(limits, 1));
    RiskServer::new(
        Service::new(server_state.into(), admission),
        message_bytes_max(limits),
    )
}

fn services(
    limits: &Limits,
    server_state: ServerState,
    admission: Arc<Admission>,
    tools: Routes,
) -> Router {
    let risk = RiskServer::new(
        Service::new(server_state, admission),
        message_bytes_max(limits),
    );
    #[cfg(feature = "otlp")]
    let risk = traced::Traced(risk);
    Router::new(risk, tools)
}

fn message_bytes_max(limits: &Limits) -> usize {
    usize::try_from(limits.message_bytes).unwrap_or(usize::MAX)
}

/// What tools ask for: health and reflection. Every thread shares them, for the descriptions that
/// reflection answers from take megabytes and milliseconds to make.
fn tools(health: HealthReporter, has_reflection: bool) -> Routes {
    let health = HealthService::from_health_reporter(health);
    let tools = Routes::new(HealthServer::new(health));
    if !has_reflection {
        return tools;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both descriptor sets are constants that compilers wrote; a test asks the services.
    let v1 = reflection().build_v1().expect("descriptors are valid");
    // What Python's and older tools speak.
    let v1alpha = reflection().build_v1alpha().expect("descriptors are valid");
    tools.add_service(v1).add_service(v1alpha)
}
