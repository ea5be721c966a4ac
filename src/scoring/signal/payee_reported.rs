//! `PAYEE_REPORTED`: reports against this payee by any account, fading, and shrunk towards the usual
//! rate: one report among three payments says little, ten among thirty a lot.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `PAYEE_REPORTED`.
    Settings as "payee_reported" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.8, 0 => 1, "share";
        /// How much a refund or a payer's mistake counts against a fraud.
        weak_share: f64 = 0.1, 0 => 1, "share";
        /// The rate of reports that a payee is taken to have before anything is known.
        prior_rate: f64 = 0.01, 0 => 1, "share";
        /// How many settled payments that assumption is worth.
        prior_payments: f64 = 10.0, 0.1 => 1000, "payments";
        /// Rate of reports from which it fires.
        from_rate: f64 = 0.1, 0 => 1, "share";
        /// What is left of the strength where this account itself has paid the payee more than once.
        known_factor: f64 = 0.4, 0 => 1, "share";
        /// Rate of reports from which it fires at full strength.
        full_rate: f64 = 0.6, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payee = &context.surroundings.payee;
    let reported = payee.reported_strong + payee.reported_weak * settings.weak_share;
    if reported <= 0.0 {
        return None;
    }
    let settled = payee.settled.max(reported);
    let rate = (reported + settings.prior_rate * settings.prior_payments)
        / (settled + settings.prior_payments);
    let mut strength = ramp(rate, settings.from_rate, settings.full_rate);
    if context
        .known_payee
        .is_some_and(|known| known.times_paid > 1)
    {
        strength *= settings.known_factor;
    }
    Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Reports {
            reported,
            payers: payee.payers,
        },
    )
}
