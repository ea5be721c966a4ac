//! What an account learns from its payments, and takes back.

use super::Account;
use crate::scoring::memory::Surroundings;
use crate::scoring::money::Currency;
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{Payment, PaymentId};
use crate::scoring::policy::Policy;
use crate::scoring::profile::{Fill, Forgotten};
use crate::scoring::time::Timestamp;

impl Account {
    /// Takes out the payment in this place, which is about to be decided anew, and what was learnt of it.
    pub(super) fn take_back(&mut self, policy: &Policy, nth: usize) {
        if let Some(record) = self.window.at(nth)
            && record.was_learnt()
        {
            self.profile.unlearn(policy, record);
        }
        self.window.take(nth);
    }

    /// Takes back that what was held against the payment in this place repeats what was paid: it was not.
    pub(super) fn unlearn_repeats_of(&mut self, nth: usize, payment_id: &PaymentId) {
        let later = (nth..self.window.len()).filter_map(|nth| self.window.at(nth));
        for record in later {
            if record.was_learnt() && record.repeats_what_was_open(payment_id) {
                self.profile.unlearn_repeat(record);
            }
        }
    }

    pub(super) fn learn(&mut self, policy: &Policy, nth: usize) -> Forgotten {
        let Some(record) = self.window.at(nth) else {
            return Forgotten::default();
        };
        let forgotten = self.profile.learn(policy, record);
        self.window.set_learnt(nth, true);
        forgotten
    }

    /// Learns the level of the account's sums, and says what the payee's memory may learn of this one. A
    /// sum that is paid again and again is one habit, and counts once.
    pub(super) fn note_level(
        &mut self,
        payment: &Payment,
        surroundings: &Surroundings,
        paid_lately: bool,
    ) -> Option<f64> {
        let payee_doublings = surroundings.payee.prices.above_doublings();
        (!paid_lately)
            .then(|| self.profile.learn_level(payment.money, payee_doublings))
            .flatten()
    }

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

    /// The pace follows what was paid: also what was asked about first, and no longer what came to nothing.
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
