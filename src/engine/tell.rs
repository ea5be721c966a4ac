//! Payees' and devices' memories are told what happened to an account, within its step, and the journal
//! within theirs.

use std::borrow::Cow;

use super::logged::Logged;
use super::{Engine, OutcomeReport};
use crate::journal::event::{Event, OutcomeReported, PaymentScored, Taught};
use crate::scoring::account::{OutcomeNoted, Scored};
use crate::scoring::assessment::Decision;
use crate::scoring::confirmation::PresentedToken;
use crate::scoring::memory::{DeviceMemory, PayeeMemory, Payer, Surroundings};
use crate::scoring::payment::{DeviceId, PayeeId, Payment};
use crate::scoring::time::Timestamp;
use crate::store::Sought;

type SoughtPayee<'a> = Sought<'a, PayeeId, Logged<PayeeMemory>>;
type SoughtDevice<'a> = Sought<'a, DeviceId, Logged<DeviceMemory>>;

/// What the memory of its payee learns of a payment that was let through.
pub(super) fn teach_payee(
    memory: &mut PayeeMemory,
    payment: &Payment,
    above_doublings: Option<f64>,
    now: Timestamp,
) {
    memory.note_payer(Payer::of(&payment.account_id), now);
    memory.note_amount(payment.money, above_doublings);
}

impl Engine {
    /// Tells of a payment that was scored. Returns the sequence number that `append` gave it, within the
    /// last step.
    pub(super) fn tell_memories<'a>(
        &'a self,
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
                teach_payee(&mut payee.state, payment, scored.above_doublings, now);
                payee.applied = tell_device();
                payee.applied
            }),
            Decision::Confirm | Decision::Block => tell_device(),
        }
    }

    /// Tells of an outcome whose payment its account remembers. Returns the sequence number of the event.
    pub(super) fn tell_payee(&self, report: &OutcomeReport, noted: &OutcomeNoted) -> u64 {
        let now = noted.time;
        let Some(change) = noted.risk_change else {
            return self.append_report(report, Taught::Nothing, now);
        };
        let payee_id = &noted.payee.id;
        self.payees.with(&mut self.payees.seek(payee_id), |payee| {
            let payer = Payer::of(&report.account_id);
            payee.state.note_outcome(self.policy(), payer, change, now);
            let taught = Taught::Change(Cow::Borrowed(payee_id), change);
            payee.applied = self.append_report(report, taught, now);
            payee.applied
        })
    }

    /// Tells of an outcome whose payment its account does not remember. Returns the same.
    pub(super) fn tell_late(
        &self,
        report: &OutcomeReport,
        payee_id: &PayeeId,
        now: Timestamp,
    ) -> u64 {
        self.payees.with(&mut self.payees.seek(payee_id), |payee| {
            payee.state.note_late_outcome(
                self.policy(),
                &report.account_id,
                &report.payment_id,
                report.outcome.payee_risk(),
                now,
            );
            payee.applied = self.append_report(report, Taught::Late, now);
            payee.applied
        })
    }

    /// Appends to the journal that a payment was scored; 0 without a journal.
    pub(super) fn append_scored(
        &self,
        payment: &Payment,
        presented: Option<PresentedToken>,
        surroundings: &Surroundings,
        scored: &Scored,
    ) -> u64 {
        let Some(journal) = &self.journal else {
            return 0;
        };
        let number = self.policies.primary_number();
        let scored = PaymentScored::new(payment, presented, surroundings, number, scored);
        journal.append(&Event::PaymentScored(scored))
    }

    fn append_report(&self, report: &OutcomeReport, taught: Taught<'_>, now: Timestamp) -> u64 {
        let Some(journal) = &self.journal else {
            return 0;
        };
        journal.append(&Event::OutcomeReported(OutcomeReported {
            time: now,
            account_id: Cow::Borrowed(&report.account_id),
            payment_id: Cow::Borrowed(&report.payment_id),
            outcome: report.outcome,
            payee_id: report.payee_id.as_ref().map(Cow::Borrowed),
            taught,
        }))
    }
}
