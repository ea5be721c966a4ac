//! The payments that an account made lately: exact, bounded, with running totals per sliding window.
//!
//! Records are in time order. Each of the [`WINDOWS`] keeps the index of its oldest record and a running total,
//! so it slides per payment, not in buckets, and reading a total costs the same with one payment as with
//! hundreds. A record is a fixed-size entry that decisions look at, and a packed detail that
//! is needed for evidence; the tags of ids are also kept side by side, so that looking for one among
//! hundreds of payments touches few cache lines.

use super::confirmation::ConfirmationToken;
use super::outcome::Outcome;
use super::payment::PaymentId;
use super::submission::{Submission, Tagged, tag_or_zero};
use super::time::{Span, Timestamp};
use crate::prefetch::{prefetch, prefetch_one};

mod answer;
mod detail;
mod entry;
mod image;
mod recent;
mod record;
mod records;
mod eviction;
mod repeat;
mod sliding;
mod spans;
mod tags;
mod totals;

use entry::{Entry, OUTCOME_AFTER_MS_MAX};
pub use recent::Recent;
pub use record::{Decided, Record, RecordRef};
use records::Records;
pub use spans::{RETENTION, WINDOWS, WindowIndex};
use tags::{Tags, TagsApart};
pub use totals::Totals;
use totals::{Running, Tally};

/// How many of the newest records are prefetched.
const FETCHED: usize = 8;

/// An allocation of at most this size is kept when the window becomes empty.
const KEPT_BYTES: usize = 384;

/// What was lost to the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Payments forgotten early, because the account made more than are kept.
    pub payments: u32,
}

/// The window of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    records: Records,
    tags: TagsApart,
    running: Running,
    /// Until then, payments are missing that were forgotten early.
    cut_short_until: Timestamp,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            records: Records::default(),
            tags: TagsApart::default(),
            running: Running::default(),
            cut_short_until: Self::NEVER_CUT_SHORT,
        }
    }
}

impl Window {
    const NEVER_CUT_SHORT: Timestamp = Timestamp::from_unix_ms(i64::MIN);

