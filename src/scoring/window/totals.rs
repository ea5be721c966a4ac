//! Running totals of the sliding windows.

use super::entry::{Entries, Entry};
use super::{WINDOWS, WindowIndex};
use crate::scoring::heap;
use crate::scoring::money::Currency;
use crate::scoring::outcome::Outcome;
use crate::scoring::time::Timestamp;

/// What a sliding window holds.
#[derive(Debug, Clone, Copy)]
pub struct Totals<'a> {
    nth: WindowIndex,
    running: &'a Running,
}

impl Totals<'_> {
    /// How many payments count as attempts.
    #[must_use]
    pub fn count(self) -> u32 {
        self.running.of(self.nth).count.into()
    }

    /// How many were declined.
    #[must_use]
    pub fn declined(self) -> u32 {
        self.running.of(self.nth).declined.into()
    }

    /// How many were paid, or may have been.
    #[must_use]
    pub fn paid(self) -> u32 {
        self.running.of(self.nth).paid.into()
    }

    /// What was spent in `currency`, in minor units.
    #[must_use]
    pub fn sum_minor(self, currency: Currency) -> i64 {
        if self.running.currency == Some(currency) {
            return self.running.of(self.nth).sum_minor;
        }
        let others = self.running.others.as_deref();
        others.map_or(0, |others| others.sum_minor(self.nth, currency))
    }
}

/// What one record contributes to the totals of the windows it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    count: i16,
    declined: i16,
    paid: i16,
    unknown: i16,
    currency: Currency,
    spent_minor: i64,
}

impl Tally {
    pub(super) fn of(entry: &Entry) -> Self {
        let standing = entry.standing();
        Self {
            count: entry.counts_in_velocity().into(),
            declined: standing.counts_as_failure().into(),
            paid: standing.may_be_paid().into(),
            unknown: (standing.outcome == Some(Outcome::Unknown)).into(),
            currency: entry.money.currency(),
            spent_minor: if standing.counts_as_spend() {
                entry.money.amount_minor()
            } else {
                0
            },
        }
    }

    /// What removing the record contributes.
    const fn back(self) -> Self {
        Self {
            count: self.count.wrapping_neg(),
            declined: self.declined.wrapping_neg(),
            paid: self.paid.wrapping_neg(),
            unknown: self.unknown.wrapping_neg(),
            currency: self.currency,
            spent_minor: self.spent_minor.wrapping_neg(),
        }
    }
}

/// The totals of all windows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Running {
    windows: [WindowTotal; WINDOWS.len()],
    /// The currency of the windows' own sums.
    currency: Option<Currency>,
    /// How many payments there are of which it was reported that nobody knows what became of them. Over all of the
    /// last 24 hours, as few payments end so: most accounts have none to look for.
    unknown: u16,
    /// Sums in other currencies; few accounts have any.
    others: Option<Box<OtherSums>>,
}

/// The total of one window, and where it begins. An account keeps at most a few thousand payments of at most
/// 10^15 minor units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct WindowTotal {
    sum_minor: i64,
    count: u16,
    declined: u16,
    paid: u16,
    /// The index of the oldest record in the window.
    tail: u16,
}

impl Running {
    /// Counts `entries` at `now`, with the windows' own sums in `currency`.
    pub(super) fn counted(entries: &[Entry], currency: Option<Currency>, now: Timestamp) -> Self {
        let mut running = Self {
            currency,
            ..Self::default()
        };
        for (place, entry) in (1..).zip(entries) {
            let tally = Tally::of(entry);
            for nth in WindowIndex::ALL {
                if entry.score_time.within(nth.span(), now) {
                    running.count(nth, tally);
                } else if let Some(window) = running.windows.get_mut(nth as usize) {
                    window.tail = place;
                }
            }
        }
        running
    }

    /// In which currency the windows' own sums are.
    pub(super) const fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// How many payments there are of which nobody knows what became of them, by what was reported.
    pub(super) const fn unknown(&self) -> u16 {
        self.unknown
    }

