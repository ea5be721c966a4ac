//! The level of an account's sums: what it usually pays, whomever it pays.
//!
//! A payee that everybody pays much is no sign that this account pays much. So the payee's own price level
//! ([`PriceLevel`](crate::scoring::memory::PriceLevel)) is taken off each sum before the account learns from it.
//!
//! Amounts are compared by their logarithms to base 2, in *doublings*: 3 doublings above is eight times as much.

use super::log_amount::LogAmount;
use crate::scoring::image::{
    DOUBLINGS, QUANTITY, currency, narrow, number_f32, optional, put_currency, put_optional,
    rounded_f32,
};
use crate::scoring::money::{Currency, Money};
use crate::scoring::packing::{Reader, put_float, put_varint};

pub(super) mod by_currency;

/// The averages follow the last sixty sums or so: each new one moves the middle by one sixtieth at least.
const SUMS_FOLLOWED: u16 = 60;

/// From how many sums on a single one moves the middle only as far as `DEVIATIONS_HEARD` lets it.
const SUMS_ROBUST: u16 = 4;

/// From how many sums on the level counts as known.
const SUMS_KNOWN: u16 = 5;

/// How many standard deviations from the middle a sum is taken to lie at most. Of sums that spread evenly few lie
/// further off, and a run of far smaller or larger ones widens the spread but slowly. It is a number of deviations
/// and not of doublings, which would cut wide spreads off and never learn them.
const DEVIATIONS_HEARD: f64 = 2.5;

/// The smallest standard deviation that is used for this limit, in doublings.
const DEVIATION_LEAST: f64 = 0.25;

/// The standard deviation of sums before anything is known of an account, in doublings: people pay half as much
/// again, or a third less, without a reason.
const SPREAD_DOUBLINGS: f64 = 0.7;

/// How many sums of the account this first assumption is worth. People differ in how far their sums spread as much
/// as twenty sums of one person do by chance. Were it worth more, accounts that really pay very unevenly would not
/// be believed.
const SPREAD_WORTH: u16 = 20;

/// The size of a level in the list of the profile: one byte for `sums`, four for each of the averages. The currency
/// is the tag of the entry.
const LEVEL_BYTES: usize = 9;

/// What an account pays in one currency: the middle of the logarithms of its sums, and how far they spread.
///
/// A sum that is paid again and again, a fare or a coffee, is one habit, and is learnt once: see
/// [`KnownPayee::was_paid_lately`](super::KnownPayee::was_paid_lately).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The currency of the sums; `None` as long as there are none.
    currency: Option<Currency>,
    /// From how many sums it is known, 0 to `SUMS_FOLLOWED`.
    sums: u16,
    /// In doublings above one minor unit.
    middle_doublings: f32,
    /// The mean square distance from the middle, in doublings squared.
    variance: f32,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            currency: None,
            sums: 0,
            middle_doublings: 0.0,
            variance: rounded_f32(SPREAD_DOUBLINGS * SPREAD_DOUBLINGS),
        }
    }
}

impl Level {
    /// From how many sums in `currency` it is known, up to sixty.
    #[must_use]
    pub fn sums_in(&self, currency: Currency) -> u16 {
        if self.currency == Some(currency) {
            self.sums
        } else {
            0
        }
    }

    /// Whether it is known from enough sums in `currency`.
    #[must_use]
    pub fn is_known_in(&self, currency: Currency) -> bool {
        self.sums_in(currency) >= SUMS_KNOWN
    }

    /// The middle of the sums, in doublings above one minor unit.
    #[must_use]
    pub fn middle_doublings(&self) -> f64 {
        self.middle_doublings.into()
    }

