//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! Judged by operations on the digits, not by ratio alone: a zero too many, a digit lost, typed twice
//! or beside the right key, a decimal point out of place. Where the payee is always paid one sum, any
//! such operation stands out. Where sums vary, or none of these makes the amount of that one, the question
//! is which explains the amount better: that it was meant, or that a usual sum was meant and slipped.

use std::iter;

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::{AmountSlip, Evidence};
use crate::scoring::expected::NATS_PER_DOUBLING;
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::settings;
use crate::scoring::profile::{KnownPayee, LogAmount};
use crate::scoring::roundness::{Roundness, zeros};
use crate::scoring::time::Span;

settings! {
    /// Settings of `AMOUNT_SLIP`.
    Settings as "amount_slip" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How many payments, all of one sum, make it the sum that this payee is always paid.
        regular_times: u32 = 4, 2 => 8, "payments";
        /// Strength against a sum that is always paid.
        regular_strength: f64 = 80.0, 0 => 100, "strength";
        /// By how much better a slip explains an amount among sums that vary, where it begins to fire: the
        /// logarithm of how much likelier the amount is with a slip of any kind than without. Slips are
        /// rare, one payment in some hundreds, which is 5 to 6 nats. Raising it asks less about slips that
        /// may as well be meant, above all of people whose sums spread far; those by a factor of ten lie far
        /// above.
        from_nats: f64 = 3.6, 0 => 100, "nats";
        /// From where it fires at full strength. Near the one above: halves of a slip do not add up with
        /// an unusual amount, which is the same fact once more.
        full_nats: f64 = 3.7, 0 => 100, "nats";
        /// Full strength against sums that vary: just enough to ask, so that what looks like abuse stands
        /// above it.
        varied_strength: f64 = 61.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let typed = context.payment.money.amount_minor();
    let (slip, usual_minor, strength) =
        regular(settings, context, typed).or_else(|| varied(settings, context, typed))?;
    if is_tried_again(context) || was_meant_before(context) {
        return None;
    }
    Measure::of(
        strength,
        Nature::Slip,
        Evidence::Amount {
            usual_minor,
            // What the account pays others is only looked at where this one was never paid.
            usual_for_payee: context.comparable_payee().is_some(),
            ratio: context.ratio_to(usual_minor),
            slip: Some(slip),
        },
    )
}

/// Whether the payer was asked about this sum at this payee before, and said yes: as of a bill once a year where less
/// is paid each month.
fn was_meant_before(context: &Context<'_>) -> bool {
    let money = context.payment.money;
    context
        .known_payee
        .is_some_and(|known| known.was_meant(money))
}

/// Whether the same payment was sent off a while ago, and declined. The payer has seen the sum by then, and was asked
/// about it if anybody was to be.
fn is_tried_again(context: &Context<'_>) -> bool {
    let lately = context.account.window().within(AGAIN, context.now);
    let mut same = lately.iter();
    same.any(|record| {
        record.outcome() == Some(Outcome::Declined) && record.pays_the_same_as(context.submission)
    })
}

/// How long after a payment was made the next try is one of the same.
const AGAIN: Span = Span::from_minutes(10);

/// The slip that makes this amount of the sum that the payee is always paid, that sum, and how strongly.
fn regular(
    settings: &Settings,
    context: &Context<'_>,
    typed: i64,
) -> Option<(AmountSlip, i64, f64)> {
    let usual = always_paid(settings, context.comparable_payee()?)?;
    if is_part_of(context, usual) {
        return None;
    }
    let slip = slip_between(usual, typed)?;
    Some((slip, usual, settings.regular_strength))
}

