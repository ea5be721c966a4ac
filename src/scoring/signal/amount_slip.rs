//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! Judged by operations on the digits, not by ratio alone: a zero too many, a digit lost, typed twice
//! or beside the right key, a decimal point out of place. Where the payee is always paid one sum, any
//! such operation stands out. Where sums vary, the question is which explains the amount better:
//! that it was meant, or that a usual sum was meant and slipped. Only slips upwards are looked for
//! then: who paid too little pays the rest.

use std::iter;

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
    let typed = context.payment.money.amount_minor();
    let known = context.comparable_payee();
    let (slip, usual_minor, strength) = match known.and_then(|known| always_paid(settings, known)) {
        Some(usual) => (
            slip_between(usual, typed)?,
            usual,
            settings.regular_strength,
        ),
        None => varied(settings, context, typed)?,
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

fn always_paid(settings: &Settings, known: &KnownPayee<'_>) -> Option<i64> {
    if known.amounts() < settings.regular_times as usize {
        return None;
    }
    let mut sums = known.amounts_minor();
    let usual = sums.next()?;
    sums.all(|sum| sum == usual).then_some(usual)
}

/// The slip that explains an amount best where sums vary, the usual sum, and how strongly.
fn varied(
    settings: &Settings,
    context: &Context<'_>,
    typed: i64,
) -> Option<(AmountSlip, i64, f64)> {
    // Most amounts look like no slip at all, and that is soon told.
    undone(typed).next()?;
    let usual = Usual::new(settings, context)?;
    let stranger_nats = if usual.is_of_payee {
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
    // Somebody who pays in fives types fives.
    let is_as_round = |meant: i64| meant.checked_rem(amounts.granularity_minor()) == Some(0);
    let (slip, meant_nats) = undone(typed)
        .map(|(slip, meant)| (slip, meant, usual.surprise_nats(meant)))
        .filter(|(_, _, meant_nats)| explained_nats(*meant_nats) > settings.from_nats)
        .filter(|(_, meant, _)| is_as_round(*meant))
        .map(|(slip, _, meant_nats)| (slip, meant_nats))
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
    if amounts.payments() < settings.everybody_payments_min {
        return f64::INFINITY;
    }
    let least = settings.deviation_doublings_min;
    match amounts.deviations_above_middle(context.payment.money, least) {
        Some(deviations) => surprise_nats(deviations) + TWO_EXPLANATIONS_NATS,
        None => f64::INFINITY,
    }
}

/// What is usual for a payment. Few sums of a payee say little about themselves: their middle is
/// uncertain, and their spread is mixed with the account's own. For a payee never paid the account's
/// must do.
struct Usual {
    spread: Spread,
    is_of_payee: bool,
    deviation_doublings: f64,
}

impl Usual {
    /// How many sums the account's spread is worth against those of the payee.
    const ACCOUNT_WORTH: f64 = 2.0;

    fn new(settings: &Settings, context: &Context<'_>) -> Option<Self> {
        let account = context.usual.filter(|_| context.knows_the_account())?;
        let payee = context.usual_of_payee(1);
        let deviation_doublings = match payee {
            Some(payee) => Self::mixed_deviation(account, payee),
            None => account.deviation_doublings(),
        };
        Some(Self {
            spread: payee.unwrap_or(account),
            is_of_payee: payee.is_some(),
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
    // No amount begins with a zero.
    let may_be_lost = |at: &Digit| at.before > 0 || at.after >= at.place / 10;
    if digits(typed).any(|at| at.is_as_the_one_before() && at.left_out() == meant) {
        Some(AmountSlip::DoubledDigit)
    } else if digits(meant).any(|at| may_be_lost(&at) && at.left_out() == typed) {
        Some(AmountSlip::LostDigit)
    } else if digits(meant)
        .zip(digits(typed))
        .any(|(a, b)| a.is_beside(b))
    {
        Some(AmountSlip::NeighbourKey)
    } else {
        None
    }
}

/// What may have been meant where sums vary: every smaller amount that one slip makes this one of. A
/// zero typed twice is a zero too many.
fn undone(typed: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let doubled = digits(typed).filter(|at| at.digit != 0 && at.is_as_the_one_before());
    [
        (typed % 10 == 0).then_some((AmountSlip::ExtraDigit, typed / 10)),
        (typed % 100 == 0).then_some((AmountSlip::DecimalShift, typed / 100)),
    ]
    .into_iter()
    .flatten()
    .chain(doubled.map(|at| (AmountSlip::DoubledDigit, at.left_out())))
}

/// One digit of an amount and what stands around it. All of it is part of the amount, so nothing here
/// overflows.
#[derive(Debug, Clone, Copy)]
struct Digit {
    digit: i64,
    /// The number that the digits before it make.
    before: i64,
    /// The number that the digits after it make.
    after: i64,
    /// 1 for the last digit, 10 for the one before that, and so on.
    place: i64,
}

/// The digits of an amount above zero, last first.
fn digits(amount: i64) -> impl Iterator<Item = Digit> {
    let last = Digit {
        digit: amount % 10,
        before: amount / 10,
        after: 0,
        place: 1,
    };
    iter::successors(Some(last), |at| (at.before > 0).then(|| at.one_before()))
}

impl Digit {
    const fn one_before(self) -> Self {
        Self {
            digit: self.before % 10,
            before: self.before / 10,
            after: self.digit.wrapping_mul(self.place).wrapping_add(self.after),
            place: self.place.wrapping_mul(10),
        }
    }

    /// Whether it may be the one before it typed twice.
    const fn is_as_the_one_before(self) -> bool {
        self.before % 10 == self.digit
    }

    /// The amount without it.
    const fn left_out(self) -> i64 {
        self.before
            .wrapping_mul(self.place)
            .wrapping_add(self.after)
    }

    /// Whether the amounts differ in this digit only, and by one key up, down or aside on a keypad.
    const fn is_beside(self, other: Self) -> bool {
        let ((row, column), (other_row, other_column)) = (key_of(self.digit), key_of(other.digit));
        let apart = row
            .abs_diff(other_row)
            .saturating_add(column.abs_diff(other_column));
        apart == 1 && self.before == other.before && self.after == other.after
    }
}

/// Row and column of a digit on the keypad of phones and payment terminals: 123 / 456 / 789 / 0.
const fn key_of(digit: i64) -> (i64, i64) {
    match digit {
        0 => (3, 1),
        digit => (digit.saturating_sub(1) / 3, digit.saturating_sub(1) % 3),
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

    /// The slips of digits as texts show them.
    fn spelt(meant: i64, typed: i64) -> Option<AmountSlip> {
        let (meant, typed) = (meant.to_string(), typed.to_string());
        let without = |text: &str, at: usize| {
            let mut left = text.to_owned();
            left.remove(at);
            left
        };
        let mut neighbours = typed.as_bytes().windows(2).enumerate();
        let is_doubled =
            |(at, pair): (usize, &[u8])| pair[0] == pair[1] && without(&typed, at) == meant;
        let key = |digit: u8| "123456789*0".bytes().position(|key| key == digit).unwrap();
        let are_beside = |a: usize, b: usize| {
            let apart = ((a / 3).abs_diff(b / 3), (a % 3).abs_diff(b % 3));
            matches!(apart, (0, 1) | (1, 0))
        };
        let pairs = meant.bytes().zip(typed.bytes());
        let different: Vec<_> = pairs.filter(|(a, b)| a != b).collect();
        if meant == typed {
            None
        } else if typed == format!("{meant}0") {
            Some(AmountSlip::ExtraDigit)
        } else if typed == format!("{meant}00") || meant == format!("{typed}00") {
            Some(AmountSlip::DecimalShift)
        } else if neighbours.any(is_doubled) {
            Some(AmountSlip::DoubledDigit)
        } else if (0..meant.len()).any(|at| without(&meant, at) == typed) {
            Some(AmountSlip::LostDigit)
        } else if meant.len() == typed.len()
            && matches!(different[..], [(a, b)] if are_beside(key(a), key(b)))
        {
            Some(AmountSlip::NeighbourKey)
        } else {
            None
        }
    }

    #[test]
    fn digits_by_arithmetic_are_those_of_the_text() {
        for meant in (1..120).chain([770, 1_005, 8_800, 9_099]) {
            for typed in (1..2_500).chain([7_700, 10_005, 88_000, 99_099]) {
                assert_eq!(
                    slip_between(meant, typed),
                    spelt(meant, typed),
                    "{meant} → {typed}"
                );
            }
        }
    }

    #[test]
    fn undone_are_the_slips_upwards_but_for_zeros_typed_twice() {
        let zeros = |amount: i64| amount.to_string().matches('0').count();
        for typed in (1..700).chain([1_000, 1_100, 7_700]) {
            let undone: Vec<_> = undone(typed).collect();
            for meant in 1..typed {
                let slip = spelt(meant, typed).filter(|slip| match slip {
                    AmountSlip::ExtraDigit | AmountSlip::DecimalShift => true,
                    AmountSlip::DoubledDigit => zeros(meant) == zeros(typed),
                    AmountSlip::LostDigit | AmountSlip::NeighbourKey => false,
                });
                let known = undone.iter().find(|(_, known)| *known == meant);
                assert_eq!(known.map(|(slip, _)| *slip), slip, "{meant} → {typed}");
            }
        }
    }
}
