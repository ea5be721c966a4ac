//! `DEVICE_FAN_OUT`: one device that pays for many accounts. Families share a phone; farms share more.
//!
//! So do tills, counters and the tablet of an office: of one that the account has paid from again and again it says
//! little. And of one that hundreds pay from, nothing: it is a place, or the name that stands where none is known.

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
        /// Accounts from which it says nothing: no farm shows itself so openly, but tills do, and placeholders.
        /// Counted up to some 690.
        crowd_accounts: u32 = 300, 2 => 1000, "accounts";
        /// How often the account must have paid from the device for it to be its own, too.
        own_payments: u32 = 3, 1 => 1000, "payments";
        /// What is left of the strength then.
        own_share: f64 = 0.5, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    context.payment.device_id.as_ref()?;
    let accounts = context.surroundings.device.accounts_recent;
    if accounts <= settings.accounts_free || accounts >= settings.crowd_accounts {
        return None;
    }
    let devices = context.account.profile().devices();
    let is_own = devices.payments_from_that_of(context.submission) >= settings.own_payments;
    let fan_out = ramp(
        f64::from(accounts),
        f64::from(settings.accounts_free),
        f64::from(settings.accounts_full),
    );
    Measure::of(
        fan_out * if is_own { settings.own_share } else { 1.0 },
        Nature::Abuse,
        Evidence::Device {
            known_devices: devices.len(),
            accounts,
        },
    )
}
