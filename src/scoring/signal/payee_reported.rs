//! `PAYEE_REPORTED`: reports of fraud, refunds and payers' mistakes against this payee, by any account.
//!
//! Two views, of which the stronger counts:
//!
//! - Over weeks: the rate of reports among its payments, whether the gateway reports successes or not, drawn towards
//!   the usual rate where few payments are known. One report among three payments says little, ten among thirty a
//!   lot. With `prior_payments` at `prior_rate` counted in, it is the mean of a beta distribution.
//! - Lately: the share of all reports that came in within the last days, beyond what so many payments usually bring.
//!   Trouble that has begun shows here first, and trouble that is over no longer does, whatever the delay of reports.

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
        full_rate: f64 = 1.0, 0 => 1, "share";
        /// What share of the payments settled lately may be reported before it counts as trouble that has
        /// begun.
        lately_rate: f64 = 0.05, 0 => 1, "share";
        /// How many old reports every payee is taken to have. Raising it takes more new ones to be heard.
        lately_doubt: f64 = 2.0, 0.01 => 1000, "reports";
        /// What share of the reports over weeks must have come lately, beyond that rate, for
        /// `lately_strength`: somewhat more than half, as three new ones and none before are.
        lately_full: f64 = 0.55, 0.01 => 1, "share";
        /// Strength of trouble that has begun: just enough to ask where it is beyond doubt.
        lately_strength: f64 = 100.0, 0 => 100, "strength";
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
    let unexpected = lately - payee.reports_lately.settled * settings.lately_rate;
    let share_lately = unexpected / (over_weeks + settings.lately_doubt);

    let begun = ramp(share_lately, 0.0, settings.lately_full);
    let strength = ramp(rate, settings.from_rate, settings.full_rate)
        .max(begun * settings.lately_strength / 100.0);
    Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Reports {
            reported: over_weeks.max(lately),
            payers: payee.payers,
        },
    )
}
