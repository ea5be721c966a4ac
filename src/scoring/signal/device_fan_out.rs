//! `DEVICE_FAN_OUT`: one device that pays for many accounts. Families share a phone; farms share more. So does
//! the terminal of a shop, which is its own to each account: there it asks only beside other signs.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `DEVICE_FAN_OUT`.
    Settings as "device_fan_out" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.7, 0 => 1, "share";
        /// Accounts within one to two days up to which a device is shared in good faith.
        accounts_free: u32 = 4, 1 => 1000, "accounts";
        /// Accounts from which it fires at full strength.
        accounts_full: u32 = 12, 2 => 1000, "accounts";
        /// From how many payments of the account on that went well the device is its own.
        own_from: u32 = 5, 1 => 1000, "payments";
        /// What is left of the strength then: on its own not enough to ask.
        own_factor: f64 = 0.6, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    context.payment.device_id.as_ref()?;
    let accounts = context.surroundings.device.accounts_recent;
    let strength = ramp(
        f64::from(accounts),
        f64::from(settings.accounts_free),
        f64::from(settings.accounts_full),
    );
    if strength <= 0.0 {
        return None;
    }
    let devices = context.account.profile().devices();
    let factor = if devices.times_used(context.submission) >= settings.own_from {
        settings.own_factor
    } else {
        1.0
    };
    Measure::of(
        strength * factor,
        Nature::Abuse,
        Evidence::Device {
            known_devices: devices.len(),
            accounts,
        },
    )
}
