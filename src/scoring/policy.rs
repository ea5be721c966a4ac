//! Policy: every number that decides, with its unit, range and default. Validated, versioned, immutable.
//!
//! The domain reads no files. Whoever does hands the settings over by path and value
//! ([`Policy::from_preset`]), and gets every fault back at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::payment::Payment;
use super::signal;
use super::time::Span;

mod build;
pub mod preset;
mod rules;
pub mod scope;
pub mod setting;
mod shadow;

pub use preset::{Difference, Preset};
pub use scope::Scope;
pub use setting::{PolicyFault, Problem, Setting, Value};
pub(crate) use setting::{Section, nearest, settings};
pub use shadow::Policies;

settings! {
    /// How strengths become a decision.
    DecisionSettings as "decision" {
        /// Score from which the payer is asked. Raising it asks less often and lets more mistakes
        /// through. Industry: didit reviews from 60, Stripe Radar from 65.
        confirm_from: f64 = 60.0, 1 => 100, "score";
        /// Score from which a payment is blocked. Raising it turns blocks into questions. Industry:
        /// Stripe Radar blocks from 75, Antom and didit above 85, Adyen at 100.
        block_from: f64 = 85.0, 1 => 100, "score";
        /// How much of the score signals of abuse must make up on their own before a payment is
        /// blocked. Below it the score is held under `block_from`: people's slips alone never block.
        /// Bursts, a pace beyond its limits, failures in a row and a device of many accounts reach it by
        /// themselves; of what else speaks of abuse (reports against the payee come to 65) it takes two.
        /// That somebody may not be the payer is none where it can be called back: a new device and an odd
        /// hour for a purchase or a bill at a merchant, failures of one payment that is tried again.
        /// Raising it asks where it blocked before; at 100 only the certain blocks, at 0 slips block too.
        block_needs_abuse: f64 = 70.0, 0 => 100, "score";
    }
}

settings! {
    /// Asking the payer.
    ConfirmationSettings as "confirmation" {
        /// How long a confirmation token is good for. Raising it gives payers more time, and a stolen
        /// token too.
        token_ttl_ms: Span = Span::from_minutes(5), 1000 => 3600000, "ms";
        /// Score made of signals of abuse, or that this may not be the payer, from which a second factor is
        /// asked for instead of a yes.
        /// Raising it makes questions easier to answer, for thieves too.
        second_factor_from: f64 = 25.0, 0 => 100, "score";
        /// The same score from which face or finger is asked for. Raising it leaves more to the second
        /// factor.
        biometric_from: f64 = 50.0, 0 => 100, "score";
    }
}

settings! {
    /// What is remembered of an account. Payments are kept for 24 hours.
    MemorySettings as "memory" {
        /// How many payments of an account are kept at most. Raising it costs memory per busy account;
        /// lowering it below an account's daily payments makes its history partial.
        payments_max: u32 = 256, 8 => 4096, "payments";
        /// How many payees of an account are kept at most; those paid once or twice go first, the least lately
        /// paid of them, and shops two weeks before people. Raising it costs memory; lowering it makes old
        /// payees new again, which asks more.
        payees_max: u32 = 64, 1 => 1024, "payees";
        /// How many devices of an account are kept at most; those used least lately go first.
        /// Raising it costs memory; lowering it makes old devices new again.
        devices_max: u32 = 8, 1 => 64, "devices";
        /// After how long without bad news a payment without an outcome counts as paid, for the
        /// profile. Raising it takes longer to learn where outcomes are not reported; lowering it
        /// learns from payments that failed. Industry: card networks and gateways give up after 30 s
        /// to 10 min.
        settle_after_ms: Span = Span::from_minutes(10), 1000 => 86400000, "ms";
        /// How many payments the profile must know before `history` is full. Raising it keeps the
        /// signals that compare with what is usual silent for longer.
        full_history_payments: u32 = 8, 1 => 1000, "payments";
        /// In what time the account's usual pace fades by half. Raising it lets a busy time count as
        /// usual for longer. At two months the wages of one month are still usual when the next ones come.
        pace_half_life_ms: Span = Span::from_days(60), 3600000 => 31536000000.0, "ms";
        /// In what time reports about a payee fade by half. Raising it holds old trouble against payees
        /// for longer.
        reports_half_life_ms: Span = Span::from_days(20), 3600000 => 31536000000.0, "ms";
        /// The same for what counts as coming in right now. Lowering it forgets a wave of reports sooner.
        reports_lately_half_life_ms: Span = Span::from_days(2), 3600000 => 31536000000.0, "ms";
    }
}