/// Whether it is a tip, and less than `sum_minor`: it is then a part of the bill that was paid before it, and no
/// such sum with a digit lost.
fn is_part_of(context: &Context<'_>, sum_minor: i64) -> bool {
    let payment = context.payment;
    payment.kind == PaymentKind::Tip && payment.money.amount_minor() < sum_minor
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
    let mut paid = context.comparable_payee().into_iter();
    if paid.any(|known| known.amounts_minor().any(|sum| sum == typed)) {
        // What was paid before and went well was meant: a rent among the groceries.
        return None;
    }
    let expected = context.expected()?;
    let typed_nats = expected.surprise_nats(typed);
    let near_most = typed_nats + NEAR_NATS_MOST;
    let tenfold_most = typed_nats - expected.surprise_nats_least(typed / 6) + TENFOLD_NATS_MOST;
    if near_most.max(tenfold_most) + NATS_PER_DOUBLING <= settings.from_nats {
        // The two together are at most twice the larger.
        return None;
    }
    let amounts = context.amounts()?;
    // Somebody who pays in fives types fives.
    let granularity_minor = amounts.granularity_minor();
    let is_as_round = |meant: i64| meant.checked_rem(granularity_minor) == Some(0);
    let may_be_meant = |meant: i64| is_as_round(meant) && !is_part_of(context, meant);
    // Who does not know a number sends it little first.
    let is_trial = context.known_payee.is_none() && expected.may_be_a_trial(typed);
    let may_be = |slip: AmountSlip| !is_trial || slip != AmountSlip::LostDigit;
    let explained = || {
        let meant = undone(typed).filter(|(slip, meant)| may_be(*slip) && may_be_meant(*meant));
        meant.map(|(slip, meant)| {
            let pattern =
                pattern_nats(slip, meant, typed) - zeros_usual_nats(context, meant, typed);
            (slip, typed_nats - expected.surprise_nats(meant) + pattern)
        })
    };
    let (slip, nats) = taken_together(explained)?;
    let strength =
        ramp(nats, settings.from_nats, settings.full_nats) * (settings.varied_strength / 100.0);
    let usual = context.usual_of_payee(1).or_else(|| context.usual())?;
    Some((slip, usual.median_minor, strength))
}

/// The likeliest of these kinds of slips, and how likely all are together. Nobody asks which slip it was, nor
/// of which digit, so all that make the amount count. Odds may be beyond any number: they are
/// added up as shares of the best.
fn taken_together<I>(explained: impl Fn() -> I) -> Option<(AmountSlip, f64)>
where
    I: Iterator<Item = (AmountSlip, f64)>,
{
    let best = explained().map(|(_, nats)| nats).reduce(f64::max)?;
    let mut odds = [0.0; AmountSlip::ALL.len()];
    for (slip, nats) in explained() {
        if let Some(odds) = odds.get_mut(slip as usize) {
            *odds += LogAmount::ratio((nats - best) / NATS_PER_DOUBLING);
        }
    }
    let nats = best + LogAmount::doublings_of(odds.iter().sum()) * NATS_PER_DOUBLING;
    let likeliest = AmountSlip::ALL.iter().zip(odds);
    let (slip, _) = likeliest.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some((*slip, nats))
}

/// What the patterns say at most of digits lost or beside the right key, all that may be meant together
/// and none of it a surprise.
const NEAR_NATS_MOST: f64 = 0.5;

/// The same of zeros too many and digits typed twice, none of it less of a surprise than a sixth of the
/// amount, as 199 is of 1199: if a sixth is too little, what is smaller is more so.
const TENFOLD_NATS_MOST: f64 = 3.6;

/// What it says that an amount has the pattern of this slip.
///
/// Each amount that may be meant makes one that may be typed. These lie further apart than the amounts
/// meant by what they are larger, or closer by what they are smaller, so one of them stands out by as
/// much. Beyond that nobody knows beforehand which slip it will be: each kind counts alike, but for what
/// is taken off below.
fn pattern_nats(slip: AmountSlip, meant: i64, typed: i64) -> f64 {
    let stretched = LogAmount::of(typed).doublings_above(LogAmount::of(meant)) * NATS_PER_DOUBLING;
    stretched
        - match slip {
            AmountSlip::ExtraDigit => 0.0,
            // Two zeros too many are a tenth as frequent as one.
            AmountSlip::DecimalShift => 2.3,
            // The first digit is taken to be typed twice as often as all behind it together, of which
            // amounts have some three or four.
            AmountSlip::DoubledDigit if is_first_doubled(meant, typed) => 0.0,
            AmountSlip::DoubledDigit => 1.3,
            // Fingers press another key more often than none. Source: Dhakal et al., "Observations on typing
            // from 136 million keystrokes", 2018. Taken for twice as often.
            AmountSlip::LostDigit => 0.7,
            // Nearly three keys lie beside each: which of them takes one nat to say.
            AmountSlip::NeighbourKey => 1.0,
        }
}

