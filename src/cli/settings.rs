//! The settings as arguments, for every command that has any.

use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, Flags};

mod limits;

use limits::LimitFlags;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Settings {
    /// The TOML file of settings
    #[arg(long, value_name = "FILE", env = "DOUBLECHECK_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Where to serve gRPC; port 0 picks a free one [file: grpc.address] [env: DOUBLECHECK_GRPC_ADDRESS]
    /// [default: 127.0.0.1:50051]
    #[arg(long, value_name = "HOST:PORT")]
    grpc_address: Option<String>,
    /// Where to serve metrics and probes over HTTP; port 0 picks a free one [file: http.address]
    /// [env: DOUBLECHECK_HTTP_ADDRESS] [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    http_address: Option<String>,
    /// How many threads serve calls, 1 to 1024 [file: threads] [env: DOUBLECHECK_THREADS]
    /// [default: one for each core]
    #[arg(long, value_name = "NUMBER")]
    threads: Option<String>,
    /// The directory that the journal, its snapshots and the key of confirmation tokens are kept in; one
    /// process at a time [file: data_dir] [env: DOUBLECHECK_DATA_DIR] [default: data]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// What an answer waits for: written (killing the process forgets nothing), synced (losing power
    /// forgets nothing), or none (nothing is kept, and a restart forgets all) [file: journal.ack]
    /// [env: DOUBLECHECK_JOURNAL_ACK] [default: written]
    #[arg(long, value_name = "none|written|synced")]
    journal_ack: Option<String>,
    /// After how many seconds a snapshot is taken, 10 to 86400 [file: snapshot.interval_s]
    /// [env: DOUBLECHECK_SNAPSHOT_INTERVAL_S] [default: 900]
    #[arg(long, value_name = "SECONDS")]
    snapshot_interval_s: Option<String>,
    /// After how many MiB of journal a snapshot is taken, if that is earlier, 1 to 1048576
    /// [file: snapshot.journal_mib] [env: DOUBLECHECK_SNAPSHOT_JOURNAL_MIB] [default: 512]
    #[arg(long, value_name = "MIB")]
    snapshot_journal_mib: Option<String>,
    /// How much memory accounts, payees and devices may take, 16MiB or more: bytes, or MiB, GiB, TiB, MB,
    /// GB, TB [file: memory.budget] [env: DOUBLECHECK_MEMORY_BUDGET] [default: half of what the machine or
    /// the cgroup allows]
    #[arg(long, value_name = "BYTES")]
    memory_budget: Option<String>,
    /// How events are logged to standard error: for people, or an object of JSON a line [file: log.format]
    /// [env: DOUBLECHECK_LOG_FORMAT] [default: pretty]
    #[arg(long, value_name = "pretty|json")]
    log_format: Option<String>,
    /// Which events are logged: a level, or levels by target [file: log.filter] [env: DOUBLECHECK_LOG]
    /// [default: info]
    #[arg(long, value_name = "LEVELS")]
    log_filter: Option<String>,
    /// Of how many payments that are asked about or blocked one is logged, 0 to 1000000; 0: none
    /// [file: log.sample] [env: DOUBLECHECK_LOG_SAMPLE] [default: 100]
    #[arg(long, value_name = "COUNT")]
    log_sample: Option<String>,
    /// Where an OpenTelemetry collector takes the spans of calls whose caller records a trace; only in builds
    /// with the feature otlp [file: otlp.endpoint] [env: DOUBLECHECK_OTLP_ENDPOINT] [default: nowhere]
    #[arg(long, value_name = "http://HOST:PORT")]
    otlp_endpoint: Option<String>,
    /// The policy: balanced, cautious or lenient, or a TOML file of thresholds and weights
    /// [file: policy.path] [env: DOUBLECHECK_POLICY] [default: balanced]
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// A second policy that is asked beside the first and never obeyed: what would it have decided?
    /// [file: policy.shadow] [env: DOUBLECHECK_SHADOW_POLICY]
    #[arg(long, value_name = "NAME|FILE")]
    shadow_policy: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

impl Settings {
    /// What these, the file and the environment come to.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let variable = |name: &str| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        };
        // Environment and file are looked at by the configuration, which tells their faults apart.
        let flags = Flags {
            grpc_address: self.grpc_address.clone(),
            http_address: self.http_address.clone(),
            threads: self.threads.clone(),
            data_dir: self.data_dir.clone(),
            journal_ack: self.journal_ack.clone(),
            snapshot_interval_s: self.snapshot_interval_s.clone(),
            snapshot_journal_mib: self.snapshot_journal_mib.clone(),
            memory_budget: self.memory_budget.clone(),
            log_format: self.log_format.clone(),
            log_filter: self.log_filter.clone(),
            log_sample: self.log_sample.clone(),
            otlp_endpoint: self.otlp_endpoint.clone(),
            policy: self.policy.clone(),
            shadow_policy: self.shadow_policy.clone(),
            limits: self.limits.0.clone(),
        };
        Config::load(self.config.as_deref(), variable, &flags)
            .map_err(|faults| Failure::faulty(&faults))
    }
}
