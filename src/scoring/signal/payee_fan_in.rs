//! `PAYEE_FAN_IN`: one payee suddenly paid by many accounts, as collectors of stolen money are.
//!
//! Two kinds: a payee that is paid by many times as many accounts as usual within some days; and one that nobody paid
//! until lately, paid by many since. The second is quiet unless this account was known long before anybody paid the
//! payee: where a service has just started, all payees are new, and what is usual is not known of any. Both are quiet
//! where this account knows the payee.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::time::{Span, Timestamp};

settings! {
    /// Settings of `PAYEE_FAN_IN`.
    Settings as "payee_fan_in" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.3, 0 => 1, "share";
        /// How many accounts within three to six days it takes at least.
        payers_min: u32 = 4, 2 => 1000, "accounts";
        /// From this multiple of the usual number on it fires.
        from_multiple: f64 = 2.5, 1 => 1000, "times";
        /// From this multiple on it fires at full strength.
        full_multiple: f64 = 8.0, 1 => 1000, "times";
        /// Full strength where the payee is known of old.
        sudden_strength: f64 = 50.0, 0 => 100, "strength";
        /// How long a payee counts as new to everybody. It says nothing to accounts that were not known for
        /// as long before the payee was first paid.
        young_ms: Span = Span::from_days(14), 0 => 31536000000.0, "ms";
        /// How many accounts must have paid a payee new to everybody for full strength; each of them
        /// adds its part.
        young_full_payers: u32 = 8, 2 => 1000, "accounts";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if context.knows_the_payee {
        return None;
    }
    let is_young = |first: Timestamp| first.within(settings.young_ms, context.now);
    let (strength, payers) = match context.surroundings.payee.first_seen {
        Some(first_seen) if is_young(first_seen) => young(settings, context, first_seen),
        Some(_) | None => sudden(settings, context),
    };
    Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Reports {
            reported: 0.0,
            payers,
        },
    )
}

/// The strength for a payee that is known of old, 0–100, by how many times as many accounts as usual paid it lately;
/// and how many did.
fn sudden(settings: &Settings, context: &Context<'_>) -> (f64, u32) {
    let payee = &context.surroundings.payee;
    if payee.payers_recent < settings.payers_min {
        return (0.0, 0);
    }
    let multiple = f64::from(payee.payers_recent) / (payee.payers_usual + 1.0);
    let strength = ramp(multiple, settings.from_multiple, settings.full_multiple);
    (
        strength * settings.sudden_strength / 100.0,
        payee.payers_recent,
    )
}

/// The strength for a payee that nobody paid until lately, 0–100, by how many other accounts have paid it since; and
/// how many.
fn young(settings: &Settings, context: &Context<'_>, first_seen: Timestamp) -> (f64, u32) {
    let first_learnt = context.account.profile().first_learnt();
    let was_known_before = |learnt: Timestamp| learnt.plus(settings.young_ms) <= first_seen;
    if !first_learnt.is_some_and(was_known_before) {
        return (0.0, 0);
    }
    let others = other_payers(context);
    let full = f64::from(settings.young_full_payers);
    (ramp(f64::from(others), 0.0, full), others)
}

/// How many accounts paid the payee, or tried to, beside this one.
fn other_payers(context: &Context<'_>) -> u32 {
    let payers = context.surroundings.payee.payers;
    let mut lately = context.account.window().newest_first();
    let is_one_of_them = lately.any(|record| record.pays_the_payee_of(context.submission));
    payers.saturating_sub(is_one_of_them.into())
}
