//! `serve`: runs the service until it is told to stop.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::settings::Settings;
use super::{Ended, Failure};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::Engine;
use crate::grpc::listeners::Listeners;
use crate::scoring::policy::Policies;
use crate::token::TokenKey;
use crate::{grpc, telemetry};

/// How often what is too old is let go of. Nothing but memory depends on it.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// For how long it rests after each run of accounts, so that it takes a core for a fraction of the time.
const SWEEP_REST: Duration = Duration::from_millis(1);

/// Run the service until SIGTERM or SIGINT
///
/// Needs no configuration: gRPC is served on 127.0.0.1:50051 under the policy `balanced`. Settings come
/// from one TOML file (`--config`), from the environment and from flags; later wins. Once calls are
/// taken, a line that ends in `ready address=HOST:PORT …` goes to standard error. On SIGTERM or
/// SIGINT, open calls finish first.
///
/// Examples:
///   doublecheck serve --grpc-address 0.0.0.0:50051 --policy strict.toml
///   doublecheck serve --config doublecheck.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct ServeArguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs `serve`.
///
/// # Errors
/// When the configuration is faulty, the address is taken, or the transport fails.
pub fn run(arguments: &ServeArguments) -> Ended {
    let config = arguments.settings.load()?;
    telemetry::log_to_stderr();
    let token_key = TokenKey::random()
        .map_err(|error| Failure::at_work("making a key for confirmation tokens", &error))?;
    let clock = Arc::new(SystemClock::start());
    let policies = Policies::new(config.policy.clone(), config.shadow.clone());
    let engine = Engine::new(policies, clock, token_key);
    let engine = Arc::new(match config.memory_budget.bytes_max() {
        Some(bytes_max) => engine.with_memory_budget(bytes_max),
        None => engine,
    });

    // This thread only waits: for the signal to stop, and then for the threads that serve.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::at_work("starting the runtime", &error))?;
    let _sweeping = Sweeping::start(Arc::clone(&engine))
        .map_err(|error| Failure::at_work("starting a thread", &error))?;
    runtime.block_on(serve(&config, engine))
}

async fn serve(config: &Config, engine: Arc<Engine>) -> Ended {
    let Config {
        grpc_address: asked_for,
        threads,
        memory_budget,
        ..
    } = config;
    let listeners = Listeners::bind(asked_for.as_str(), threads.get())
        .await
        .map_err(|error| Failure::at_work(format!("listening on {asked_for}"), &error))?;
    let stop = stop_signal().map_err(|error| Failure::at_work("waiting for signals", &error))?;

    let address = listeners.address();
    let policy = engine.policy().version().clone();
    let shadow = engine.shadow_policy().map(|shadow| &**shadow.version());
    tracing::info!(target: "doublecheck", %address, %threads, %memory_budget, %policy, shadow, "ready");
    grpc::serve_on_workers(listeners, engine, stop, grpc::DRAIN_MAX)
        .await
        .map_err(|error| Failure::at_work(format!("serving on {address}"), &error))?;
    tracing::info!(target: "doublecheck", "stopped");
    Ok(())
}

/// Completes when the process is asked to stop. Listens from now on, not from the first poll on.
#[cfg(unix)]
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(target: "doublecheck", signal = name, "stopping");
    })
}

/// Completes when the process is asked to stop.
#[cfg(not(unix))]
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        // Without the signal there is no way to be asked; serving goes on until the process is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

/// A thread that sweeps the engine for as long as this value lives: a sweep visits every account, and
/// no call should wait for that.
struct Sweeping {
    _stop: mpsc::Sender<()>,
}

impl Sweeping {
    fn start(engine: Arc<Engine>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new()
            .name("sweep".to_owned())
            .spawn(move || {
                let goes_on =
                    |after| stopped.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout);
                while goes_on(SWEEP_EVERY) {
                    engine.sweep_in_runs(|| goes_on(SWEEP_REST));
                }
            })?;
        Ok(Self { _stop: stop })
    }
}
