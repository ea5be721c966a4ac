//! Scoring after the fact: redoing a recorded decision during recovery, and importing payments from before the
//! service existed.

use super::retry::Reply;
use super::{Account, Refusal, Scored};
use crate::scoring::assessment::{Assessment, Confirmation, Decision};
use crate::scoring::confirmation::PresentedToken;
use crate::scoring::memory::Surroundings;
use crate::scoring::payment::Payment;
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;

/// A recorded answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered {
    /// The decision.
    pub decision: Decision,
    /// The score behind it.
    pub score: f64,
    /// The confirmation that was asked for with it.
    pub confirmation: Option<Confirmation>,
    /// What the shadow policy would have decided.
    pub shadow_decision: Option<Decision>,
}

/// Whether redoing a decision gave the recorded answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The same, to the last bit.
    Yes,
    /// Another one: by another version of this program, or from another state.
    No,
}

impl Account {
    /// Remembers a payment that is known to have been made: it is scored, and allowed whatever the result.
    ///
    /// # Errors
    /// [`Refusal`] when it contradicts an earlier one.
    pub fn import(
        &mut self,
        policies: &Policies,
        payment: &Payment,
        surroundings: &Surroundings,
        now: Timestamp,
    ) -> Result<Scored, Refusal> {
        let conclude = |assessment: &mut Assessment, _| assessment.decision = Decision::Allow;
        let reply = Reply::of(None);
        self.decide(policies, payment, reply, surroundings, conclude, now)
    }

    /// Redoes the scoring of `payment`, as recorded. The same state, policies and surroundings give the same
    /// answer; where another version of this program differs, the recorded answer stands.
    ///
    /// # Errors
    /// [`Refusal`], as it would have been then.
    pub fn score_again(
        &mut self,
        policies: &Policies,
        payment: &Payment,
        presented: Option<PresentedToken>,
        surroundings: &Surroundings,
        answered: &Answered,
        now: Timestamp,
    ) -> Result<Agreement, Refusal> {
        let mut agreement = Agreement::Yes;
        let conclude = |assessment: &mut Assessment, _| {
            if (assessment.decision, assessment.score) != (answered.decision, answered.score) {
                agreement = Agreement::No;
            }
            assessment.decision = answered.decision;
            assessment.score = answered.score;
            assessment.confirmation = answered.confirmation;
            assessment.shadow_decision = answered.shadow_decision;
        };
        // What was answered once more is not recorded: this was decided, and so if the payment had been asked about,
        // nobody could answer that any more, for whatever reason.
        let reply = Reply {
            presented,
            none_can_come: true,
        };
        let scored = self.decide(policies, payment, reply, surroundings, conclude, now)?;
        Ok(match scored.replayed {
            true => Agreement::No,
            false => agreement,
        })
    }
}
