//! The level of an account's sums, the price levels of its payees taken out.

use super::log_amount::LogAmount;
use crate::scoring::image::{
    DOUBLINGS, QUANTITY, currency, narrow, number_f32, optional, put_currency, put_optional,
};
use crate::scoring::money::{Currency, Money};
use crate::scoring::packing::{Reader, put_float, put_varint};

/// How many sums the level follows: one more moves it by one sixtieth.
const SUMS_FOLLOWED: u16 = 60;

/// From how many sums on one alone moves the level by no more than `DEVIATIONS_HEARD`.
const SUMS_ROBUST: u16 = 4;

/// From how many sums on the level is known.
const SUMS_KNOWN: u16 = 5;

/// By how many deviations a sum is taken to be off at most: few sums pass it that spread evenly, and a run of
/// far smaller or larger ones takes the spread along but slowly. Before, it was a number of doublings:
/// wide spreads were cut off and never learnt.
const DEVIATIONS_HEARD: f64 = 2.5;

/// The least deviation by which that is judged, in doublings.
const DEVIATION_LEAST: f64 = 0.25;

/// How far sums spread before anything is known of an account, in doublings: people pay half as much
/// again, or a third less, without a reason.
const SPREAD_DOUBLINGS: f64 = 0.7;

/// How many sums that is worth against those of the account. People differ in this as much as twenty sums
/// of one of them do by chance; with more, nobody is believed to pay as unevenly as some do.
const SPREAD_WORTH: u16 = 20;

/// How many bytes are laid down of the level in one more currency.
pub(super) const LEVEL_BYTES: usize = 9;

/// What an account pays in one currency, on a logarithmic scale: the middle of its sums and their
/// spread about it. A payee that everybody pays much is no sign that this account does, so what is known of
/// the payee is taken off each sum.
///
/// A sum that is paid again and again, a fare or a coffee, is one habit, and counts once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    currency: Option<Currency>,
    sums: u16,
    middle_doublings: f32,
    variance: f32,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            currency: None,
            sums: 0,
            middle_doublings: 0.0,
            variance: kept(SPREAD_DOUBLINGS * SPREAD_DOUBLINGS),
        }
    }
}

impl Level {
    /// From how many amounts in `currency` it is known, up to sixty.
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

    /// The mean square distance from it, in doublings.
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

    /// Of how many sums, up to some sixty.
    pub(super) const fn sums(&self) -> u16 {
        self.sums
    }

    /// The level of an account of this one, in a currency that it has not paid in. How far people's sums
    /// spread is their nature, whatever the currency.
    pub(super) const fn of_no_sums(&self) -> Self {
        Self {
            currency: None,
            sums: 0,
            middle_doublings: 0.0,
            variance: self.variance,
        }
    }

    /// All of it but the currency.
    pub(super) fn to_bytes(self) -> [u8; LEVEL_BYTES] {
        let [sums, _] = self.sums.to_le_bytes();
        let [a, b, c, d] = self.middle_doublings.to_le_bytes();
        let [e, f, g, h] = self.variance.to_le_bytes();
        [sums, a, b, c, d, e, f, g, h]
    }

    /// What was laid down of a level in `currency`; `None` where no level is like that.
    pub(super) fn from_bytes(currency: Currency, bytes: [u8; LEVEL_BYTES]) -> Option<Self> {
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

    /// Learns from `money`, which is in the currency of this level if it has one, paid to a payee where sums
    /// lie so many doublings above their payers' levels. Returns how far this one lies above even that, for
    /// the payee to learn from; `None` as long as the account's own level is not known.
    pub(super) fn learn(&mut self, money: Money, payee_doublings: f64) -> Option<f64> {
        let own = LogAmount::of(money.amount_minor()).doublings() - payee_doublings;
        if self.sums == 0 {
            self.currency = Some(money.currency());
            self.sums = 1;
            self.middle_doublings = kept(own);
            return None;
        }
        let robust = self.sums >= SUMS_ROBUST;
        let mut above = own - self.middle_doublings();
        let heard = self.variance().sqrt().max(DEVIATION_LEAST) * DEVIATIONS_HEARD;
        let held = above.clamp(-heard, heard);
        if robust {
            above = held;
        }
        self.sums = self.sums.saturating_add(1).min(SUMS_FOLLOWED);
        let worth = self.sums.saturating_add(SPREAD_WORTH);
        self.middle_doublings = kept(self.middle_doublings() + above / f64::from(self.sums));
        self.variance = kept(self.variance() + (held * held - self.variance()) / f64::from(worth));
        robust.then_some(above)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a habit needs no more than 24 bits"
)]
const fn kept(value: f64) -> f32 {
    value as f32
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
