//! `DEVICE_NEW`: a device this account never paid from. People buy phones, so it is weak on its own.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `DEVICE_NEW`.
    Settings as "device_new" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.54, 0 => 1, "share";
        /// Strength of an unknown device that pays a payee the account does not know: who takes an
        /// account over pays strangers.
        strength: f64 = 100.0, 0 => 100, "strength";
        /// What is left of it where the account knows the payee.
        known_payee_factor: f64 = 0.78, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    context.payment.device_id.as_ref()?;
    let devices = context.account.profile().devices();
    if devices.is_empty() || !context.knows_the_account() {
        return None;
    }
    if devices.knows_the_device_of(context.submission) {
        return None;
    }
    let factor = if context.knows_the_payee {
        settings.known_payee_factor
    } else {
        1.0
    };
    Measure::of(
        settings.strength * factor,
        Nature::Abuse,
        Evidence::Device {
            known_devices: devices.len(),
            accounts: context.surroundings.device.accounts_recent,
        },
    )
}
