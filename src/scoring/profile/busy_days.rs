//! How many payments a busy account makes on its days: what it may go on making without being blocked.
//!
//! The [pace](super::pace) learns after one pause what an account did once. That is enough not to ask about it again.
//! Lifting a limit that blocks takes days: a script that hammers an account for a day or two must not make itself
//! usual. So what was paid on a day counts as usual only from three days after the day began. Only payments that were
//! paid are counted, or may have been: none that was blocked, declined or left unanswered.
//!
//! A day here begins with a payment and lasts 24 hours; the next one begins with the first payment after that.

use crate::scoring::image::{QUANTITY, narrow, number_f32, put_time, rounded_f32, time};
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};
use crate::scoring::window::{RETENTION, WINDOWS, WindowIndex};

/// From how many payments within 24 hours on an account counts as busy. Of the default limits above which the payer is
/// asked none is lower, so accounts that pay less need none lifted, and no memory for it.
pub(super) const BUSY_FROM: u32 = 12;

/// How long a day lasts from its first payment on.
const DAY: Span = RETENTION;

/// How many days are kept beside the one that is running.
const DAYS_KEPT: usize = 3;

/// How long after a day began what was paid in it counts as usual.
const USUAL_AFTER: Span = Span::from_days(3);

/// The days of one busy account. Numbers of payments are kept for each of the [`WINDOWS`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BusyDays {
    /// The day that is running, or the last one.
    today: Day,
    /// The days before it on which the account paid, newest first, and `None` behind them.
    before: [Option<Day>; DAYS_KEPT],
    /// The most payments on any day that counts as usual, fading.
    usual: [f32; WINDOWS.len()],
}

/// One day on which the account paid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Day {
    since: Timestamp,
    /// The most payments that each window held at once. For the longest window: all payments of the day, whether they
    /// are still remembered or not.
    counts: [u32; WINDOWS.len()],
}

impl Day {
    const fn since(since: Timestamp) -> Self {
        Self {
            since,
            counts: [0; WINDOWS.len()],
        }
    }

    fn count(&self, nth: WindowIndex) -> u32 {
        self.counts.get(nth as usize).copied().unwrap_or(0)
    }

    /// The number of all payments of the day.
    fn total_mut(&mut self) -> Option<&mut u32> {
        self.counts.get_mut(WindowIndex::Day as usize)
    }
}

impl BusyDays {
    /// Begins with a day that begins now.
    pub(super) fn since(now: Timestamp) -> Self {
        Self {
            today: Day::since(now),
            ..Self::default()
        }
    }

    /// How many payments within window `nth` are usual: the most of any day that began three days ago or earlier,
    /// fading. 0 if there is none.
    pub(super) fn usual_count(&self, nth: WindowIndex) -> f64 {
        self.usual
            .get(nth as usize)
            .map_or(0.0, |usual| (*usual).into())
    }

    /// How many payments within window `nth` the account makes every day: the least of the last three days on which it
    /// paid, before the one that is running. 0 if it has not paid on so many.
    pub(super) fn everyday_count(&self, nth: WindowIndex) -> u32 {
        let counts = self.before.iter();
        let counts = counts.map(|day| day.as_ref().map_or(0, |day| day.count(nth)));
        counts.min().unwrap_or(0)
    }

    /// How many payments were paid on the day that is running at `now`, and when it ends; `None` if it is over.
    pub(super) fn today(&self, now: Timestamp) -> Option<(u32, Timestamp)> {
        let Day { since, .. } = self.today;
        let paid = self.today.count(WindowIndex::Day);
        since.within(DAY, now).then(|| (paid, since.plus(DAY)))
    }

    /// Notes one more payment that was paid. `paid` is how many each window now holds, this one included.
    pub(super) fn note(
        &mut self,
        paid: impl Fn(WindowIndex) -> u32,
        half_life: Span,
        now: Timestamp,
    ) {
        if now.since(self.today.since) >= DAY {
            self.end_day(half_life, now);
        }
        for (nth, most) in WindowIndex::ALL.into_iter().zip(&mut self.today.counts) {
            *most = match nth {
                WindowIndex::Day => most.saturating_add(1),
                WindowIndex::Minute | WindowIndex::TenMinutes | WindowIndex::Hour => {
                    paid(nth).max(*most)
                }
            };
        }
    }

    /// Notes that a payment made at `time`, which was counted, was not paid after all.
    pub(super) fn note_unpaid(&mut self, time: Timestamp) {
        if self.today.since <= time
            && let Some(count) = self.today.total_mut()
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Forgets all days that do not count as usual yet.
    pub(super) fn distrust(&mut self) {
        self.today = Day::since(self.today.since);
        self.before = [None; DAYS_KEPT];
    }

    /// Whether it no longer lifts any limit: the account is not busy any more.
    pub(super) fn are_forgotten(&self) -> bool {
        let mut days = self.before.iter().flatten().chain([&self.today]);
        self.usual_count(WindowIndex::Day) < f64::from(BUSY_FROM)
            && days.all(|day| day.count(WindowIndex::Day) < BUSY_FROM)
    }

    /// Begins a new day. What is usual fades by the time since the last one began, and the days that have come to
    /// count as usual since then are added.
    fn end_day(&mut self, half_life: Span, now: Timestamp) {
        let over = std::mem::replace(&mut self.today, Day::since(now));
        self.before.rotate_right(1);
        if let Some(newest) = self.before.first_mut() {
            *newest = Some(over);
        }
        let left = remaining_share(now.since(over.since), half_life);
        for usual in &mut self.usual {
            *usual = rounded_f32(f64::from(*usual) * left);
        }
        for day in self.before.iter().flatten() {
            let usual_from = day.since.plus(USUAL_AFTER);
            let was_added_before = usual_from <= over.since;
            if was_added_before || now < usual_from {
                continue;
            }
            let left = remaining_share(now.since(usual_from), half_life);
            for (usual, count) in self.usual.iter_mut().zip(day.counts) {
                *usual = usual.max(rounded_f32(f64::from(count) * left));
            }
        }
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            today,
            before,
            usual,
        } = self;
        let days = || before.iter().flatten();
        put_varint(out, days().count() as u64);
        for Day { since, counts } in [today].into_iter().chain(days()) {
            put_time(out, *since);
            counts
                .iter()
                .for_each(|count| put_varint(out, (*count).into()));
        }
        usual
            .iter()
            .for_each(|usual| put_float(out, (*usual).into()));
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let kept: usize = narrow(rest).filter(|kept| *kept <= DAYS_KEPT)?;
        let mut days = Self {
            today: Day::read_image(rest)?,
            ..Self::default()
        };
        for day in days.before.iter_mut().take(kept) {
            *day = Some(Day::read_image(rest)?);
        }
        for usual in &mut days.usual {
            *usual = number_f32(rest, QUANTITY)?;
        }
        Some(days)
    }
}

impl Day {
    fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let mut day = Self::since(time(rest)?);
        for count in &mut day.counts {
            *count = narrow(rest)?;
        }
        Some(day)
    }
}
