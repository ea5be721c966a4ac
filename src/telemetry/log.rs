//! Logs: events on standard error, for people or for programs.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fmt, num, thread};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::families::LOG_LINES_LOST;
use super::page::Page;
use crate::clock::Stopwatch;
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
/// who stalls or has left, as a stuck collector, and a disk that is full cost lines, which are counted, and no
/// payment.
#[must_use]
pub fn log_to_stderr(format: LogFormat, filter: &LogFilter) -> Logging {
    let failed = Arc::default();
    let (lines, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(CountingFailures::of(io::stderr(), &failed));
    let lost = LinesLost {
        unread: Some(lines.error_counter()),
        failed,
    };
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

/// How many lines of the log nobody got; none where nothing is logged.
#[derive(Debug, Clone, Default)]
pub struct LinesLost {
    /// What found no room, for nobody read in time.
    unread: Option<ErrorCounter>,
    /// What could not be written.
    failed: Arc<AtomicU64>,
}

impl LinesLost {
    /// Puts their number on a page.
    pub fn put_on(&self, page: &mut Page) {
        let unread = self.unread.as_ref().map_or(0, ErrorCounter::dropped_lines);
        let failed = self.failed.load(Ordering::Relaxed);
        page.one(&LOG_LINES_LOST, unread as u64 + failed);
    }
}

/// Counts the lines that cannot be written to where they go: who writes them tells nobody.
#[derive(Debug)]
struct CountingFailures<W> {
    to: W,
    failed: Arc<AtomicU64>,
}

impl<W> CountingFailures<W> {
    fn of(to: W, failed: &Arc<AtomicU64>) -> Self {
        let failed = Arc::clone(failed);
        Self { to, failed }
    }
}

impl<W: Write> Write for CountingFailures<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    /// Each line comes by one of these, whole.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.to.write_all(line);
        written.inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Of what may happen all the time, one in so long, with how often it happened.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    since_start: Stopwatch,
    /// From when on the next one is told, in milliseconds since the start.
    next_ms: AtomicU64,
    untold: AtomicU64,
}

impl Seldom {
    /// One in so long.
    #[must_use]
    pub fn every(every: Duration) -> Self {
        Self {
            every,
            since_start: Stopwatch::start(),
            next_ms: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// Counts one. If it is to be logged, how many there were since the last that was, this one included; the first
    /// is.
    pub fn takes(&self) -> Option<u64> {
        self.takes_at(self.since_start.elapsed())
    }

    fn takes_at(&self, now: Duration) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let then_ms = ms(now).saturating_add(ms(self.every));
        let is_due = next_ms <= ms(now)
            && self
                .next_ms
                .compare_exchange(next_ms, then_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_due.then(|| self.untold.swap(0, Ordering::Relaxed))
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
    fn what_happens_all_the_time_is_told_once_in_so_long_with_how_often_it_did() {
        let seldom = Seldom::every(Duration::from_secs(60));
        let told: Vec<_> = (0..=150)
            .filter_map(|nth| Some((nth, seldom.takes_at(Duration::from_secs(nth))?)))
            .collect();
        assert_eq!(told, [(0, 1), (60, 60), (120, 60)]);
        // What was left is told with the next, however late.
        let day = Duration::from_hours(24);
        assert_eq!(seldom.takes_at(day), Some(31));
        assert_eq!(seldom.takes_at(day), None);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_with_those_nobody_read() {
        let lost = LinesLost::default();
        let mut room = [0; 12];
        let mut log = CountingFailures::of(&mut room[..], &lost.failed);
        let written = ["the first\n", "the second\n", "the third\n"]
            .map(|line| log.write_all(line.as_bytes()).is_ok());
        assert_eq!(written, [true, false, false]);
        let mut page = Page::default();
        lost.put_on(&mut page);
        let page = page.finish();
        assert!(
            page.ends_with("doublecheck_log_lines_lost_total 2\n"),
            "{page}"
        );
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
