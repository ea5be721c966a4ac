//! Workers: threads that each have a runtime and a listener of their own.
//!
//! A connection, its calls and their memory stay on the thread that accepted it. Nothing is stolen or handed
//! over, which would cost half of what a runtime over several threads does. The price: one connection is served
//! by one core.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::Settings;
use super::admission::Admission;
use super::connections::Edge;
use super::listeners::Listeners;
use super::router::Router;
use super::server_state::ServerState;

/// After how many polls of tasks a worker looks for new events. tokio's default of 61 is too many where a poll
/// may be a batch: whatever arrives would wait for all of them.
const TURNS_BETWEEN_LOOKS: u32 = 8;

/// Serves on one worker for each listener until `shutdown` completes and the calls then open have ended, or
/// `drain_max` has passed; what is open then is closed.
///
/// Connections are counted in `server_state`. `services` is called on each worker, so that what it creates,
/// such as reference counts, is not shared between cores.
///
/// # Errors
/// When a worker cannot start, or fails.
pub async fn run(
    listeners: Listeners,
    server_state: ServerState,
    services: impl Fn(Arc<Admission>) -> Router + Clone + Send + 'static,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let edge = Edge::new(server_state, settings, listeners.each.len());
    let serve = move |listener, stop: Stop| async move {
        edge.serve(listener, services, stop.asked()).await;
        Ok(())
    };
    run_each(listeners, serve, shutdown).await
}

/// Lets each worker `serve` its listener, and tells it to stop when `shutdown` completes.
///
/// A worker that fails takes the others with it: half a service would look like a whole one.
///
/// # Errors
/// When a worker cannot start, or fails.
pub(super) async fn run_each<S, F>(
    listeners: Listeners,
    serve: S,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: FnOnce(tokio::net::TcpListener, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<()>>,
{
    // Dropping it tells every worker to stop, however this function ends.
    let (stop, stopping) = watch::channel(());
    let mut workers = JoinSet::new();
    for (nth, listener) in listeners.each.into_iter().enumerate() {
        let (serve, stop) = (serve.clone(), Stop(stopping.clone()));
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name(format!("grpc-{nth}"))
            .spawn(move || ended.send(work(listener, serve, stop)))?;
        workers.spawn(async {
            let panicked = |_| Err(io::Error::other("a worker panicked"));
            end.await.unwrap_or_else(panicked)
        });
    }
    let mut result = tokio::select! {
        () = shutdown => Ok(()),
        Some(ended) = workers.join_next() => ended?,
    };
    drop(stop);
    while let Some(ended) = workers.join_next().await {
        result = result.and(ended?);
    }
    result
}

/// Tells a worker to stop.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<()>);

impl Stop {
    /// Waits until the worker is to stop.
    pub(super) async fn asked(mut self) {
        // Nothing is ever sent: this is the error of a dropped sender.
        let _ = self.0.changed().await;
    }
}

/// The life of one worker.
fn work<F: Future<Output = io::Result<()>>>(
    listener: TcpListener,
    serve: impl FnOnce(tokio::net::TcpListener, Stop) -> F,
    stop: Stop,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TURNS_BETWEEN_LOOKS)
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serve(listener, stop).await
    })
}
