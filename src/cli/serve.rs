//! `serve`: runs the service until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use super::settings::Settings;
use super::{Ended, Failure};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Contents, OPEN_DOOR};
use crate::engine::Engine;
use crate::grpc::auth::Auth;
use crate::grpc::listeners::Listeners;
use crate::grpc::server_state::ServerState;
use crate::http::{Http, Told};
use crate::journal::SET_ASIDE_FLAG;
use crate::scoring::time::Timestamp;
use crate::telemetry::{LinesLost, LogFormat, Process, ReloadCounters, Sample};
use crate::{grpc, telemetry};

mod housekeeping;
mod open_files;
mod opening;
mod reloading;
mod signals;
mod sweeping;
mod time_of_day;
#[cfg(feature = "otlp")]
mod traces;
mod warnings;

use housekeeping::Housekeeping;
pub(super) use open_files::OpenFiles;
use reloading::{Reloading, Reloads, Watched};
use signals::Hangups;
pub(super) use signals::{Starter, StopSignals};
use sweeping::Sweeping;
#[cfg(feature = "otlp")]
use traces::Traces;
pub(super) use warnings::warnings;

/// Run the service until SIGTERM or SIGINT
///
/// Needs no configuration: gRPC is served on 127.0.0.1:50051 under the policy `balanced`, and what is
/// remembered is kept in ./data. Metrics and probes are on 127.0.0.1:9464: /metrics, /healthz, /readyz.
/// Settings come from one TOML file (`--config`), from the environment and from flags; later wins. Once
/// calls are taken, a line that ends in `ready address=HOST:PORT http_address=HOST:PORT …` goes to
/// standard error; before that the journal is read back, and the health service says NOT_SERVING. On
/// SIGTERM or SIGINT, open calls finish first; a second one ends them. Files of policies, tokens and
/// certificates are read again when they change, and on SIGHUP.
///
/// Examples:
///   doublecheck serve --grpc-address 127.0.0.1:7000 --policy strict.toml
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
    #[command(flatten)]
    starter: Starter,
}

/// Runs `serve`.
///
/// # Errors
/// When the configuration is faulty, the address or the data directory is taken, the journal is damaged,
/// or the transport fails.
pub fn run(arguments: &ServeArguments) -> Ended {
    let started = SystemClock::start().now();
    let mut config = arguments.settings.load()?;
    let format = config.log.format;
    let logging = telemetry::log_to_stderr(format, &config.log.filter);
    let open_files = OpenFiles::raised();
    for warning in warnings(&config, open_files, started) {
        tracing::warn!(target: "doublecheck", "{warning}");
    }
    config.limits.connections = open_files.connections_max(&config);
    // This thread only waits: for the state, for the signal to stop, and for the threads that serve.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::at_work("starting the runtime", &error))?;
    let served = runtime.block_on(serve(config, arguments, started, logging.lines_lost()));
    // A recovery that was cut short is not waited for.
    runtime.shutdown_background();
    match format {
        LogFormat::Pretty => served,
        LogFormat::Json => served.map_err(Failure::into_event),
    }
}

async fn serve(
    config: Config,
    arguments: &ServeArguments,
    started: Timestamp,
    lines_lost: LinesLost,
) -> Ended {
    // As they were when they were read.
    let watched = Watched::all(&config.files, arguments.settings.config.as_ref());
    let listeners = listen(&config).await?;
    let address = listeners.address();
    refuse_open_door(&config, address)?;
    let unheard = |error| Failure::at_work("waiting for signals", &error);
    let stop = StopSignals::listen().map_err(unheard)?;
    let stop = stop.first_or(arguments.starter.gone());
    let hangups = Hangups::listen().map_err(unheard)?;
    let mut insisted = std::pin::pin!(StopSignals::listen().map_err(unheard)?.second());

    #[cfg(feature = "otlp")]
    let traces = Traces::of(&config.log)?;
    let server_state = ServerState::logging(Sample::one_in(config.log.sample));
    let settings = grpc_settings(&config);
    let auth = settings.auth.clone();
    let counters = Arc::new(ReloadCounters::default());
    let told = Told {
        server_state: server_state.clone(),
        auth: auth.clone(),
        reloads: Arc::clone(&counters),
        snapshot_interval: config.snapshot_every.interval,
        lines_lost,
        process: Process { started },
    };
    let http = start_http(&config, told)?;
    let serving = grpc::serve_on_workers(listeners, server_state.clone(), settings, stop);
    let mut serving = std::pin::pin!(serving);
    let opening = opening::open(&config, arguments.set_damage_aside);
    let ended = |result: std::io::Result<()>| {
        result.map_err(|error| Failure::at_work(format!("serving on {address}"), &error))
    };
    let engine = tokio::select! {
        result = &mut serving => return ended(result),
        () = &mut insisted => return Ok(()),
        engine = opening => Arc::new(engine?),
    };
    let threads = Threads::start(&engine, &config)?;
    let reloads = Reloads {
        files: config.files.clone(),
        engine: Arc::clone(&engine),
        auth,
        counters,
        tell_settings: settings_teller(&config, arguments),
    };
    let reloading = Reloading::start(reloads, watched)
        .map_err(|error| Failure::at_work("starting a thread", &error))?;
    reloading.ask_at(hangups);
    server_state.set_engine(Arc::clone(&engine));
    tell_ready(&config, &engine, address, http.address());
    arguments.starter.tell(address, config.journal_ack);
    let mut hurried = false;
    tokio::select! {
        result = &mut serving => ended(result)?,
        () = &mut insisted => hurried = true,
    }
    opening::close(engine, threads, hurried, insisted).await?;
    #[cfg(feature = "otlp")]
    if let Some(traces) = traces {
        traces.end().await;
    }
    tracing::info!(target: "doublecheck", "stopped");
    Ok(())
}

