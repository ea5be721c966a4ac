//! Payments that are submitted again: to get their answer once more, or confirmed by the payer.

use super::{Account, BoundsCost, Refusal, Scored};
use crate::scoring::assessment::{Assessment, Confirmation, Decision};
use crate::scoring::confirmation::{ConfirmationToken, PresentedToken, TokenFault};
use crate::scoring::memory::Surroundings;
use crate::scoring::payment::Payment;
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;

/// Asks for a confirmation where the decision is to, with the token that `mint` makes.
pub(super) fn concluding(
    mint: impl FnOnce(Timestamp) -> ConfirmationToken,
) -> impl FnOnce(&mut Assessment, Timestamp) {
    |assessment, expire_time| {
        assessment.confirmation = (assessment.decision == Decision::Confirm).then(|| {
            let token = mint(expire_time);
            Confirmation { token, expire_time }
        });
    }
}

/// What a payment comes with, where it was asked about before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    /// The payer's yes.
    pub(super) presented: Option<PresentedToken>,
    /// Whether a question that is still open cannot be answered any more.
    pub(super) none_can_come: bool,
}

impl Reply {
    /// The payer's yes, if it is there. If not it may still come.
    pub(super) const fn of(presented: Option<PresentedToken>) -> Self {
        Self {
            presented,
            none_can_come: false,
        }
    }
}

impl Account {
    /// Scores a payment anew that was asked about, for the token that was handed out then is no good any more. Where
    /// it was not, or the payer has answered, as [`score`](Self::score).
    ///
    /// # Errors
    /// As there.
    #[cold]
    pub fn ask_again(
        &mut self,
        policies: &Policies,
        payment: &Payment,
        surroundings: &Surroundings,
        mint: impl FnOnce(Timestamp) -> ConfirmationToken,
        now: Timestamp,
    ) -> Result<Scored, Refusal> {
        let reply = Reply {
            presented: None,
            none_can_come: true,
        };
        let conclude = concluding(mint);
        self.decide(policies, payment, reply, surroundings, conclude, now)
    }

    /// The stored answer for a payment that was submitted before. `None` if it has to be decided anew: it is
    /// confirmed now, or cannot be any more.
    pub(super) fn replay(
        &self,
        policies: &Policies,
        nth: usize,
        payment: &Payment,
        reply: Reply,
    ) -> Result<Option<Scored>, Refusal> {
        let presented = reply.presented;
        let Some(known) = self.window.at(nth) else {
            return Ok(None);
        };
        let version = |number| policies.version(number);
        let asked = known.payment(&payment.account_id);
        let Some((asked, assessment)) = asked.zip(known.assessment(version)) else {
            return Ok(None);
        };
        let differing = asked.differing_content(payment);
        if !differing.is_empty() {
            return Err(Refusal::Conflict(differing));
        }
        let question = assessment.confirmation;
        let is_expired = question.is_some_and(|question| question.expire_time <= self.latest);
        let is_over = is_expired || reply.none_can_come;
        if presented.is_none() && is_over && known.was_left_unanswered() {
            return Ok(None);
        }
        if let Some(presented) = presented
            && !known.was_confirmed_by(presented.token)
        {
            self.question(presented, payment, self.latest)
                .map_err(Refusal::Token)?;
            if assessment.decision == Decision::Confirm {
                return Ok(None);
            }
        }
        Ok(Some(Scored {
            assessment,
            replayed: true,
            score_time: known.score_time(),
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
