//! The domain: what a payment's risk is, and why. Pure: no IO, no clock, no async, no wire types.
//!
//! # Invariants
//! - Everything a decision depends on is an argument. Same state, policy, surroundings, payment and
//!   moment: same assessment, to the last bit.
//! - No float comes from the platform's mathematical library; additions, multiplications, divisions
//!   and comparisons only, whose results IEEE 754 fixes.
//! - Nothing here can fail at run time: constructors reject what is invalid, arithmetic saturates.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

pub mod account;
pub mod assessment;
pub mod confirmation;
pub mod memory;
pub mod money;
pub mod outcome;
pub mod payment;
pub mod policy;
pub mod profile;
pub mod signal;
pub mod submission;
pub mod text;
pub mod time;
pub mod window;
mod fnv;
mod hash;
mod heap;
mod packing;

use account::Account;
use assessment::{Assessment, Challenge, Decision, Evidence, History, Reason, ReasonCode};
use memory::Surroundings;
use policy::Policy;
use signal::{Context, Family, Finding, Nature};
use submission::Submission;
use time::Timestamp;

/// Judges the payment of `account` that is asked about, at `now`. `confirmed` says that the payer was
/// asked and said yes.
///
/// Nothing is remembered by this; [`Account::score`] does that.
#[must_use]
pub fn assess(
    policy: &Policy,
    account: &Account,
    submission: &Submission<'_>,
    surroundings: &Surroundings,
    confirmed: bool,
    now: Timestamp,
) -> Assessment {
    let policy = policy.for_payment(submission.payment);
    let context = Context::new(policy, submission, account, surroundings, now);
    let findings = signal::measure_all(&context);
    let risk = Risk::of(&findings);
    let score = risk.score(policy);
    let asked = decide(policy, score);
    let decision = match asked {
        Decision::Confirm if confirmed => Decision::Allow,
        asked => asked,
    };
    Assessment {
        decision,
        score,
        challenge: match decision {
            Decision::Confirm => challenge(policy, risk),
            Decision::Allow | Decision::Block => Challenge::None,
        },
        confirmation: None,
        retry_after: match decision {
            Decision::Block => findings.iter().filter_map(|f| f.measure.retry_after).max(),
            Decision::Allow | Decision::Confirm => None,
        },
        reasons: reasons(findings, confirmed && decision == Decision::Allow),
        history: history(policy, account, now),
        policy_version: policy.version().clone(),
        shadow_decision: None,
    }
}

/// How likely it is that something is wrong. Each 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Risk {
    /// By everything that was found.
    all: f64,
    /// By signs of abuse alone.
    abuse: f64,
}

impl Risk {
    /// Noisy-or over the families: each is an independent chance that the payment is wrong, so the
    /// chance that it is fine is the product of what each leaves. Source: Pearl, "Probabilistic
    /// Reasoning in Intelligent Systems", 1988, §4.3.2. Within a family the strongest signal counts.
    fn of(findings: &[Finding]) -> Self {
        let noisy_or = |counts: &dyn Fn(&Finding) -> bool| {
            let strongest = |family| {
                findings
                    .iter()
                    .filter(|finding| finding.signal.family() == family && counts(finding))
                    .map(Finding::contribution)
                    .fold(0.0, f64::max)
            };
            1.0 - Family::ALL
                .into_iter()
                .fold(1.0, |fine, family| fine * (1.0 - strongest(family)))
        };
        Self {
            all: noisy_or(&|_| true),
            abuse: noisy_or(&|finding| finding.measure.nature == Nature::Abuse),
        }
    }

    /// The score, 0–100. Without enough signs of abuse it stays under the block: what lies above the
    /// confirm threshold is drawn together below it, in the same order.
    fn score(self, policy: &Policy) -> f64 {
        let decision = &policy.decision;
        let score = 100.0 * self.all;
        let (confirm, block) = (decision.confirm_from, decision.block_from);
        if 100.0 * self.abuse >= decision.block_needs_abuse || score <= confirm {
            return score;
        }
        let beyond = (score - confirm) / (100.0 - confirm);
        confirm + beyond * (block - confirm) * 0.999
    }
}

fn decide(policy: &Policy, score: f64) -> Decision {
    if score >= policy.decision.block_from {
        Decision::Block
    } else if score >= policy.decision.confirm_from {
        Decision::Confirm
    } else {
        Decision::Allow
    }
}

fn challenge(policy: &Policy, risk: Risk) -> Challenge {
    let abuse = 100.0 * risk.abuse;
    if abuse >= policy.confirmation.biometric_from {
        Challenge::Biometric
    } else if abuse >= policy.confirmation.second_factor_from {
        Challenge::SecondFactor
    } else {
        Challenge::Acknowledge
    }
}

/// The findings as reasons, weightiest first; those of equal weight in the order of the contract.
fn reasons(mut findings: Vec<Finding>, payer_confirmed: bool) -> Vec<Reason> {
    findings.sort_by(|a, b| b.contribution().total_cmp(&a.contribution()));
    let confirmed = payer_confirmed.then_some(Reason {
        code: ReasonCode::PayerConfirmed,
        strength: 100.0,
        evidence: Evidence::None,
    });
    let found = findings.into_iter().map(|finding| Reason {
        code: ReasonCode::Signal(finding.signal),
        strength: finding.measure.strength,
        evidence: finding.measure.evidence,
    });
    confirmed.into_iter().chain(found).collect()
}

fn history(policy: &Policy, account: &Account, now: Timestamp) -> History {
    let learnt = account.profile().payments_learnt();
    if account.is_blank() {
        History::None
    } else if learnt < policy.memory.full_history_payments || account.window().is_cut_short(now) {
        History::Partial
    } else {
        History::Full
    }
}
