//! The settings by all their names, and the sources that give them: file, environment, flags.

use std::path::Path;

use super::document::{Document, Given, Scalar};
use super::fault::{Fault, Place, Problem};
use super::journal::JournalAck;
use super::log::{FILTER_EXPECTED, FORMAT_EXPECTED, LogSample};
use super::memory::MemoryBudget;
use super::otlp::OtlpEndpoint;
use super::snapshot::{SnapshotInterval, SnapshotJournal};
use super::threads::Threads;
use crate::grpc::limits::{Limit, Limits};
use crate::scoring::policy::{Problem as SettingProblem, nearest};

/// The names that a setting goes by.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) path: &'static str,
    pub(super) variable: &'static str,
    pub(super) flag: &'static str,
    /// What a file must give that gives neither a text nor a whole number.
    expected: &'static str,
}

pub(super) const GRPC_ADDRESS: Setting = Setting {
    path: "grpc.address",
    variable: "DOUBLECHECK_GRPC_ADDRESS",
    flag: "--grpc-address",
    expected: "a text",
};

pub(super) const HTTP_ADDRESS: Setting = Setting {
    path: "http.address",
    variable: "DOUBLECHECK_HTTP_ADDRESS",
    flag: "--http-address",
    expected: "a text",
};

pub(super) const THREADS: Setting = Setting {
    path: "threads",
    variable: "DOUBLECHECK_THREADS",
    flag: "--threads",
    expected: Threads::EXPECTED,
};

pub(super) const POLICY_PATH: Setting = Setting {
    path: "policy.path",
    variable: "DOUBLECHECK_POLICY",
    flag: "--policy",
    expected: "a text",
};

pub(super) const POLICY_SHADOW: Setting = Setting {
    path: "policy.shadow",
    variable: "DOUBLECHECK_SHADOW_POLICY",
    flag: "--shadow-policy",
    expected: "a text",
};

pub(super) const MEMORY_BUDGET: Setting = Setting {
    path: "memory.budget",
    variable: "DOUBLECHECK_MEMORY_BUDGET",
    flag: "--memory-budget",
    expected: MemoryBudget::EXPECTED,
};

pub(super) const DATA_DIR: Setting = Setting {
    path: "data_dir",
    variable: "DOUBLECHECK_DATA_DIR",
    flag: "--data-dir",
    expected: "a text",
};

pub(super) const JOURNAL_ACK: Setting = Setting {
    path: "journal.ack",
    variable: "DOUBLECHECK_JOURNAL_ACK",
    flag: "--journal-ack",
    expected: JournalAck::EXPECTED,
};

pub(super) const SNAPSHOT_INTERVAL: Setting = Setting {
    path: "snapshot.interval_s",
    variable: "DOUBLECHECK_SNAPSHOT_INTERVAL_S",
    flag: "--snapshot-interval-s",
    expected: SnapshotInterval::EXPECTED,
};

pub(super) const SNAPSHOT_JOURNAL: Setting = Setting {
    path: "snapshot.journal_mib",
    variable: "DOUBLECHECK_SNAPSHOT_JOURNAL_MIB",
    flag: "--snapshot-journal-mib",
    expected: SnapshotJournal::EXPECTED,
};

pub(super) const LOG_FORMAT: Setting = Setting {
    path: "log.format",
    variable: "DOUBLECHECK_LOG_FORMAT",
    flag: "--log-format",
    expected: FORMAT_EXPECTED,
};

pub(super) const LOG_FILTER: Setting = Setting {
    path: "log.filter",
    variable: "DOUBLECHECK_LOG",
    flag: "--log-filter",
    expected: FILTER_EXPECTED,
};

pub(super) const LOG_SAMPLE: Setting = Setting {
    path: "log.sample",
    variable: "DOUBLECHECK_LOG_SAMPLE",
    flag: "--log-sample",
    expected: LogSample::EXPECTED,
};

pub(super) const OTLP_ENDPOINT: Setting = Setting {
    path: "otlp.endpoint",
    variable: "DOUBLECHECK_OTLP_ENDPOINT",
    flag: "--otlp-endpoint",
    expected: OtlpEndpoint::EXPECTED,
};

const SETTINGS: &[Setting] = &[
    GRPC_ADDRESS,
    HTTP_ADDRESS,
    THREADS,
    DATA_DIR,
    JOURNAL_ACK,
    SNAPSHOT_INTERVAL,
    SNAPSHOT_JOURNAL,
    MEMORY_BUDGET,
    LOG_FORMAT,
    LOG_FILTER,
    LOG_SAMPLE,
    OTLP_ENDPOINT,
    POLICY_PATH,
    POLICY_SHADOW,
];

