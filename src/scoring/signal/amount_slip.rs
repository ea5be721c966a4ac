//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! Judged by operations on the digits, not by ratio alone: a zero too many, a digit lost, typed twice
//! or beside the right key, a decimal point out of place. Where the payee is always paid one sum, any
//! such operation stands out. Where sums vary, only slips that leave their usual range do.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::{AmountSlip, Evidence};
use crate::scoring::policy::settings;

settings! {
    /// Settings of `AMOUNT_SLIP`.
    Settings as "amount_slip" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How many times running a payee must have been paid one sum to count as always paid it.
        regular_times: u32 = 3, 2 => 8, "payments";
        /// How many sums of a payee must be known to judge by their range.
        varied_times: u32 = 3, 1 => 8, "payments";
        /// How far outside the range of known sums an amount must lie: this many times the largest,
        /// or that part of the smallest.
        beyond_range: f64 = 2.0, 1 => 100, "times";
        /// Strength against a sum that is always paid.
        regular_strength: f64 = 80.0, 0 => 100, "strength";
        /// Strength against sums that vary.
        varied_strength: f64 = 70.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let money = context.payment.money;
    let amount = money.amount_minor();
    let known = context
        .known_payee
        .filter(|known| known.currency == money.currency())?;
    let (slip, usual_minor, strength) =
        if let Some(usual) = known.amounts.always_lately(settings.regular_times as usize) {
            let slip = slip_between(usual, amount)?;
            (slip, usual, settings.regular_strength)
        } else {
            let sums = known.amounts.minor();
            if sums.len() < settings.varied_times as usize {
                return None;
            }
            let (min, max) = (*sums.iter().min()?, *sums.iter().max()?);
            let beyond = context.ratio_to(max) >= settings.beyond_range
                || context.ratio_to(min) * settings.beyond_range <= 1.0;
            let usual = known.amounts.spread()?.median_minor;
            let slip = undone(amount)
                .find(|(_, meant)| (min..=max).contains(meant))
                .map(|(slip, _)| slip)
                .filter(|_| beyond)?;
            (slip, usual, settings.varied_strength)
        };
    Measure::of(
        strength,
        Nature::Slip,
        Evidence::Amount {
            usual_minor,
            ratio: context.ratio_to(usual_minor),
            slip: Some(slip),
        },
    )
}

/// The slip that makes `typed` of `meant`, if one does.
fn slip_between(meant: i64, typed: i64) -> Option<AmountSlip> {
    if typed == meant {
        return None;
    }
    let times = |factor: i64| meant.checked_mul(factor);
    if times(10) == Some(typed) {
        return Some(AmountSlip::ExtraDigit);
    }
    if times(100) == Some(typed) || typed.checked_mul(100) == Some(meant) {
        return Some(AmountSlip::DecimalShift);
    }
    let (meant, typed) = (Digits::of(meant), Digits::of(typed));
    if meant.doublings().any(|doubled| doubled == typed) {
        Some(AmountSlip::DoubledDigit)
    } else if meant.losses().any(|lost| lost == typed) {
        Some(AmountSlip::LostDigit)
    } else if meant.is_neighbour_of(&typed) {
        Some(AmountSlip::NeighbourKey)
    } else {
        None
    }
}

/// What may have been meant where sums vary: only slips that change the size of the amount.
fn undone(typed: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let tenth = (typed.rem_euclid(10) == 0).then(|| (AmountSlip::ExtraDigit, typed / 10));
    let hundredth = (typed.rem_euclid(100) == 0).then(|| (AmountSlip::DecimalShift, typed / 100));
    let hundredfold = typed
        .checked_mul(100)
        .map(|meant| (AmountSlip::DecimalShift, meant));
    let digits = Digits::of(typed);
    let single = digits
        .halvings()
        .map(|single| (AmountSlip::DoubledDigit, single.value()))
        .collect::<Vec<_>>();
    let tenfold = typed
        .checked_mul(10)
        .map(|meant| (AmountSlip::LostDigit, meant));
    tenth
        .into_iter()
        .chain(single)
        .chain(hundredth)
        .chain(tenfold)
        .chain(hundredfold)
}

/// An amount as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digits(Vec<u8>);

impl Digits {
    fn of(amount: i64) -> Self {
        Self(amount.to_string().bytes().map(|byte| byte & 15).collect())
    }

    fn value(&self) -> i64 {
        self.0.iter().fold(0_i64, |value, digit| {
            value.saturating_mul(10).saturating_add(i64::from(*digit))
        })
    }

    /// Every amount that comes of typing one digit twice.
    fn doublings(&self) -> impl Iterator<Item = Self> {
        self.0.iter().enumerate().map(|(at, digit)| {
            let mut digits = self.0.clone();
            digits.insert(at, *digit);
            Self(digits)
        })
    }

    /// Every amount that this one may be with a digit typed twice.
    fn halvings(&self) -> impl Iterator<Item = Self> {
        self.0
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair.first() == pair.last())
            .map(|(at, _)| {
                let mut digits = self.0.clone();
                digits.remove(at);
                Self(digits)
            })
    }

    /// Every amount that comes of losing one digit.
    fn losses(&self) -> impl Iterator<Item = Self> {
        (0..self.0.len()).map(|at| {
            let mut digits = self.0.clone();
            digits.remove(at);
            Self(digits)
        })
    }

    /// Whether the two differ in one digit, by one key of the top row.
    fn is_neighbour_of(&self, other: &Self) -> bool {
        if self.0.len() != other.0.len() {
            return false;
        }
        let mut different = self.0.iter().zip(&other.0).filter(|(a, b)| a != b);
        let Some((a, b)) = different.next() else {
            return false;
        };
        // The row of keys is 1 2 … 9 0: zero stands beside nine.
        let key = |digit: u8| if digit == 0 { 10 } else { digit };
        different.next().is_none() && key(*a).abs_diff(key(*b)) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_on_the_digits_is_told_from_the_others() {
        let check = |meant, typed, slip| {
            assert_eq!(slip_between(meant, typed), slip, "{meant} → {typed}");
        };
        check(5_000, 50_000, Some(AmountSlip::ExtraDigit));
        check(1_234, 123_400, Some(AmountSlip::DecimalShift));
        check(123_400, 1_234, Some(AmountSlip::DecimalShift));
        check(7_500, 77_500, Some(AmountSlip::DoubledDigit));
        check(7_500, 500, Some(AmountSlip::LostDigit));
        check(7_500, 6_500, Some(AmountSlip::NeighbourKey));
        check(9_900, 9_000, Some(AmountSlip::NeighbourKey));
        check(7_500, 7_500, None);
        check(7_500, 2_500, None);
        check(7_500, 8_600, None);
        check(i64::MAX, 1, None);
    }
}
