//! Configuration: one TOML file, `DOUBLECHECK_*` environment, flags; later wins. Every fault is told at
//! once, with its place and its setting.
//!
//! To add a setting: its names in `sources`, its fields in [`Flags`] and [`Config`], one line in
//! [`Config::load`], and its flag in `cli::settings`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::grpc::limits::Limits;
use crate::scoring::policy::Policy;

mod document;
pub mod fault;
mod journal;
mod log;
mod memory;
mod otlp;
pub mod policy_file;
pub mod policy_source;
mod snapshot;
mod sources;
mod threads;

use fault::Fault;
pub use journal::JournalAck;
pub use log::{LogSample, LogSettings};
pub use memory::MemoryBudget;
pub use otlp::OtlpEndpoint;
use policy_source::PolicySource;
pub use snapshot::{SnapshotEvery, SnapshotInterval, SnapshotJournal};
use sources::{
    DATA_DIR, GRPC_ADDRESS, HTTP_ADDRESS, JOURNAL_ACK, MEMORY_BUDGET, POLICY_PATH, POLICY_SHADOW,
    SNAPSHOT_INTERVAL, SNAPSHOT_JOURNAL, Sources, THREADS,
};
pub use threads::Threads;

/// What the service runs with.
#[derive(Debug)]
pub struct Config {
    /// Where gRPC is served.
    pub grpc_address: Address,
    /// Where metrics and probes are served.
    pub http_address: Address,
    /// How many threads serve it.
    pub threads: Threads,
    /// Where what is remembered is kept.
    pub data_dir: PathBuf,
    /// What an answer waits for.
    pub journal_ack: JournalAck,
    /// How often a snapshot is taken.
    pub snapshot_every: SnapshotEvery,
    /// How much memory what is remembered may take.
    pub memory_budget: MemoryBudget,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where the policy is from.
    pub policy_source: PolicySource,
    /// The policy.
    pub policy: Policy,
    /// Where the shadow policy is from, if there is one.
    pub shadow_source: Option<PolicySource>,
    /// The shadow policy, if there is one.
    pub shadow: Option<Policy>,
    /// How much clients may ask of the edge.
    pub limits: Limits,
}

