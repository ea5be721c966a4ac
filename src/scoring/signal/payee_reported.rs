//! `PAYEE_REPORTED`: reports against this payee by any account.
//!
//! Two views, the stronger of which counts. Over weeks, the rate of reports among payments, shrunk
//! towards the usual rate: one report among three payments says little, ten among thirty a lot. And
//! right now, how many more reports come in than so many payments usually bring: trouble that has begun
//! shows there first.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::memory::Reports;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `PAYEE_REPORTED`.
    Settings as "payee_reported" {
        /// How much the signal counts; 0 switches it off. Raising it asks more payers about payees that
        /// some had trouble with.
        weight: f64 = 0.65, 0 => 1, "share";
        /// How much a refund or a payer's mistake counts against a fraud.
        weak_share: f64 = 0.1, 0 => 1, "share";
        /// The rate of reports that a payee is taken to have before anything is known.
        prior_rate: f64 = 0.01, 0 => 1, "share";
        /// How many settled payments that assumption is worth. Raising it takes more reports to be heard.
        prior_payments: f64 = 10.0, 0.1 => 1000, "payments";
        /// Rate of reports from which it fires.
        from_rate: f64 = 0.05, 0 => 1, "share";
        /// Rate of reports from which it fires at full strength.
        full_rate: f64 = 0.6, 0 => 1, "share";
        /// What share of payments may be reported lately before it counts as trouble that has begun.
        lately_rate: f64 = 0.05, 0 => 1, "share";
        /// How many reports beyond that it takes lately to fire.
        lately_from: f64 = 0.2, 0 => 1000, "reports";
        /// How many reports beyond that make it fire at `lately_strength`.
        lately_full: f64 = 3.0, 0 => 1000, "reports";
        /// Strength of trouble that has begun: on its own not enough to ask.
        lately_strength: f64 = 88.0, 0 => 100, "strength";
        /// What is left of the strength where this account itself has paid the payee more than once.
        known_payee_factor: f64 = 0.85, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payee = &context.surroundings.payee;
    let reported = |reports: &Reports| reports.strong + reports.weak * settings.weak_share;

    let over_weeks = reported(&payee.reports);
    let settled = payee.reports.settled.max(over_weeks);
    let rate = (over_weeks + settings.prior_rate * settings.prior_payments)
        / (settled + settings.prior_payments);

    let lately = reported(&payee.reports_lately);
    let beyond = lately - payee.reports_lately.settled * settings.lately_rate;

    let begun = ramp(beyond, settings.lately_from, settings.lately_full);
    let mut strength = ramp(rate, settings.from_rate, settings.full_rate)
        .max(begun * settings.lately_strength / 100.0);
    if context
        .known_payee
        .is_some_and(|known| known.times_paid > 1)
    {
        strength *= settings.known_payee_factor;
    }
    Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Reports {
            reported: over_weeks.max(lately),
            payers: payee.payers,
        },
    )
}
