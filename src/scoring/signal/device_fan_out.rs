//! `DEVICE_FAN_OUT`: one device that pays for many accounts. Families share a phone; farms share more.

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
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    context.payment.device_id.as_ref()?;
    let accounts = context.surroundings.device.accounts_recent;
    Measure::of(
        ramp(
            f64::from(accounts),
            f64::from(settings.accounts_free),
            f64::from(settings.accounts_full),
        ),
        Nature::Abuse,
        Evidence::Device {
            known_devices: context.account.profile().devices().len(),
            accounts,
        },
    )
}
