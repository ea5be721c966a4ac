//! Which payments a setting is for: all of them, those of one kind, those in one currency.
//!
//! A policy file says it by the table that a setting stands in: `[payee_new]`, `[kind.gift.payee_new]`,
//! `[currency.JPY.payee_new]`.

use std::fmt;

use super::setting::{Problem, nearest};
use crate::scoring::money::Currency;
use crate::scoring::payment::{Payment, PaymentKind};

/// Payments of a kind, in a currency; `None` stands for any.
///
/// The order is that in which settings apply: those for all payments, then those for a kind, then those
/// for a currency. What applies later wins, so a currency's setting stands against a kind's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Scope {
    /// In which currency.
    pub currency: Option<Currency>,
    /// Of which kind.
    pub kind: Option<PaymentKind>,
}

impl Scope {
    /// All payments.
    pub const ALL: Self = Self {
        currency: None,
        kind: None,
    };

    /// The payments that `payment` is one of.
    #[must_use]
    pub const fn of(payment: &Payment) -> Self {
        Self {
            currency: Some(payment.money.currency()),
            kind: Some(payment.kind),
        }
    }

    /// Takes a path of a policy file apart: whose table it is in, and the rest.
    ///
    /// # Errors
    /// [`Problem::Unknown`] when there is no such kind or currency.
    pub fn split(path: &str) -> Result<(Self, &str), Problem> {
        let (table, rest) = path.split_once('.').unwrap_or((path, ""));
        let (name, inner) = rest.split_once('.').unwrap_or((rest, ""));
        match table {
            "kind" if name.is_empty() => Ok((Self::ALL, "")),
            "kind" => Ok((Self::of_kind(kind_named(name)?), inner)),
            "currency" if name.is_empty() => Ok((Self::ALL, "")),
            "currency" => Ok((Self::in_currency(currency_named(name)?), inner)),
            _ => Ok((Self::ALL, path)),
        }
    }

    /// Payments of one kind.
    #[must_use]
    pub const fn of_kind(kind: PaymentKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::ALL
        }
    }

    /// Payments in one currency.
    #[must_use]
    pub const fn in_currency(currency: Currency) -> Self {
        Self {
            currency: Some(currency),
            ..Self::ALL
        }
    }

    /// Those of these payments that `other` is about too; where both name a kind or a currency, that of
    /// `other`.
    pub(super) fn narrowed_to(self, other: Self) -> Self {
        Self {
            currency: other.currency.or(self.currency),
            kind: other.kind.or(self.kind),
        }
    }

    /// Whether every payment of `other` is one of these.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.kind.is_none_or(|kind| other.kind == Some(kind))
            && self
                .currency
                .is_none_or(|currency| other.currency == Some(currency))
    }

    /// Whether some payments are both of these and of `other`.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.narrowed_to(other) == other.narrowed_to(self)
    }

    /// The path of a setting in the tables of this scope: `kind.gift.payee_new.weight`.
    #[must_use]
    pub fn path_of(self, setting: &str) -> String {
        let kind = self.kind.map(|kind| format!("kind.{kind}."));
        let currency = self
            .currency
            .map(|currency| format!("currency.{currency}."));
        format!(
            "{}{}{setting}",
            kind.unwrap_or_default(),
            currency.unwrap_or_default()
        )
    }
}

fn kind_named(name: &str) -> Result<PaymentKind, Problem> {
    PaymentKind::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = PaymentKind::ALL.iter().map(|kind| kind.name()).collect();
        Problem::Unknown {
            suggestion: nearest(name, &known).map(|known| format!("kind.{known}")),
        }
    })
}

fn currency_named(name: &str) -> Result<Currency, Problem> {
    Currency::from_code(name).map_err(|_| {
        let known: Vec<&str> = Currency::all().map(Currency::code).collect();
        Problem::Unknown {
            suggestion: nearest(&name.to_uppercase(), &known)
                .map(|known| format!("currency.{known}")),
        }
    })
}

impl fmt::Display for Scope {
    /// In words: `gift payments in JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            None => f.write_str("payments")?,
            Some(kind) => write!(f, "{kind} payments")?,
        }
        match self.currency {
            None => Ok(()),
            Some(currency) => write!(f, " in {currency}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_which_payments_they_are_for() {
        let split = |path| Scope::split(path).map(|(scope, rest)| (scope.path_of(""), rest));
        for (path, table, rest) in [
            ("payee_new.weight", "", "payee_new.weight"),
            (
                "kind.gift.payee_new.weight",
                "kind.gift.",
                "payee_new.weight",
            ),
            ("currency.JPY.decision", "currency.JPY.", "decision"),
            ("kind.top_up", "kind.top_up.", ""),
            ("currency", "", ""),
        ] {
            assert_eq!(split(path), Ok((table.to_owned(), rest)), "{path}");
        }
    }

    #[test]
    fn kinds_and_currencies_that_do_not_exist_suggest_those_that_do() {
        let told = |path| Scope::split(path).unwrap_err().to_string();
        for (path, suggestion) in [
            ("kind.gif.payee_new.weight", "; did you mean `kind.gift`?"),
            ("kind.loan", ""),
            ("currency.jpy.decision", "; did you mean `currency.JPY`?"),
            ("currency.CNX", "; did you mean `currency.CNY`?"),
            ("currency.gulden", ""),
        ] {
            assert_eq!(told(path), format!("no such setting{suggestion}"), "{path}");
        }
    }
}
