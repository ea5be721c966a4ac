//! What a payee is usually paid, by everybody: how much ([`AmountLevel`]), and how much more or less than its payers
//! pay others ([`PriceLevel`]).
//!
//! Amounts are compared by their logarithms to base 2, in *doublings*: 3 doublings above is eight times as much.

use crate::scoring::image::{
    DOUBLINGS, QUANTITY, currency, narrow, number, number_f32, optional, put_currency,
    put_optional, rounded_f32,
};
use crate::scoring::money::{Currency, Money};
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::profile::LogAmount;

/// The averages follow the last two hundred payments or so: each new one moves them by one two-hundredth at least.
/// That is enough to know a spread within a twentieth, and few enough to follow a change of prices.
const PAYMENTS_FOLLOWED: u16 = 200;

/// From how many payments on a single one moves the averages only as far as `DEVIATIONS_HEARD` lets it.
const PAYMENTS_ROBUST: u16 = 10;

/// How many mean absolute deviations from the middle a payment is taken to lie at most.
const DEVIATIONS_HEARD: f64 = 4.0;

/// The smallest deviation that is used for this limit, in doublings.
const DEVIATION_LEAST: f64 = 0.25;

/// The amounts that one payee is paid, in the currency it is mostly paid in, whichever accounts paid them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AmountLevel {
    currency: Option<Currency>,
    /// From how many payments it is known, 0 to `PAYMENTS_FOLLOWED`.
    payments: u16,
    /// The mean of the logarithms of amounts, in doublings above one minor unit.
    middle_doublings: f64,
    /// The mean distance from it.
    absolute_deviation_doublings: f64,
}

/// The parts of an [`AmountLevel`], for writing and reading it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AmountLevelParts {
    /// The currency it is mostly paid in, if it was ever paid.
    pub currency: Option<Currency>,
    /// Of how many payments, up to two hundred.
    pub payments: u16,
    /// The mean of the logarithms of amounts, in doublings above one minor unit.
    pub middle_doublings: f64,
    /// The mean distance from it, in doublings.
    pub absolute_deviation_doublings: f64,
}

impl From<AmountLevel> for AmountLevelParts {
    fn from(level: AmountLevel) -> Self {
        Self {
            currency: level.currency,
            payments: level.payments,
            middle_doublings: level.middle_doublings,
            absolute_deviation_doublings: level.absolute_deviation_doublings,
        }
    }
}

impl From<AmountLevelParts> for AmountLevel {
    fn from(parts: AmountLevelParts) -> Self {
        Self {
            currency: parts.currency,
            payments: parts.payments,
            middle_doublings: parts.middle_doublings,
            absolute_deviation_doublings: parts.absolute_deviation_doublings,
        }
    }
}

impl AmountLevel {
    /// Of how many payments, up to two hundred.
    #[must_use]
    pub const fn payments(&self) -> u32 {
        self.payments as u32
    }

    /// How many standard deviations `money` lies above the middle; `None` in another currency. One is the 1.2533 mean
    /// absolute deviations of a normal distribution (√(π ÷ 2)), or `least_doublings`, whichever is more.
    #[must_use]
    pub fn deviations_above_middle(&self, money: Money, least_doublings: f64) -> Option<f64> {
        let comparable = self.currency == Some(money.currency());
        let deviation = (self.absolute_deviation_doublings * 1.2533).max(least_doublings);
        comparable.then(|| (doublings(money) - self.middle_doublings) / deviation)
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            currency,
            payments,
            middle_doublings,
            absolute_deviation_doublings,
        } = *self;
        put_optional(out, currency, put_currency);
        put_varint(out, payments.into());
        put_float(out, middle_doublings);
        put_float(out, absolute_deviation_doublings);
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            currency: optional(rest, currency)?,
            payments: narrow(rest).filter(|payments| *payments <= PAYMENTS_FOLLOWED)?,
            middle_doublings: number(rest, DOUBLINGS)?,
            absolute_deviation_doublings: number(rest, QUANTITY)?,
        })
    }

    /// Learns that the payee is paid `money`.
    pub(super) fn note(&mut self, money: Money) {
        if self.currency != Some(money.currency()) {
            // Each payment in another currency halves what is known, until one takes its place.
            self.payments /= 2;
            if self.payments > 0 {
                return;
            }
            *self = Self {
                currency: Some(money.currency()),
                middle_doublings: doublings(money),
                ..Self::default()
            };
        }
        let mut away = doublings(money) - self.middle_doublings;
        if self.payments >= PAYMENTS_ROBUST {
            let away_max =
                self.absolute_deviation_doublings.max(DEVIATION_LEAST) * DEVIATIONS_HEARD;
            away = away.clamp(-away_max, away_max);
        }
        self.payments = self.payments.saturating_add(1).min(PAYMENTS_FOLLOWED);
        let share = 1.0 / f64::from(self.payments);
        self.middle_doublings += away * share;
        self.absolute_deviation_doublings +=
            (away.abs() - self.absolute_deviation_doublings) * share;
    }
}

