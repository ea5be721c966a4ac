//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! Judged by operations on the digits, not by ratio alone: a zero too many, a digit lost, typed twice
//! or beside the right key, a decimal point out of place. Where the payee is always paid one sum, any
//! such operation stands out. Where sums vary, the question is which explains the amount better:
//! that it was meant, or that a usual sum was meant and slipped.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::{AmountSlip, Evidence};
use crate::scoring::policy::settings;
use crate::scoring::profile::{KnownPayee, LogAmount};

settings! {
    /// Settings of `AMOUNT_SLIP`.
    Settings as "amount_slip" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How many payments, all of one sum, make it the sum that this payee is always paid.
        regular_times: u32 = 4, 2 => 8, "payments";
        /// Strength against a sum that is always paid.
        regular_strength: f64 = 80.0, 0 => 100, "strength";
        /// By how much a slip must explain the amount better to fire at all: the logarithm of a
        /// likelihood ratio. Slips are rare, one payment in some hundreds, which is 5 to 6 nats.
        from_nats: f64 = 3.2, 0 => 100, "nats";
        /// From where it fires at full strength.
        full_nats: f64 = 4.2, 0 => 100, "nats";
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
        None => varied(settings, context, known)?,
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
fn varied(
    settings: &Settings,
    context: &Context<'_>,
    known: Option<KnownPayee<'_>>,
) -> Option<(AmountSlip, i64, f64)> {
    let typed = context.payment.money.amount_minor();
    if let Some(known) = known
        && known.amounts_minor().any(|sum| sum == typed)
    {
        // What was paid before and went well was meant: a rent among the groceries.
        return None;
    }
    let expected = Expected::new(context, known)?;
    let typed_nats = expected.surprise_nats(typed);
    let pattern_most = if expected.doublings_above(typed) < 0.0 {
        // What was meant is more, and lies apart from what else may be meant by more.
        0.0
    } else {
        PATTERN_NATS_MOST
    };
    if typed_nats + pattern_most <= settings.from_nats {
        // Whatever was meant, it cannot be less than no surprise.
        return None;
    }
    let amounts = context
        .account
        .profile()
        .amounts(context.payment.money.currency())?;
    let (slip, nats) = undone(typed, amounts.granularity_minor())
        .map(|(slip, meant)| {
            let pattern = pattern_nats(slip, meant, typed);
            (slip, typed_nats - expected.surprise_nats(meant) + pattern)
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let strength = ramp(nats, settings.from_nats, settings.full_nats)
        * (settings.varied_strength / 100.0);
    let usual = context.usual_of_payee.or(context.usual)?;
    Some((slip, usual.median_minor, strength))
}

/// What is to be expected of a payment: the account's level, times what its payee is paid more than
/// others, both drawn towards the sums that this account paid this payee as far as these are known.
struct Expected {
    /// In doublings above one minor unit.
    mean_doublings: f64,
    /// How sharply: the shape of a gamma distribution, one over its squared coefficient of variation.
    shape: f64,
}

impl Expected {
    /// From how many sums on the account's level is known.
    const SUMS_MIN: u16 = 5;

    fn new(context: &Context<'_>, known: Option<KnownPayee<'_>>) -> Option<Self> {
        let level = context.account.profile().level();
        let sums = level.sums_in(context.payment.money.currency());
        if sums < Self::SUMS_MIN || !context.knows_the_account() {
            return None;
        }
        let prices = context.surroundings.payee.prices;
        let spread = level.variance();
        let unsure = spread / f64::from(sums) + spread / prices.worth();
        let middle = level.middle_doublings() + prices.above_doublings();
        let (middle, unsure) = match known.and_then(sums_paid) {
            Some((paid, paid_middle)) => {
                let (prior, known) = (1.0 / unsure, paid / spread);
                let certain = prior + known;
                ((middle * prior + paid_middle * known) / certain, 1.0 / certain)
            }
            None => (middle, unsure),
        };
        let shape = 1.0 / ((spread + unsure) * NATS_PER_DOUBLING * NATS_PER_DOUBLING);
        // The mean lies above the middle of the logarithms by one over twice the shape.
        let mean_doublings = middle + 0.5 / shape / NATS_PER_DOUBLING;
        Some(Self {
            mean_doublings,
            shape,
        })
    }

    fn doublings_above(&self, amount_minor: i64) -> f64 {
        LogAmount::of(amount_minor).doublings() - self.mean_doublings
    }

    /// How much less likely the amount is than the likeliest one. Sums that people pay are about
    /// gamma distributed: an amount `y` times the mean is `shape` times `y − 1 − ln y` nats less
    /// likely, the Itakura-Saito distance. Very small ones are rare, and very large ones rarer.
    fn surprise_nats(&self, amount_minor: i64) -> f64 {
        let above = self.doublings_above(amount_minor);
        self.shape * (LogAmount::ratio(above) - 1.0 - above * NATS_PER_DOUBLING)
    }
}

/// How many sums are known that the account paid this payee, and their middle in doublings.
fn sums_paid(known: KnownPayee<'_>) -> Option<(f64, f64)> {
    let (mut sums, mut total) = (0.0, 0.0);
    for amount_minor in known.amounts_minor() {
        sums += 1.0;
        total += LogAmount::of(amount_minor).doublings();
    }
    (sums > 0.0).then(|| (sums, total / sums))
}

/// ln 2.
const NATS_PER_DOUBLING: f64 = std::f64::consts::LN_2;

/// What the pattern says at most: a digit typed twice, from one digit.
const PATTERN_NATS_MOST: f64 = 2.4;

/// What it says that an amount has the pattern of this slip.
fn pattern_nats(slip: AmountSlip, meant: i64, typed: i64) -> f64 {
    let stretched = || {
        LogAmount::of(typed).doublings_above(LogAmount::of(meant)) * NATS_PER_DOUBLING
    };
    match slip {
        // One amount in ten ends so by chance. Two zeros come of a slip as seldom as they come by chance.
        AmountSlip::ExtraDigit | AmountSlip::DecimalShift => 2.3,
        // Each amount that may be meant makes one that may be typed, which lie further apart than the
        // amounts meant by what they are larger, or closer by what they are smaller.
        AmountSlip::DoubledDigit | AmountSlip::LostDigit => stretched(),
        // Nearly three keys lie beside each: which of them takes one nat to say.
        AmountSlip::NeighbourKey => stretched() - 1.0,
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

/// What may have been meant where sums vary: every amount that one slip makes this one of and that is
/// as round as this account's amounts are. Somebody who pays in fives types fives. Of digits lost or
/// beside the right key only the first is looked at: of the others nobody can tell.
fn undone(typed: i64, granularity: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let digits = Digits::of(typed);
    let mut meant = Vec::with_capacity(16);
    for (slip, by) in [(AmountSlip::ExtraDigit, 10), (AmountSlip::DecimalShift, 100)] {
        if typed.checked_rem(by) == Some(0) {
            meant.push((slip, typed.checked_div(by).unwrap_or(typed)));
        }
    }
    let named = |slip| move |meant: Digits| (slip, meant.value());
    meant.extend(digits.halvings().map(named(AmountSlip::DoubledDigit)));
    meant.extend(digits.findings().map(named(AmountSlip::LostDigit)));
    meant.extend(digits.first_neighbours().map(named(AmountSlip::NeighbourKey)));
    meant
        .into_iter()
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

    /// Every amount that this one may be with its first digit lost.
    fn findings(&self) -> impl Iterator<Item = Self> {
        (1..=9).map(|first| {
            let mut digits = self.0.clone();
            digits.insert(0, first);
            Self(digits)
        })
    }

    /// Every amount that this one may be with its first digit beside the right key.
    fn first_neighbours(&self) -> impl Iterator<Item = Self> {
        let typed = self.0.first().copied().unwrap_or(0);
        (1..=9)
            .filter(move |first| keys_apart(*first, typed) == 1)
            .map(|first| {
                let mut digits = self.0.clone();
                if let Some(typed) = digits.first_mut() {
                    *typed = first;
                }
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
        different.next().is_none() && keys_apart(*a, *b) == 1
    }
}

/// How many keys up, down or aside one digit lies from another.
const fn keys_apart(a: u8, b: u8) -> u8 {
    let ((row, column), (other_row, other_column)) = (key_of(a), key_of(b));
    row.abs_diff(other_row)
        .saturating_add(column.abs_diff(other_column))
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
