//! Events: the facts that the journal records, each a change of the state.
//!
//! They say what was asked, answered and reported, and when. The state is a fold over them by the same code
//! that decides live: [`Account::score`] with the recorded time, token and surroundings gives the recorded
//! decision, and the account as it was.
//!
//! [`Account::score`]: crate::scoring::account::Account::score

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::scoring::account::Scored;
use crate::scoring::assessment::{Confirmation, Decision};
use crate::scoring::confirmation::PresentedToken;
use crate::scoring::memory::{RiskChange, Surroundings};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{AccountId, DeviceId, PayeeId, Payment, PaymentId, named};
use crate::scoring::policy::{Policies, Policy, Preset, Value};
use crate::scoring::time::Timestamp;

/// Something that happened. Borrowed when it is written, owned when it is read.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost all of them are payments, and each is looked at once"
)]
pub enum Event<'a> {
    /// A payment was scored, for the first time or again after the payer confirmed. A retry that got the same
    /// answer changed nothing, and is no event.
    PaymentScored(PaymentScored<'a>),
    /// An outcome was reported.
    OutcomeReported(OutcomeReported<'a>),
    /// Something was forgotten to keep memory bounded.
    Evicted(Evicted<'a>),
    /// A policy came into force.
    PolicyInForce(PolicyInForce),
}

/// A payment, everything its decision depended on, and the decision.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentScored<'a> {
    /// When it was decided, by the account's time.
    pub time: Timestamp,
    /// The payment.
    pub payment: Cow<'a, Payment>,
    /// The token it came with.
    pub presented: Option<PresentedToken>,
    /// What was read of the payee's and the device's memories.
    pub surroundings: Surroundings,
    /// The number of the policy that decided: the last that came into force.
    pub policy_number: u16,
    /// What was decided.
    pub decision: Decision,
    /// The score behind it.
    pub score: f64,
    /// What the shadow policy would have decided, where there was one.
    pub shadow_decision: Option<Decision>,
    /// The token that was handed out with the question, where one was asked.
    pub minted: Option<Confirmation>,
    /// By how many doublings the amount lay above what was to be expected, as the payee's memory was told.
    pub above_doublings: Option<f64>,
}

impl<'a> PaymentScored<'a> {
    /// How `payment`, presented with a token or without, was scored.
    #[must_use]
    pub fn new(
        payment: &'a Payment,
        presented: Option<PresentedToken>,
        surroundings: &Surroundings,
        policy_number: u16,
        scored: &Scored,
    ) -> Self {
        let assessment = &scored.assessment;
        Self {
            time: scored.score_time,
            payment: Cow::Borrowed(payment),
            presented,
            surroundings: *surroundings,
            policy_number,
            decision: assessment.decision,
            score: assessment.score,
            shadow_decision: assessment.shadow_decision,
            minted: assessment.confirmation,
            above_doublings: scored.above_doublings,
        }
    }
}

/// A report of what became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReported<'a> {
    /// When it was reported.
    pub time: Timestamp,
    /// Whose payment.
    pub account_id: Cow<'a, AccountId>,
    /// Which payment.
    pub payment_id: Cow<'a, PaymentId>,
    /// What became of it.
    pub outcome: Outcome,
    /// Who received it, where the report said so.
    pub payee_id: Option<Cow<'a, PayeeId>>,
    /// What it taught about the payee.
    pub taught: Taught<'a>,
}

impl OutcomeReported<'_> {
    /// The payee that it taught about, if it taught anything.
    #[must_use]
    pub fn taught_payee(&self) -> Option<&PayeeId> {
        match &self.taught {
            Taught::Nothing => None,
            Taught::Change(payee_id, _) => Some(payee_id),
            Taught::Late => self.payee_id.as_deref(),
        }
    }
}

