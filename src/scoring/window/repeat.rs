//! What a remembered payment says of repeats and slips: whether it repeats another payment or looked like a slip, and
//! whether the payer meant that.

use std::sync::Arc;

use super::{RecordRef, Window};
use crate::scoring::assessment::{Assessment, Reason, ReasonCode};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::PaymentId;
use crate::scoring::profile::Lateness;
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

/// Payments at least this far apart count as made on different days, whatever hour a day begins at. Less than a day,
/// as the same errand is run now earlier, now later.
const DAYS_APART: Span = Span::from_hours(20);

impl RecordRef<'_> {
    /// Whether the payer, asked about a repeat, said that it was meant. Whoever tries a payment again after a time-out
    /// does not say that it is a second one.
    #[must_use]
    pub fn is_repeat_that_was_meant(self, lateness: Lateness) -> bool {
        self.was_confirmed() && self.repeats_a_paid_one(lateness)
    }

    /// What the payer was told by `signal` and said was meant, unless it was a mistake or a fraud after all.
    pub(in crate::scoring) fn reason_that_was_meant(self, signal: Signal) -> Option<Reason> {
        let was_wrong = matches!(self.outcome(), Some(Outcome::PayerMistake | Outcome::Fraud));
        if was_wrong || !self.was_confirmed() {
            return None;
        }
        let mut reasons = self.answer()?.reasons.into_iter();
        reasons.find(|reason| reason.code == ReasonCode::Signal(signal))
    }

    /// Whether it repeats an earlier payment that was paid: by its answer, that one was known to be paid then. Where
    /// outcomes come so late that nobody could know, the earlier one counts as paid if nothing bad was heard of it
    /// since.
    pub(in crate::scoring) fn repeats_a_paid_one(self, lateness: Lateness) -> bool {
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
            lateness.is_usually_longer_than(elapsed) && self.window.holds_as_good_as_paid(id)
        })
    }

    /// Whether, by its answer, it repeats the payment of this id, of which no outcome was known then.
    pub(in crate::scoring) fn repeats_the_open_one(self, payment_id: &PaymentId) -> bool {
        let names = |answer: &Assessment| {
            let open = answer.names_what_was_open();
            open.is_some_and(|(id, _)| id == payment_id)
        };
        self.was_held_against_another() && self.answer().as_ref().is_some_and(names)
    }

    /// Whether it shows that orders of its payee come back, as those of tables or a name that stands for all of them:
    /// by its answer, its order was paid in full before, and that was on another day, or the payer said that this one
    /// is meant all the same. Where it was not known whether that was paid, a yes is to another try.
    pub(in crate::scoring) fn shows_that_orders_come_back(self, lateness: Lateness) -> bool {
        let Some(answer) = self.answer() else {
            return false;
        };
        let Some((id, elapsed, outcome)) = answer.names_the_order_in_full() else {
            return false;
        };
        let is_another_day = elapsed >= DAYS_APART;
        match outcome {
            Some(outcome) => {
                outcome == Outcome::Succeeded && (is_another_day || self.was_confirmed())
            }
            None => {
                is_another_day
                    && lateness.is_usually_longer_than(elapsed)
                    && self.window.holds_as_good_as_paid(id)
            }
        }
    }

    /// What was answered, but for the policy's version.
    fn answer(self) -> Option<Assessment> {
        self.assessment(|_| Arc::default())
    }

    /// Whether it repeats an earlier payment that was paid, and is the first to repeat this sum to this payee on its
    /// day: each day counts once. A question that was not paid is none, or the payment that answers it under an id of
    /// its own would come second.
    #[must_use]
    pub fn is_first_repeat_of_its_day(self, lateness: Lateness) -> bool {
        let is_another = |other: RecordRef<'_>| {
            other.score_time() < self.score_time()
                && other.score_time().plus(DAYS_APART) > self.score_time()
                && other.standing().may_be_paid()
                && other.money() == self.money()
                && other.pays_the_same_payee_as(self)
                && other.repeats_a_paid_one(lateness)
        };
        self.repeats_a_paid_one(lateness) && !self.window.newest_first().any(is_another)
    }
}

impl Window {
    /// Whether the payment of this id was paid, or nothing bad was heard of it for as long as an outcome is waited
    /// for. One that is no longer remembered counts as paid: it is older than that.
    fn holds_as_good_as_paid(&self, payment_id: &PaymentId) -> bool {
        self.find(payment_id).is_none_or(|nth| {
            self.at(nth).is_some_and(|record| match record.outcome() {
                Some(Outcome::Succeeded) => !record.was_paid_after_doubt(),
                None => record.standing().may_be_paid() && nth < self.records.settled(),
                Some(_) => false,
            })
        })
    }
}
