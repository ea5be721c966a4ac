//! The settings by all their names.

use std::ops::RangeInclusive;

use super::journal::JournalAck;
use super::log::{FILTER_EXPECTED, FORMAT_EXPECTED, OTLP_EXPECTED};
use super::memory::MemoryBudget;
use crate::grpc::limits::{Limit, Limits};

/// A setting: the names that it goes by, what it takes, and what people are told of it.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) path: &'static str,
    pub(super) variable: &'static str,
    pub(super) flag: &'static str,
    /// What the flag takes, in a word.
    value_name: &'static str,
    /// What it is unless told otherwise, in words.
    default: Option<&'static str>,
    /// What it must be.
    pub(super) expected: &'static str,
    pub(super) takes: Takes,
    /// What it is about, in lines.
    what: &'static [&'static str],
}

/// What a file may give for a setting.
#[derive(Debug)]
pub(super) enum Takes {
    /// A text, or a number that stands for one.
    Text,
    /// True or false.
    Flag,
    /// A whole number within bounds.
    Whole(RangeInclusive<u64>),
}

impl Setting {
    pub(super) const fn of(limit: &Limit) -> Self {
        Self {
            path: limit.path,
            variable: limit.variable,
            flag: limit.flag,
            value_name: "NUMBER",
            default: None,
            expected: limit.expected,
            takes: Takes::Text,
            what: limit.what,
        }
    }

    /// What it is about, and how else it can be given.
    fn help(&self) -> String {
        let Self { path, variable, .. } = self;
        let what = self.what.concat();
        let what = what.trim().trim_end_matches('.');
        format!("{what} [file: {path}] [env: {variable}]")
    }
}

/// A flag of the command line that gives a setting.
#[derive(Debug)]
pub struct Flag {
    /// The flag, such as `--threads`.
    pub name: &'static str,
    /// What it takes, in a word.
    pub value_name: &'static str,
    /// What people are told of it.
    pub help: String,
}

/// The flags of all settings.
pub fn flags() -> impl Iterator<Item = Flag> {
    let flag = |setting: &Setting, help| Flag {
        name: setting.flag,
        value_name: setting.value_name,
        help,
    };
    let settings = SETTINGS.iter().map(move |setting| {
        let default = setting
            .default
            .map(|default| format!(" [default: {default}]"));
        flag(setting, setting.help() + &default.unwrap_or_default())
    });
    let limits = Limits::ALL.iter().map(move |limit| {
        let setting = Setting::of(limit);
        let (expected, default) = (limit.expected, limit.default);
        let help = setting
            .help()
            .replacen(" [file: ", &format!(": {expected} [file: "), 1);
        flag(&setting, format!("{help} [default: {default}]"))
    });
    settings.chain(limits)
}

