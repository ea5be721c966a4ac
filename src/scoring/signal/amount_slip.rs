//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! Judged by operations on the digits, not by ratio alone: a zero too many, a digit lost, typed twice
//! or beside the right key, a decimal point out of place. Where the payee is always paid one sum, any
//! such operation stands out. Where sums vary, the question is which explains the amount better:
//! that it was meant, or that a usual sum was meant and slipped. Only slips upwards are looked for
//! then: who paid too little pays the rest.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::{AmountSlip, Evidence};
use crate::scoring::policy::settings;
use crate::scoring::profile::{KnownPayee, LogAmount, Spread};

settings! {
    /// Settings of `AMOUNT_SLIP`.
    Settings as "amount_slip" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How many payments, all of one sum, make it the sum that this payee is always paid.
        regular_times: u32 = 4, 2 => 8, "payments";
        /// Strength against a sum that is always paid.
        regular_strength: f64 = 80.0, 0 => 100, "strength";
        /// The least deviation taken as usual where sums vary, in doublings.
        deviation_doublings_min: f64 = 0.5, 0.01 => 10, "doublings";
        /// By how much a slip must explain the amount better to fire at all: the logarithm of a
        /// likelihood ratio. Slips are rare, one payment in some hundreds, which is 5 to 6 nats.
        from_nats: f64 = 2.3, 0 => 100, "nats";
        /// By how much more for a payee never paid: that the payee is another explains other sums.
        stranger_nats: f64 = 2.0, 0 => 100, "nats";
        /// From where it fires at full strength.
        full_nats: f64 = 4.0, 0 => 100, "nats";
        /// How many payments of all accounts to the payee must be known before what it is usually paid
        /// explains an amount.
        everybody_payments_min: u32 = 10, 1 => 200, "payments";
        /// Full strength against sums that vary.
        varied_strength: f64 = 66.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let money = context.payment.money;
    let known = context
        .known_payee
        .filter(|known| known.currency == money.currency());
    let (slip, usual_minor, strength) = match known.and_then(|known| always_paid(settings, known)) {
        Some(usual) => (
            slip_between(usual, money.amount_minor())?,
            usual,
            settings.regular_strength,
        ),
        None => varied(settings, context)?,
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

fn always_paid(settings: &Settings, known: KnownPayee<'_>) -> Option<i64> {
    let usual = known.amounts_minor().next()?;
    (known.amounts() >= settings.regular_times as usize
        && known.amounts_minor().all(|sum| sum == usual))
    .then_some(usual)
}

/// The slip that explains an amount best where sums vary, the usual sum, and how strongly.
fn varied(settings: &Settings, context: &Context<'_>) -> Option<(AmountSlip, i64, f64)> {
    let usual = Usual::new(settings, context)?;
    let typed = context.payment.money.amount_minor();
    let stranger_nats = if context.usual_of_payee.is_some() {
        0.0
    } else {
        settings.stranger_nats
    };
    let typed_nats = usual
        .surprise_nats(typed)
        .min(everybody_nats(settings, context));
    let explained_nats = |meant_nats| typed_nats - meant_nats + PATTERN_NATS - stranger_nats;
    if explained_nats(0.0) <= settings.from_nats {
        // Whatever was meant, it cannot be less than no surprise.
        return None;
    }
    let amounts = context
        .account
        .profile()
        .amounts(context.payment.money.currency())?;
    let (slip, meant_nats) = undone(typed, amounts.granularity_minor())
        .map(|(slip, meant)| (slip, usual.surprise_nats(meant)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let strength = ramp(
        explained_nats(meant_nats),
        settings.from_nats,
        settings.full_nats,
    ) * (settings.varied_strength / 100.0);
    Some((slip, usual.spread.median_minor, strength))
}

/// How surprising the amount is for the payee, by what all accounts pay it: where others pay as much,
/// it was rather meant.
fn everybody_nats(settings: &Settings, context: &Context<'_>) -> f64 {
    let amounts = &context.surroundings.payee.amounts;
    let least = settings.deviation_doublings_min;
    match amounts.deviations_above_middle(context.payment.money, least) {
        Some(deviations) if amounts.payments() >= settings.everybody_payments_min => {
            surprise_nats(deviations) + TWO_EXPLANATIONS_NATS
        }
        _ => f64::INFINITY,
    }
}

/// What is usual for a payment. Few sums of a payee say little about themselves: their middle is
/// uncertain, and their spread is mixed with the account's own. For a payee never paid the account's
/// must do.
struct Usual {
    spread: Spread,
    deviation_doublings: f64,
}

impl Usual {
    /// How many sums the account's spread is worth against those of the payee.
    const ACCOUNT_WORTH: f64 = 2.0;

    fn new(settings: &Settings, context: &Context<'_>) -> Option<Self> {
        let account = context.usual.filter(|_| context.knows_the_account())?;
        let deviation_doublings = match context.usual_of_payee {
            Some(payee) => Self::mixed_deviation(account, payee),
            None => account.deviation_doublings(),
        };
        Some(Self {
            spread: context.usual_of_payee.unwrap_or(account),
            deviation_doublings: deviation_doublings.max(settings.deviation_doublings_min),
        })
    }

    fn mixed_deviation(account: Spread, payee: Spread) -> f64 {
        let known = f64::from(payee.amounts);
        let square = |spread: Spread| spread.deviation_doublings() * spread.deviation_doublings();
        let variance = (Self::ACCOUNT_WORTH * square(account) + known * square(payee))
            / (Self::ACCOUNT_WORTH + known);
        let middle_unsure = 1.0 + 1.0 / known;
        variance.sqrt() * middle_unsure.sqrt()
    }

    fn surprise_nats(&self, amount_minor: i64) -> f64 {
        let above = LogAmount::of(amount_minor).doublings_above(self.spread.median);
        surprise_nats(above / self.deviation_doublings)
    }
}

/// What it costs to choose between the account and everybody else to explain an amount: ln 2.
const TWO_EXPLANATIONS_NATS: f64 = 0.7;

/// What it says that an amount has the pattern of a slip at all: one in ten has by chance. ln 10.
const PATTERN_NATS: f64 = 2.3;

/// How surprising a value is that lies this many deviations from the middle: as under a normal
/// distribution up to three, and growing only linearly beyond. Amounts have heavy tails.
fn surprise_nats(deviations: f64) -> f64 {
    let distance = deviations.abs();
    if distance <= 3.0 {
        distance * distance / 2.0
    } else {
        4.5 + (distance - 3.0) * 1.5
    }
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

/// What may have been meant where sums vary: every smaller amount that one slip makes this one of and
/// that is as round as this account's amounts are. Somebody who pays in fives types fives.
fn undone(typed: i64, granularity: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let divided = |slip, by: i64| {
        (typed.checked_rem(by) == Some(0)).then(|| (slip, typed.checked_div(by).unwrap_or(typed)))
    };
    let single: Vec<_> = Digits::of(typed)
        .halvings()
        .map(|single| (AmountSlip::DoubledDigit, single.value()))
        .collect();
    divided(AmountSlip::ExtraDigit, 10)
        .into_iter()
        .chain(divided(AmountSlip::DecimalShift, 100))
        .chain(single)
        .filter(move |(_, meant)| *meant > 0 && meant.checked_rem(granularity) == Some(0))
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

    /// Every amount that this one may be with a digit typed twice. A zero typed twice is a zero too many.
    fn halvings(&self) -> impl Iterator<Item = Self> {
        self.0
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair.first() == pair.last() && pair.first() != Some(&0))
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

    /// Whether the two differ in one digit, by one key up, down or aside on a keypad.
    fn is_neighbour_of(&self, other: &Self) -> bool {
        if self.0.len() != other.0.len() {
            return false;
        }
        let mut different = self.0.iter().zip(&other.0).filter(|(a, b)| a != b);
        let Some((a, b)) = different.next() else {
            return false;
        };
        let ((row, column), (other_row, other_column)) = (key_of(*a), key_of(*b));
        let apart = row
            .abs_diff(other_row)
            .saturating_add(column.abs_diff(other_column));
        different.next().is_none() && apart == 1
    }
}

/// Row and column of a digit on the keypad of phones and payment terminals: 123 / 456 / 789 / 0.
const fn key_of(digit: u8) -> (u8, u8) {
    match digit {
        0 => (3, 1),
        digit => (
            digit.saturating_sub(1) / 3,
            digit.saturating_sub(1).wrapping_rem(3),
        ),
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
        check(7_500, 8_500, Some(AmountSlip::NeighbourKey));
        check(7_500, 4_500, Some(AmountSlip::NeighbourKey));
        check(8_800, 8_000, Some(AmountSlip::NeighbourKey));
        check(7_500, 7_500, None);
        check(7_500, 2_500, None);
        check(7_500, 9_600, None);
        check(i64::MAX, 1, None);
    }
}
