//! What an account learns from its payments, and takes back when one turns out not to have been paid.
//!
//! `nth` is the index of a payment in the window.

use super::Account;
use crate::scoring::memory::Surroundings;
use crate::scoring::money::Currency;
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{Payment, PaymentId};
use crate::scoring::policy::Policy;
use crate::scoring::profile::Fill;
use crate::scoring::time::Timestamp;

impl Account {
    /// Removes a payment that is about to be decided anew, and takes back what was learnt from it.
    pub(super) fn take_back(&mut self, policy: &Policy, nth: usize) {
        if let Some(record) = self.window.at(nth)
            && record.was_learnt()
        {
            self.profile.unlearn(policy, record);
        }
        self.window.take(nth);
    }

    /// Takes back what was learnt of repeats from payments that repeat this one, which was not paid after all: they
    /// repeated nothing.
    pub(super) fn unlearn_repeats_of(&mut self, nth: usize, payment_id: &PaymentId) {
        let later = (nth..self.window.len()).filter_map(|nth| self.window.at(nth));
        for record in later {
            if record.was_learnt() && record.repeats_the_open_one(payment_id) {
                self.profile.unlearn_repeat(record);
            }
        }
    }

    /// Learns the level of the account's sums from a payment that is let through. Returns how many doublings it lies
    /// above what was to be expected, for the payee's memory to learn from; `None` where that is not known. A sum that
    /// was `paid_lately` to the same payee is a habit, and is not learnt again.
    pub(super) fn note_level(
        &mut self,
        payment: &Payment,
        surroundings: &Surroundings,
        paid_lately: bool,
    ) -> Option<f64> {
        if paid_lately {
            return None;
        }
        let payee_doublings = surroundings.payee.prices.above_doublings();
        self.profile.learn_level(payment.money, payee_doublings)
    }

    /// Learns the pace from a payment in `currency` that was paid, or is let through and may be.
    pub(super) fn note_paid(&mut self, policy: &Policy, currency: Currency, now: Timestamp) {
        let half_life = policy.memory.pace_half_life_ms;
        let fill = |nth| {
            let totals = self.window.totals(nth);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a habit needs no more than 24 bits"
            )]
            let sum_minor = totals.sum_minor(currency) as f64;
            Fill {
                attempts: totals.count(),
                paid: totals.paid(),
                sum_minor,
            }
        };
        self.profile.note_paid(currency, fill, half_life, now);
    }

    /// Corrects the pace after an outcome: a payment that was paid all the same, as one that was asked about first, is
    /// added, and one that was not paid is taken off. `was_paid` is whether it counted as paid before.
    pub(super) fn note_outcome_in_pace(&mut self, policy: &Policy, nth: usize, was_paid: bool) {
        let Some(record) = self.window.at(nth) else {
            return;
        };
        let (money, time, standing) = (record.money(), record.score_time(), record.standing());
        match (was_paid, standing.may_be_paid()) {
            (false, true) => self.note_paid(policy, money.currency(), self.latest),
            (true, false) => self.profile.note_unpaid(time),
            (true, true) | (false, false) => {}
        }
        if standing.outcome == Some(Outcome::Fraud) {
            self.profile.distrust_pace();
        }
    }
}