/// What is to be taken off where `typed` is `meant` with zeros too many. Amounts that end in one more lie ten
/// times further apart, which is what the pattern says; but people who pay in round sums pay these ten
/// times as often as that. What is round by habit is no sign of a slip.
fn zeros_usual_nats(context: &Context<'_>, meant: i64, typed: i64) -> f64 {
    let (of_meant, of_typed) = (zeros(meant), zeros(typed));
    let Some(more) = of_typed.checked_sub(of_meant).filter(|more| *more > 0) else {
        return 0.0;
    };
    let Some(amounts) = context.amounts() else {
        return 0.0;
    };
    let of_payee = context.comparable_payee().copied().into_iter();
    let roundness = Roundness {
        of_account: amounts.minor(),
        of_payee: of_payee.flat_map(KnownPayee::amounts_minor),
    };
    let rarer = roundness.share_ending_in(of_meant) / roundness.share_ending_in(of_typed);
    let by_chance = f64::from(more) * NATS_PER_ZERO;
    (by_chance - LogAmount::doublings_of(rarer) * NATS_PER_DOUBLING).max(0.0)
}

/// ln 10.
const NATS_PER_ZERO: f64 = std::f64::consts::LN_10;

/// Whether it is the first digit of `meant` that stands twice in `typed`.
fn is_first_doubled(meant: i64, typed: i64) -> bool {
    let first = digits(typed).last();
    first.is_some_and(|first| first.after == meant)
}

