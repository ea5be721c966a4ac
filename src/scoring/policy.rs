//! Policy: every number that decides, with its unit, range and default. Validated, versioned, immutable.
//!
//! The domain reads no files. Whoever does hands the settings over by path and value
//! ([`Policy::from_settings`]), and gets every fault back at once.

use std::fmt;
use std::sync::Arc;

use super::signal;
use super::time::Span;

/// A setting's value as a file may give it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Anything that no setting takes: a text, a list, a date.
    Other,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Flag(value) => write!(f, "{value}"),
            Self::Other => f.write_str("?"),
        }
    }
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// There is no setting of this name.
    Unknown {
        /// The name that was most likely meant.
        suggestion: Option<String>,
    },
    /// The value is of another type.
    WrongType {
        /// The type it should have.
        expected: &'static str,
    },
    /// The value is too small or too large.
    OutOfRange {
        /// The least that is allowed.
        min: f64,
        /// The most that is allowed.
        max: f64,
        /// In what unit.
        unit: &'static str,
    },
    /// It does not go with another setting.
    Contradicts {
        /// What must hold.
        rule: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { suggestion: None } => f.write_str("no such setting"),
            Self::Unknown {
                suggestion: Some(name),
            } => write!(f, "no such setting; did you mean `{name}`?"),
            Self::WrongType { expected } => write!(f, "must be {expected}"),
            Self::OutOfRange { min, max, unit } => write!(f, "must be {min} to {max} ({unit})"),
            Self::Contradicts { rule } => f.write_str(rule),
        }
    }
}

/// A setting that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyFault {
    /// The setting's path, such as `duplicate_recent.weight`.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// A setting as people read about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// The section it is in.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// Its unit.
    pub unit: &'static str,
    /// The least and the most it may be; `None` where it is yes or no.
    pub range: Option<(f64, f64)>,
    /// What it does.
    pub doc: &'static [&'static str],
}

/// A group of settings: one TOML table.
pub(crate) trait Section {
    /// All of them with their present values.
    fn settings(&self) -> Vec<Setting>;
    /// Sets one.
    fn set(&mut self, name: &str, value: Value) -> Result<(), Problem>;
}

/// A type that a setting may have.
pub(crate) trait SettingType: Sized + Copy {
    /// In words.
    const EXPECTED: &'static str;
    /// Whether its values have a range.
    const RANGED: bool;
    fn from_value(value: Value) -> Option<Self>;
    fn to_value(self) -> Value;
    fn in_range(self, min: f64, max: f64) -> bool;
}

impl SettingType for f64 {
    const EXPECTED: &'static str = "a number";
    const RANGED: bool = true;
    #[expect(clippy::cast_precision_loss, reason = "the range check follows")]
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(number),
            Value::Integer(number) => Some(number as Self),
            Value::Flag(_) | Value::Other => None,
        }
    }
    fn to_value(self) -> Value {
        Value::Number(self)
    }
    fn in_range(self, min: f64, max: f64) -> bool {
        min <= self && self <= max
    }
}

impl SettingType for i64 {
    const EXPECTED: &'static str = "a whole number";
    const RANGED: bool = true;
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(number),
            Value::Number(_) | Value::Flag(_) | Value::Other => None,
        }
    }
    fn to_value(self) -> Value {
        Value::Integer(self)
    }
    #[expect(clippy::cast_precision_loss, reason = "ranges are far below 2^53")]
    fn in_range(self, min: f64, max: f64) -> bool {
        min <= self as f64 && self as f64 <= max
    }
}

impl SettingType for u32 {
    const EXPECTED: &'static str = "a whole number";
    const RANGED: bool = true;
    fn from_value(value: Value) -> Option<Self> {
        // Out of range either way: the ends of the type lie outside every setting's range.
        i64::from_value(value)
            .map(|number| Self::try_from(number).unwrap_or(if number < 0 { 0 } else { Self::MAX }))
    }
    fn to_value(self) -> Value {
        Value::Integer(i64::from(self))
    }
    fn in_range(self, min: f64, max: f64) -> bool {
        f64::from(self).in_range(min, max)
    }
}