macro_rules! settings {
    ($($(#[doc = $what:literal])+ $constant:ident = $path:literal, $variable:literal, $flag:literal,
        $value_name:literal, $default:expr, $expected:expr, $takes:expr;)+) => {
        $(
            $(#[doc = $what])+
            pub(super) const $constant: Setting = Setting {
                path: $path,
                variable: $variable,
                flag: $flag,
                value_name: $value_name,
                default: $default,
                expected: $expected,
                takes: $takes,
                what: &[$($what),+],
            };
        )+

        /// All of them, in the order in which they are told.
        pub(super) const SETTINGS: &[Setting] = &[$($constant),+];
    };
}

settings! {
    /// Where to serve gRPC; port 0 picks a free one
    GRPC_ADDRESS = "grpc.address", "DOUBLECHECK_GRPC_ADDRESS", "--grpc-address", "HOST:PORT", Some("127.0.0.1:50051"),
        "a text", Takes::Text;
    /// Serve gRPC where others than this machine can reach it, without TLS and without asking who they are
    GRPC_INSECURE = "grpc.insecure", "DOUBLECHECK_GRPC_INSECURE", "--insecure", "true|false", Some("false"),
        "true or false", Takes::Flag;
    /// Whether tools may ask what is served
    GRPC_REFLECTION = "grpc.reflection", "DOUBLECHECK_GRPC_REFLECTION", "--grpc-reflection", "true|false",
        Some("true"), "true or false", Takes::Flag;
    /// The certificate to speak TLS with, in PEM, and those between it and a root that clients know
    TLS_CERTIFICATE = "tls.certificate", "DOUBLECHECK_TLS_CERTIFICATE", "--tls-certificate", "FILE", None,
        "a text", Takes::Text;
    /// Its key, in PEM
    TLS_KEY = "tls.key", "DOUBLECHECK_TLS_KEY", "--tls-key", "FILE", None, "a text", Takes::Text;
    /// The roots of clients' certificates, in PEM: every client has to show one
    TLS_CLIENT_CA = "tls.client_ca", "DOUBLECHECK_TLS_CLIENT_CA", "--tls-client-ca", "FILE", None,
        "a text", Takes::Text;
    /// The TOML file of tokens, which says who may call what; `doublecheck token` makes one
    AUTH_TOKENS = "auth.tokens", "DOUBLECHECK_AUTH_TOKENS", "--auth-tokens", "FILE", None, "a text", Takes::Text;
    /// Where to serve metrics and probes over HTTP; port 0 picks a free one
    HTTP_ADDRESS = "http.address", "DOUBLECHECK_HTTP_ADDRESS", "--http-address", "HOST:PORT", Some("127.0.0.1:9464"),
        "a text", Takes::Text;
    /// How many threads serve calls, 1 to 1024
    THREADS = "threads", "DOUBLECHECK_THREADS", "--threads", "NUMBER", Some("one for each core"),
        "a whole number from 1 to 1024", Takes::Whole(1..=1_024);
    /// For how many milliseconds calls are still taken once health says NOT_SERVING, so that balancers can
    /// turn away first, 0 to 600000
    DRAIN_GRACE = "drain.grace_ms", "DOUBLECHECK_DRAIN_GRACE_MS", "--drain-grace-ms", "MILLISECONDS", Some("0"),
        "a whole number of milliseconds from 0 to 600000", Takes::Whole(0..=600_000);
    /// For how many seconds open calls may go on after that, 0 to 3600
    DRAIN_DEADLINE = "drain.deadline_s", "DOUBLECHECK_DRAIN_DEADLINE_S", "--drain-deadline-s", "SECONDS", Some("10"),
        "a whole number of seconds from 0 to 3600", Takes::Whole(0..=3_600);
    /// The directory that the journal, its snapshots and the key of confirmation tokens are kept in; one
    /// process at a time
    DATA_DIR = "data_dir", "DOUBLECHECK_DATA_DIR", "--data-dir", "DIRECTORY", Some("data"), "a text", Takes::Text;
    /// What an answer waits for: written (killing the process forgets nothing), synced (losing power
    /// forgets nothing), or none (nothing is kept, and a restart forgets all)
    JOURNAL_ACK = "journal.ack", "DOUBLECHECK_JOURNAL_ACK", "--journal-ack", "none|written|synced", Some("written"),
        JournalAck::EXPECTED, Takes::Text;
    /// For how many milliseconds a disk may not answer before answers no longer wait for it, 10 to 600000;
    /// they say `degraded` then, until it works again
    JOURNAL_PATIENCE = "journal.patience_ms", "DOUBLECHECK_JOURNAL_PATIENCE_MS", "--journal-patience-ms",
        "MILLISECONDS", Some("1000"),
        "a whole number of milliseconds from 10 to 600000", Takes::Whole(10..=600_000);
    /// After how many seconds a snapshot is taken, 10 to 86400
    SNAPSHOT_INTERVAL = "snapshot.interval_s", "DOUBLECHECK_SNAPSHOT_INTERVAL_S", "--snapshot-interval-s", "SECONDS",
        Some("900"), "a whole number of seconds from 10 to 86400", Takes::Whole(10..=86_400);
    /// After how many MiB of journal a snapshot is taken, if that is earlier, 1 to 1048576
    SNAPSHOT_JOURNAL = "snapshot.journal_mib", "DOUBLECHECK_SNAPSHOT_JOURNAL_MIB", "--snapshot-journal-mib", "MIB",
        Some("512"), "a whole number of MiB from 1 to 1048576", Takes::Whole(1..=1_048_576);
    /// How much memory accounts, payees and devices may take, 16MiB or more: bytes, or MiB, GiB, TiB, MB,
    /// GB, TB
    MEMORY_BUDGET = "memory.budget", "DOUBLECHECK_MEMORY_BUDGET", "--memory-budget", "BYTES",
        Some("half of what the machine or the cgroup allows"), MemoryBudget::EXPECTED, Takes::Text;
    /// How events are logged to standard error: for people, or an object of JSON a line
    LOG_FORMAT = "log.format", "DOUBLECHECK_LOG_FORMAT", "--log-format", "pretty|json", Some("pretty"),
        FORMAT_EXPECTED, Takes::Text;
    /// Which events are logged: a level, or levels by target
    LOG_FILTER = "log.filter", "DOUBLECHECK_LOG_FILTER", "--log-filter", "LEVELS", Some("info"),
        FILTER_EXPECTED, Takes::Text;
    /// Of how many payments that are asked about or blocked one is logged, 0 to 1000000; 0: none
    LOG_SAMPLE = "log.sample", "DOUBLECHECK_LOG_SAMPLE", "--log-sample", "COUNT", Some("100"),
        "a whole number from 0 to 1000000", Takes::Whole(0..=1_000_000);
    /// Where an OpenTelemetry collector takes the spans of calls whose caller records a trace; only in builds
    /// with the feature otlp
    OTLP_ENDPOINT = "otlp.endpoint", "DOUBLECHECK_OTLP_ENDPOINT", "--otlp-endpoint", "http://HOST:PORT",
        Some("nowhere"), OTLP_EXPECTED, Takes::Text;
    /// The policy: balanced, cautious or lenient, or a TOML file of thresholds and weights
    POLICY_PATH = "policy.path", "DOUBLECHECK_POLICY", "--policy", "NAME|FILE", Some("balanced"),
        "a text", Takes::Text;
    /// A second policy that is asked beside the first and never obeyed: what would it have decided?
    POLICY_SHADOW = "policy.shadow", "DOUBLECHECK_SHADOW_POLICY", "--shadow-policy", "NAME|FILE", None,
        "a text", Takes::Text;
}

/// Variables of the environment that are no settings: what the program is run and called with, and how its
/// own tests are.
const OTHER_VARIABLES: &[&str] = &[
    "DOUBLECHECK_CONFIG",
    "DOUBLECHECK_SERVER",
    "DOUBLECHECK_BEARER_TOKEN",
    "DOUBLECHECK_TLS_CA",
    "DOUBLECHECK_TLS_CLIENT_CERTIFICATE",
    "DOUBLECHECK_TLS_CLIENT_KEY",
];

/// What the name of each of them begins with.
pub(super) const PREFIX: &str = "DOUBLECHECK_";

/// Whether a variable of the environment can only be meant for this program, which does not know it.
pub(super) fn is_unknown(variable: &str, value: &str) -> bool {
    variable.starts_with(PREFIX)
        && !variables().any(|known| known == variable)
        && !is_of_kubernetes(variable, value)
}

/// Every setting by its path.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.iter().map(|setting| setting.path);
    settings.chain(Limits::ALL.iter().map(|limit| limit.path))
}

/// Every variable that is known.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.iter().map(|setting| setting.variable);
    let limits = Limits::ALL.iter().map(|limit| limit.variable);
    settings
        .chain(limits)
        .chain(OTHER_VARIABLES.iter().copied())
}

