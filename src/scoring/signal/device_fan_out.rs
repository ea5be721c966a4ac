//! `DEVICE_FAN_OUT`: one device that pays for many accounts, as those of account farms do.
//!
//! Families share a phone, so a few accounts are free. Tills, counters and the tablet of an office are shared by
//! more: it counts less where this account has paid from the device several times, and for what is bought at a
//! merchant, as customers do at its till, once each. It is quiet where hundreds of accounts pay from a device: that is
//! a public place, or an id that stands for no device at all.

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
        /// What is left of the strength for purchases and bills at merchants, which can be called back: on its own not
        /// enough to ask. Raising it asks customers at tills, and farms that buy.
        purchase_share: f64 = 0.5, 0 => 1, "share";
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
    let is_own_share = if is_own { settings.own_share } else { 1.0 };
    let nature = context.nature_of_a_stranger();
    let purchase_share = match nature {
        Nature::Doubt => settings.purchase_share,
        Nature::Slip | Nature::Abuse => 1.0,
    };
    Measure::of(
        fan_out * is_own_share * purchase_share,
        nature,
        Evidence::Device {
            known_devices: devices.len(),
            accounts,
        },
    )
}
