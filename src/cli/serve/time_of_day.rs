//! The machine's time of day and the time by which payments are decided: where they are apart, it is said.
//!
//! They are apart on purpose: [`SystemClock`] goes on steadily from the start, and never from before what was
//! written last. So a machine whose time is wrong at a start leaves that for good.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::scoring::time::{Span, Timestamp};

/// From how far apart on it is told: by less, clocks are corrected every day.
const TOLD: Span = Span::from_secs(10);

/// From how far on what was written last is no matter of seconds: a clock that is right but for summer time.
const FAR_AHEAD: Span = Span::from_hours(1);

/// From how far back on what was written last is long ago: few services are stopped for longer than a week.
const LONG_AGO: Span = Span::from_days(7);

/// What a start has to say of the machine's time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It is a little before what was written last.
    SetBack(Span),
    /// It is so far before that either was wrong.
    FarBack(Span),
    /// It is so long after that it may be wrong; once something is written, that cannot be mended.
    LongAfter(Span),
}

impl Said {
    /// What there is to say at `now`; `latest` is when something was written last.
    fn at(now: Timestamp, latest: Timestamp) -> Option<Self> {
        let (back, after) = (latest.since(now), now.since(latest));
        if latest == Timestamp::default() {
            // Nothing was.
            None
        } else if back >= FAR_AHEAD {
            Some(Self::FarBack(back))
        } else if back >= TOLD {
            Some(Self::SetBack(back))
        } else {
            (after >= LONG_AGO).then_some(Self::LongAfter(after))
        }
    }

    fn tell(self) {
        match self {
            Self::SetBack(span) => tracing::warn!(
                target: "doublecheck", seconds = span.secs(),
                "the machine's time of day is before what was written last; time goes on from there"
            ),
            Self::FarBack(span) => tracing::error!(
                target: "doublecheck", seconds = span.secs(),
                "the machine's time of day is long before what was written last: one of them is wrong. Time goes on \
                 from there, now and after every later start. If the machine is right, only an empty data directory, \
                 or a copy of it from before, ends that"
            ),
            Self::LongAfter(span) => tracing::warn!(
                target: "doublecheck", seconds = span.secs(),
                "the machine's time of day is long after what was written last. If it is wrong, stop before payments \
                 come, and set it right: time never goes back behind what is written"
            ),
        }
    }
}

/// The machine's clock, or where it has been set back, one that goes on from what was written last.
pub(super) fn clock_from(latest: Timestamp) -> Arc<dyn Clock> {
    let clock = SystemClock::start();
    if let Some(said) = Said::at(clock.now(), latest) {
        said.tell();
    }
    Arc::new(clock.not_before(latest))
}

/// By how many milliseconds the time by which payments are decided is ahead of the machine's time of day, as was
/// told last; behind it where negative.
#[derive(Debug)]
pub(super) struct Ahead(i64);

impl Ahead {
    /// As it is at the start, which has told it.
    pub(super) fn at_start(decided: Timestamp) -> Self {
        Self(ahead_ms(decided, SystemClock::start().now()))
    }

    /// Tells where it has changed: the machine was set right or wrong, or slept.
    pub(super) fn look(&mut self, decided: Timestamp) {
        let machine = SystemClock::start().now();
        if let Some(ahead_ms) = self.changed(decided, machine) {
            tracing::warn!(
                target: "doublecheck", seconds_ahead = ahead_ms / 1_000,
                "the machine's time of day was set, or it slept: payments are decided by another time, until a restart"
            );
        }
    }

    /// How far it is now, where that is to be told.
    fn changed(&mut self, decided: Timestamp, machine: Timestamp) -> Option<i64> {
        let ahead_ms = ahead_ms(decided, machine);
        let by_ms = ahead_ms.saturating_sub(self.0).saturating_abs();
        (by_ms >= TOLD.ms()).then(|| {
            self.0 = ahead_ms;
            ahead_ms
        })
    }
}

const fn ahead_ms(decided: Timestamp, machine: Timestamp) -> i64 {
    decided.unix_ms().saturating_sub(machine.unix_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

    #[test]
    fn a_start_says_how_far_its_time_is_from_what_was_written_last() {
        let said = |latest| Said::at(NOW, latest);
        let days = Span::from_days;
        assert_eq!(said(NOW), None);
        assert_eq!(said(NOW.plus(Span::from_secs(9))), None);
        assert_eq!(
            said(NOW.plus(Span::from_secs(10))),
            Some(Said::SetBack(Span::from_secs(10)))
        );
        assert_eq!(said(NOW.plus(days(400))), Some(Said::FarBack(days(400))));
        assert_eq!(said(NOW.minus(days(6))), None);
        assert_eq!(said(NOW.minus(days(400))), Some(Said::LongAfter(days(400))));
        assert_eq!(said(Timestamp::default()), None, "nothing was written");
    }

    #[test]
    fn a_correction_while_it_runs_is_told_once_and_again_when_it_is_taken_back() {
        let mut ahead = Ahead(0);
        let (set, later) = (Span::from_hours(8), Span::from_hours(30));
        assert_eq!(ahead.changed(NOW, NOW), None, "the start has told it");
        assert_eq!(ahead.changed(NOW, NOW.plus(set)), Some(-set.ms()));
        let then = NOW.plus(later);
        assert_eq!(ahead.changed(then, then.plus(set)), None);
        assert_eq!(ahead.changed(then, then), Some(0));
        assert_eq!(ahead.changed(then, then.minus(set)), Some(set.ms()));
    }
}
