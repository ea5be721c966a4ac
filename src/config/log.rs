//! What is logged, and how.

use std::path::Path;

use super::Address;
use super::names::{LOG_FILTER, LOG_FORMAT, LOG_SAMPLE, OTLP_ENDPOINT};
use super::sources::Sources;
use crate::telemetry::{LogFilter, LogFormat};

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How events are written.
    pub format: LogFormat,
    /// Which events are.
    pub filter: LogFilter,
    /// Of how many payments that are asked about or blocked one is logged; 0: none is.
    pub sample: u64,
    /// Where an OpenTelemetry collector takes the spans of traced calls over gRPC, if they are sent.
    pub otlp_endpoint: Option<String>,
}

impl LogSettings {
    /// As the sources give them.
    pub(super) fn load(sources: &mut Sources<'_>) -> Self {
        let format = |text: &str, _: &Path| LogFormat::from_name(text).ok_or(FORMAT_EXPECTED);
        let filter = |text: &str, _: &Path| {
            LogFilter::parse(text).map_err(|bad| format!("{FILTER_EXPECTED}; `{bad}` is none"))
        };
        Self {
            format: sources.last_or(&LOG_FORMAT, format, LogFormat::Pretty),
            filter: sources.last_or(&LOG_FILTER, filter, LogFilter::default()),
            sample: sources.whole(&LOG_SAMPLE, 100),
            otlp_endpoint: sources.last_of(&OTLP_ENDPOINT, otlp_endpoint),
        }
    }
}

/// How events are written: for people unless told otherwise, wherever they go, so that what reads them today
/// reads them tomorrow.
pub(super) const FORMAT_EXPECTED: &str = "one of pretty, json";

pub(super) const FILTER_EXPECTED: &str =
    "levels, such as info or warn,doublecheck=debug (off, error, warn, info, debug, trace)";

pub(super) const OTLP_EXPECTED: &str = match cfg!(feature = "otlp") {
    true => "http://host:port, such as http://127.0.0.1:4317",
    false => "left out: this program was built without the feature otlp",
};

fn otlp_endpoint(text: &str, _: &Path) -> Result<String, &'static str> {
    let address = text.strip_prefix("http://").unwrap_or_default();
    match cfg!(feature = "otlp") && Address::parse(address).is_ok() {
        true => Ok(text.to_owned()),
        false => Err(OTLP_EXPECTED),
    }
}
