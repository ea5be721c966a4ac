//! `serve`: runs the service until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use super::settings::Settings;
use super::{Ended, Failure};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::engine::Engine;
use crate::grpc::door::Door;
use crate::grpc::listeners::Listeners;
use crate::http::Http;
use crate::journal::SET_ASIDE_FLAG;
use crate::scoring::time::Timestamp;
use crate::{grpc, telemetry};

mod keeping;
mod opening;
mod sweeping;
#[cfg(feature = "otlp")]
mod traces;

use keeping::Keeping;
use sweeping::Sweeping;
#[cfg(feature = "otlp")]
use traces::Traces;

/// Run the service until SIGTERM or SIGINT
///
/// Needs no configuration: gRPC is served on 127.0.0.1:50051 under the policy `balanced`, and what is
/// remembered is kept in ./data. Metrics and probes are on 127.0.0.1:9464: /metrics, /healthz, /readyz.
/// Settings come from one TOML file (`--config`), from the environment and from flags; later wins. Once
/// calls are taken, a line that ends in `ready address=HOST:PORT http_address=HOST:PORT …` goes to
/// standard error; before that the journal is read back, and the health service says NOT_SERVING. On
/// SIGTERM or SIGINT, open calls finish first.
///
/// Examples:
///   doublecheck serve --grpc-address 0.0.0.0:50051 --policy strict.toml
///   doublecheck serve --config doublecheck.toml --data-dir /var/lib/doublecheck
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct ServeArguments {
    #[command(flatten)]
    settings: Settings,
    /// Start although the journal is damaged: go on with what stands before the damage, and keep what
    /// stands behind it in a file of its own
    #[arg(long = SET_ASIDE_FLAG.trim_start_matches('-'))]
    set_damage_aside: bool,
}

/// Runs `serve`.
///
/// # Errors
/// When the configuration is faulty, the address or the data directory is taken, the journal is damaged,
/// or the transport fails.
pub fn run(arguments: &ServeArguments) -> Ended {
    let started = SystemClock::start().now();
    let config = arguments.settings.load()?;
    telemetry::log_to_stderr(config.log.format, &config.log.filter);
    // This thread only waits: for the state, for the signal to stop, and for the threads that serve.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::at_work("starting the runtime", &error))?;
    let served = runtime.block_on(serve(&config, arguments.set_damage_aside, started));
    // A recovery that was cut short is not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(config: &Config, sets_damage_aside: bool, started: Timestamp) -> Ended {
    let asked_for = &config.grpc_address;
    let listeners = Listeners::bind(asked_for.as_str(), config.threads.get())
        .await
        .map_err(|error| Failure::at_work(format!("listening on {asked_for}"), &error))?;
    let address = listeners.address();
    let stop = stop_signal().map_err(|error| Failure::at_work("waiting for signals", &error))?;

    #[cfg(feature = "otlp")]
    let traces = config
        .log
        .otlp_endpoint
        .as_ref()
        .map(Traces::send_to)
        .transpose()?;
    let door = Door::logging(config.log.sample.sample());
    let asked_for = config.http_address.as_str();
    let http = Http::start(asked_for, door.clone(), started)
        .map_err(|error| Failure::at_work(format!("listening on {asked_for}"), &error))?;
    let settings = grpc::Settings {
        limits: config.limits,
        ..Default::default()
    };
    let serving = grpc::serve_on_workers(listeners, door.clone(), settings, stop);
    let mut serving = std::pin::pin!(serving);
    let opening = opening::open(config, sets_damage_aside);
    let ended = |result: std::io::Result<()>| {
        result.map_err(|error| Failure::at_work(format!("serving on {address}"), &error))
    };
    let engine = tokio::select! {
        result = &mut serving => return ended(result),
        engine = opening => engine?,
    };
    let engine = Arc::new(engine);
    let _sweeping = Sweeping::start(Arc::clone(&engine))
        .map_err(|error| Failure::at_work("starting a thread", &error))?;
    let keeping = Keeping::start(Arc::clone(&engine), config.snapshot_every)
        .map_err(|error| Failure::at_work("starting a thread", &error))?;
    door.open(Arc::clone(&engine));
    tell_ready(config, &engine, address, http.address());
    ended(serving.await)?;
    drop(keeping);
    opening::close(engine).await?;
    #[cfg(feature = "otlp")]
    if let Some(traces) = traces {
        traces.end().await;
    }
    tracing::info!(target: "doublecheck", "stopped");
    Ok(())
}

fn tell_ready(config: &Config, engine: &Engine, address: SocketAddr, http_address: SocketAddr) {
    let Config {
        threads,
        memory_budget,
        journal_ack,
        ..
    } = config;
    let policy = engine.policy().version().clone();
    let shadow = engine.shadow_policy().map(|shadow| &**shadow.version());
    tracing::info!(
        target: "doublecheck", %address, %http_address, %threads, %memory_budget, %journal_ack, %policy,
        shadow, "ready"
    );
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