/// Every number that decides.
///
/// It holds for all payments; where it has overrides, [`Policy::for_payment`] is what holds for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    version: Arc<str>,
    preset: Preset,
    /// What differs from the preset, in the order in which it applies.
    given: Arc<[Given]>,
    /// How strengths become a decision.
    pub decision: DecisionSettings,
    /// Asking the payer.
    pub confirmation: ConfirmationSettings,
    /// What is remembered.
    pub memory: MemorySettings,
    /// The signals.
    pub signals: signal::SignalSettings,
    /// What holds where overrides apply, worked out beforehand: nothing is merged while scoring.
    overridden: BTreeMap<Scope, Self>,
}

/// A setting that a policy gives.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    scope: Scope,
    path: String,
    value: Value,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is the default.
    Default,
    /// It is what the policy's preset has instead of the default.
    Preset(Preset),
    /// The policy gives it itself, for these payments.
    Given(Scope),
}

impl Default for Policy {
    /// The preset `balanced`.
    fn default() -> Self {
        Preset::Balanced.policy()
    }
}

impl Policy {
    /// The policy's name and a fingerprint of every setting: `balanced-1f2e3d4c`.
    #[must_use]
    pub const fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// What holds for `payment`.
    #[must_use]
    pub fn for_payment(&self, payment: &Payment) -> &Self {
        if self.overridden.is_empty() {
            self
        } else {
            self.in_scope(Scope::of(payment))
        }
    }

    /// What holds for payments of a kind, in a currency.
    #[must_use]
    pub fn in_scope(&self, scope: Scope) -> &Self {
        let Scope { kind, currency } = scope;
        let overridden = |kind, currency| self.overridden.get(&Scope { currency, kind });
        overridden(kind, currency)
            .or_else(|| overridden(None, currency))
            .or_else(|| overridden(kind, None))
            .unwrap_or(self)
    }

    /// Every setting with its present value, section by section.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut all = self.decision.settings();
        all.extend(self.confirmation.settings());
        all.extend(self.memory.settings());
        all.extend(self.signals.settings());
        all
    }

    /// What it starts from.
    #[must_use]
    pub const fn preset(&self) -> Preset {
        self.preset
    }

    /// What it was made of beside its preset, as [`Policy::from_preset`] takes it.
    pub fn given(&self) -> impl Iterator<Item = (String, Value)> {
        let given = self.given.iter();
        given.map(|given| (given.scope.path_of(&given.path), given.value))
    }

    /// The overrides, in the order in which they apply: for which payments, setting, value.
    pub fn overrides(&self) -> impl Iterator<Item = (Scope, &str, Value)> {
        let overrides = self.given.iter().filter(|given| given.scope != Scope::ALL);
        overrides.map(|given| (given.scope, given.path.as_str(), given.value))
    }

    /// Where the value comes from that the setting at `path` has for payments of `scope`.
    #[must_use]
    pub fn origin(&self, path: &str, scope: Scope) -> Origin {
        let mut given = self.given.iter().rev();
        if let Some(given) = given.find(|given| given.path == path && given.scope.covers(scope)) {
            Origin::Given(given.scope)
        } else if self.preset.difference(path).is_some() {
            Origin::Preset(self.preset)
        } else {
            Origin::Default
        }
    }
}
