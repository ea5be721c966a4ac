//! Whether a remembered payment repeats another one or looks like a slip, and was meant to.

use std::sync::Arc;

use super::{RecordRef, Window};
use crate::scoring::assessment::{Assessment, ReasonCode};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::PaymentId;
use crate::scoring::profile::Lateness;
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

/// How far apart payments lie that were made on different days, whatever hour a day begins at: nearly a day, as
/// the same errand is run now earlier, now later.
const DAYS_APART: Span = Span::from_hours(20);

impl RecordRef<'_> {
    /// Whether the payer, asked about a repeat, said that it was meant. Whoever tries again after a time-out
    /// says no such thing.
    #[must_use]
    pub fn is_repeat_that_was_meant(self, lateness: Lateness) -> bool {
        self.was_confirmed() && self.repeats_what_was_paid(lateness)
    }

    /// Whether the payer, asked about a sum that looked like a slip, said that it was meant.
    pub(in crate::scoring) fn is_slip_that_was_meant(self) -> bool {
        let slip = ReasonCode::Signal(Signal::AmountSlip);
        let names = |answer: &Assessment| answer.reasons.iter().any(|reason| reason.code == slip);
        self.was_confirmed() && self.answer().as_ref().is_some_and(names)
    }

    /// Whether it was held against an earlier payment that was paid, not only one of which nobody knew yet. But
    /// where outcomes come so late that nobody could know, one of which nothing bad was heard since was paid.
    pub(in crate::scoring) fn repeats_what_was_paid(self, lateness: Lateness) -> bool {
        if !self.was_held_against_another() {
            return false;
        }
        let Some(answer) = self.answer() else {
            return false;
        };
        if answer.names_what_was_paid() {
            return true;
        }
        answer.names_what_was_open().is_some_and(|(id, elapsed)| {
            lateness.is_usually_over(elapsed) && self.window.holds_as_good_as_paid(id)
        })
    }

    /// Whether it was held against this payment, of which nobody knew yet what became of it.
    pub(in crate::scoring) fn repeats_what_was_open(self, payment_id: &PaymentId) -> bool {
        let names = |answer: &Assessment| {
            let open = answer.names_what_was_open();
            open.is_some_and(|(id, _)| id == payment_id)
        };
        self.was_held_against_another() && self.answer().as_ref().is_some_and(names)
    }

    fn answer(self) -> Option<Assessment> {
        let decision = self.standing().decision;
        self.detail()?.assessment(decision, |_| Arc::default())
    }

    /// Whether it repeats what was paid shortly before, as no other that is remembered of its day did: one
    /// day, one vote.
    #[must_use]
    pub fn is_first_repeat_of_its_day(self, lateness: Lateness) -> bool {
        let is_another = |other: RecordRef<'_>| {
            other.score_time() < self.score_time()
                && other.score_time().plus(DAYS_APART) > self.score_time()
                && other.money() == self.money()
                && other.pays_whom(self)
                && other.repeats_what_was_paid(lateness)
        };
        self.repeats_what_was_paid(lateness) && !self.window.newest_first().any(is_another)
    }
}

impl Window {
    /// Whether the payment of this id was paid, or nothing bad was heard of it for as long as it was waited for;
    /// one that is not remembered any more was.
    fn holds_as_good_as_paid(&self, payment_id: &PaymentId) -> bool {
        self.find(payment_id).is_none_or(|nth| {
            self.at(nth).is_some_and(|record| match record.outcome() {
                Some(Outcome::Succeeded) => !record.was_paid_after_doubt(),
                None => record.standing().may_be_paid() && nth < self.settled as usize,
                Some(_) => false,
            })
        })
    }
}
