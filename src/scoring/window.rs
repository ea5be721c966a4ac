//! The payments an account made lately: exact, bounded, with running totals per sliding window.
//!
//! Records stand in time order in a ring. Each of the [`WINDOWS`] keeps a cursor on its oldest record
//! and a running total, so a window slides per payment, not in buckets, and reading a total costs
//! the same with one payment in it as with hundreds.

use std::collections::VecDeque;

use super::assessment::Assessment;
use super::confirmation::ConfirmationToken;
use super::money::Currency;
use super::outcome::{Outcome, Standing};
use super::payment::{Payment, PaymentId};
use super::time::{Span, Timestamp};

/// The sliding windows, shortest first. The longest is how long payments are remembered.
pub const WINDOWS: [Span; 4] = [
    Span::from_minutes(1),
    Span::from_minutes(10),
    Span::from_hours(1),
    RETENTION,
];

/// How long a payment is remembered.
pub const RETENTION: Span = Span::from_hours(24);

/// A payment as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was asked.
    pub payment: Payment,
    /// What was answered.
    pub assessment: Assessment,
    /// When.
    pub score_time: Timestamp,
    /// What became of it, if reported.
    pub outcome: Option<Outcome>,
    /// When that was reported.
    pub outcome_time: Option<Timestamp>,
    /// The token with which the payer confirmed it, if so.
    pub confirmed_by: Option<ConfirmationToken>,
    /// Whether the token that this record's own assessment handed out has been spent.
    pub token_spent: bool,
    /// Whether the profile has learnt from it.
    pub learnt: bool,
    /// Whether the account knew the payee when it paid.
    pub payee_was_known: bool,
}

impl Record {
    /// Where it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        Standing {
            decision: self.assessment.decision,
            outcome: self.outcome,
        }
    }
}

/// What a sliding window holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    count: u32,
    declined: u32,
    sums: Vec<(Currency, i64)>,
}

impl Totals {
    /// How many payments count as attempts.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many were declined.
    #[must_use]
    pub const fn declined(&self) -> u32 {
        self.declined
    }

    /// What was spent in `currency`, in minor units.
    #[must_use]
    pub fn sum_minor(&self, currency: Currency) -> i64 {
        self.sums
            .iter()
            .find(|(known, _)| *known == currency)
            .map_or(0, |(_, sum)| *sum)
    }

    fn add(&mut self, tally: Tally) {
        self.count = self.count.saturating_add(tally.count);
        self.declined = self.declined.saturating_add(tally.declined);
        if let Some((currency, amount)) = tally.spent {
            match self.sums.iter_mut().find(|(known, _)| *known == currency) {
                Some((_, sum)) => *sum = sum.saturating_add(amount),
                None => self.sums.push((currency, amount)),
            }
        }
    }

    fn remove(&mut self, tally: Tally) {
        self.count = self.count.saturating_sub(tally.count);
        self.declined = self.declined.saturating_sub(tally.declined);
        if let Some((currency, amount)) = tally.spent
            && let Some(at) = self.sums.iter().position(|(known, _)| *known == currency)
            && let Some((_, sum)) = self.sums.get_mut(at)
        {
            *sum = sum.saturating_sub(amount);
            if *sum == 0 {
                self.sums.swap_remove(at);
            }
        }
    }
}

/// What one record adds to the totals of the windows it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tally {
    count: u32,
    declined: u32,
    spent: Option<(Currency, i64)>,
}

impl Tally {
    fn of(record: &Record) -> Self {
        let standing = record.standing();
        let money = record.payment.money;
        Self {
            count: u32::from(standing.counts_in_velocity()),
            declined: u32::from(standing.counts_as_failure()),
            spent: standing
                .counts_as_spend()
                .then(|| (money.currency(), money.amount_minor())),
        }
    }
}

/// The total of one window and where the window begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Running {
    totals: Totals,
    /// Sequence number of the oldest record inside.
    tail: u64,
}

/// What a bound cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Payments forgotten before their time, because the account made more than are kept.
    pub payments: u32,
}

/// The window of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    records: VecDeque<Record>,
    /// Sequence number of `records[0]`; numbers are given in order and never again.
    first: u64,
    running: [Running; WINDOWS.len()],
    /// Sequence number of the oldest record that the profile has not been asked about.
    unsettled: u64,
    /// Until when the memory is known to be cut short.
    cut_short_until: Option<Timestamp>,
}

impl Window {
    /// The totals of window `nth` of [`WINDOWS`], as of the last [`expire`](Self::expire).
    #[must_use]
    pub fn totals(&self, nth: WindowIndex) -> &Totals {
        let [minute, ten_minutes, hour, day] = &self.running;
        match nth {
            WindowIndex::Minute => &minute.totals,
            WindowIndex::TenMinutes => &ten_minutes.totals,
            WindowIndex::Hour => &hour.totals,
            WindowIndex::Day => &day.totals,
        }
    }

    /// When the oldest record inside window `nth` was scored.
    #[must_use]
    pub fn oldest_in(&self, nth: WindowIndex) -> Option<Timestamp> {
        let tail = self.running.get(nth as usize)?.tail;
        self.at(tail).map(|record| record.score_time)
    }

    /// How many payments are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether payments of the last 24 h were forgotten for want of room.
    #[must_use]
    pub fn is_cut_short(&self, now: Timestamp) -> bool {
        self.cut_short_until.is_some_and(|until| now < until)
    }