impl Setting {
    const fn of(limit: &Limit) -> Self {
        Self {
            path: limit.path,
            variable: limit.variable,
            flag: limit.flag,
            expected: limit.expected,
        }
    }
}

/// Where settings come from, and what is wrong with them so far.
pub(super) struct Sources<V> {
    file: Option<Document>,
    variable: V,
    pub(super) faults: Vec<Fault>,
}

impl<V: Fn(&str) -> Option<String>> Sources<V> {
    pub(super) fn new(file: Option<&Path>, variable: V) -> Self {
        let (file, mut faults) = match file.map(Document::read) {
            None => (None, Vec::new()),
            Some(Ok(document)) => (Some(document), Vec::new()),
            Some(Err(faults)) => (None, faults),
        };
        faults.extend(file.as_ref().map(unknown_settings).unwrap_or_default());
        Self {
            file,
            variable,
            faults,
        }
    }

    /// The limits, each as the last source has it; `flags` give theirs by flag.
    pub(super) fn limits(&mut self, flags: &[(&str, String)]) -> Limits {
        let mut limits = Limits::default();
        for limit in Limits::ALL {
            let flag = flags.iter().find(|(flag, _)| *flag == limit.flag);
            let flag = flag.map(|(_, text)| text);
            let number = self.last_of(&Setting::of(limit), flag, |text, _| limit.parse(text));
            limits.set(limit, number.unwrap_or(limit.default));
        }
        limits
    }

    /// The value of `setting` from the last source that gives it. What earlier sources give is
    /// checked all the same. `parse` gets the folder that relative paths start from.
    pub(super) fn last_of<T>(
        &mut self,
        setting: &Setting,
        flag: Option<&String>,
        parse: impl Fn(&str, &Path) -> Result<T, &'static str>,
    ) -> Option<T> {
        let mut last = None;
        let mut take = |parsed: Result<T, &'static str>,
                        faulty: &dyn Fn(SettingProblem) -> Fault| {
            match parsed {
                Ok(value) => last = Some(value),
                Err(expected) => self
                    .faults
                    .push(faulty(SettingProblem::WrongType { expected })),
            }
        };
        if let Some(file) = &self.file
            && let Some(given) = file
                .settings
                .iter()
                .find(|given| given.path == setting.path)
        {
            let folder = file.path().parent().unwrap_or_else(|| Path::new(""));
            let parsed = match &given.value {
                Scalar::Text(text) => parse(text, folder),
                Scalar::Integer(integer) => parse(&integer.to_string(), folder),
                Scalar::Number(_) | Scalar::Flag(_) | Scalar::EmptyTable | Scalar::Other => {
                    Err(setting.expected)
                }
            };
            take(parsed, &|problem| file.fault(given, problem));
        }
        let outside = |place: Place| {
            move |problem| Fault {
                place: place.clone(),
                field: setting.path.to_owned(),
                problem: Problem::Setting(problem),
            }
        };
        if let Some(text) = (self.variable)(setting.variable).filter(|text| !text.is_empty()) {
            let place = Place::Variable(setting.variable);
            take(parse(&text, Path::new("")), &outside(place));
        }
        if let Some(text) = flag {
            let place = Place::Flag(setting.flag);
            take(parse(text, Path::new("")), &outside(place));
        }
        last
    }
}

fn unknown_settings(file: &Document) -> Vec<Fault> {
    let limits = Limits::ALL.iter().map(|limit| limit.path);
    let known = SETTINGS.iter().map(|setting| setting.path).chain(limits);
    let known: Vec<&str> = known.collect();
    let is_section = |path: &str| {
        known.iter().any(|known| {
            known
                .split_once('.')
                .is_some_and(|(section, _)| section == path)
        })
    };
    let problem_of = |given: &Given| match (&given.value, is_section(&given.path)) {
        (Scalar::EmptyTable, true) => None,
        (_, true) => Some(SettingProblem::WrongType {
            expected: "a table",
        }),
        (_, false) => Some(SettingProblem::Unknown {
            suggestion: nearest(&given.path, &known),
        }),
    };
    file.settings
        .iter()
        .filter(|given| !known.contains(&given.path.as_str()))
        .filter_map(|given| Some(file.fault(given, problem_of(given)?)))
        .collect()
}
