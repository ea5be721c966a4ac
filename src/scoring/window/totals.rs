//! Running totals of the sliding windows.

use super::record::Entry;
use super::{WINDOWS, WindowIndex};
use crate::scoring::heap;
use crate::scoring::money::{Currency, Money};
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
    pub const fn count(self) -> u32 {
        self.running.of(self.nth).count
    }

    /// How many were declined.
    #[must_use]
    pub const fn declined(self) -> u32 {
        self.running.of(self.nth).declined
    }

    /// What was spent in `currency`, in minor units.
    #[must_use]
    pub fn sum_minor(self, currency: Currency) -> i64 {
        let inline = self.running.currency == Some(currency);
        if inline {
            return self.running.of(self.nth).sum_minor;
        }
        let found = self
            .running
            .other_sums
            .iter()
            .find(|sum| sum.is_for(self.nth, currency));
        found.map_or(0, |sum| sum.sum_minor)
    }
}

/// What one record adds to the totals of the windows it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    count: u32,
    declined: u32,
    spent: Option<Money>,
}

impl Tally {
    pub(super) fn of(entry: &Entry) -> Self {
        let standing = entry.standing();
        Self {
            count: u32::from(standing.counts_in_velocity()),
            declined: u32::from(standing.counts_as_failure()),
            spent: standing.counts_as_spend().then(|| entry.money()),
        }
    }
}

/// The totals of all windows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Running {
    windows: [WindowTotal; WINDOWS.len()],
    /// In which currency the windows' own sums are.
    currency: Option<Currency>,
    /// Few accounts pay in several.
    other_sums: Vec<OtherSum>,
}

/// The total of one window and where the window begins.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct WindowTotal {
    sum_minor: i64,
    count: u32,
    declined: u32,
    /// Place of the oldest record inside.
    tail: u32,
}

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

impl Running {
    pub(super) const fn totals(&self, nth: WindowIndex) -> Totals<'_> {
        Totals { nth, running: self }
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<OtherSum>(self.other_sums.capacity())
    }

    pub(super) const fn tail(&self, nth: WindowIndex) -> usize {
        self.of(nth).tail as usize
    }

    const fn of(&self, nth: WindowIndex) -> &WindowTotal {
        let [minute, ten_minutes, hour, day] = &self.windows;
        match nth {
            WindowIndex::Minute => minute,
            WindowIndex::TenMinutes => ten_minutes,
            WindowIndex::Hour => hour,
            WindowIndex::Day => day,
        }
    }

    /// Counts a record that has just been put at the end.
    pub(super) fn add(&mut self, tally: Tally) {
        for nth in WindowIndex::ALL {
            self.count(nth, tally);
        }
    }

    /// Counts the record in this place anew.
    pub(super) fn change(&mut self, at: usize, before: Tally, after: Tally) {
        if before == after {
            return;
        }
        for nth in WindowIndex::ALL {
            if self.tail(nth) <= at {
                self.discount(nth, before);
                self.count(nth, after);
            }
        }
    }

    /// No longer counts the record that stood in this place; those behind it have moved down.
    pub(super) fn take(&mut self, at: usize, tally: Tally) {
        for nth in WindowIndex::ALL {
            if self.tail(nth) <= at {
                self.discount(nth, tally);
            } else if let Some(window) = self.windows.get_mut(nth as usize) {
                window.tail = window.tail.saturating_sub(1);
            }
        }
    }

    /// No longer counts the oldest record, which is about to go.
    pub(super) fn forget_oldest(&mut self, tally: Tally) {
        for nth in WindowIndex::ALL {
            if self.tail(nth) == 0 {
                self.discount(nth, tally);
                if let Some(window) = self.windows.get_mut(nth as usize) {
                    window.tail = 1;
                }
            }
        }
    }

    /// The oldest `count` records are gone, and the others have moved down.
    pub(super) fn move_down(&mut self, count: u32) {
        for window in &mut self.windows {
            window.tail = window.tail.saturating_sub(count);
        }
    }

    /// Moves every window's tail up to `now`.
    pub(super) fn expire(&mut self, entries: &[Entry], now: Timestamp) {
        for nth in WindowIndex::ALL {
            while let Some(entry) = entries.get(self.tail(nth))
                && !entry.score_time.within(nth.span(), now)
            {
                self.discount(nth, Tally::of(entry));
                if let Some(window) = self.windows.get_mut(nth as usize) {
                    window.tail = window.tail.saturating_add(1);
                }
            }
        }
        if self.currency.is_some() && self.tail(WindowIndex::Day) >= entries.len() {
            // The next payment says in what currency to count.
            self.currency = None;
        }
    }

    fn count(&mut self, nth: WindowIndex, tally: Tally) {
        if let Some(window) = self.windows.get_mut(nth as usize) {
            window.count = window.count.saturating_add(tally.count);
            window.declined = window.declined.saturating_add(tally.declined);
        }
        if let Some(spent) = tally.spent {
            self.change_sum(nth, spent.currency(), spent.amount_minor());
        }
    }

    fn discount(&mut self, nth: WindowIndex, tally: Tally) {
        if let Some(window) = self.windows.get_mut(nth as usize) {
            window.count = window.count.saturating_sub(tally.count);
            window.declined = window.declined.saturating_sub(tally.declined);
        }
        if let Some(spent) = tally.spent {
            self.change_sum(nth, spent.currency(), spent.amount_minor().saturating_neg());
        }
    }

    fn change_sum(&mut self, nth: WindowIndex, currency: Currency, by_minor: i64) {
        if *self.currency.get_or_insert(currency) == currency {
            if let Some(window) = self.windows.get_mut(nth as usize) {
                window.sum_minor = window.sum_minor.saturating_add(by_minor);
            }
            return;
        }
        let mut others = self.other_sums.iter_mut();
        match others.find(|sum| sum.is_for(nth, currency)) {
            Some(sum) => sum.sum_minor = sum.sum_minor.saturating_add(by_minor),
            None => self.other_sums.push(OtherSum {
                nth,
                currency,
                sum_minor: by_minor,
            }),
        }
        if by_minor < 0 {
            self.other_sums.retain(|sum| sum.sum_minor != 0);
        }
    }
}