impl SettingType for Span {
    const EXPECTED: &'static str = "a whole number of milliseconds";
    const RANGED: bool = true;
    fn from_value(value: Value) -> Option<Self> {
        // A negative length is kept out of range instead of becoming zero.
        i64::from_value(value).map(|ms| Self::from_ms(if ms < 0 { i64::MAX } else { ms }))
    }
    fn to_value(self) -> Value {
        Value::Integer(self.ms())
    }
    fn in_range(self, min: f64, max: f64) -> bool {
        self.ms().in_range(min, max)
    }
}

impl SettingType for bool {
    const EXPECTED: &'static str = "true or false";
    const RANGED: bool = false;
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Flag(flag) => Some(flag),
            Value::Integer(_) | Value::Number(_) | Value::Other => None,
        }
    }
    fn to_value(self) -> Value {
        Value::Flag(self)
    }
    fn in_range(self, _min: f64, _max: f64) -> bool {
        true
    }
}

/// Takes a value as a setting, if type and range allow.
pub(crate) fn accept<T: SettingType>(
    value: Value,
    min: f64,
    max: f64,
    unit: &'static str,
) -> Result<T, Problem> {
    let setting = T::from_value(value).ok_or(Problem::WrongType {
        expected: T::EXPECTED,
    })?;
    if setting.in_range(min, max) {
        Ok(setting)
    } else {
        Err(Problem::OutOfRange { min, max, unit })
    }
}

/// Declares a section of the policy: a struct with documented fields, its defaults, and access by name.
///
/// Each line reads `name: type = default, least => most, unit;` under its documentation.
macro_rules! settings {
    (
        $(#[$sdoc:meta])*
        $section:ident as $label:literal {
            $($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $default:expr, $min:literal => $max:literal, $unit:literal;)+
        }
    ) => {
        $(#[$sdoc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $section {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nUnit: ", $unit, ". Range: ", $min, " to ", $max, ".")]
                pub $name: $ty,
            )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl $crate::scoring::policy::Section for $section {
            fn settings(&self) -> Vec<$crate::scoring::policy::Setting> {
                use $crate::scoring::policy::SettingType;
                vec![$($crate::scoring::policy::Setting {
                    section: $label,
                    name: stringify!($name),
                    value: self.$name.to_value(),
                    unit: $unit,
                    range: <$ty as SettingType>::RANGED.then_some((f64::from($min), f64::from($max))),
                    doc: &[$($doc),+],
                }),+]
            }

            fn set(
                &mut self,
                name: &str,
                value: $crate::scoring::policy::Value,
            ) -> Result<(), $crate::scoring::policy::Problem> {
                match name {
                    $(stringify!($name) => {
                        self.$name = $crate::scoring::policy::accept(value, f64::from($min), f64::from($max), $unit)?;
                    })+
                    _ => {
                        return Err($crate::scoring::policy::Problem::Unknown {
                            suggestion: $crate::scoring::policy::nearest(name, &[$(stringify!($name)),+]),
                        });
                    }
                }
                Ok(())
            }
        }
    };
}
pub(crate) use settings;

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
        /// In what time reports about a payee fade by half.
        reports_half_life_ms: Span = Span::from_days(30), 3600000 => 31536000000.0, "ms";
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

/// The known name that `name` was most likely meant to be: at most a third of it mistyped.
pub(crate) fn nearest(name: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| distance.saturating_mul(3) <= candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance, row by row.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(&right) {
            let substituted = diagonal.saturating_add(usize::from(from != *to));
            diagonal = *cell;
            before = substituted
                .min(diagonal.saturating_add(1))
                .min(before.saturating_add(1));
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
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
