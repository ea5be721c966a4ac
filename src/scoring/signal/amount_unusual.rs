//! `AMOUNT_UNUSUAL`: an amount far above what this account usually pays, or pays this payee.
//!
//! The distance is logarithmic, above the level of the account's sums, drawn towards what it paid this
//! payee, in units of how far its sums spread. Where the level is not known yet, it is above the median, in
//! units of the median absolute deviation. Amounts are skewed, and one large payment must not make the next
//! look normal.

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
        /// The least that is taken for one deviation, in doublings. Where the account's sums spread further, one
        /// of theirs is. Raising it asks less about large amounts.
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
        /// Deviations above the median from which it fires.
        from_deviations: f64 = 1.0, 0 => 100, "deviations";
        /// Deviations above the median at which it reaches `knee_strength`. Up to there each further
        /// deviation says as much as the one before; beyond, amounts have heavy tails and it says little.
        knee_deviations: f64 = 3.3, 0 => 100, "deviations";
        /// Strength at `knee_deviations`.
        knee_strength: f64 = 93.0, 0 => 100, "strength";
        /// Deviations above the median from which it fires at full strength.
        full_deviations: f64 = 6.0, 0 => 100, "deviations";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if !is_known(settings, context) {
        return None;
    }
    let everybody = everybody(settings, context);
    let own = own(settings, context)?;
    let above = everybody.map_or(own, |everybody| {
        own + (everybody - own) * settings.everybody_share
    });
    let mut deviations = above;
    if deviations > LARGE_LATELY_FROM {
        deviations += f64::from(large_lately(settings, context)) * settings.large_lately_deviations;
    }
    let strength = strength(settings, deviations);
    if strength <= 0.0 {
        // Most amounts are not unusual, and nobody asks what would be.
        return None;
    }
    let (usual_minor, usual_for_payee) =
        held_against(settings, context, above, everybody.is_some())?;
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

/// What the amount was held against, and whether that is usual for the payee, not for the account whomever it pays.
fn held_against(
    settings: &Settings,
    context: &Context<'_>,
    above: f64,
    is_everybody_heard: bool,
) -> Option<(i64, bool)> {
    let is_payee_known = |amounts_min| context.payee_paid_at_least(amounts_min).is_some();
    let is_expected = context.expected().is_some();
    if !is_expected && !is_everybody_heard {
        let usual = usual(settings, context)?;
        return Some((
            usual.median_minor,
            is_payee_known(settings.payee_amounts_min),
        ));
    }
    // It lies as far below the amount as that was found to be above.
    let amount = LogAmount::of(context.payment.money.amount_minor()).doublings();
    let usual_minor =
        LogAmount::about_minor(amount - above * deviation_doublings(settings, context));
    Some((usual_minor, is_everybody_heard || is_payee_known(1)))
}

/// Whether enough amounts are known to say what is usual.
fn is_known(settings: &Settings, context: &Context<'_>) -> bool {
    let of_account = || context.amounts().map_or(0, Amounts::count);
    context
        .payee_paid_at_least(settings.payee_amounts_min)
        .is_some()
        || of_account() >= settings.account_amounts_min as usize
}

/// What is usual. What is so for the payee explains what is unusual for the account.
fn usual(settings: &Settings, context: &Context<'_>) -> Option<Spread> {
    let of_payee = context.usual_of_payee(settings.payee_amounts_min);
    of_payee.or_else(|| context.usual())
}

/// How unusual the amount is for the account, in deviations.
fn own(settings: &Settings, context: &Context<'_>) -> Option<f64> {
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

/// How many doublings one deviation of the account's sums is. Never less than the least, however little
/// they spread: who takes an account over pays far more than it does, and more so where it pays little. But
/// of who pays a coffee and a flight alike, twice the usual says nothing.
fn deviation_doublings(settings: &Settings, context: &Context<'_>) -> f64 {
    let learnt = context.level().map_or(0.0, |level| level.variance().sqrt());
    learnt.max(settings.deviation_doublings_min)
}

/// From how many deviations on an amount is unusual enough to be one of a run.
const LARGE_LATELY_FROM: f64 = 0.5;

/// How many of the account's newest amounts are looked at for a run of large ones.
const LARGE_LATELY_OF: usize = 8;

/// How unusual the amount is for the payee, where enough is known of it: what everybody pays there is no
/// surprise, and what nobody does is.
fn everybody(settings: &Settings, context: &Context<'_>) -> Option<f64> {
    let amounts = &context.surroundings.payee.amounts;
    if amounts.payments() < settings.everybody_payments_min {
        return None;
    }
    amounts.deviations_above_middle(context.payment.money, settings.deviation_doublings_min)
}

/// How many of the account's last amounts were large.
fn large_lately(settings: &Settings, context: &Context<'_>) -> u32 {
    let (Some(amounts), Some(level)) = (context.amounts(), context.level_doublings()) else {
        return 0;
    };
    // As large as that multiple is where one deviation is the least.
    let steeper = settings.deviation_doublings_min / deviation_doublings(settings, context);
    let is_large = |amount: i64| {
        let above = LogAmount::of(amount).doublings() - level;
        LogAmount::ratio(above * steeper) >= settings.large_multiple
    };
    let newest = amounts.newest_first().take(LARGE_LATELY_OF);
    newest.map(|amount| u32::from(is_large(amount))).sum()
}

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
