//! Logs: events on standard error, for people or for programs.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, num};

use tracing_subscriber::EnvFilter;

use crate::scoring::payment::named;

named! {
    /// How events are written.
    LogFormat {
        /// A line of words each, for people.
        Pretty = "pretty",
        /// An object of JSON each, for programs.
        Json = "json",
    }
}

/// Which events are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Takes `text` as a filter: a level, or levels by target, such as `warn,doublecheck=debug`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, tracing_subscriber::filter::ParseError> {
        EnvFilter::builder().parse(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sends logs to standard error.
pub fn log_to_stderr(format: LogFormat, filter: &LogFilter) {
    let subscriber = tracing_subscriber::fmt()
        // It was parsed before.
        .with_env_filter(EnvFilter::new(&filter.0))
        .with_writer(io::stderr)
        // Colours are for eyes: a log that is collected stays searchable.
        .with_ansi(io::stderr().is_terminal());
    // A second call, as tests make it, changes nothing.
    let _already_set = match format {
        LogFormat::Pretty => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

/// Of what happens too often to log all of it, one in so many.
#[derive(Debug, Default)]
pub struct Sample {
    /// 0: none.
    one_in: u32,
    seen: AtomicU64,
}

impl Sample {
    /// One in so many; 0: none.
    #[must_use]
    pub const fn one_in(one_in: u32) -> Self {
        Self {
            one_in,
            seen: AtomicU64::new(0),
        }
    }

    /// Whether this one is to be logged; the first is.
    pub fn takes(&self) -> bool {
        let one_in = num::NonZeroU64::new(self.one_in.into());
        one_in.is_some_and(|one_in| self.seen.fetch_add(1, Ordering::Relaxed) % one_in == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_the_first_of_each_so_many() {
        let takes = |one_in| {
            let sample = Sample::one_in(one_in);
            (0..6).map(|_| sample.takes()).collect::<Vec<_>>()
        };
        assert_eq!(takes(0), [false; 6]);
        assert_eq!(takes(1), [true; 6]);
        assert_eq!(takes(3), [true, false, false, true, false, false]);
    }

    #[test]
    fn a_filter_is_parsed_before_it_is_used() {
        for good in ["info", "warn,doublecheck=debug", "off"] {
            assert_eq!(LogFilter::parse(good).unwrap().to_string(), good);
        }
        for bad in ["doublecheck=loud", "=="] {
            assert!(LogFilter::parse(bad).is_err(), "{bad}");
        }
    }
}
