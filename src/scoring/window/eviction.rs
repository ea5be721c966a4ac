//! Which payment is forgotten early when an account has made as many as are kept.

use super::entry::Entry;
use super::totals::Tally;
use crate::scoring::assessment::Decision;
use crate::scoring::outcome::Standing;
use crate::scoring::time::Timestamp;
use crate::scoring::window::{Dropped, RETENTION, Window, WindowIndex};

/// Attempts that moved no money keep one part in this many, however many payments were made: what is counted of
/// them over minutes (30 payments a minute, ten declined in an hour) must not vanish with the next payment of a
/// busy account, nor the answer to their retries.
const ATTEMPTS_PART: usize = 4;

impl Window {
    /// Forgets payments until fewer than `payments_max` are left. Until they would have expired, the history
    /// counts as cut short.
    pub(super) fn make_room(&mut self, payments_max: u32, now: Timestamp) -> Dropped {
        let mut dropped = Dropped::default();
        let payments_max = payments_max.max(1) as usize;
        while self.len() >= payments_max {
            let nth = self.least_missed(payments_max, now);
            let Some(entry) = self.records.entries().get(nth) else {
                break;
            };
            let until = entry.score_time.plus(RETENTION);
            self.cut_short_until = self.cut_short_until.max(until);
            if nth == 0 {
                self.running.forget_oldest(Tally::of(&entry));
                self.forget_oldest(1);
            } else {
                self.take(nth);
            }
            dropped.payments = dropped.payments.saturating_add(1);
        }
        dropped
    }

    /// The index of the record that is missed least. A payment that was made is what another may duplicate:
    /// repeated attempts must not push it out, or the duplicate would be allowed. So if attempts exceed their
    /// part, the oldest of them is forgotten: first one that came to nothing, then one that was not confirmed
    /// in time. Otherwise the oldest record of all is.
    fn least_missed(&self, payments_max: usize, now: Timestamp) -> usize {
        let paid = self.totals(WindowIndex::Day).paid() as usize;
        if self.len().saturating_sub(paid) <= payments_max / ATTEMPTS_PART {
            return 0;
        }
        let mut entries = self.records.entries().packed().iter();
        let nothing = entries.position(|packed| came_to_nothing(Entry::standing_of(packed)));
        let unanswered = || (0..self.len()).find(|nth| self.is_question_over(*nth, now));
        nothing.or_else(unanswered).unwrap_or(0)
    }

    /// Whether the payer was asked to confirm this payment, and no longer can.
    fn is_question_over(&self, nth: usize, now: Timestamp) -> bool {
        self.at(nth).is_some_and(|record| {
            !record.standing().may_be_paid()
                && (!record.is_question_open() || record.is_question_expired(now))
        })
    }
}

/// Whether no money moved and no confirmation is awaited: it was blocked, or reported as not paid.
const fn came_to_nothing(standing: Standing) -> bool {
    let is_asked = matches!(standing.decision, Decision::Confirm) && standing.outcome.is_none();
    !standing.may_be_paid() && !is_asked
}