/// The settings that flags of the command line give.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--grpc-address`
    pub grpc_address: Option<String>,
    /// `--http-address`
    pub http_address: Option<String>,
    /// `--threads`
    pub threads: Option<String>,
    /// `--data-dir`
    pub data_dir: Option<String>,
    /// `--journal-ack`
    pub journal_ack: Option<String>,
    /// `--snapshot-interval-s`
    pub snapshot_interval_s: Option<String>,
    /// `--snapshot-journal-mib`
    pub snapshot_journal_mib: Option<String>,
    /// `--memory-budget`
    pub memory_budget: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--log-filter`
    pub log_filter: Option<String>,
    /// `--log-sample`
    pub log_sample: Option<String>,
    /// `--otlp-endpoint`
    pub otlp_endpoint: Option<String>,
    /// `--policy`
    pub policy: Option<String>,
    /// `--shadow-policy`
    pub shadow_policy: Option<String>,
    /// Those of limits, each by its flag.
    pub limits: Vec<(&'static str, String)>,
}

impl Config {
    /// Puts `file`, environment and `flags` together. `variable` looks one variable of the
    /// environment up; an empty one counts as not set.
    ///
    /// # Errors
    /// Every fault of every source, and of the policy file.
    pub fn load(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
        flags: &Flags,
    ) -> Result<Self, Vec<Fault>> {
        let mut sources = Sources::new(file, variable);
        let address = |text: &str, _: &Path| Address::parse(text);
        let grpc_address = sources.last_of(&GRPC_ADDRESS, flags.grpc_address.as_ref(), address);
        let http_address = sources.last_of(&HTTP_ADDRESS, flags.http_address.as_ref(), address);
        let threads = |text: &str, _: &Path| Threads::parse(text);
        let threads = sources.last_of(&THREADS, flags.threads.as_ref(), threads);
        let data_dir = sources.last_of(&DATA_DIR, flags.data_dir.as_ref(), |text, folder| {
            Ok(folder.join(text))
        });
        let journal_ack = sources.last_of(&JOURNAL_ACK, flags.journal_ack.as_ref(), |text, _| {
            JournalAck::parse(text)
        });
        let interval = flags.snapshot_interval_s.as_ref();
        let interval = sources.last_of(&SNAPSHOT_INTERVAL, interval, |text, _| {
            SnapshotInterval::parse(text)
        });
        let journal = flags.snapshot_journal_mib.as_ref();
        let journal = sources.last_of(&SNAPSHOT_JOURNAL, journal, |text, _| {
            SnapshotJournal::parse(text)
        });
        let memory_budget =
            sources.last_of(&MEMORY_BUDGET, flags.memory_budget.as_ref(), |text, _| {
                MemoryBudget::parse(text)
            });
        let log = LogSettings::load(&mut sources, flags);
        let policy_source =
            sources.last_of(&POLICY_PATH, flags.policy.as_ref(), PolicySource::named);
        let shadow_flag = flags.shadow_policy.as_ref();
        let shadow_source = sources.last_of(&POLICY_SHADOW, shadow_flag, PolicySource::named);
        let limits = sources.limits(&flags.limits);

        let mut faults = sources.faults;
        // The file's own first, in its order.
        faults.sort_by_key(|fault| (fault.position().is_none(), fault.position()));
        let mut read = |source: &PolicySource| {
            source.read().unwrap_or_else(|more| {
                faults.extend(more);
                Policy::default()
            })
        };
        let policy_source = policy_source.unwrap_or_default();
        let policy = read(&policy_source);
        let shadow = shadow_source.as_ref().map(read);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            grpc_address: grpc_address.unwrap_or_else(|| Address::local(50_051)),
            http_address: http_address.unwrap_or_else(|| Address::local(9_464)),
            threads: threads.unwrap_or_default(),
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("data")),
            journal_ack: journal_ack.unwrap_or_default(),
            snapshot_every: SnapshotEvery {
                interval: interval.unwrap_or_default(),
                journal: journal.unwrap_or_default(),
            },
            memory_budget: memory_budget.unwrap_or_else(MemoryBudget::of_this_process),
            log,
            policy_source,
            policy,
            shadow_source,
            shadow,
            limits,
        })
    }
}

/// Where to listen: a host, a name or an IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Takes `text` as `host:port`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "host:port, such as 127.0.0.1:50051";
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        // An IPv6 address stands in brackets: which colon is the last would be a guess otherwise.
        let bare_colons = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare_colons || port.parse::<u16>().is_err() {
            return Err(EXPECTED);
        }
        Ok(Self(text.to_owned()))
    }

    /// This machine alone.
    fn local(port: u16) -> Self {
        Self(format!("127.0.0.1:{port}"))
    }

    /// The address as `host:port`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::scoring::policy::Preset;

    /// An empty folder of this test's own.
    pub(super) fn scratch_dir() -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("doublecheck-config-{}-{nth}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    struct Given<'a> {
        file: &'a str,
        variables: &'a [(&'a str, &'a str)],
        flags: Flags,
    }

    /// Loads and tells the faults, with the folder cut off.
    fn load(given: &Given<'_>) -> Result<Config, Vec<String>> {
        let dir = scratch_dir();
        let path = dir.join("doublecheck.toml");
        fs::write(&path, given.file).unwrap();
        fs::write(dir.join("strict.toml"), "[decision]\nconfirm_from = 40\n").unwrap();
        fs::write(dir.join("bad.toml"), "[decision]\nconfirm_from = 0\n").unwrap();
        let variable = |name: &str| {
            let found = given.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let loaded = Config::load(Some(&path), variable, &given.flags);
        fs::remove_dir_all(&dir).unwrap();
        let folder = format!("{}/", dir.display());
        loaded.map_err(|faults| {
            let told = faults.iter().map(ToString::to_string);
            told.map(|line| line.replace(&folder, "")).collect()
        })
    }

    const NOTHING: Given<'_> = Given {
        file: "",
        variables: &[],
        flags: Flags {
            grpc_address: None,
            http_address: None,
            threads: None,
            data_dir: None,
            journal_ack: None,
            snapshot_interval_s: None,
            snapshot_journal_mib: None,
            memory_budget: None,
            log_format: None,
            log_filter: None,
            log_sample: None,
            otlp_endpoint: None,
            policy: None,
            shadow_policy: None,
            limits: Vec::new(),
        },
    };

    #[test]
    fn nothing_given_is_the_default() {
        let config = load(&NOTHING).unwrap();
        assert_eq!(config.grpc_address.as_str(), "127.0.0.1:50051");
        assert_eq!(config.http_address.as_str(), "127.0.0.1:9464");
        assert_eq!(config.threads, Threads::default());
        assert_eq!(config.policy_source, PolicySource::default());
        assert_eq!(config.policy, Policy::default());
        assert_eq!((config.shadow_source, config.shadow), (None, None));
    }

    #[test]
    fn later_sources_win() {
        let file = "[grpc]\naddress = \"file:1\"\n";
        let variables = &[("DOUBLECHECK_GRPC_ADDRESS", "environment:2")];
        let address = |variables, flag: Option<&str>| {
            let flags = Flags {
                grpc_address: flag.map(str::to_owned),
                ..Flags::default()
            };
            let config = load(&Given {
                file,
                variables,
                flags,
            })
            .unwrap();
            config.grpc_address.to_string()
        };
        assert_eq!(address(&[], None), "file:1");
        assert_eq!(address(&[("DOUBLECHECK_GRPC_ADDRESS", "")], None), "file:1");
        assert_eq!(address(variables, None), "environment:2");
        assert_eq!(address(variables, Some("[::1]:3")), "[::1]:3");
    }

    #[test]
    fn threads_are_a_number_or_the_text_of_one() {
        for file in ["threads = 3", "threads = \"3\""] {
            let config = load(&Given { file, ..NOTHING }).unwrap();
            assert_eq!(config.threads.get().get(), 3, "{file}");
        }
        let faults = load(&Given {
            file: "threads = 1.5\n",
            variables: &[("DOUBLECHECK_THREADS", "0")],
            flags: Flags {
                threads: Some("1025".to_owned()),
                ..Flags::default()
            },
        });
        assert_eq!(
            faults.unwrap_err(),
            [
                "doublecheck.toml:1:11: threads: must be a whole number from 1 to 1024",
                "DOUBLECHECK_THREADS: must be a whole number from 1 to 1024",
                "--threads: must be a whole number from 1 to 1024",
            ]
        );
    }

    #[test]
    fn limits_come_from_every_source_and_each_fault_names_its_own() {
        let limits = |file, variables, flag: &str| {
            let flags = Flags {
                limits: vec![("--limits-connections", flag.to_owned())],
                ..Flags::default()
            };
            let given = Given {
                file,
                variables,
                flags,
            };
            load(&given).map(|config| config.limits)
        };
        let file = "[limits]\nconnections = 5\nidle_s = 60\n[admission]\nqueue_ms = \"7\"\n";
        let found = limits(file, &[("DOUBLECHECK_LIMITS_IDLE_S", "61")], "6").unwrap();
        let expected = Limits {
            connections: 6,
            idle_s: 61,
            queue_ms: 7,
            ..Limits::default()
        };
        assert_eq!(found, expected);
        let file = "[limits]\nconections = 5\nidle_s = 0\n";
        let faults = limits(file, &[("DOUBLECHECK_ADMISSION_QUEUE_MS", "soon")], "many");
        assert_eq!(
            faults.unwrap_err(),
            [
                "doublecheck.toml:2:1: limits.conections: no such setting; did you mean `limits.connections`?",
                "doublecheck.toml:3:10: limits.idle_s: must be a whole number from 1 to 2592000",
                "--limits-connections: must be a whole number from 1 to 1000000",
                "DOUBLECHECK_ADMISSION_QUEUE_MS: must be a whole number from 1 to 60000",
            ]
        );
    }

    #[test]
    fn a_memory_budget_is_a_number_of_bytes_or_has_a_unit() {
        for file in ["[memory]\nbudget = \"64MiB\"", "memory.budget = 67108864"] {
            let config = load(&Given { file, ..NOTHING }).unwrap();
            assert_eq!(config.memory_budget.bytes_max(), Some(64 << 20), "{file}");
        }
        let expected = MemoryBudget::EXPECTED;
        let faults = load(&Given {
            file: "[memory]\nbudget = 0.5\n",
            variables: &[("DOUBLECHECK_MEMORY_BUDGET", "much")],
            flags: Flags {
                memory_budget: Some("1MiB".to_owned()),
                ..Flags::default()
            },
        });
        assert_eq!(
            faults.unwrap_err(),
            [
                format!("doublecheck.toml:2:10: memory.budget: must be {expected}"),
                format!("DOUBLECHECK_MEMORY_BUDGET: must be {expected}"),
                format!("--memory-budget: must be {expected}"),
            ]
        );
    }

    #[test]
    fn a_policy_lies_beside_the_file_that_names_it() {
        let file = "policy.path = \"strict.toml\"";
        let config = load(&Given { file, ..NOTHING }).unwrap();
        assert!(config.policy.version().starts_with("strict-"));
        assert!(config.policy_source.to_string().ends_with("/strict.toml"));
    }

    #[test]
    fn policy_and_shadow_may_be_presets_or_files() {
        let file = "[policy]\npath = \"lenient\"\nshadow = \"strict.toml\"\n";
        let config = load(&Given { file, ..NOTHING }).unwrap();
        assert_eq!(config.policy, Preset::Lenient.policy());
        assert!(config.shadow.unwrap().version().starts_with("strict-"));
        let variables = &[("DOUBLECHECK_SHADOW_POLICY", "cautious")];
        let given = Given {
            variables,
            ..NOTHING
        };
        let config = load(&given).unwrap();
        assert_eq!(config.shadow, Some(Preset::Cautious.policy()));
    }

    #[test]
    fn faults_of_policy_and_shadow_are_told_at_once() {
        let file = "[policy]\npath = \"bad.toml\"\nshadow = \"none.toml\"\n";
        let faults = load(&Given { file, ..NOTHING }).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("bad.toml:2:16: "), "{faults:?}");
        assert!(faults[1].starts_with("none.toml: cannot"), "{faults:?}");
    }

    #[test]
    fn every_fault_of_every_source_is_told_at_once() {
        let faults = load(&Given {
            file: "[grpc]\naddres = \"localhost:1\"\naddress = 50051\n[policy]\npath = \"bad.toml\"\n",
            variables: &[("DOUBLECHECK_GRPC_ADDRESS", "localhost")],
            flags: Flags {
                grpc_address: Some("::1:99999".to_owned()),
                ..Flags::default()
            },
        });
        assert_eq!(
            faults.unwrap_err(),
            [
                "doublecheck.toml:2:1: grpc.addres: no such setting; did you mean `grpc.address`?",
                "doublecheck.toml:3:11: grpc.address: must be host:port, such as 127.0.0.1:50051",
                "DOUBLECHECK_GRPC_ADDRESS: must be host:port, such as 127.0.0.1:50051",
                "--grpc-address: must be host:port, such as 127.0.0.1:50051",
                "bad.toml:2:16: decision.confirm_from: must be 1 to 100 (score)",
            ]
        );
    }

    #[test]
    fn sections_are_tables_and_may_be_empty() {
        let file = "grpc = 1\n[policy]\n";
        let faults = load(&Given { file, ..NOTHING });
        assert_eq!(
            faults.unwrap_err(),
            ["doublecheck.toml:1:8: grpc: must be a table"]
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault() {
        let faults = Config::load(
            Some(Path::new("/no/such/file")),
            |_| None,
            &Flags::default(),
        );
        let told = faults.unwrap_err()[0].to_string();
        assert!(
            told.starts_with("/no/such/file: cannot be read: "),
            "{told}"
        );
    }

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["127.0.0.1:0", "localhost:50051", "[::1]:65535", "0.0.0.0:1"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            ":1",
            "::1:1",
            "localhost:",
            "localhost:65536",
            "a:b",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