/// The slip that makes `typed` of `meant`, if one does.
fn slip_between(meant: i64, typed: i64) -> Option<AmountSlip> {
    if typed == meant {
        return None;
    }
    match zeros_too_many(meant, typed) {
        Some(1) => return Some(AmountSlip::ExtraDigit),
        Some(_) => return Some(AmountSlip::DecimalShift),
        None if zeros_too_many(typed, meant) == Some(2) => return Some(AmountSlip::DecimalShift),
        None => {}
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

/// How many zeros behind `meant` make `typed` of it; `None` where none do.
fn zeros_too_many(meant: i64, typed: i64) -> Option<usize> {
    iter::successors(Some(meant), |longer| longer.checked_mul(10))
        .take_while(|longer| *longer <= typed)
        .position(|longer| longer == typed)
}

/// What may have been meant where sums vary: every amount that one slip makes this one of. A zero typed
/// twice is a zero too many. Of digits lost or beside the right key only the first is looked at: of the
/// others nobody can tell.
fn undone(typed: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let is_doubled = |at: &Digit| at.digit != 0 && at.is_as_the_one_before() && at.ends_its_run();
    let doubled = digits(typed).filter(is_doubled);
    let first = digits(typed).last();
    [
        (typed % 10 == 0).then_some((AmountSlip::ExtraDigit, typed / 10)),
        (typed % 100 == 0).then_some((AmountSlip::DecimalShift, typed / 100)),
    ]
    .into_iter()
    .flatten()
    .chain(doubled.map(|at| (AmountSlip::DoubledDigit, at.left_out())))
    .chain(first.into_iter().flat_map(Digit::with_one_before))
    .chain(first.into_iter().flat_map(Digit::pressed_beside))
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

    /// Whether another digit comes after it, or none.
    fn ends_its_run(self) -> bool {
        self.after.checked_div(self.place / 10) != Some(self.digit)
    }

    /// The amount without it.
    const fn left_out(self) -> i64 {
        self.before
            .wrapping_mul(self.place)
            .wrapping_add(self.after)
    }

    /// Whether the amounts differ in this digit only, and by one key.
    const fn is_beside(self, other: Self) -> bool {
        keys_apart(self.digit, other.digit) == 1
            && self.before == other.before
            && self.after == other.after
    }

    /// The amounts that begin with one digit more than this, the first one, does.
    fn with_one_before(self) -> impl Iterator<Item = (AmountSlip, i64)> {
        let typed = self.digit.wrapping_mul(self.place).wrapping_add(self.after);
        (1..=9).filter_map(move |lost: i64| {
            let above = self.place.checked_mul(10)?.checked_mul(lost)?;
            Some((AmountSlip::LostDigit, above.checked_add(typed)?))
        })
    }

    /// The amounts with a digit beside this, the first one, in its place.
    fn pressed_beside(self) -> impl Iterator<Item = (AmountSlip, i64)> {
        let beside = (1..=9).filter(move |meant| keys_apart(*meant, self.digit) == 1);
        beside.filter_map(move |meant: i64| {
            let first = self.place.checked_mul(meant)?;
            Some((AmountSlip::NeighbourKey, first.checked_add(self.after)?))
        })
    }
}

/// How many keys up, down or aside on a keypad one digit lies from another.
const fn keys_apart(a: i64, b: i64) -> u64 {
    let ((row, column), (other_row, other_column)) = (key_of(a), key_of(b));
    row.abs_diff(other_row)
        .saturating_add(column.abs_diff(other_column))
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
        check(5_000, 5_000_000, Some(AmountSlip::DecimalShift));
        check(5_000, 50_000_000, Some(AmountSlip::DecimalShift));
        check(5_000_000, 5_000, None);
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
        let zeros = |long: &str, short: &str| {
            let rest = long.strip_prefix(short)?;
            rest.bytes()
                .all(|digit| digit == b'0')
                .then_some(rest.len())
        };
        let pairs = meant.bytes().zip(typed.bytes());
        let different: Vec<_> = pairs.filter(|(a, b)| a != b).collect();
        if meant == typed {
            None
        } else if typed == format!("{meant}0") {
            Some(AmountSlip::ExtraDigit)
        } else if zeros(&typed, &meant) >= Some(2) || zeros(&meant, &typed) == Some(2) {
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
    fn the_patterns_say_no_more_than_is_looked_for() {
        for typed in (1..30_000).chain([55_110, 551_100, 4_999_999, 89_999_999]) {
            let (mut near, mut tenfold) = (0.0, 0.0);
            for (slip, meant) in undone(typed) {
                let odds = pattern_nats(slip, meant, typed).exp();
                match slip {
                    AmountSlip::LostDigit | AmountSlip::NeighbourKey if meant > typed => {}
                    AmountSlip::LostDigit | AmountSlip::NeighbourKey => near += odds,
                    _ => {
                        assert!(meant <= typed / 6, "{meant} → {typed}");
                        tenfold += odds;
                    }
                }
            }
            assert!(near.ln() <= NEAR_NATS_MOST, "{typed}: {near}");
            assert!(tenfold.ln() <= TENFOLD_NATS_MOST, "{typed}: {tenfold}");
            let more = undone(typed).filter(|(_, meant)| *meant > typed);
            let more: f64 = more
                .map(|(slip, meant)| pattern_nats(slip, meant, typed).exp())
                .sum();
            assert!(more.ln() <= NEAR_NATS_MOST, "{typed}: {more}");
        }
    }

    #[test]
    fn the_first_digit_typed_twice_is_told_from_another() {
        for (meant, typed, is_first) in [
            (7_500, 77_500, true),
            (7_755, 77_755, true),
            (1_233, 12_333, false),
            (1_250, 12_550, false),
        ] {
            assert_eq!(is_first_doubled(meant, typed), is_first, "{typed}");
        }
    }

    #[test]
    fn undone_are_the_slips_that_can_be_told() {
        let zeros = |amount: i64| amount.to_string().matches('0').count();
        let without_first = |amount: i64| amount.to_string()[1..].to_owned();
        for typed in (1..700).chain([1_000, 1_100, 7_700]) {
            let undone: Vec<_> = undone(typed).collect();
            let mut once = undone.clone();
            once.sort_unstable_by_key(|(_, meant)| *meant);
            once.dedup();
            assert_eq!(once.len(), undone.len(), "{typed}");
            for meant in 1..10_000 {
                let slip = spelt(meant, typed).filter(|slip| match slip {
                    AmountSlip::ExtraDigit => true,
                    AmountSlip::DecimalShift => meant * 100 == typed,
                    AmountSlip::DoubledDigit => zeros(meant) == zeros(typed),
                    AmountSlip::LostDigit => without_first(meant) == typed.to_string(),
                    AmountSlip::NeighbourKey => without_first(meant) == without_first(typed),
                });
                let known = undone.iter().find(|(_, known)| *known == meant);
                assert_eq!(known.map(|(slip, _)| *slip), slip, "{meant} → {typed}");
            }
        }
    }
}
