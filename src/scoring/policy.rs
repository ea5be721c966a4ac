//! Policy: every number that decides, with its unit, range and default. Validated, versioned, immutable.
//!
//! The domain reads no files. Whoever does hands the settings over by path and value
//! ([`Policy::from_settings`]), and gets every fault back at once.

use std::sync::Arc;

use super::signal;
use super::time::Span;

pub mod setting;

pub use setting::{PolicyFault, Problem, Setting, Value};
pub(crate) use setting::{Section, nearest, settings};

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
        block_needs_abuse: f64 = 50.0, 0 => 100, "score";
    }
}

settings! {
    /// Asking the payer.
    ConfirmationSettings as "confirmation" {
        /// How long a confirmation token is good for. Raising it gives payers more time, and a stolen
        /// token too.
        token_ttl_ms: Span = Span::from_minutes(5), 1000 => 3600000, "ms";
        /// Score made of signals of abuse from which a second factor is asked for instead of a yes.
        second_factor_from: f64 = 25.0, 0 => 100, "score";
        /// The same for face or finger.
        biometric_from: f64 = 50.0, 0 => 100, "score";
    }
}

settings! {
    /// What is remembered of an account. Payments are kept for 24 hours.
    MemorySettings as "memory" {
        /// How many payments of an account are kept at most. Raising it costs memory per busy account;
        /// lowering it below an account's daily payments makes its history partial.
        payments_max: u32 = 256, 8 => 4096, "payments";
        /// How many payees of an account are kept at most; those paid least lately go first.
        payees_max: u32 = 64, 1 => 1024, "payees";
        /// How many devices of an account are kept at most; those used least lately go first.
        devices_max: u32 = 8, 1 => 64, "devices";
        /// After how long without bad news a payment without an outcome counts as paid, for the
        /// profile. Industry: card networks and gateways give up after 30 s to 10 min.
        settle_after_ms: Span = Span::from_minutes(10), 1000 => 86400000, "ms";
        /// How many payments the profile must know before `history` is full.
        full_history_payments: u32 = 8, 1 => 1000, "payments";
        /// In what time the account's usual pace fades by half.
        pace_half_life_ms: Span = Span::from_days(30), 3600000 => 31536000000.0, "ms";
        /// In what time reports about a payee fade by half. Raising it holds old trouble against payees
        /// for longer.
        reports_half_life_ms: Span = Span::from_days(20), 3600000 => 31536000000.0, "ms";
        /// The same for what counts as coming in right now. Lowering it forgets a wave of reports sooner.
        reports_lately_half_life_ms: Span = Span::from_days(2), 3600000 => 31536000000.0, "ms";
    }
}

/// Every number that decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    version: Arc<str>,
    /// How strengths become a decision.
    pub decision: DecisionSettings,
    /// Asking the payer.
    pub confirmation: ConfirmationSettings,
    /// What is remembered.
    pub memory: MemorySettings,
    /// The signals.
    pub signals: signal::SignalSettings,
}

impl Default for Policy {
    /// The built-in policy.
    fn default() -> Self {
        let mut policy = Self {
            version: Arc::from(""),
            decision: DecisionSettings::default(),
            confirmation: ConfirmationSettings::default(),
            memory: MemorySettings::default(),
            signals: signal::SignalSettings::default(),
        };
        policy.version = policy.version_named("builtin");
        policy
    }
}