    pub(super) const fn totals(&self, nth: WindowIndex) -> Totals<'_> {
        Totals { nth, running: self }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let others = self.others.as_deref();
        others.map_or(0, OtherSums::heap_bytes)
    }

    pub(super) fn tail(&self, nth: WindowIndex) -> usize {
        self.of(nth).tail.into()
    }

    fn of(&self, nth: WindowIndex) -> WindowTotal {
        self.windows.get(nth as usize).copied().unwrap_or_default()
    }

    /// Counts a record that was added at the end.
    pub(super) fn add(&mut self, tally: Tally) {
        let own_minor = self.own_part_minor(tally);
        for window in &mut self.windows {
            window.add(tally, own_minor);
        }
        self.unknown = self.unknown.wrapping_add_signed(tally.unknown);
        if own_minor != tally.spent_minor {
            for nth in WindowIndex::ALL {
                self.change_others(|others| others.add(nth, tally));
            }
        }
    }

    /// Replaces what a record contributes.
    pub(super) fn change(&mut self, at: usize, before: Tally, after: Tally) {
        if before == after {
            return;
        }
        for nth in WindowIndex::ALL {
            if self.tail(nth) <= at {
                self.count(nth, before.back());
                self.count(nth, after);
            }
        }
    }

    /// Stops counting a record that was removed; those behind it have moved down.
    pub(super) fn take(&mut self, at: usize, tally: Tally) {
        for nth in WindowIndex::ALL {
            if self.tail(nth) <= at {
                self.count(nth, tally.back());
            } else if let Some(window) = self.windows.get_mut(nth as usize) {
                window.tail = window.tail.saturating_sub(1);
            }
        }
    }

    /// Stops counting the oldest record, which is about to be removed.
    pub(super) fn forget_oldest(&mut self, tally: Tally) {
        for nth in WindowIndex::ALL {
            if self.tail(nth) == 0 {
                self.count(nth, tally.back());
                if let Some(window) = self.windows.get_mut(nth as usize) {
                    window.tail = 1;
                }
            }
        }
    }

    /// The oldest `count` records were removed, and the others have moved down.
    pub(super) fn move_down(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        for window in &mut self.windows {
            window.tail = window.tail.saturating_sub(count);
        }
    }

    /// Slides every window up to `now`.
    pub(super) fn expire(&mut self, entries: Entries<'_>, now: Timestamp) {
        let Some(newest) = entries.last() else {
            self.currency = None;
            return;
        };
        for nth in WindowIndex::ALL {
            if newest.score_time.within(nth.span(), now) {
                self.slide(nth, entries, now);
            } else {
                self.clear(nth, entries.len());
            }
        }
        if self.tail(WindowIndex::Day) >= entries.len() {
            // The next payment determines the currency.
            self.currency = None;
        }
    }

    /// Slides a window that still holds something.
    fn slide(&mut self, nth: WindowIndex, entries: Entries<'_>, now: Timestamp) {
        while let Some(entry) = entries.get(self.tail(nth))
            && !entry.score_time.within(nth.span(), now)
        {
            self.count(nth, Tally::of(&entry).back());
            if let Some(window) = self.windows.get_mut(nth as usize) {
                window.tail = window.tail.saturating_add(1);
            }
        }
    }

    /// Empties a window that the newest of `count` records has left.
    fn clear(&mut self, nth: WindowIndex, count: usize) {
        if let Some(window) = self.windows.get_mut(nth as usize) {
            *window = WindowTotal {
                tail: u16::try_from(count).unwrap_or(u16::MAX),
                ..WindowTotal::default()
            };
        }
        if nth == WindowIndex::Day {
            self.unknown = 0;
        }
        if self.others.is_some() {
            self.change_others(|others| others.clear(nth));
        }
    }

    fn count(&mut self, nth: WindowIndex, tally: Tally) {
        let own_minor = self.own_part_minor(tally);
        if let Some(window) = self.windows.get_mut(nth as usize) {
            window.add(tally, own_minor);
        }
        if nth == WindowIndex::Day {
            self.unknown = self.unknown.wrapping_add_signed(tally.unknown);
        }
        if own_minor != tally.spent_minor {
            self.change_others(|others| others.add(nth, tally));
        }
    }

    /// The part of `tally` that goes into the windows' own sums: all or nothing. The first amount spent
    /// determines their currency.
    fn own_part_minor(&mut self, tally: Tally) -> i64 {
        let is_own = tally.spent_minor == 0
            || *self.currency.get_or_insert(tally.currency) == tally.currency;
        if is_own { tally.spent_minor } else { 0 }
    }

    /// Frees the other sums when there are none.
    #[cold]
    fn change_others(&mut self, change: impl FnOnce(&mut OtherSums)) {
        let others = self.others.get_or_insert_default();
        change(others);
        if others.0.is_empty() {
            self.others = None;
        }
    }
}

impl WindowTotal {
    /// Nothing gets large enough to wrap; and if it did, removing what was added would still be exact.
    const fn add(&mut self, tally: Tally, own_minor: i64) {
        self.count = self.count.wrapping_add_signed(tally.count);
        self.declined = self.declined.wrapping_add_signed(tally.declined);
        self.paid = self.paid.wrapping_add_signed(tally.paid);
        self.sum_minor = self.sum_minor.wrapping_add(own_minor);
    }
}

