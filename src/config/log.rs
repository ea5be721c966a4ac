//! What is logged, and how.

use std::fmt;
use std::path::Path;

use super::names::{LOG_FILTER, LOG_FORMAT, LOG_SAMPLE, OTLP_ENDPOINT};
use super::sources::Sources;
use super::{Flags, OtlpEndpoint};
use crate::telemetry::{LogFilter, LogFormat, Sample};

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How events are written.
    pub format: LogFormat,
    /// Which events are.
    pub filter: LogFilter,
    /// Of how many disturbed payments one is.
    pub sample: LogSample,
    /// Where the spans of traced calls are sent, if they are.
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

impl LogSettings {
    /// As the sources give them.
    pub(super) fn load(sources: &mut Sources<'_>, flags: &Flags) -> Self {
        let format = |text: &str, _: &Path| LogFormat::from_name(text).ok_or(FORMAT_EXPECTED);
        let filter = |text: &str, _: &Path| {
            LogFilter::parse(text).map_err(|bad| format!("{FILTER_EXPECTED}; `{bad}` is none"))
        };
        let sample = |text: &str, _: &Path| LogSample::parse(text);
        let otlp = |text: &str, _: &Path| OtlpEndpoint::parse(text);
        let (format_flag, filter_flag) = (flags.log_format.as_ref(), flags.log_filter.as_ref());
        let (sample_flag, otlp_flag) = (flags.log_sample.as_ref(), flags.otlp_endpoint.as_ref());
        Self {
            format: sources.last_or(&LOG_FORMAT, format_flag, format, LogFormat::Pretty),
            filter: sources.last_or(&LOG_FILTER, filter_flag, filter, LogFilter::default()),
            sample: sources.last_or(&LOG_SAMPLE, sample_flag, sample, LogSample::default()),
            otlp_endpoint: sources.last_of(&OTLP_ENDPOINT, otlp_flag, otlp),
        }
    }
}

/// How events are written: for people unless told otherwise, wherever they go, so that what reads them today
/// reads them tomorrow.
pub(super) const FORMAT_EXPECTED: &str = "one of pretty, json";

pub(super) const FILTER_EXPECTED: &str =
    "levels, such as info or warn,doublecheck=debug (off, error, warn, info, debug, trace)";

/// Of how many payments that are asked about or blocked one is logged; 0: none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSample(u32);

impl LogSample {
    /// What the setting must be.
    pub(super) const EXPECTED: &str = "a whole number from 0 to 1000000";

    const MAX: u32 = 1_000_000;

    /// Takes `text` as a number of payments.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(one_in) if one_in <= Self::MAX => Ok(Self(one_in)),
            Ok(_) | Err(_) => Err(Self::EXPECTED),
        }
    }

    /// The sample to take.
    #[must_use]
    pub const fn sample(self) -> Sample {
        Sample::one_in(self.0)
    }
}

impl Default for LogSample {
    fn default() -> Self {
        Self(100)
    }
}

impl fmt::Display for LogSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
