//! `DEVICE_NEW`: a device that this account has never paid from, or only small sums within the last day (see
//! `scoring::trial`).
//!
//! People buy phones, so it is weak by itself, and for a purchase that can be called back it is only doubt, which
//! blocks nothing. It counts less where the account knows the payee, and where it uses a new device for most
//! payments, as clients do that make up an id for every session. It is quiet where too little is known of the
//! account, and where it knows no other device.

use super::{Context, Measure};
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
        /// From how many devices of the account on their ids are taken for ones that change: what is left
        /// of the strength is the share of its payments that came from a device used before.
        changing_from: u32 = 4, 2 => 64, "devices";
        /// How large a payment may be on the device's first day, as a multiple of most of those before it, before
        /// the device counts as new again. Raising it lets who took an account over, and tried it with a small
        /// payment, pay more; lowering it asks more about new phones.
        trial_multiple: f64 = 3.0, 1 => 1000000, "times";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let strange = context.strange_device?;
    if !context.knows_the_account() {
        return None;
    }
    let devices = context.account.profile().devices();
    let payee_factor = if context.knows_the_payee {
        settings.known_payee_factor
    } else {
        1.0
    };
    let changing_factor = if devices.len() >= settings.changing_from {
        1.0 - devices.per_payment()
    } else {
        1.0
    };
    Measure::of(
        settings.strength * payee_factor * changing_factor,
        context.nature_of_a_stranger(),
        Evidence::Device {
            known_devices: strange.others,
            accounts: context.surroundings.device.accounts_recent,
        },
    )
}
