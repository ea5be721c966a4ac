//! Payments that are submitted again: to get their answer once more, or confirmed by the payer.

use super::{Account, BoundsCost, Refusal, Scored};
use crate::scoring::assessment::Decision;
use crate::scoring::confirmation::{ConfirmationToken, PresentedToken, TokenFault};
use crate::scoring::payment::Payment;
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;

impl Account {
    /// The stored answer for a payment that was submitted before. `None` if it has to be decided anew: it is
    /// confirmed now, or the time to confirm it is over.
    pub(super) fn replay(
        &self,
        policies: &Policies,
        nth: usize,
        payment: &Payment,
        presented: Option<PresentedToken>,
    ) -> Result<Option<Scored>, Refusal> {
        let Some(known) = self.window.at(nth) else {
            return Ok(None);
        };
        let version = |number| policies.version(number);
        let Some(record) = known.record(&payment.account_id, version) else {
            return Ok(None);
        };
        let differing = record.payment.differing_content(payment);
        if !differing.is_empty() {
            return Err(Refusal::Conflict(differing));
        }
        let asked = record.assessment.confirmation;
        let is_over = asked.is_some_and(|asked| asked.expire_time <= self.latest);
        if presented.is_none() && is_over && known.was_left_unanswered() {
            return Ok(None);
        }
        if let Some(presented) = presented
            && record.confirmed_by != Some(presented.token)
        {
            self.question(presented, payment, self.latest)
                .map_err(Refusal::Token)?;
            if record.assessment.decision == Decision::Confirm {
                return Ok(None);
            }
        }
        Ok(Some(Scored {
            assessment: record.assessment,
            replayed: true,
            score_time: record.score_time,
            bounds: BoundsCost::default(),
            above_doublings: None,
            shadow: None,
        }))
    }

    /// Spends the token that a payment came with, if any, and returns it.
    pub(super) fn spend(
        &mut self,
        presented: Option<PresentedToken>,
        payment: &Payment,
        now: Timestamp,
    ) -> Result<Option<ConfirmationToken>, Refusal> {
        let Some(presented) = presented else {
            return Ok(None);
        };
        let asked = self.question(presented, payment, now);
        self.window.spend_token(asked.map_err(Refusal::Token)?);
        Ok(Some(presented.token))
    }

    /// The index of the payment that was to be confirmed by the token.
    fn question(
        &self,
        presented: PresentedToken,
        payment: &Payment,
        now: Timestamp,
    ) -> Result<usize, TokenFault> {
        let token = presented.token;
        let asked = self.window.find_token(token);
        let Some((nth, asked)) = asked.and_then(|nth| Some((nth, self.window.at(nth)?))) else {
            return Err(if now < presented.expire_time {
                TokenFault::Foreign(Vec::new())
            } else {
                TokenFault::Expired
            });
        };
        let differing = asked
            .payment(&payment.account_id)
            .map(|asked| asked.differing_terms(payment))
            .unwrap_or_default();
        if !differing.is_empty() {
            Err(TokenFault::Foreign(differing))
        } else if !asked.is_question_open() || asked.was_confirmed_by(token) {
            // Once the outcome is known, it is too late to confirm: the payment would be made twice, or against
            // a refusal.
            Err(TokenFault::Spent)
        } else if presented.expire_time <= now {
            Err(TokenFault::Expired)
        } else {
            Ok(nth)
        }
    }
}
