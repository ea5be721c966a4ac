//! `HOUR_UNUSUAL`: an hour of the day at which this account hardly ever pays.
//!
//! People travel, so it is weak by itself, and for a purchase that can be called back it is only doubt, which blocks
//! nothing. It counts less where the account knows the payee, and for modest amounts: who takes an account over
//! empties it. It is quiet where too few payments are known.

use super::{Context, Measure, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `HOUR_UNUSUAL`.
    Settings as "hour_unusual" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.55, 0 => 1, "share";
        /// Where the payers are, in minutes east of UTC; hours are told by it.
        utc_offset_min: i64 = 0, -720 => 840, "min";
        /// How many payments the profile must know.
        payments_min: u32 = 20, 1 => 1000, "payments";
        /// Share of the account's payments within an hour of this one, below which it fires.
        from_share: f64 = 0.1, 0 => 1, "share";
        /// Share at which it fires at full strength.
        full_share: f64 = 0.01, 0 => 1, "share";
        /// What is left of the strength where the account knows the payee: who takes an account over
        /// pays strangers.
        known_payee_factor: f64 = 0.1, 0 => 1, "share";
        /// Up to what multiple of the account's level an amount is a modest one.
        modest_multiple: f64 = 1.5, 0 => 1000, "times";
        /// From what multiple on the hour counts in full.
        large_multiple: f64 = 3.5, 0 => 1000, "times";
        /// What is left of the strength for a modest amount: who takes an account over empties it.
        modest_factor: f64 = 0.25, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let profile = context.account.profile();
    if profile.payments_learnt() < settings.payments_min {
        return None;
    }
    let hour = context.now.hour_of_day(settings.utc_offset_min);
    let share = profile.share_near_hour(hour);
    let mut strength = ramp(-share, -settings.from_share, -settings.full_share);
    if context.known_payee.is_some() {
        strength *= settings.known_payee_factor;
    }
    // From 0 for a modest amount to 1 for a large one.
    let at_stake = context.ratio_to_level().map_or(0.0, |multiple| {
        ramp(multiple, settings.modest_multiple, settings.large_multiple) / 100.0
    });
    strength *= settings.modest_factor + (1.0 - settings.modest_factor) * at_stake;
    let nature = context.nature_of_a_stranger();
    Measure::of(strength, nature, Evidence::Hour { hour, share })
}
