//! Logs: events on standard error, for people or for programs.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, num, thread};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::families::LOG_LINES_LOST;
use super::page::Page;
use crate::scoring::payment::named;

/// How many lines wait for who reads them: some MiB.
const LINES_WAITING_MAX: usize = 8_192;

/// How long whoever reads may take for what is told last.
const READ_WITHIN: Duration = Duration::from_secs(1);

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
    /// The first part of it that is neither.
    pub fn parse(text: &str) -> Result<Self, &str> {
        match text.split(',').find(|part| !has_level(part)) {
            Some(bad) => Err(bad),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Whether a part of a filter is a level, or has one behind what it is for. `EnvFilter` takes any other word for
/// a target, and lets nothing else through.
fn has_level(part: &str) -> bool {
    let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
    let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    is_level && EnvFilter::builder().parse(part).is_ok()
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

/// Sends logs to standard error, for as long as what it returns is held.
///
/// A thread of their own writes them. Who scores a payment never waits for whoever reads the log: a reader
/// who stalls, as a full disk or a stuck collector makes it, costs lines, which are counted, and no payment.
#[must_use]
pub fn log_to_stderr(format: LogFormat, filter: &LogFilter) -> Logging {
    let (lines, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    let lost = LinesLost(Some(lines.error_counter()));
    let subscriber = tracing_subscriber::fmt()
        // It was parsed before.
        .with_env_filter(EnvFilter::new(&filter.0))
        .with_writer(lines)
        // Colours are for eyes: a log that is collected stays searchable.
        .with_ansi(io::stderr().is_terminal());
    // A second call, as tests make it, changes nothing.
    let _already_set = match format {
        LogFormat::Pretty => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    Logging {
        lost,
        worker: Some(worker),
    }
}

/// Logs on their way. Dropping it waits until they are written, but not for a reader who has stopped reading.
#[derive(Debug)]
pub struct Logging {
    lost: LinesLost,
    worker: Option<WorkerGuard>,
}

impl Logging {
    /// What of the log was lost.
    #[must_use]
    pub fn lines_lost(&self) -> LinesLost {
        self.lost.clone()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let worker = self.worker.take();
        // The worker's own end may wait for the reader, and tells what went wrong where others read.
        unless_unread(move || drop(worker));
    }
}

/// Does what waits for whoever reads, as writing to standard error may, to its end, or until a reader has taken
/// too long to be one.
pub fn unless_unread(write: impl FnOnce() + Send + 'static) {
    let (written, all_written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        write();
        // Who waited may have given up.
        let _ = written.send(());
    });
    if writing.is_ok() {
        // In vain, too, the time is up.
        let _ = all_written.recv_timeout(READ_WITHIN);
    }
}

/// How many lines of the log nobody read in time; none where nothing is logged.
#[derive(Debug, Clone, Default)]
pub struct LinesLost(Option<ErrorCounter>);

impl LinesLost {
    /// Puts their number on a page.
    pub fn put_on(&self, page: &mut Page) {
        let lost = self.0.as_ref().map_or(0, ErrorCounter::dropped_lines);
        page.one(&LOG_LINES_LOST, lost);
    }
}

/// Of what happens too often to log all of it, one in so many.
#[derive(Debug, Default)]
pub struct Sample {
    /// 0: none.
    one_in: u64,
    seen: AtomicU64,
}

impl Sample {
    /// One in so many; 0: none.
    #[must_use]
    pub const fn one_in(one_in: u64) -> Self {
        Self {
            one_in,
            seen: AtomicU64::new(0),
        }
    }

    /// Whether this one is to be logged; the first is.
    pub fn takes(&self) -> bool {
        let one_in = num::NonZeroU64::new(self.one_in);
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
        for good in ["info", "warn,doublecheck=debug", "off", "h2=off,INFO"] {
            assert_eq!(LogFilter::parse(good).unwrap().to_string(), good);
        }
        for (text, bad) in [
            ("doublecheck=loud", "doublecheck=loud"),
            ("==", "=="),
            ("warning", "warning"),
            ("info;warn", "info;warn"),
            ("warn,doublecheck:debug", "doublecheck:debug"),
            ("info,doublecheck=", "doublecheck="),
            ("info, doublecheck=debug", " doublecheck=debug"),
            ("info,,debug", ""),
        ] {
            assert_eq!(LogFilter::parse(text), Err(bad));
        }
    }
}