/// What a report taught about the payee. It depends on the account, and stands in the record so that the
/// payee's memory can be made again without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taught<'a> {
    /// Nothing.
    Nothing,
    /// How what is known of a payment changed that its account remembers, and who received it.
    Change(Cow<'a, PayeeId>, RiskChange),
    /// The outcome of a payment that its account no longer remembered, to the payee that the report names.
    Late,
}

/// Something that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted<'a> {
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: EvictedKey<'a>,
}

/// The key of what was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvictedKey<'a> {
    /// All that was remembered of an account.
    Account(Cow<'a, AccountId>),
    /// What all accounts knew of a payee.
    Payee(Cow<'a, PayeeId>),
    /// What all accounts knew of a device.
    Device(Cow<'a, DeviceId>),
}

/// The policy that decides from here on, whole: what it decided can be decided again, whatever policy the
/// next start brings.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyInForce {
    /// When it came into force.
    pub time: Timestamp,
    /// What records call it.
    pub number: u16,
    /// The policy.
    pub policy: PolicyText,
    /// The one in its shadow, if there was one.
    pub shadow: Option<PolicyText>,
}

impl PolicyInForce {
    /// The policies that came into force at `time`.
    #[must_use]
    pub fn of(policies: &Policies, time: Timestamp) -> Self {
        Self {
            time,
            number: policies.primary_number(),
            policy: PolicyText::of(policies.primary()),
            shadow: policies.shadow().map(PolicyText::of),
        }
    }

    /// Whether both are the same policies, whenever they came into force.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.policy == other.policy && self.shadow == other.shadow
    }
}

/// A policy as it is written down.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyText {
    /// Its name and the fingerprint of its settings.
    pub version: Arc<str>,
    /// What it starts from.
    pub preset: Preset,
    /// What differs from that: path and value.
    pub given: Vec<(String, Value)>,
}

impl PolicyText {
    /// Writes `policy` down.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            version: Arc::clone(policy.version()),
            preset: policy.preset(),
            given: policy.given().collect(),
        }
    }

    /// The policy again. `None` where this program makes another policy of the same settings: its
    /// fingerprint then differs.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        let (name, _fingerprint) = self.version.rsplit_once('-')?;
        let given = self.given.iter();
        let given = given.map(|(path, value)| (path.as_str(), *value));
        let policy = Policy::from_preset(self.preset, name, given).ok()?;
        (*policy.version() == self.version).then_some(policy)
    }
}

named! {
    /// A kind of event.
    EventKind {
        /// [`Event::PaymentScored`]
        PaymentScored = "payment_scored",
        /// [`Event::OutcomeReported`]
        OutcomeReported = "outcome_reported",
        /// [`Event::Evicted`]
        Evicted = "evicted",
        /// [`Event::PolicyInForce`]
        PolicyInForce = "policy_in_force",
    }
}

impl Event<'_> {
    /// When it happened.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::PaymentScored(scored) => scored.time,
            Self::OutcomeReported(reported) => reported.time,
            Self::Evicted(evicted) => evicted.time,
            Self::PolicyInForce(policy) => policy.time,
        }
    }

    /// What kind it is of.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::PaymentScored(_) => EventKind::PaymentScored,
            Self::OutcomeReported(_) => EventKind::OutcomeReported,
            Self::Evicted(_) => EventKind::Evicted,
            Self::PolicyInForce(_) => EventKind::PolicyInForce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_the_same_when_it_is_read_back() {
        let settings = [
            ("decision.confirm_from", Value::Number(42.0)),
            ("kind.gift.payee_new.weight", Value::Number(0.25)),
            ("memory.payees_max", Value::Integer(9)),
        ];
        let policy = Policy::from_preset(Preset::Cautious, "our-own", settings).unwrap();
        for policy in [policy, Policy::default(), Preset::Lenient.policy()] {
            let text = PolicyText::of(&policy);
            assert_eq!(text.policy(), Some(policy));
            let renamed = PolicyText {
                version: "other-00000000".into(),
                ..text
            };
            assert_eq!(renamed.policy(), None);
        }
    }
}
