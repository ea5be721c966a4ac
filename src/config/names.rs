//! The settings by all their names.

use std::ops::RangeInclusive;

use super::journal::JournalAck;
use super::log::{FILTER_EXPECTED, FORMAT_EXPECTED, LogSample};
use super::memory::MemoryBudget;
use super::otlp::OtlpEndpoint;
use crate::grpc::limits::{Limit, Limits};

/// The names that a setting goes by, and what it takes.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) path: &'static str,
    pub(super) variable: &'static str,
    pub(super) flag: &'static str,
    /// What it must be.
    pub(super) expected: &'static str,
    pub(super) takes: Takes,
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
            expected: limit.expected,
            takes: Takes::Text,
        }
    }
}

macro_rules! settings {
    ($($constant:ident = $path:literal, $variable:literal, $flag:literal, $expected:expr, $takes:expr;)+) => {
        $(
            pub(super) const $constant: Setting = Setting {
                path: $path,
                variable: $variable,
                flag: $flag,
                expected: $expected,
                takes: $takes,
            };
        )+

        /// All of them.
        pub(super) const SETTINGS: &[Setting] = &[$($constant),+];
    };
}

settings! {
    GRPC_ADDRESS = "grpc.address", "DOUBLECHECK_GRPC_ADDRESS", "--grpc-address", "a text", Takes::Text;
    GRPC_INSECURE = "grpc.insecure", "DOUBLECHECK_GRPC_INSECURE", "--insecure", "true or false", Takes::Flag;
    GRPC_REFLECTION = "grpc.reflection", "DOUBLECHECK_GRPC_REFLECTION", "--grpc-reflection", "true or false",
        Takes::Flag;
    TLS_CERTIFICATE = "tls.certificate", "DOUBLECHECK_TLS_CERTIFICATE", "--tls-certificate", "a text", Takes::Text;
    TLS_KEY = "tls.key", "DOUBLECHECK_TLS_KEY", "--tls-key", "a text", Takes::Text;
    TLS_CLIENT_CA = "tls.client_ca", "DOUBLECHECK_TLS_CLIENT_CA", "--tls-client-ca", "a text", Takes::Text;
    AUTH_TOKENS = "auth.tokens", "DOUBLECHECK_AUTH_TOKENS", "--auth-tokens", "a text", Takes::Text;
    HTTP_ADDRESS = "http.address", "DOUBLECHECK_HTTP_ADDRESS", "--http-address", "a text", Takes::Text;
    THREADS = "threads", "DOUBLECHECK_THREADS", "--threads", "a whole number from 1 to 1024",
        Takes::Whole(1..=1_024);
    DRAIN_GRACE = "drain.grace_ms", "DOUBLECHECK_DRAIN_GRACE_MS", "--drain-grace-ms",
        "a whole number of milliseconds from 0 to 600000", Takes::Whole(0..=600_000);
    DRAIN_DEADLINE = "drain.deadline_s", "DOUBLECHECK_DRAIN_DEADLINE_S", "--drain-deadline-s",
        "a whole number of seconds from 0 to 3600", Takes::Whole(0..=3_600);
    DATA_DIR = "data_dir", "DOUBLECHECK_DATA_DIR", "--data-dir", "a text", Takes::Text;
    JOURNAL_ACK = "journal.ack", "DOUBLECHECK_JOURNAL_ACK", "--journal-ack", JournalAck::EXPECTED, Takes::Text;
    JOURNAL_PATIENCE = "journal.patience_ms", "DOUBLECHECK_JOURNAL_PATIENCE_MS", "--journal-patience-ms",
        "a whole number of milliseconds from 10 to 600000", Takes::Whole(10..=600_000);
    SNAPSHOT_INTERVAL = "snapshot.interval_s", "DOUBLECHECK_SNAPSHOT_INTERVAL_S", "--snapshot-interval-s",
        "a whole number of seconds from 10 to 86400", Takes::Whole(10..=86_400);
    SNAPSHOT_JOURNAL = "snapshot.journal_mib", "DOUBLECHECK_SNAPSHOT_JOURNAL_MIB", "--snapshot-journal-mib",
        "a whole number of MiB from 1 to 1048576", Takes::Whole(1..=1_048_576);
    MEMORY_BUDGET = "memory.budget", "DOUBLECHECK_MEMORY_BUDGET", "--memory-budget", MemoryBudget::EXPECTED,
        Takes::Text;
    LOG_FORMAT = "log.format", "DOUBLECHECK_LOG_FORMAT", "--log-format", FORMAT_EXPECTED, Takes::Text;
    LOG_FILTER = "log.filter", "DOUBLECHECK_LOG_FILTER", "--log-filter", FILTER_EXPECTED, Takes::Text;
    LOG_SAMPLE = "log.sample", "DOUBLECHECK_LOG_SAMPLE", "--log-sample", LogSample::EXPECTED, Takes::Text;
    OTLP_ENDPOINT = "otlp.endpoint", "DOUBLECHECK_OTLP_ENDPOINT", "--otlp-endpoint", OtlpEndpoint::EXPECTED,
        Takes::Text;
    POLICY_PATH = "policy.path", "DOUBLECHECK_POLICY", "--policy", "a text", Takes::Text;
    POLICY_SHADOW = "policy.shadow", "DOUBLECHECK_SHADOW_POLICY", "--shadow-policy", "a text", Takes::Text;
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
