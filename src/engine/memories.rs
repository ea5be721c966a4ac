//! Updates the memories of payees and devices within the step of an account, and appends to the journal within
//! theirs.

use std::borrow::Cow;

use super::keys::{SoughtDevice, SoughtPayee};
use super::{Engine, OutcomeReport};
use crate::journal::event::{Event, OutcomeReported, PaymentScored, Taught};
use crate::scoring::account::Scored;
use crate::scoring::assessment::Decision;
use crate::scoring::confirmation::PresentedToken;
use crate::scoring::memory::{PayeeMemory, Payer, Surroundings};
use crate::scoring::money::Money;
use crate::scoring::payment::Payment;
use crate::scoring::policy::Policy;
use crate::scoring::time::Timestamp;

/// What a payee's memory learns of a payment that was allowed.
pub(super) fn teach_payee(
    memory: &mut PayeeMemory,
    policy: &Policy,
    payer: Payer,
    money: Money,
    above_doublings: Option<f64>,
    now: Timestamp,
) {
    memory.note_payer(policy, payer, now);
    memory.note_amount(money, above_doublings);
}

/// What a payee's memory learns of a reported outcome.
pub(super) fn teach_payee_outcome(
    memory: &mut PayeeMemory,
    policy: &Policy,
    reported: &OutcomeReported<'_>,
) {
    let OutcomeReported {
        time,
        account_id,
        payment_id,
        outcome,
        taught,
        ..
    } = reported;
    match taught {
        Taught::Nothing => {}
        Taught::Change(_, change) => {
            memory.note_outcome(policy, Payer::of(account_id), payment_id, *change, *time);
        }
        Taught::Late => {
            memory.note_late_outcome(policy, account_id, payment_id, *outcome, *time);
        }
    }
}

impl Engine {
    /// Updates the memories after a payment was scored. `append` is called within the innermost step; its
    /// sequence number is returned.
    pub(super) fn teach_memories<'a>(
        &'a self,
        policy: &Policy,
        payment: &Payment,
        scored: &Scored,
        payee: &mut SoughtPayee<'a>,
        device: &mut Option<SoughtDevice<'a>>,
        append: impl FnOnce() -> u64,
    ) -> u64 {
        let now = scored.score_time;
        let payer = Payer::of(&payment.account_id);
        let tell_device = || match device {
            None => append(),
            Some(device) => self.devices.with(device, |device| {
                device.state.note_payer(payer, now);
                device.applied = append();
                device.applied
            }),
        };
        match scored.assessment.decision {
            Decision::Allow => self.payees.with(payee, |payee| {
                teach_payee(
                    &mut payee.state,
                    policy,
                    payer,
                    payment.money,
                    scored.above_doublings,
                    now,
                );
                payee.applied = tell_device();
                payee.applied
            }),
            Decision::Confirm | Decision::Block => tell_device(),
        }
    }

    /// Updates the payee's memory after a report, at the account's time `now`, and appends the event. Returns
    /// its sequence number.
    pub(super) fn teach_reported(
        &self,
        report: &OutcomeReport,
        taught: Taught<'_>,
        now: Timestamp,
    ) -> u64 {
        let reported = OutcomeReported {
            time: now,
            account_id: Cow::Borrowed(&report.account_id),
            payment_id: Cow::Borrowed(&report.payment_id),
            outcome: report.outcome,
            payee_id: report.payee_id.as_ref().map(Cow::Borrowed),
            taught,
        };
        let append = |reported| match &self.journal {
            Some(journal) => journal.append(&Event::OutcomeReported(reported)),
            None => 0,
        };
        let Some(payee_id) = reported.taught_payee() else {
            return append(reported);
        };
        self.payees.with(&mut self.payees.seek(payee_id), |payee| {
            teach_payee_outcome(&mut payee.state, self.in_force.now().primary(), &reported);
            payee.applied = append(reported.clone());
            payee.applied
        })
    }

    /// Appends to the journal that a payment was scored; 0 without a journal.
    pub(super) fn append_scored(
        &self,
        payment: &Payment,
        presented: Option<PresentedToken>,
        surroundings: &Surroundings,
        policy_number: u16,
        scored: &Scored,
    ) -> u64 {
        let Some(journal) = &self.journal else {
            return 0;
        };
        let scored = PaymentScored::new(payment, presented, surroundings, policy_number, scored);
        journal.append(&Event::PaymentScored(scored))
    }
}
