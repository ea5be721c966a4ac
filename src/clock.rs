//! The time. The only file that reads it; everything else is told.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::scoring::time::{Span, Timestamp};

/// Something that knows what time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's time of day as of the start, carried on by its steady clock: a correction of the time
/// of day cannot stretch or shrink a window.
#[derive(Debug)]
pub struct SystemClock {
    started_at: Timestamp,
    started: Instant,
}

impl SystemClock {
    /// Reads the time of day once.
    #[must_use]
    pub fn start() -> Self {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
        Self {
            started_at: Timestamp::from_unix_ms(unix_ms),
            started: Instant::now(),
        }
    }

    /// The same, but not before `earliest`: where the time of day was set back meanwhile, it goes on from
    /// what it last was.
    #[must_use]
    pub fn not_before(self, earliest: Timestamp) -> Self {
        let started_at = self.started_at.max(earliest);
        Self { started_at, ..self }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_at.plus(Span::from_ms(elapsed_ms))
    }
}

/// How long something takes, for people to read. Decisions never look at it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long after another one it was started; zero if it was before.
    #[must_use]
    pub fn started_after(&self, other: Self) -> Duration {
        self.0.saturating_duration_since(other.0)
    }

    /// How long it has been since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A moment by which something must be done, by the machine's steady clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment so long from now; `None` where that is farther than clocks go.
    #[must_use]
    pub fn after(time: Duration) -> Option<Self> {
        Instant::now().checked_add(time).map(Self)
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// How long it is until then.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// A clock moved by hand: replay sets it to recorded time, tests and the demonstration to any.
#[derive(Debug)]
pub struct ManualClock {
    unix_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            unix_ms: AtomicI64::new(now.unix_ms()),
        }
    }

    /// Sets the clock to `now`, which may be earlier.
    pub fn set(&self, now: Timestamp) {
        self.unix_ms.store(now.unix_ms(), Ordering::SeqCst);
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Span) {
        self.unix_ms.fetch_add(span.ms(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.unix_ms.load(Ordering::SeqCst))
    }
}
