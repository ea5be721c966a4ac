//! One setting: its type, its range, its documentation, and what may be wrong with it.

use std::borrow::Cow;
use std::fmt;

use super::scope::Scope;
use crate::scoring::time::Span;

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
        expected: Cow<'static, str>,
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
        /// For which payments it does not.
        scope: Scope,
    },
    /// It cannot differ from payment to payment.
    NotOverridable {
        /// Why not.
        why: &'static str,
    },
}

impl Problem {
    /// The same with the name that it suggests, if it does, made a longer path.
    pub(super) fn suggesting(self, path_of: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Unknown {
                suggestion: Some(name),
            } => Self::Unknown {
                suggestion: Some(path_of(&name)),
            },
            Self::Unknown { suggestion: None }
            | Self::WrongType { .. }
            | Self::OutOfRange { .. }
            | Self::Contradicts { .. }
            | Self::NotOverridable { .. } => self,
        }
    }
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
            Self::Contradicts {
                rule,
                scope: Scope::ALL,
            } => f.write_str(rule),
            Self::Contradicts { rule, scope } => write!(f, "{rule}: not so for {scope}"),
            Self::NotOverridable { why } => write!(f, "is the same for every payment: {why}"),
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

impl Setting {
    /// Its path: `decision.confirm_from`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// What it does, in one line.
    #[must_use]
    pub fn text(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
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
    const RANGED: Self = false;
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
        expected: Cow::Borrowed(T::EXPECTED),
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
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $ty:ty = $default:expr, $min:literal => $max:literal, $unit:literal;
            )+
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

        impl $crate::scoring::policy::setting::Section for $section {
            fn settings(&self) -> Vec<$crate::scoring::policy::setting::Setting> {
                use $crate::scoring::policy::setting::SettingType;
                vec![$($crate::scoring::policy::setting::Setting {
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
                value: $crate::scoring::policy::setting::Value,
            ) -> Result<(), $crate::scoring::policy::setting::Problem> {
                match name {
                    $(stringify!($name) => {
                        let (min, max) = (f64::from($min), f64::from($max));
                        self.$name =
                            $crate::scoring::policy::setting::accept(value, min, max, $unit)?;
                    })+
                    _ => {
                        return Err($crate::scoring::policy::setting::Problem::Unknown {
                            suggestion: $crate::scoring::policy::setting::nearest(name, &[$(stringify!($name)),+]),
                        });
                    }
                }
                Ok(())
            }
        }
    };
}
pub(crate) use settings;

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
