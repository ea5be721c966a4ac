//! `AMOUNT_SLIP`: an amount one slip of the finger away from what the account usually pays this payee.
//!
//! A slip is an operation on the digits: a zero too many, a decimal point out of place, a digit typed twice, a digit
//! lost, or the key beside the right one. Looking at the ratio of two amounts alone would not tell them from amounts
//! that were meant.
//!
//! - Where the payee is always paid one sum, any slip that makes the amount of that sum fires (`regular`).
//! - Otherwise two explanations are weighed against each other (`varied`): that this amount was meant, or that another
//!   one was and a slip made this one of it. It is the reasoning of spelling correctors, a noisy channel. Source:
//!   Kernighan, Church and Gale, "A spelling correction program based on a noisy channel model", 1990. How likely an
//!   amount is to be meant comes from what the account and its payee are used to (`expected`). Odds are counted in
//!   nats, natural logarithms: 2.3 nats are ten to one.
//!
//! It is quiet where the payer said earlier that this sum to this payee was meant, where the same payment was just
//! declined and is tried again, for tips smaller than the bill, and for a small first sum that tries out a new payee.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::{AmountSlip, Evidence};
use crate::scoring::expected::{Expected, NATS_PER_DOUBLING};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::settings;
use crate::scoring::profile::{KnownPayee, LogAmount};
use crate::scoring::time::Span;

mod digits;
mod roundness;

use digits::{candidates, is_first_doubled, slip_between};
use roundness::{Granularity, Roundness, zeros};

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