    /// The mean square distance from the middle, in doublings squared.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance.into()
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            currency,
            sums,
            middle_doublings,
            variance,
        } = *self;
        put_optional(out, currency, put_currency);
        put_varint(out, sums.into());
        put_float(out, middle_doublings.into());
        put_float(out, variance.into());
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            currency: optional(rest, currency)?,
            sums: narrow(rest).filter(|sums| *sums <= SUMS_FOLLOWED)?,
            middle_doublings: number_f32(rest, DOUBLINGS)?,
            variance: number_f32(rest, QUANTITY)?,
        })
    }

    /// The currency of the sums; `None` as long as there are none.
    pub(super) const fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// The level of the same account in a currency that it has not paid in yet. Nothing is known there but how far
    /// its sums spread: that is people's nature, whatever the currency.
    pub(super) const fn of_no_sums(&self) -> Self {
        Self {
            currency: None,
            sums: 0,
            middle_doublings: 0.0,
            variance: self.variance,
        }
    }

    /// All of it but the currency, for an entry of the list.
    fn to_bytes(self) -> [u8; LEVEL_BYTES] {
        let [sums, _] = self.sums.to_le_bytes();
        let [a, b, c, d] = self.middle_doublings.to_le_bytes();
        let [e, f, g, h] = self.variance.to_le_bytes();
        [sums, a, b, c, d, e, f, g, h]
    }

    /// The level in `currency` that was written as these bytes; `None` if no level is written so.
    fn from_bytes(currency: Currency, bytes: [u8; LEVEL_BYTES]) -> Option<Self> {
        let [sums, a, b, c, d, e, f, g, h] = bytes;
        let level = Self {
            currency: Some(currency),
            sums: sums.into(),
            middle_doublings: f32::from_le_bytes([a, b, c, d]),
            variance: f32::from_le_bytes([e, f, g, h]),
        };
        ((1..=SUMS_FOLLOWED).contains(&level.sums)
            && DOUBLINGS.contains(&level.middle_doublings())
            && QUANTITY.contains(&level.variance()))
        .then_some(level)
    }

    /// Learns from `money`, which is in the currency of this level if it has one.
    ///
    /// `payee_doublings` is the price level of its payee: how far the sums paid there lie above their payers' levels.
    /// Returns how many doublings this sum lies above both levels together, for the payee to learn from; `None` as
    /// long as too few sums of the account are known.
    pub(super) fn learn(&mut self, money: Money, payee_doublings: f64) -> Option<f64> {
        let own = LogAmount::of(money.amount_minor()).doublings() - payee_doublings;
        if self.sums == 0 {
            self.currency = Some(money.currency());
            self.sums = 1;
            self.middle_doublings = rounded_f32(own);
            return None;
        }
        let is_robust = self.sums >= SUMS_ROBUST;
        let above = own - self.middle_doublings();
        let above_max = self.variance().sqrt().max(DEVIATION_LEAST) * DEVIATIONS_HEARD;
        let limited = above.clamp(-above_max, above_max);
        // The first few sums say where the level is, however far apart they lie.
        let above = if is_robust { limited } else { above };
        self.sums = self.sums.saturating_add(1).min(SUMS_FOLLOWED);
        let worth = self.sums.saturating_add(SPREAD_WORTH);
        self.middle_doublings = rounded_f32(self.middle_doublings() + above / f64::from(self.sums));
        self.variance =
            rounded_f32(self.variance() + (limited * limited - self.variance()) / f64::from(worth));
        is_robust.then_some(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap()
    }

    #[test]
    fn what_everybody_pays_a_payee_says_nothing_of_the_account() {
        let mut level = Level::default();
        for _ in 0..30 {
            level.learn(money(1_000, "EUR"), 0.0);
            level.learn(money(8_000, "EUR"), 3.0);
        }
        let thousand = LogAmount::of(1_000).doublings();
        assert!((level.middle_doublings() - thousand).abs() < 0.01);
        assert!(level.variance() < 0.3, "{level:?}");
    }

    #[test]
    fn one_sum_far_off_moves_the_level_by_little() {
        let mut level = Level::default();
        (0..30).for_each(|nth| {
            level.learn(money(900 + nth * 7, "EUR"), 0.0);
        });
        let before = level;
        let above = level.learn(money(1_000_000_000, "EUR"), 0.0);
        let heard = before.variance().sqrt() * DEVIATIONS_HEARD;
        assert_eq!(above, Some(heard));
        assert!(level.middle_doublings() - before.middle_doublings() < 0.1);
    }

    /// Sums spread by so many doublings: half of them so far above the middle, half below.
    fn spread_learnt(doublings: f64, sums: u16) -> f64 {
        let mut level = Level::default();
        for nth in 0..sums {
            let away = if nth % 2 == 0 { doublings } else { -doublings };
            let amount_minor = LogAmount::minor_max(13.0 + away);
            level.learn(money(amount_minor, "EUR"), 0.0);
        }
        level.variance().sqrt()
    }

    #[test]
    fn the_spread_becomes_that_of_the_sums_however_wide_or_narrow() {
        for doublings in [0.1, 0.5, 1.0, 1.5, 2.0] {
            let learnt = spread_learnt(doublings, 200);
            assert!((learnt - doublings).abs() < 0.15, "{doublings}: {learnt}");
        }
    }

    #[test]
    fn sums_far_off_all_to_one_side_move_the_middle_along() {
        // Who pays next to nothing thirty times to be taken for somebody who pays unevenly is taken for
        // somebody who pays little as well.
        let mut level = Level::default();
        (0..60).for_each(|nth| {
            level.learn(money(900 + nth * 7, "EUR"), 0.0);
        });
        let deviations = |level: &Level| {
            let above = LogAmount::of(8_800).doublings() - level.middle_doublings();
            above / level.variance().sqrt().max(1.0)
        };
        let before = deviations(&level);
        (0..30).for_each(|nth| {
            level.learn(money(1 + nth % 3, "EUR"), 0.0);
        });
        assert!(deviations(&level) > before * 0.75, "{level:?}");
    }
}
