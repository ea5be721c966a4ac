//! `DEVICE_SWITCH`: payments from several devices within minutes, as when an account is used by others beside its
//! owner.
//!
//! Two devices may be a phone and a laptop; three are odd. Payments that name no device do not count.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;

/// How many of the newest payments are looked at.
const LOOK_BACK_MAX: usize = 32;

settings! {
    /// Settings of `DEVICE_SWITCH`.
    Settings as "device_switch" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.3, 0 => 1, "share";
        /// Within what time.
        window_ms: Span = Span::from_minutes(10), 1000 => 86400000, "ms";
        /// How many devices are free.
        devices_free: u32 = 2, 1 => 32, "devices";
        /// How many devices fire at full strength.
        devices_full: u32 = 4, 2 => 32, "devices";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    context.payment.device_id.as_ref()?;
    if !context.was_active_within(settings.window_ms) {
        return None;
    }
    let newest = context
        .account
        .window()
        .within(settings.window_ms, context.now)
        .newest(LOOK_BACK_MAX);
    // Too few, even if each was from a device of its own.
    if newest.len() < settings.devices_free as usize {
        return None;
    }
    let others = newest
        .iter()
        .filter(|record| record.is_from_another_device_than(context.submission));
    // Each device counts once: at the newest payment from it.
    let used_last = others.clone().enumerate().filter(|(nth, record)| {
        let mut later = others.clone().take(*nth);
        !later.any(|later| later.is_from_the_same_device_as(*record))
    });
    let devices = u32::try_from(used_last.count().saturating_add(1)).unwrap_or(u32::MAX);
    Measure::of(
        ramp(
            f64::from(devices),
            f64::from(settings.devices_free),
            f64::from(settings.devices_full),
        ),
        Nature::Abuse,
        Evidence::Device {
            known_devices: devices,
            accounts: context.surroundings.device.accounts_recent,
        },
    )
}