impl Policy {
    /// A policy that differs from the built-in one in these settings: path and value.
    ///
    /// # Errors
    /// Every fault of every setting, and every pair of settings that contradict each other.
    pub fn from_settings<'a>(
        name: &str,
        settings: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self, Vec<PolicyFault>> {
        let mut policy = Self::default();
        let mut faults = Vec::new();
        for (path, value) in settings {
            if let Err(problem) = policy.set(path, value) {
                faults.push(PolicyFault {
                    path: path.to_owned(),
                    problem,
                });
            }
        }
        if faults.is_empty() {
            faults = policy.contradictions();
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        policy.version = policy.version_named(name);
        Ok(policy)
    }

    /// The policy's name and a fingerprint of every setting: `builtin-1f2e3d4c`.
    #[must_use]
    pub const fn version(&self) -> &Arc<str> {
        &self.version
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

    fn set(&mut self, path: &str, value: Value) -> Result<(), Problem> {
        let Some((section, name)) = path.split_once('.') else {
            return Err(self.unknown_section(path));
        };
        let prefix_suggestion = |problem| match problem {
            Problem::Unknown {
                suggestion: Some(name),
            } => Problem::Unknown {
                suggestion: Some(format!("{section}.{name}")),
            },
            problem => problem,
        };
        let section: &mut dyn Section = match section {
            "decision" => &mut self.decision,
            "confirmation" => &mut self.confirmation,
            "memory" => &mut self.memory,
            _ => match self.signals.section_mut(section) {
                Some(section) => section,
                None => return Err(self.unknown_section(section)),
            },
        };
        section.set(name, value).map_err(prefix_suggestion)
    }

    fn unknown_section(&self, section: &str) -> Problem {
        let mut known: Vec<&str> = self.settings().iter().map(|known| known.section).collect();
        known.dedup();
        Problem::Unknown {
            suggestion: nearest(section, &known),
        }
    }

    fn contradictions(&self) -> Vec<PolicyFault> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, path: &str, rule| {
            if !holds {
                faults.push(PolicyFault {
                    path: path.to_owned(),
                    problem: Problem::Contradicts { rule },
                });
            }
        };
        require(
            self.decision.confirm_from < self.decision.block_from,
            "decision.confirm_from",
            "must be less than decision.block_from",
        );
        require(
            self.confirmation.second_factor_from <= self.confirmation.biometric_from,
            "confirmation.second_factor_from",
            "must be at most confirmation.biometric_from",
        );
        for (path, holds, rule) in self.signals.rules(self.memory.payments_max) {
            require(holds, path, rule);
        }
        faults
    }

    fn version_named(&self, name: &str) -> Arc<str> {
        let mut fingerprint: u64 = 0xcbf2_9ce4_8422_2325;
        for setting in self.settings() {
            let line = format!("{}.{}={}\n", setting.section, setting.name, setting.value);
            for byte in line.bytes() {
                fingerprint = (fingerprint ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Arc::from(format!("{name}-{:08x}", fingerprint >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(settings: &[(&str, Value)]) -> Vec<String> {
        let settings = settings.iter().copied();
        match Policy::from_settings("test", settings) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_default_lies_within_its_own_range() {
        let policy = Policy::default();
        for setting in policy.settings() {
            let path = format!("{}.{}", setting.section, setting.name);
            assert_eq!(
                faults(&[(&path, setting.value)]),
                Vec::<String>::new(),
                "{path}"
            );
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = faults(&[
            ("decision.confirm_form", Value::Integer(50)),
            ("decision.block_from", Value::Number(101.0)),
            ("memory.payments_max", Value::Number(10.5)),
            ("confirmation.token_ttl_ms", Value::Integer(-1)),
            ("memory.payees_max", Value::Integer(i64::MAX)),
            ("decisions.confirm_from", Value::Integer(50)),
            ("weight", Value::Other),
        ]);
        assert_eq!(
            faults,
            [
                "decision.confirm_form: no such setting; did you mean `decision.confirm_from`?",
                "decision.block_from: must be 1 to 100 (score)",
                "memory.payments_max: must be a whole number",
                "confirmation.token_ttl_ms: must be 1000 to 3600000 (ms)",
                "memory.payees_max: must be 1 to 1024 (payees)",
                "decisions.confirm_from: no such setting; did you mean `decision`?",
                "weight: no such setting",
            ]
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        assert_eq!(
            faults(&[("decision.confirm_from", Value::Integer(90))]),
            ["decision.confirm_from: must be less than decision.block_from"]
        );
    }

    #[test]
    fn the_version_changes_with_every_setting_and_only_then() {
        let version = |value| {
            let settings = [("decision.confirm_from", Value::Number(value))];
            Policy::from_settings("mine", settings)
                .unwrap()
                .version()
                .clone()
        };
        assert_eq!(version(55.0), version(55.0));
        assert_ne!(version(55.0), version(55.5));
        assert!(version(55.0).starts_with("mine-"));
    }
}
