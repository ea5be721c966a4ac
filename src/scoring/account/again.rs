//! Payments that are scored after the fact: again, from the record of how they were scored the first time,
//! or because they were made before anybody asked.

use super::{Account, Refusal, Scored};
use crate::scoring::assessment::{Assessment, Confirmation, Decision};
use crate::scoring::confirmation::PresentedToken;
use crate::scoring::memory::Surroundings;
use crate::scoring::payment::Payment;
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;

/// How a payment was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answered {
    /// The decision.
    pub decision: Decision,
    /// The score behind it.
    pub score: f64,
    /// The question that was asked with it.
    pub confirmation: Option<Confirmation>,
    /// What the shadow policy would have decided.
    pub shadow_decision: Option<Decision>,
}

/// Whether a payment that is scored again comes to what was answered then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// It does, to the last bit.
    Yes,
    /// It does not: this is another program, or the state is another.
    No,
}

impl Account {
    /// Remembers a payment of which only is known that it was made: it is scored, and whatever that comes
    /// to, it was let through.
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
        self.decide(policies, payment, None, surroundings, conclude, now)
    }

    /// Scores `payment` once more, from a record of how it was scored: with the same state, policies and
    /// surroundings it comes to the same. Where another version of this program thinks otherwise, what
    /// was answered then stands.
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
        let scored = self.decide(policies, payment, presented, surroundings, conclude, now)?;
        Ok(match scored.replayed {
            true => Agreement::No,
            false => agreement,
        })
    }
}