/// Sums in currencies other than the windows' own: none of them zero, ordered by window and currency.
#[derive(Debug, Clone, PartialEq, Default)]
struct OtherSums(Vec<OtherSum>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct OtherSum {
    nth: WindowIndex,
    currency: Currency,
    sum_minor: i64,
}

impl OtherSum {
    fn is_for(&self, nth: WindowIndex, currency: Currency) -> bool {
        self.nth == nth && self.currency == currency
    }
}

impl OtherSums {
    fn heap_bytes(&self) -> usize {
        let sums = heap::bytes_of::<OtherSum>(self.0.capacity());
        heap::bytes_of::<Self>(1).saturating_add(sums)
    }

    fn sum_minor(&self, nth: WindowIndex, currency: Currency) -> i64 {
        let found = self.0.iter().find(|sum| sum.is_for(nth, currency));
        found.map_or(0, |sum| sum.sum_minor)
    }

    fn add(&mut self, nth: WindowIndex, tally: Tally) {
        let place = |sum: &OtherSum| (sum.nth, sum.currency);
        let sum = OtherSum {
            nth,
            currency: tally.currency,
            sum_minor: tally.spent_minor,
        };
        match self.0.binary_search_by_key(&place(&sum), place) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.sum_minor = known.sum_minor.wrapping_add(tally.spent_minor);
                }
                self.0.retain(|sum| sum.sum_minor != 0);
            }
            Err(at) => self.0.insert(at, sum),
        }
    }

    fn clear(&mut self, nth: WindowIndex) {
        self.0.retain(|sum| sum.nth != nth);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scoring::assessment::Decision;
    use crate::scoring::money::Money;
    use crate::scoring::time::Span;
    use crate::scoring::window::records::Records;

    #[derive(Debug, Clone)]
    enum Step {
        Wait(i64),
        Push(u8, i64, Decision),
        Report(usize, Outcome),
        Take(usize),
        ForgetOldest,
    }

    fn step() -> impl Strategy<Value = Step> {
        let gap_ms = prop_oneof![
            0..30_000_i64,
            59_990..60_010_i64,
            30_000..700_000_i64,
            3_599_990..3_600_010_i64,
            1..90_000_000_i64,
        ];
        let decision = proptest::sample::select(Decision::ALL);
        prop_oneof![
            2 => gap_ms.prop_map(Step::Wait),
            4 => (0..3_u8, 1..1_000_i64, decision)
                .prop_map(|(currency, amount, decision)| Step::Push(currency, amount, decision)),
            2 => (0..9_usize, proptest::sample::select(Outcome::ALL))
                .prop_map(|(nth, outcome)| Step::Report(nth, outcome)),
            1 => (0..9_usize).prop_map(Step::Take),
            1 => Just(Step::ForgetOldest),
        ]
    }

    /// What the running totals say must be what counting anew says.
    fn check(running: &Running, entries: Entries<'_>, now: Timestamp) {
        for nth in WindowIndex::ALL {
            let inside = |entry: &Entry| entry.score_time.within(nth.span(), now);
            let tallies = || entries.iter().filter(inside).map(|entry| Tally::of(&entry));
            let totals = running.totals(nth);
            let count: i16 = tallies().map(|tally| tally.count).sum();
            let declined: i16 = tallies().map(|tally| tally.declined).sum();
            assert_eq!(totals.count(), u32::try_from(count).unwrap());
            assert_eq!(totals.declined(), u32::try_from(declined).unwrap());
            let paid: i16 = tallies().map(|tally| tally.paid).sum();
            assert_eq!(totals.paid(), u32::try_from(paid).unwrap());
            for currency in Currency::all().take(4) {
                let spent = tallies().filter(|tally| tally.currency == currency);
                let sum_minor: i64 = spent.map(|tally| tally.spent_minor).sum();
                assert_eq!(totals.sum_minor(currency), sum_minor);
            }
            let outside = entries.iter().filter(|entry| !inside(entry)).count();
            assert_eq!(running.tail(nth), outside);
        }
        let day = |entry: &Entry| entry.score_time.within(WindowIndex::Day.span(), now);
        let unknown = |entry: &Entry| entry.outcome == Some(Outcome::Unknown) && day(entry);
        let unknown = entries.iter().filter(unknown).count();
        assert_eq!(usize::from(running.unknown()), unknown);
        let others = running.others.as_deref();
        assert!(others.is_none_or(|others| !others.0.is_empty()));
    }

    proptest! {
        #[test]
        fn totals_are_what_counting_anew_says(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut running, mut records) = (Running::default(), Records::default());
            let mut now = Timestamp::default();
            for step in steps {
                match step {
                    Step::Wait(gap_ms) => {
                        now = now.plus(Span::from_ms(gap_ms));
                        running.expire(records.entries(), now);
                        let expired = running.tail(WindowIndex::Day);
                        records.forget(expired, 0);
                        running.move_down(expired);
                    }
                    Step::Push(currency, amount_minor, decision) => {
                        let currency = Currency::from_number(currency).unwrap();
                        let money = Money::new(amount_minor, currency).unwrap();
                        let allowed = Entry::allowed(now, money);
                        let pushed = Entry { decision, ..allowed };
                        running.add(Tally::of(&pushed));
                        records.push(&pushed, 0, |_| ());
                    }
                    Step::Report(nth, outcome) => {
                        let reported = |entry: &mut Entry| entry.outcome = Some(outcome);
                        if let Some((before, after)) = records.change(nth, reported) {
                            running.change(nth, Tally::of(&before), Tally::of(&after));
                        }
                    }
                    Step::Take(nth) => {
                        if let Some(taken) = records.remove(nth) {
                            running.take(nth, Tally::of(&taken));
                        }
                    }
                    Step::ForgetOldest => {
                        if let Some(oldest) = records.entries().get(0) {
                            running.forget_oldest(Tally::of(&oldest));
                            records.forget(1, 0);
                            running.move_down(1);
                        }
                    }
                }
                check(&running, records.entries(), now);
            }
        }
    }
}