/// A slip that explains the amount.
struct Found {
    slip: AmountSlip,
    /// What is usually paid instead, as the payer is told.
    usual_minor: i64,
    strength: f64,
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let typed = context.payment.money.amount_minor();
    let Found {
        slip,
        usual_minor,
        strength,
    } = regular(settings, context, typed).or_else(|| varied(settings, context, typed))?;
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

/// Whether the payer was asked about this sum to this payee before, and said that it was meant: the yearly bill of a
/// payee that gets less each month.
fn was_meant_before(context: &Context<'_>) -> bool {
    let money = context.payment.money;
    context
        .known_payee
        .is_some_and(|known| known.was_meant(money))
}

/// Whether the same payment was declined within the last minutes, and is tried again. Whether its sum was meant was
/// asked then, if it looked like a slip, and the payer has seen the sum since.
fn is_tried_again(context: &Context<'_>) -> bool {
    let lately = context
        .account
        .window()
        .within(TRIED_AGAIN_WITHIN, context.now);
    lately.iter().any(|record| {
        record.outcome() == Some(Outcome::Declined) && record.pays_the_same_as(context.submission)
    })
}

/// How long after a payment that was declined the same one is another try of it.
const TRIED_AGAIN_WITHIN: Span = Span::from_minutes(10);

/// The slip that makes this amount of the one sum that the payee is always paid.
fn regular(settings: &Settings, context: &Context<'_>, typed: i64) -> Option<Found> {
    let usual_minor = always_paid(settings, context.comparable_payee()?)?;
    if is_tip_for(context, usual_minor) {
        return None;
    }
    Some(Found {
        slip: slip_between(usual_minor, typed)?,
        usual_minor,
        strength: settings.regular_strength,
    })
}

/// Whether the payment is a tip of less than `bill_minor`. It goes with a bill of that size that was paid before it,
/// and is not that sum with a digit lost.
fn is_tip_for(context: &Context<'_>, bill_minor: i64) -> bool {
    let payment = context.payment;
    payment.kind == PaymentKind::Tip && payment.money.amount_minor() < bill_minor
}

/// The sum that the payee is always paid, in minor units; `None` if sums differ, or too few are known.
fn always_paid(settings: &Settings, known: &KnownPayee<'_>) -> Option<i64> {
    if known.amounts() < settings.regular_times as usize {
        return None;
    }
    let mut sums = known.amounts_minor();
    let usual = sums.next()?;
    sums.all(|sum| sum == usual).then_some(usual)
}

/// The slip that explains an amount best where sums vary.
fn varied(settings: &Settings, context: &Context<'_>, typed: i64) -> Option<Found> {
    let known_payee = context.comparable_payee();
    if known_payee.is_some_and(|known| known.amounts_minor().any(|sum| sum == typed)) {
        // What was paid before and went well was meant: a rent among the groceries.
        return None;
    }
    let expected = context.expected()?;
    if !may_fire(settings, &expected, typed) {
        return None;
    }
    // Who does not know a payee sends it a little first: that is no larger sum with a digit lost.
    let is_trial = context.known_payee.is_none() && expected.may_be_a_trial(typed);
    let granularity = Granularity::of(context.amounts()?);
    let may_be_meant = |slip: AmountSlip, meant: i64| {
        let is_trial = is_trial && slip == AmountSlip::LostDigit;
        !is_trial && !is_tip_for(context, meant)
    };
    let typed_nats = expected.surprise_nats(typed);
    let explanations = || {
        let meant = candidates(typed).filter(|(slip, meant)| may_be_meant(*slip, *meant));
        meant.map(|(slip, meant)| {
            let pattern =
                pattern_nats(slip, meant, typed) - zeros_usual_nats(context, meant, typed);
            let less_round = granularity.against_nats(meant);
            (
                slip,
                typed_nats - expected.surprise_nats(meant) + pattern - less_round,
            )
        })
    };
    let (slip, nats) = taken_together(explanations)?;
    let strength =
        ramp(nats, settings.from_nats, settings.full_nats) * (settings.varied_strength / 100.0);
    let usual = context.usual_of_payee(1).or_else(|| context.usual())?;
    Some(Found {
        slip,
        usual_minor: usual.median_minor,
        strength,
    })
}

/// Whether the slips that could make this amount, taken together, may explain it well enough to fire. The bound is
/// quick to work out, and most amounts stay below it.
fn may_fire(settings: &Settings, expected: &Expected, typed: i64) -> bool {
    let typed_nats = expected.surprise_nats(typed);
    let near_most = typed_nats + NEAR_NATS_MOST;
    let tenfold_most = typed_nats - expected.surprise_nats_least(typed / 6) + TENFOLD_NATS_MOST;
    // The two together are at most twice the larger.
    near_most.max(tenfold_most) + NATS_PER_DOUBLING > settings.from_nats
}

/// The kind of slip that is likeliest by these explanations, and how well all of them together explain the amount, in
/// nats. All count, as nobody asks which slip it was. Their odds may be too large for a number, so they are added up
/// as shares of the best one.
fn taken_together<I>(explanations: impl Fn() -> I) -> Option<(AmountSlip, f64)>
where
    I: Iterator<Item = (AmountSlip, f64)>,
{
    let best = explanations().map(|(_, nats)| nats).reduce(f64::max)?;
    let mut odds = [0.0; AmountSlip::ALL.len()];
    for (slip, nats) in explanations() {
        if let Some(odds) = odds.get_mut(slip as usize) {
            *odds += LogAmount::ratio((nats - best) / NATS_PER_DOUBLING);
        }
    }
    let nats = best + LogAmount::doublings_of(odds.iter().sum()) * NATS_PER_DOUBLING;
    let likeliest = AmountSlip::ALL.iter().zip(odds);
    let (slip, _) = likeliest.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some((*slip, nats))
}

/// What the patterns of lost digits and neighbouring keys add at most, all candidates of these kinds together, if none
/// of them were a surprise.
const NEAR_NATS_MOST: f64 = 0.5;

/// The same of zeros too many and digits typed twice. What is meant is a sixth of the amount at most there, as 199 is
/// of 1199, so each candidate is at least as much of a surprise as the likeliest amount up to that sixth.
const TENFOLD_NATS_MOST: f64 = 3.6;

/// By how many nats an amount's pattern of digits speaks for this slip.
///
/// Take all amounts that somebody may mean, and what each becomes by this slip. With a zero too many those lie ten
/// times as far apart as the amounts that are meant, so to hit one of them by chance is ten times as rare: the pattern
/// speaks by the logarithm of how much larger the typed amount is (against, if it is smaller). Beyond that, nobody
/// knows which slip it will be, so all kinds count alike but for what is taken off below.
fn pattern_nats(slip: AmountSlip, meant: i64, typed: i64) -> f64 {
    let larger = LogAmount::of(typed).doublings_above(LogAmount::of(meant)) * NATS_PER_DOUBLING;
    larger
        - match slip {
            AmountSlip::ExtraDigit => 0.0,
            // Two zeros too many are a tenth as frequent as one.
            AmountSlip::DecimalShift => 2.3,
            // The first digit is taken to be the doubled one as often as all behind it together, of which amounts
            // have some three or four.
            AmountSlip::DoubledDigit if is_first_doubled(meant, typed) => 0.0,
            AmountSlip::DoubledDigit => 1.3,
            // Fingers press another key more often than none. Source: Dhakal et al., "Observations on typing
            // from 136 million keystrokes", 2018. Taken for twice as often.
            AmountSlip::LostDigit => 0.7,
            // A key has nearly three neighbours, each of which is hit as often: ln 3 is about 1.
            AmountSlip::NeighbourKey => 1.0,
        }
}

/// How many nats are to be taken off where `typed` ends in more zeros than `meant`. By chance each zero more is ten
/// times as rare, which is what the pattern says. But who pays in round sums ends in zeros far more often, and what is
/// round by habit is no sign of a slip.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_say_no_more_than_is_looked_for() {
        for typed in (1..30_000).chain([55_110, 551_100, 4_999_999, 89_999_999]) {
            let (mut near, mut tenfold) = (0.0, 0.0);
            for (slip, meant) in candidates(typed) {
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
            let more = candidates(typed).filter(|(_, meant)| *meant > typed);
            let more: f64 = more
                .map(|(slip, meant)| pattern_nats(slip, meant, typed).exp())
                .sum();
            assert!(more.ln() <= NEAR_NATS_MOST, "{typed}: {more}");
        }
    }
}
