//! `AMOUNT_UNUSUAL`: an amount far above what this account usually pays, or usually pays this payee.
//!
//! How far is told in *deviations*: the difference of logarithms, divided by how far the account's sums spread.
//! Logarithms, as amounts are skewed. It is measured from what is to be expected of this account at this payee
//! (`expected`); where too little is known for that, from the median of recent amounts, in deviations that one large
//! payment moves little (`Spread`).
//!
//! What everybody pays the payee has its share in this: a rent is large for the account and usual for the landlord.
//! And if several of the account's last amounts were large, one more is more unusual: who empties an account does not
//! stop after one.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::profile::{Amounts, LogAmount, Spread};

settings! {
    /// Settings of `AMOUNT_UNUSUAL`.
    Settings as "amount_unusual" {
        /// How much the signal counts; 0 switches it off. On its own it does not ask: rents and holidays are
        /// large too.
        weight: f64 = 0.59, 0 => 1, "share";
        /// How many amounts of the account must be known.
        account_amounts_min: u32 = 8, 1 => 32, "amounts";
        /// How many amounts of the payee must be known to judge by them instead.
        payee_amounts_min: u32 = 5, 1 => 8, "amounts";
        /// The smallest deviation that is reckoned with, in doublings; where the account's sums spread further,
        /// theirs is. Raising it asks less about large amounts.
        deviation_doublings_min: f64 = 1.0, 0.01 => 10, "doublings";
        /// How many payments of all accounts to the payee must be known before what it is usually paid
        /// counts too.
        everybody_payments_min: u32 = 10, 1 => 200, "payments";
        /// What share it has then in how unusual an amount is. Raising it lets the payee explain large
        /// amounts, and accuse them, more than the account does.
        everybody_share: f64 = 0.5, 0 => 1, "share";
        /// From what multiple of the account's level on an amount is a large one; more where its sums spread
        /// further than `deviation_doublings_min`.
        large_multiple: f64 = 3.0, 1 => 1000, "times";
        /// How many deviations each large one among the account's last eight amounts adds to one that
        /// is unusual itself: who empties an account does not stop after one payment.
        large_lately_deviations: f64 = 0.5, 0 => 10, "deviations";
        /// Deviations above what is usual from which it fires.
        from_deviations: f64 = 1.0, 0 => 100, "deviations";
        /// Deviations above what is usual at which it reaches `knee_strength`. Up to there each further
        /// deviation says as much as the one before; beyond, amounts have heavy tails and it says little.
        knee_deviations: f64 = 3.3, 0 => 100, "deviations";
        /// Strength at `knee_deviations`.
        knee_strength: f64 = 93.0, 0 => 100, "strength";
        /// Deviations above what is usual from which it fires at full strength.
        full_deviations: f64 = 6.0, 0 => 100, "deviations";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if !is_known(settings, context) {
        return None;
    }
    let for_payee = deviations_for_payee(settings, context);
    let for_account = deviations_for_account(settings, context)?;
    let above = for_payee.map_or(for_account, |for_payee| {
        for_account + (for_payee - for_account) * settings.everybody_share
    });
    let mut deviations = above;
    if deviations > LARGE_LATELY_FROM {
        deviations += f64::from(large_lately(settings, context)) * settings.large_lately_deviations;
    }
    let strength = strength(settings, deviations);
    if strength <= 0.0 {
        // Most amounts are not unusual: the facts are not worked out for them.
        return None;
    }
    let (usual_minor, usual_for_payee) =
        usual_amount(settings, context, above, for_payee.is_some())?;
    Measure::of(
        strength,
        Nature::Slip,
        Evidence::Amount {
            usual_minor,
            usual_for_payee,
            ratio: context.ratio_to(usual_minor),
            slip: None,
        },
    )
}

/// The usual amount that the payer is told, in minor units, and whether it is usual for this payee; else it is for the
/// account, whomever it pays. `above` is how many deviations the payment lies above it.
fn usual_amount(
    settings: &Settings,
    context: &Context<'_>,
    above: f64,
    counts_everybody: bool,
) -> Option<(i64, bool)> {
    let is_payee_known = |amounts_min| context.payee_paid_at_least(amounts_min).is_some();
    let is_expected = context.expected().is_some();
    if !is_expected && !counts_everybody {
        let usual = usual(settings, context)?;
        return Some((
            usual.median_minor,
            is_payee_known(settings.payee_amounts_min),
        ));
    }
    // Several figures were combined, so it is worked out backwards: as far below the amount as that lies above it.
    let amount = LogAmount::of(context.payment.money.amount_minor()).doublings();
    let usual_minor =
        LogAmount::about_minor(amount - above * deviation_doublings(settings, context));
    Some((usual_minor, counts_everybody || is_payee_known(1)))
}

/// Whether enough amounts are known to say what is usual.
fn is_known(settings: &Settings, context: &Context<'_>) -> bool {
    let of_account = || context.amounts().map_or(0, Amounts::count);
    context
        .payee_paid_at_least(settings.payee_amounts_min)
        .is_some()
        || of_account() >= settings.account_amounts_min as usize
}

/// The recent amounts to compare with: those paid to this payee if enough are known, else those paid to everybody.
fn usual(settings: &Settings, context: &Context<'_>) -> Option<Spread> {
    let of_payee = context.usual_of_payee(settings.payee_amounts_min);
    of_payee.or_else(|| context.usual())
}

/// How many deviations the amount lies above what is usual for the account.
fn deviations_for_account(settings: &Settings, context: &Context<'_>) -> Option<f64> {
    let amount_minor = context.payment.money.amount_minor();
    if let Some(expected) = context.expected() {
        let above = expected.doublings_above_usual(amount_minor);
        return Some(above / deviation_doublings(settings, context));
    }
    let usual = usual(settings, context)?;
    let above = LogAmount::of(amount_minor).doublings_above(usual.median);
    let deviation = usual.deviation_doublings();
    Some(above / deviation.max(settings.deviation_doublings_min))
}

/// How many doublings one deviation of the account's sums is: the more they spread, the less an amount is unusual. Of
/// somebody who pays both coffees and flights, twice the usual says nothing. Never less than the policy's least,
/// however little they spread: who takes an account over pays far more than it usually does, not a little more.
fn deviation_doublings(settings: &Settings, context: &Context<'_>) -> f64 {
    let learnt = context.level().map_or(0.0, |level| level.variance().sqrt());
    learnt.max(settings.deviation_doublings_min)
}

/// From how many deviations on an amount is large enough for earlier large ones to count with it.
const LARGE_LATELY_FROM: f64 = 0.5;

/// How many of the account's newest amounts are looked at for large ones.
const LARGE_LATELY_OF: usize = 8;

/// How many deviations the amount lies above what everybody pays the payee; `None` where too few payments are known.
fn deviations_for_payee(settings: &Settings, context: &Context<'_>) -> Option<f64> {
    let amounts = &context.surroundings.payee.amounts;
    if amounts.payments() < settings.everybody_payments_min {
        return None;
    }
    amounts.deviations_above_middle(context.payment.money, settings.deviation_doublings_min)
}

/// How many of the account's last amounts were large: `large_multiple` times its level, or as many deviations above it
/// where its sums spread further.
fn large_lately(settings: &Settings, context: &Context<'_>) -> u32 {
    let (Some(amounts), Some(level)) = (context.amounts(), context.level_doublings()) else {
        return 0;
    };
    let steeper = settings.deviation_doublings_min / deviation_doublings(settings, context);
    let is_large = |amount: i64| {
        let above = LogAmount::of(amount).doublings() - level;
        LogAmount::ratio(above * steeper) >= settings.large_multiple
    };
    let newest = amounts.newest_first().take(LARGE_LATELY_OF);
    newest.map(|amount| u32::from(is_large(amount))).sum()
}

/// The strength, 0–100: it rises to `knee_strength` at `knee_deviations`, and slowly from there on.
fn strength(settings: &Settings, deviations: f64) -> f64 {
    let to_knee = ramp(
        deviations,
        settings.from_deviations,
        settings.knee_deviations,
    );
    let beyond_knee = ramp(
        deviations,
        settings.knee_deviations,
        settings.full_deviations,
    );
    let knee = settings.knee_strength / 100.0;
    to_knee * knee + beyond_knee * (1.0 - knee)
}
