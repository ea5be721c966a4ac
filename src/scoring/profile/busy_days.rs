//! How many payments a busy account makes a day, over days: what it may go on making.
//!
//! The [pace](super::pace) learns after one pause what an account did once, which is enough not to ask again. To
//! lift what blocks, and what speaks of scripts, takes days: a script that hammers an account for one or two
//! must not make itself usual. So a day's figures count only once three days have gone since they began, and
//! only what was paid is in them: what was blocked, declined or never answered is not.

use crate::scoring::image::{QUANTITY, narrow, number_f32, put_time, time};
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};
use crate::scoring::window::{RETENTION, WINDOWS, WindowIndex};

/// From how many payments within 24 hours on an account is busy. No default limit that a payer is asked by
/// lies lower, and accounts of fewer take no memory for it.
pub(super) const BUSY_FROM: u32 = 12;

/// How long a day lasts from its first payment on.
const DAY: Span = RETENTION;

/// How many days are kept.
const DAYS_KEPT: usize = 3;

/// How long after a day began what was paid in it counts as usual.
const USUAL_AFTER: Span = Span::from_days(3);

/// The days of one busy account.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BusyDays {
    today: Day,
    /// The days before on which it paid, newest first; none stands behind one that is missing.
    before: [Option<Day>; DAYS_KEPT],
    /// The most of the days that count as usual, fading.
    usual: [f32; WINDOWS.len()],
}

/// What was paid from one moment on, for a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Day {
    since: Timestamp,
    /// The most payments in each window; for the longest all of the day, be they remembered or not.
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

    fn count_mut(&mut self) -> Option<&mut u32> {
        self.counts.get_mut(WindowIndex::Day as usize)
    }
}

impl BusyDays {
    pub(super) fn since(now: Timestamp) -> Self {
        Self {
            today: Day::since(now),
            ..Self::default()
        }
    }

    /// How many payments within window `nth` are usual for it: paid on a day that began three days ago or
    /// longer. 0 if there is none.
    pub(super) fn usual_count(&self, nth: WindowIndex) -> f64 {
        self.usual
            .get(nth as usize)
            .map_or(0.0, |usual| (*usual).into())
    }

    /// How many payments within window `nth` it makes every day: on each of the last three days on which it
    /// paid. 0 if it has not paid on so many.
    pub(super) fn everyday_count(&self, nth: WindowIndex) -> u32 {
        let counts = self.before.iter();
        let counts = counts.map(|day| day.as_ref().map_or(0, |day| day.count(nth)));
        counts.min().unwrap_or(0)
    }

    /// How many were paid in the day that is running at `now`, and until when it runs; `None` where it is over.
    pub(super) fn today(&self, now: Timestamp) -> Option<(u32, Timestamp)> {
        let Day { since, .. } = self.today;
        let paid = self.today.count(WindowIndex::Day);
        since.within(DAY, now).then(|| (paid, since.plus(DAY)))
    }

    /// Notes one more payment that was paid, and how many each window now holds.
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

    /// Notes that one that was made at `time` was not paid after all.
    pub(super) fn note_unpaid(&mut self, time: Timestamp) {
        if self.today.since <= time
            && let Some(count) = self.today.count_mut()
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Forgets what does not count as usual yet.
    pub(super) fn distrust(&mut self) {
        self.today = Day::since(self.today.since);
        self.before = [None; DAYS_KEPT];
    }

    /// Whether nothing is left that a limit could be held against.
    pub(super) fn are_forgotten(&self) -> bool {
        let days = self.before.iter().flatten().chain([&self.today]);
        self.usual_count(WindowIndex::Day) < f64::from(BUSY_FROM)
            && days
                .map(|day| day.count(WindowIndex::Day))
                .all(|count| count < BUSY_FROM)
    }

    fn end_day(&mut self, half_life: Span, now: Timestamp) {
        let over = std::mem::replace(&mut self.today, Day::since(now));
        self.before.rotate_right(1);
        if let Some(newest) = self.before.first_mut() {
            *newest = Some(over);
        }
        let left = remaining_share(now.since(over.since), half_life);
        self.usual
            .iter_mut()
            .for_each(|usual| *usual = kept(f64::from(*usual) * left));
        for day in self.before.iter().flatten() {
            let usual_from = day.since.plus(USUAL_AFTER);
            let is_counted = usual_from <= over.since;
            if is_counted || now < usual_from {
                continue;
            }
            let left = remaining_share(now.since(usual_from), half_life);
            for (usual, count) in self.usual.iter_mut().zip(day.counts) {
                *usual = usual.max(kept(f64::from(count) * left));
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

#[expect(
    clippy::cast_possible_truncation,
    reason = "a habit needs no more than 24 bits"
)]
const fn kept(count: f64) -> f32 {
    count as f32
}