    /// The remembered payments, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().rev()
    }

    /// The remembered payments of the last `span`, newest first.
    pub fn within(&self, span: Span, now: Timestamp) -> impl Iterator<Item = &Record> {
        self.newest_first()
            .take_while(move |record| record.score_time.within(span, now))
    }

    /// The number of the record with this id.
    #[must_use]
    pub fn find(&self, payment_id: &PaymentId) -> Option<u64> {
        self.find_by(|record| record.payment.payment_id == *payment_id)
    }

    /// The number of the newest record that `wanted` holds for.
    #[must_use]
    pub fn find_by(&self, wanted: impl Fn(&Record) -> bool) -> Option<u64> {
        let from_newest = self.newest_first().position(wanted)?;
        let from_oldest = self
            .records
            .len()
            .checked_sub(from_newest)?
            .checked_sub(1)?;
        Some(self.first.saturating_add(from_oldest as u64))
    }

    /// The record of this number.
    #[must_use]
    pub fn at(&self, number: u64) -> Option<&Record> {
        self.records.get(self.index_of(number)?)
    }

    /// Changes the record of this number by `change` and keeps the totals right.
    pub fn update<T>(&mut self, number: u64, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let index = self.index_of(number)?;
        let record = self.records.get_mut(index)?;
        let before = Tally::of(record);
        let result = change(record);
        let after = Tally::of(record);
        if before != after {
            for running in &mut self.running {
                if running.tail <= number {
                    running.totals.remove(before);
                    running.totals.add(after);
                }
            }
        }
        Some(result)
    }

    /// Forgets what is older than the retention and moves every window's tail up to `now`.
    pub fn expire(&mut self, now: Timestamp) {
        for (running, span) in self.running.iter_mut().zip(WINDOWS) {
            while let Some(record) = running
                .tail
                .checked_sub(self.first)
                .and_then(|index| usize::try_from(index).ok())
                .and_then(|index| self.records.get(index))
            {
                if record.score_time.within(span, now) {
                    break;
                }
                running.totals.remove(Tally::of(record));
                running.tail = running.tail.saturating_add(1);
            }
        }
        while let Some(oldest) = self.records.front()
            && !oldest.score_time.within(RETENTION, now)
        {
            self.records.pop_front();
            self.first = self.first.saturating_add(1);
        }
        self.unsettled = self.unsettled.max(self.first);
        if self.records.is_empty() && self.records.capacity() > 8 {
            self.records.shrink_to(0);
        }
    }

    /// Remembers a payment scored now, the newest of all. When there are `payments_max` already the
    /// oldest is forgotten, and until it would have expired the memory counts as cut short.
    pub fn push(&mut self, record: Record, payments_max: u32) -> Dropped {
        let mut dropped = Dropped::default();
        while self.records.len() >= payments_max.max(1) as usize {
            self.forget_oldest();
            dropped.payments = dropped.payments.saturating_add(1);
        }
        let tally = Tally::of(&record);
        for running in &mut self.running {
            running.totals.add(tally);
        }
        self.records.push_back(record);
        dropped
    }

    /// Takes a record out, as if it had never been: it is about to be decided anew.
    pub fn take(&mut self, number: u64) -> Option<Record> {
        let index = self.index_of(number)?;
        let record = self.records.remove(index)?;
        let tally = Tally::of(&record);
        // Those after the gap move down by one number.
        for running in &mut self.running {
            if running.tail <= number {
                running.totals.remove(tally);
            } else {
                running.tail = running.tail.saturating_sub(1);
            }
        }
        if self.unsettled > number {
            self.unsettled = self.unsettled.saturating_sub(1);
        }
        Some(record)
    }

    /// The oldest record that is older than `span` and has not been handed out here before.
    pub fn settle_next(&mut self, span: Span, now: Timestamp) -> Option<&mut Record> {
        let index = self.index_of(self.unsettled)?;
        let record = self.records.get_mut(index)?;
        if record.score_time.within(span, now) {
            return None;
        }
        self.unsettled = self.unsettled.saturating_add(1);
        Some(record)
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.records.pop_front() else {
            return;
        };
        let tally = Tally::of(&oldest);
        for running in &mut self.running {
            if running.tail <= self.first {
                running.totals.remove(tally);
                running.tail = self.first.saturating_add(1);
            }
        }
        self.first = self.first.saturating_add(1);
        self.unsettled = self.unsettled.max(self.first);
        let until = oldest.score_time.plus(RETENTION);
        self.cut_short_until = self.cut_short_until.max(Some(until));
    }

    fn index_of(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }
}

/// Names one of the [`WINDOWS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowIndex {
    /// The last minute.
    Minute,
    /// The last ten minutes.
    TenMinutes,
    /// The last hour.
    Hour,
    /// The last 24 hours.
    Day,
}

impl WindowIndex {
    /// All of them, shortest first.
    pub const ALL: [Self; WINDOWS.len()] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// How long the window is.
    #[must_use]
    pub const fn span(self) -> Span {
        let [minute, ten_minutes, hour, day] = WINDOWS;
        match self {
            Self::Minute => minute,
            Self::TenMinutes => ten_minutes,
            Self::Hour => hour,
            Self::Day => day,
        }
    }
}
