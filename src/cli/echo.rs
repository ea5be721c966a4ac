//! `echo`: serves the echo twin, which `load --echo` measures the service against.

use super::serve::{Starter, StopSignals, listen};
use super::settings::Settings;
use super::{Ended, Failure, client};
use crate::config::{Config, JournalAck};
use crate::{grpc, telemetry};

/// Serve the echo twin: the same messages, every payment allowed unread
///
/// For measuring what scoring adds to a bare call; `doublecheck load --echo` starts it by itself. It
/// serves in the same way as `serve` and takes the same settings; those of policies change nothing.
///
/// Example:
///   doublecheck echo --grpc-address 127.0.0.1:0 --threads 1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct EchoArguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    starter: Starter,
}

/// Runs `echo`.
///
/// # Errors
/// When the configuration is faulty, the address is taken, or the transport fails.
pub fn run(arguments: &EchoArguments) -> Ended {
    let config = arguments.settings.load()?;
    let _logging = telemetry::log_to_stderr(config.log.format, &config.log.filter);
    client::block_on(serve(&config, &arguments.starter))
}

async fn serve(config: &Config, starter: &Starter) -> Ended {
    let listeners = listen(config).await?;
    let stop = StopSignals::listen()
        .map_err(|error| Failure::at_work("waiting for signals", &error))?
        .first_or(starter.gone());
    let address = listeners.address();
    tracing::info!(target: "doublecheck", %address, threads = config.threads, "ready");
    starter.tell(address, JournalAck::NONE);
    let settings = grpc::Settings {
        limits: config.limits,
        ..Default::default()
    };
    grpc::serve_echo_on_workers(listeners, settings, stop)
        .await
        .map_err(|error| Failure::at_work(format!("serving on {address}"), &error))
}
