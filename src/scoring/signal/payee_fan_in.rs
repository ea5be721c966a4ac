//! `PAYEE_FAN_IN`: one payee suddenly paid by many accounts, as collectors of stolen money are.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `PAYEE_FAN_IN`.
    Settings as "payee_fan_in" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.2, 0 => 1, "share";
        /// How many accounts within three to six days it takes at least.
        payers_min: u32 = 4, 2 => 1000, "accounts";
        /// From this multiple of the usual number on it fires.
        from_multiple: f64 = 2.5, 1 => 1000, "times";
        /// From this multiple on it fires at full strength.
        full_multiple: f64 = 8.0, 1 => 1000, "times";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payee = &context.surroundings.payee;
    // A payee that this account knows of old is not a stranger's trap.
    if payee.payers_recent < settings.payers_min || context.knows_the_payee {
        return None;
    }
    let multiple = f64::from(payee.payers_recent) / (payee.payers_usual + 1.0);
    Measure::of(
        ramp(multiple, settings.from_multiple, settings.full_multiple),
        Nature::Abuse,
        Evidence::Reports {
            reported: 0.0,
            payers: payee.payers_recent,
        },
    )
}
