//! The domain: how risky a payment is, and why. Pure: no IO, no clock, no async, no wire types.
//!
//! # Modules
//! - What is asked and answered: [`payment`], [`money`], [`time`], [`confirmation`], [`assessment`], [`outcome`], and
//!   the sentences for people in [`text`].
//! - What is remembered: an [`account`] is its recent payments ([`window`]) and its habits ([`profile`]); [`memory`] is
//!   what all accounts together know of a payee or a device.
//! - How it is judged: [`assess`] asks every [`signal`] (one file each), which sees a `context` and returns a
//!   `measure`, and combines what they found (`findings`), as the [`policy`] says. Amounts are judged against a
//!   statistical model of what is usual (`expected`); devices and payees are on `trial` for a day.
//! - How it is kept small: ids packed once per payment ([`submission`], `packing`), state as bytes ([`image`]), and
//!   `hash` and `heap` (sizes of allocations).
//!
//! # Invariants
//! - Everything a decision depends on is an argument. Same state, policy, surroundings, payment and time: same
//!   assessment, to the last bit.
//! - No float comes from the platform's mathematical library; additions, multiplications, divisions and comparisons
//!   only, whose results IEEE 754 fixes.
//! - Nothing here can fail at run time: constructors reject what is invalid, arithmetic saturates.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

pub mod payment;
pub mod money;
pub mod time;
pub mod confirmation;
pub mod assessment;
pub mod outcome;
pub mod text;

pub mod account;
pub mod window;
pub mod profile;
pub mod memory;

pub mod signal;
pub mod policy;
mod context;
mod trial;
mod expected;

mod measure;
mod findings;

pub mod submission;
pub(crate) mod packing;
pub mod image;
mod hash;
mod heap;

use account::Account;
use assessment::{Assessment, Challenge, Decision, History};
use context::Context;
use findings::Risk;
use memory::Surroundings;
use policy::Policy;
use profile::KnownPayee;
use submission::Submission;
use time::Timestamp;

/// A payment that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The payment, with its ids as records have them.
    pub submission: &'a Submission<'a>,
    /// What its account knows of its payee.
    pub known_payee: Option<&'a KnownPayee<'a>>,
    /// Whether the payer was asked about it and said yes.
    pub confirmed: bool,
}

/// Judges the payment of `account` that is asked about, at `now`.
///
/// Nothing is remembered by this; [`Account::score`] does that.
#[must_use]
pub fn assess(
    policy: &Policy,
    account: &Account,
    asked: Asked<'_>,
    surroundings: &Surroundings,
    now: Timestamp,
) -> Assessment {
    let policy = policy.for_payment(asked.submission.payment);
    let context = Context::new(policy, asked, account, surroundings, now);
    let findings = signal::measure_all(&context);
    let risk = findings.risk();
    let score = score(policy, risk);
    let advised = decide(policy, score);
    let decision = match advised {
        Decision::Confirm if asked.confirmed => Decision::Allow,
        advised => advised,
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
            Decision::Block => {
                findings.retry_after(|pace| decide(policy, 100.0 * pace) == decision)
            }
            Decision::Allow | Decision::Confirm => None,
        },
        reasons: findings.into_reasons(policy, asked.confirmed && decision == Decision::Allow),
        history: history(policy, account, now),
        policy_version: policy.version().clone(),
        shadow_decision: None,
    }
}

/// The score, 0–100. Without enough signs of abuse it stays under the block: what lies above the confirm
/// threshold is drawn together below it, in the same order.
fn score(policy: &Policy, risk: Risk) -> f64 {
    let decision = &policy.decision;
    let score = 100.0 * risk.all;
    let (confirm, block) = (decision.confirm_from, decision.block_from);
    if 100.0 * risk.abuse >= decision.block_needs_abuse || score <= confirm {
        return score;
    }
    let beyond = (score - confirm) / (100.0 - confirm);
    confirm + beyond * (block - confirm) * 0.999
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
    let doubt = 100.0 * risk.doubt;
    if doubt >= policy.confirmation.biometric_from {
        Challenge::Biometric
    } else if doubt >= policy.confirmation.second_factor_from {
        Challenge::SecondFactor
    } else {
        Challenge::Acknowledge
    }
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
