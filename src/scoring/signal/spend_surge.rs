//! `SPEND_SURGE`: far more money within an hour or a day than this account usually spends within one.
//!
//! It fires by how many times the usual sum it is (see `profile::pace`), in the window where that is most. It is quiet
//! where too little is known of the account, or what it usually spends is not known.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::window::WindowIndex;

settings! {
    /// Settings of `SPEND_SURGE`.
    Settings as "spend_surge" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.2, 0 => 1, "share";
        /// From this multiple of the usual sum on it fires.
        from_multiple: f64 = 3.0, 1 => 1000, "times";
        /// From this multiple on it fires at full strength.
        full_multiple: f64 = 10.0, 1 => 1000, "times";
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "sums are compared by their size, not to the last unit"
)]
pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if !context.knows_the_account() {
        return None;
    }
    let money = context.payment.money;
    let mut strongest = None;
    let mut most = settings.from_multiple;
    let profile = context.account.profile();
    let usual_sum_minor = profile.usual_sums_minor(money.currency());
    for nth in [WindowIndex::Hour, WindowIndex::Day] {
        let usual = usual_sum_minor(nth);
        if usual <= 0.0 {
            continue;
        }
        let totals = context.account.window().totals(nth);
        let sum_minor = totals
            .sum_minor(money.currency())
            .saturating_add(money.amount_minor());
        let multiple = sum_minor as f64 / usual;
        if multiple > most {
            most = multiple;
            strongest = Measure::of(
                ramp(multiple, settings.from_multiple, settings.full_multiple),
                Nature::Abuse,
                Evidence::Velocity {
                    window: nth.span(),
                    count: totals.paid().saturating_add(1),
                    sum_minor,
                    limit: (usual * settings.from_multiple) as i64,
                    usual,
                },
            );
        }
    }
    strongest
}
