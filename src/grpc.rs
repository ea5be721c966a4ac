//! The gRPC server. It decides nothing about payments.
//!
//! A request is decoded, scored and answered in one go on the thread of its connection: nothing is handed over in
//! between, so a slow client slows only itself.
//!
//! ```text
//! workers → connections → calls → router → service → engine
//! ```
//!
//! - [`workers`], [`listeners`]: for each core a thread with its runtime and its listening socket.
//! - `connections`: accepted, TLS, HTTP/2; limits, and what is done about clients that waste work.
//! - `calls`: each from its headers to the end of its answer, bounded by [`admission`] and its deadline.
//! - [`router`]: to our service, or to health and reflection.
//! - `service`: the methods. Around it `codec` (bytes to messages), `convert` (messages to the domain and back),
//!   `status` (errors) and [`pb`] (the generated contract).
//! - [`server_state`], [`auth`], [`limits`]: what all of these share.
//! - `echo`: a server that answers without scoring, to measure this one against.

pub mod workers;
pub mod listeners;
mod connections;
mod calls;
pub mod admission;
pub mod router;
mod service;
mod codec;
mod convert;
mod status;
pub mod pb;
pub mod server_state;
pub mod auth;
pub mod limits;
pub mod health;
#[cfg(feature = "otlp")]
mod traced;
mod echo;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;

use admission::Admission;
use auth::Auth;
use connections::Edge;
use limits::Limits;
use listeners::Listeners;
use router::Router;
use server_state::ServerState;
pub use service::RiskServer;
use service::Service;
pub(crate) use service::routing::ACCOUNT_HEADER;
pub(crate) use status::code_name;

/// How long open calls may go on after shutdown began. An idle stream never ends by itself.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How the server serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much clients may ask for.
    pub limits: Limits,
    /// Who may connect and call.
    pub auth: Auth,
    /// Whether the reflection service is offered.
    pub reflection: bool,
    /// How long new calls are still taken once shutdown was announced.
    pub drain_grace: Duration,
    /// How long open calls may go on after that.
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            auth: Auth::default(),
            reflection: true,
            drain_grace: Duration::ZERO,
            drain_max: DRAIN_MAX,
        }
    }
}

/// Serves on one thread for each listener, until `shutdown` completes and the calls then open have ended, or
/// `drain_max` has passed. Until the engine is set in `server_state`, every call is answered UNAVAILABLE, and
/// the health service says the same.
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

/// Serves on the current runtime, until `shutdown` completes and the calls then open have ended, or `drain_max`
/// has passed. Connections still open then live until the runtime is dropped.
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

/// The service alone, without connections, health and authentication: for another server, or for a test.
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

/// Health and reflection. All threads share them: the descriptions that reflection answers from take megabytes
/// of memory, and milliseconds to build.
fn tools(health: HealthReporter, has_reflection: bool) -> Routes {
    let tools = Routes::new(HealthServer::new(health::Watchable::new(health)));
    if !has_reflection {
        return tools;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both descriptor sets are constants made by compilers, and a test calls the services.
    let v1 = reflection().build_v1().expect("descriptors are valid");
    // Still spoken by Python's and older tools.
    let v1alpha = reflection().build_v1alpha().expect("descriptors are valid");
    tools.add_service(v1).add_service(v1alpha)
}
