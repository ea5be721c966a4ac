//! The settings as arguments, for every command that has any.

use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, Flags};

mod limits;

use limits::LimitFlags;

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Settings {
    /// The TOML file of settings; relative paths in it start from its folder
    #[arg(long, value_name = "FILE", env = "DOUBLECHECK_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Where to serve gRPC; port 0 picks a free one [file: grpc.address] [env: DOUBLECHECK_GRPC_ADDRESS]
    /// [default: 127.0.0.1:50051]
    #[arg(long, value_name = "HOST:PORT")]
    grpc_address: Option<String>,
    /// Serve gRPC where others than this machine can reach it, without TLS and without asking who they are
    /// [file: grpc.insecure] [env: DOUBLECHECK_GRPC_INSECURE] [default: false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure: Option<String>,
    /// Whether tools may ask what is served [file: grpc.reflection] [env: DOUBLECHECK_GRPC_REFLECTION]
    /// [default: true]
    #[arg(long, value_name = "true|false")]
    grpc_reflection: Option<String>,
    /// The certificate to speak TLS with, in PEM, and those between it and a root that clients know
    /// [file: tls.certificate] [env: DOUBLECHECK_TLS_CERTIFICATE]
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// Its key, in PEM [file: tls.key] [env: DOUBLECHECK_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// The roots of clients' certificates, in PEM: every client has to show one [file: tls.client_ca]
    /// [env: DOUBLECHECK_TLS_CLIENT_CA]
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// The TOML file of tokens, which says who may call what; `doublecheck token` makes one
    /// [file: auth.tokens] [env: DOUBLECHECK_AUTH_TOKENS]
    #[arg(long, value_name = "FILE")]
    auth_tokens: Option<String>,
    /// Where to serve metrics and probes over HTTP; port 0 picks a free one [file: http.address]
    /// [env: DOUBLECHECK_HTTP_ADDRESS] [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    http_address: Option<String>,
    /// How many threads serve calls, 1 to 1024 [file: threads] [env: DOUBLECHECK_THREADS]
    /// [default: one for each core]
    #[arg(long, value_name = "NUMBER")]
    threads: Option<String>,
    /// For how many milliseconds calls are still taken once health says NOT_SERVING, so that balancers can
    /// turn away first, 0 to 600000 [file: drain.grace_ms] [env: DOUBLECHECK_DRAIN_GRACE_MS] [default: 0]
    #[arg(long, value_name = "MILLISECONDS")]
    drain_grace_ms: Option<String>,
    /// For how many seconds open calls may go on after that, 0 to 3600 [file: drain.deadline_s]
    /// [env: DOUBLECHECK_DRAIN_DEADLINE_S] [default: 10]
    #[arg(long, value_name = "SECONDS")]
    drain_deadline_s: Option<String>,
    /// The directory that the journal, its snapshots and the key of confirmation tokens are kept in; one
    /// process at a time [file: data_dir] [env: DOUBLECHECK_DATA_DIR] [default: data]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// What an answer waits for: written (killing the process forgets nothing), synced (losing power
    /// forgets nothing), or none (nothing is kept, and a restart forgets all) [file: journal.ack]
    /// [env: DOUBLECHECK_JOURNAL_ACK] [default: written]
    #[arg(long, value_name = "none|written|synced")]
    journal_ack: Option<String>,
    /// For how many milliseconds a disk may not answer before answers no longer wait for it, 10 to 600000;
    /// they say `degraded` then, until it works again [file: journal.patience_ms]
    /// [env: DOUBLECHECK_JOURNAL_PATIENCE_MS] [default: 1000]
    #[arg(long, value_name = "MILLISECONDS")]
    journal_patience_ms: Option<String>,
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
    /// Which events are logged: a level, or levels by target [file: log.filter] [env: DOUBLECHECK_LOG_FILTER]
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
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let environment = variables.collect();
        // Environment and file are looked at by the configuration, which tells their faults apart.
        let flags = Flags {
            grpc_address: self.grpc_address.clone(),
            insecure: self.insecure.clone(),
            grpc_reflection: self.grpc_reflection.clone(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            tls_client_ca: self.tls_client_ca.clone(),
            auth_tokens: self.auth_tokens.clone(),
            drain_grace_ms: self.drain_grace_ms.clone(),
            drain_deadline_s: self.drain_deadline_s.clone(),
            http_address: self.http_address.clone(),
            threads: self.threads.clone(),
            data_dir: self.data_dir.clone(),
            journal_ack: self.journal_ack.clone(),
            journal_patience_ms: self.journal_patience_ms.clone(),
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
        Config::load(self.config.as_deref(), &environment, &flags)
            .map_err(|faults| Failure::faulty(&faults))
    }
}
