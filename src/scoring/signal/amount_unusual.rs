//! `AMOUNT_UNUSUAL`: an amount far above what this account usually pays, or pays this payee.
//!
//! The distance is robust and logarithmic: doublings above the median, in units of the median
//! absolute deviation. Amounts are skewed, and one large payment must not make the next look normal.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::profile::LogAmount;

settings! {
    /// Settings of `AMOUNT_UNUSUAL`.
    Settings as "amount_unusual" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.55, 0 => 1, "share";
        /// How many amounts of the account must be known.
        account_amounts_min: u32 = 8, 1 => 32, "amounts";
        /// How many amounts of the payee must be known to judge by them instead.
        payee_amounts_min: u32 = 5, 1 => 8, "amounts";
        /// The least deviation taken as usual, in doublings: people who always pay the same may pay
        /// half as much again without surprising anybody.
        deviation_doublings_min: f64 = 0.6, 0.01 => 10, "doublings";
        /// Deviations above the median from which it fires.
        from_deviations: f64 = 1.0, 0 => 100, "deviations";
        /// Deviations above the median at which it reaches `knee_strength`. Up to there strength grows
        /// fast; beyond, amounts have heavy tails and further distance says little more.
        knee_deviations: f64 = 1.8, 0 => 100, "deviations";
        /// Strength at `knee_deviations`.
        knee_strength: f64 = 70.0, 0 => 100, "strength";
        /// Deviations above the median from which it fires at full strength.
        full_deviations: f64 = 6.0, 0 => 100, "deviations";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    // What is usual for the payee explains what is unusual for the account.
    let usual = context
        .usual_of_payee
        .filter(|spread| u32::from(spread.amounts) >= settings.payee_amounts_min)
        .or_else(|| {
            context
                .usual
                .filter(|spread| u32::from(spread.amounts) >= settings.account_amounts_min)
        })?;
    let deviation = usual
        .deviation_doublings()
        .max(settings.deviation_doublings_min);
    let amount = LogAmount::of(context.payment.money.amount_minor());
    let deviations = amount.doublings_above(usual.median) / deviation;
    let usual_minor = usual.median_minor;
    Measure::of(
        strength(settings, deviations),
        Nature::Slip,
        Evidence::Amount {
            usual_minor,
            ratio: context.ratio_to(usual_minor),
            slip: None,
        },
    )
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