    /// The totals of window `nth` of [`WINDOWS`], as of the last [`expire`](Self::expire).
    #[must_use]
    pub const fn totals(&self, nth: WindowIndex) -> Totals<'_> {
        self.running.totals(nth)
    }

    /// How many payments are remembered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.records
            .heap_bytes()
            .saturating_add(self.tags.heap_bytes())
            .saturating_add(self.running.heap_bytes())
    }

    /// Whether there is a payment of which it was reported that nobody knows what became of it, and nothing since.
    #[must_use]
    pub const fn holds_unknown(&self) -> bool {
        self.running.unknown() > 0
    }

    /// Requests from memory what the next step will read.
    pub fn fetch(&self) {
        self.records
            .newest(FETCHED, FETCHED * 64)
            .into_iter()
            .for_each(prefetch);
        prefetch(self.tags.payment_ids());
        let entries = self.records.entries().packed();
        if entries.len() > FETCHED {
            // Where the windows slide, and what will be learnt from.
            for nth in WindowIndex::ALL {
                prefetch_one(entries, self.running.tail(nth));
            }
            prefetch_one(entries, self.records.settled());
        }
    }

    /// Whether payments of the last 24 h were forgotten early.
    #[must_use]
    pub fn is_cut_short(&self, now: Timestamp) -> bool {
        now < self.cut_short_until
    }

    /// The remembered payments, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = RecordRef<'_>> + Clone {
        self.recent().iter()
    }

    /// The remembered payments of the last `span`.
    #[must_use]
    pub fn within(&self, span: Span, now: Timestamp) -> Recent<'_> {
        self.recent().after(now.minus(span))
    }

    /// The remembered payments of the same order, newest first; none if there is no order.
    pub fn of_the_order_of<'a>(
        &'a self,
        submission: &'a Submission<'_>,
    ) -> impl Iterator<Item = RecordRef<'a>> {
        let order_id = submission.order_id.as_ref();
        // No record has the tag 0.
        let tag = order_id.map_or(0, |id| id.tag);
        let places = if tag == 0 { 0..0 } else { 0..self.len() };
        let apart = self.tags.order_ids();
        places
            .rev()
            .filter(move |nth| apart.get(*nth).is_none_or(|apart| *apart == tag))
            .filter_map(|nth| self.at(nth))
            .filter(move |record| order_id.is_some_and(|order_id| record.pays_order(order_id)))
    }

    /// The index of the record with this id; the oldest has index 0.
    #[must_use]
    pub fn find(&self, payment_id: &PaymentId) -> Option<usize> {
        self.find_tagged(&Tagged::of(payment_id.as_str()))
    }

    /// The same for a submitted payment.
    #[must_use]
    pub fn find_again(&self, submission: &Submission<'_>) -> Option<usize> {
        self.find_tagged(&submission.payment_id)
    }

    fn find_tagged(&self, payment_id: &Tagged<'_>) -> Option<usize> {
        // Most are not found: a first pass without branches shows that.
        let any = |any, tag| any | (tag == payment_id.tag);
        let is_there = match self.tags.payment_ids() {
            [] => {
                let tags = self.records.entries().tags_from(0);
                tags.map(|tags| tags.payment_id).fold(false, any)
            }
            apart => apart.iter().copied().fold(false, any),
        };
        if !is_there {
            return None;
        }
        (0..self.len()).rev().find(|nth| {
            self.at(*nth)
                .is_some_and(|record| record.has_id(payment_id))
        })
    }

    /// The index of the newest record that handed out `token` or was confirmed by it.
    #[must_use]
    pub fn find_token(&self, token: ConfirmationToken) -> Option<usize> {
        (0..self.len()).rev().find(|nth| {
            self.at(*nth)
                .is_some_and(|record| record.tokens().contains(&Some(token)))
        })
    }

    /// The record with this index; the oldest has index 0.
    #[must_use]
    pub fn at(&self, nth: usize) -> Option<RecordRef<'_>> {
        let packed = self.records.entries().packed().get(nth)?;
        Some(RecordRef {
            packed,
            window: self,
        })
    }

    /// Records the outcome of a record.
    pub fn note_outcome(&mut self, nth: usize, outcome: Outcome, now: Timestamp) {
        self.change(nth, |entry| {
            let after_ms = u32::try_from(now.since(entry.score_time).ms());
            entry.paid_after_doubt =
                entry.outcome == Some(Outcome::Unknown) && outcome == Outcome::Succeeded;
            entry.outcome = Some(outcome);
            entry.outcome_after_ms = after_ms.unwrap_or(u32::MAX).min(OUTCOME_AFTER_MS_MAX);
        });
    }

    /// Records that the token handed out with a record was spent.
    pub fn spend_token(&mut self, nth: usize) {
        self.change(nth, |entry| entry.token_spent = true);
    }

    /// Changes a record, and what the totals count of it.
    fn change(&mut self, nth: usize, change: impl FnOnce(&mut Entry)) {
        if let Some((before, after)) = self.records.change(nth, change) {
            self.running
                .change(nth, Tally::of(&before), Tally::of(&after));
        }
    }

    /// Records whether the profile has learnt from a record.
    pub fn set_learnt(&mut self, nth: usize, learnt: bool) {
        self.records.set_learnt(nth, learnt);
    }

    /// Forgets what is older than the retention, and slides every window up to `now`.
    pub fn expire(&mut self, now: Timestamp) {
        self.running.expire(self.records.entries(), now);
        let expired = self.running.tail(WindowIndex::Day);
        if expired > 0 {
            self.forget_oldest(expired);
        }
    }

    /// Remembers a payment scored now, as the newest. If there are `payments_max` already, one is forgotten.
    pub fn push(&mut self, decided: &Decided<'_>, payments_max: u32) -> Dropped {
        let dropped = self.make_room(payments_max, decided.score_time);
        let Decided {
            submission,
            assessment,
            ..
        } = decided;
        let entry = Entry {
            score_time: decided.score_time,
            money: submission.payment.money,
            detail: self.records.details_ends().1,
            outcome_after_ms: 0,
            tags: Tags::of(submission),
            payee_tag: submission.payee_id.tag,
            device_tag: tag_or_zero(submission.device_id.as_ref()),
            decision: assessment.decision,
            outcome: None,
            paid_after_doubt: false,
            token_spent: false,
            learnt: false,
            payee_was_known: decided.payee_was_known,
            held_against_another: assessment.held_against().is_some(),
        };
        let expected = detail::expected_bytes(submission, assessment);
        self.records.push(&entry, expected, |bytes| {
            let number = decided.policy_number;
            detail::write(bytes, submission, assessment, number, decided.confirmed_by);
        });
        self.running.add(Tally::of(&entry));
        self.tags.follow(self.records.entries());
        dropped
    }

    /// Removes a record as if it had never been: because it is decided anew, or forgotten early.
    pub fn take(&mut self, nth: usize) {
        self.tags.remove(nth);
        if let Some(entry) = self.records.remove(nth) {
            self.running.take(nth, Tally::of(&entry));
        }
    }

    /// The index of the oldest record that is older than `span` and was not handed out here before.
    pub fn settle_next(&mut self, span: Span, now: Timestamp) -> Option<usize> {
        let nth = self.records.settled();
        let packed = self.records.entries().packed().get(nth)?;
        if Entry::score_time_of(packed).within(span, now) {
            return None;
        }
        self.records.settle_next();
        Some(nth)
    }

    /// Forgets the oldest `count` records, which no total counts any more.
    fn forget_oldest(&mut self, count: usize) {
        self.tags.forget(count);
        self.records.forget(count, KEPT_BYTES);
        self.running.move_down(count);
    }

    /// All remembered payments.
    fn recent(&self) -> Recent<'_> {
        Recent {
            packed: self.records.entries().packed(),
            window: self,
        }
    }
}