/// Takes the address that is asked for.
pub(super) async fn listen(config: &Config) -> Result<Listeners, Failure> {
    let asked_for = config.grpc_address.as_str();
    Listeners::bind(asked_for, config.threads)
        .await
        .map_err(|error| Failure::at_work(format!("listening on {asked_for}"), &error))
}

fn start_http(config: &Config, told: Told) -> Result<Http, Failure> {
    let asked_for = config.http_address.as_str();
    Http::start(asked_for, told)
        .map_err(|error| Failure::at_work(format!("listening on {asked_for}"), &error))
}

/// How the edge serves.
fn grpc_settings(config: &Config) -> grpc::Settings {
    let Contents { access, tls, .. } = &config.contents;
    let clock = Arc::new(SystemClock::start());
    grpc::Settings {
        limits: config.limits,
        auth: Auth::new(access.clone(), tls.clone(), clock),
        reflection: config.reflection,
        drain_grace: config.drain_grace,
        drain_max: config.drain_deadline,
    }
}

/// A name may stand for any address: what counts is where it listens.
fn refuse_open_door(config: &Config, address: SocketAddr) -> Ended {
    let is_open = !config.insecure && !config.files.keep_strangers_out();
    if is_open && !address.ip().to_canonical().is_loopback() {
        let asked_for = &config.grpc_address;
        let told = format!("grpc.address: {asked_for} is {address}, which {OPEN_DOOR}");
        return Err(Failure::Usage(told));
    }
    Ok(())
}

/// Tells, whenever it is called, which settings a restart would find changed: those do not change while the
/// service runs.
fn settings_teller(config: &Config, arguments: &ServeArguments) -> Box<dyn Fn() + Send> {
    let settings = arguments.settings.clone();
    let in_force = config.effective.clone();
    Box::new(move || match settings.load() {
        Err(failure) => {
            // An event is a line, however many the faults are.
            let why = failure.to_string().replace('\n', "; ");
            tracing::error!(target: "doublecheck", "a restart would be refused: {why}");
        }
        Ok(found) => {
            let both = in_force.iter().zip(&found.effective);
            for (now, then) in both.filter(|(now, then)| now.value != then.value) {
                tracing::warn!(
                    target: "doublecheck", setting = now.path, in_force = now.value, found = then.value,
                    "this setting takes a restart"
                );
            }
        }
    })
}

/// The threads that work behind the back of the calls, for as long as this value lives.
struct Threads {
    _sweeping: Sweeping,
    _keeping: Housekeeping,
}

impl Threads {
    fn start(engine: &Arc<Engine>, config: &Config) -> Result<Self, Failure> {
        let failed = |error| Failure::at_work("starting a thread", &error);
        Ok(Self {
            _sweeping: Sweeping::start(Arc::clone(engine)).map_err(failed)?,
            _keeping: Housekeeping::start(Arc::clone(engine), config.snapshot_every)
                .map_err(failed)?,
        })
    }
}

fn tell_ready(config: &Config, engine: &Engine, address: SocketAddr, http_address: SocketAddr) {
    let Config {
        memory_budget,
        journal_ack,
        ..
    } = config;
    let policies = engine.policies();
    let policy = policies.primary().version();
    let shadow = policies.shadow().map(|shadow| &**shadow.version());
    tracing::info!(
        target: "doublecheck", %address, %http_address, threads = config.threads, %memory_budget, %journal_ack, %policy,
        shadow, "ready"
    );
}