/// How many payments the price level follows.
const PRICES_FOLLOWED: u16 = 200;

/// How many payments it is worth, while a price level is learnt, that payees are paid like others until more is known.
const LIKE_OTHERS_WORTH: f64 = 2.0;

/// How many payments are taken to be known of a payee that nobody has paid, where it is asked how sure its price level
/// is. Only half of one: whether it is a baker or a jeweller is less certain than what one payer pays.
const UNKNOWN_WORTH: f64 = 0.5;

/// How much more or less this payee is paid than its payers pay others: a jeweller more, a baker less. Of each payment
/// only the part is learnt that the [level](crate::scoring::profile::Level) of its payer does not explain.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PriceLevel {
    /// From how many payments it is known, 0 to `PRICES_FOLLOWED`.
    payments: u16,
    above_doublings: f32,
}

impl PriceLevel {
    /// A price level known from this many payments, up to two hundred, that lies this many doublings above its
    /// payers' levels.
    #[must_use]
    pub const fn known(payments: u16, above_doublings: f32) -> Self {
        Self {
            payments,
            above_doublings,
        }
    }

    /// From how many payments it is known, up to two hundred.
    #[must_use]
    pub const fn payments(&self) -> u16 {
        self.payments
    }

    /// How many doublings above its payers' levels this payee is paid; 0 where nothing is known.
    #[must_use]
    pub fn above_doublings(&self) -> f64 {
        self.above_doublings.into()
    }

    /// How sure it is, as the number of payments that it is known from; a little more than 0 if there are none.
    #[must_use]
    pub fn worth(&self) -> f64 {
        f64::from(self.payments) + UNKNOWN_WORTH
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            payments,
            above_doublings,
        } = *self;
        put_varint(out, payments.into());
        put_float(out, above_doublings.into());
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            payments: narrow(rest).filter(|payments| *payments <= PRICES_FOLLOWED)?,
            above_doublings: number_f32(rest, DOUBLINGS)?,
        })
    }

    /// Learns that a payment lay this many doublings above what its payer's level and this price level made expect.
    pub(super) fn note(&mut self, above_doublings: f64) {
        self.payments = self.payments.saturating_add(1).min(PRICES_FOLLOWED);
        let worth = f64::from(self.payments) + LIKE_OTHERS_WORTH;
        self.above_doublings = rounded_f32(self.above_doublings() + above_doublings / worth);
    }
}

fn doublings(money: Money) -> f64 {
    LogAmount::of(money.amount_minor()).doublings()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap()
    }

    #[test]
    fn one_payment_far_off_moves_what_is_usual_by_little() {
        let mut level = AmountLevel::default();
        (0..50).for_each(|nth| level.note(money(900 + nth * 4, "EUR")));
        level.note(money(1_000_000_000, "EUR"));
        let above = level.deviations_above_middle(money(1_000, "EUR"), 0.6);
        assert!(above.unwrap().abs() < 0.3, "{level:?}");
        assert!(
            level
                .deviations_above_middle(money(8_000, "EUR"), 0.6)
                .unwrap()
                > 4.0
        );
    }

    #[test]
    fn the_currency_changes_only_with_most_of_the_payments() {
        let mut level = AmountLevel::default();
        (0..50).for_each(|_| level.note(money(1_000, "EUR")));
        level.note(money(7, "JPY"));
        assert!(
            level
                .deviations_above_middle(money(7, "JPY"), 0.6)
                .is_none()
        );
        assert_eq!(level.payments(), 25);
        (0..6).for_each(|_| level.note(money(7, "JPY")));
        assert_eq!(
            level.deviations_above_middle(money(7, "JPY"), 0.6),
            Some(0.0)
        );
    }

    #[test]
    fn the_price_level_of_a_payee_is_learnt_from_what_its_payers_levels_leave_open() {
        let mut prices = PriceLevel::default();
        for _ in 0..50 {
            let open = 1.5 - prices.above_doublings();
            prices.note(open);
        }
        assert!((prices.above_doublings() - 1.5).abs() < 0.1, "{prices:?}");
    }
}