/// Kubernetes tells each container of the services around it in variables of their names, and one of them
/// is likely called as this program is. What could be meant for a setting as well, `…_PORT`, tells an address
/// such as `tcp://10.0.0.1:80` there.
fn is_of_kubernetes(variable: &str, value: &str) -> bool {
    let says = |part| variable.contains(part);
    let tells_address = variable.ends_with("_PORT") && value.contains("://");
    says("_SERVICE_HOST") || says("_SERVICE_PORT") || says("_PORT_") || tells_address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_names_the_bounds() {
        for setting in SETTINGS {
            if let Takes::Whole(range) = &setting.takes {
                let bounds = format!("from {} to {}", range.start(), range.end());
                assert!(setting.expected.ends_with(&bounds), "{}", setting.path);
            }
        }
    }

    #[test]
    fn names_follow_from_paths() {
        for Setting {
            path,
            variable,
            flag,
            ..
        } in SETTINGS
        {
            if path.starts_with("policy.") || *path == "grpc.insecure" {
                continue;
            }
            let name = path.replace('.', "_");
            assert_eq!(*variable, format!("{PREFIX}{}", name.to_uppercase()));
            assert_eq!(*flag, format!("--{}", name.replace('_', "-")));
        }
    }

    #[test]
    fn variables_that_others_set_are_left_alone() {
        for (others, value) in [
            ("PATH", "/bin"),
            ("DOUBLECHECK_SERVICE_HOST", "10.0.0.1"),
            ("DOUBLECHECK_SERVICE_PORT", "50051"),
            ("DOUBLECHECK_SERVICE_PORT_GRPC", "50051"),
            ("DOUBLECHECK_PORT", "tcp://10.0.0.1:50051"),
            ("DOUBLECHECK_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
            ("DOUBLECHECK_PORT_50051_TCP_PORT", "50051"),
            ("DOUBLECHECK_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("DOUBLECHECK_HEADLESS_PORT", "udp://[fd00::1]:53"),
        ] {
            assert!(!is_unknown(others, value), "{others}");
        }
        for (ours, value) in [
            ("DOUBLECHECK_", ""),
            ("DOUBLECHECK_THREAD", "1"),
            ("DOUBLECHECK_GRPC_ADRESS", "tcp://10.0.0.1:50051"),
            ("DOUBLECHECK_HTTP_PORT", "9464"),
            ("DOUBLECHECK_PORT", ""),
        ] {
            assert!(is_unknown(ours, value), "{ours}");
        }
    }
}
