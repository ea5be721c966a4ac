//! `PAYEE_NEW`: a payee that this account has never paid, or only small sums within the last day (see
//! `scoring::trial`).
//!
//! It counts by what is at stake: more where the money cannot be called back, less where the amount is small (trying a
//! new payee with a little is good practice), where many others pay the payee and none of them reported fraud, and
//! where the account pays new payees all the time. It is quiet where too little is known of the account.

use super::{Context, Measure, Nature, ramp};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `PAYEE_NEW`.
    Settings as "payee_new" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 0.12, 0 => 1, "share";
        /// Strength where the money cannot be called back: transfer, top-up, tip, gift.
        irrevocable_strength: f64 = 100.0, 0 => 100, "strength";
        /// Strength for purchases and bills.
        revocable_strength: f64 = 80.0, 0 => 100, "strength";
        /// Share of the account's payments that go to new payees, from which on one more says nothing.
        everyday_novelty: f64 = 1.0, 0.01 => 1, "share";
        /// Share at or below which a new payee is as unusual as can be.
        rare_novelty: f64 = 0.15, 0 => 1, "share";
        /// What is a small first amount: at most this share of the account's level.
        small_share: f64 = 0.5, 0 => 1, "share";
        /// What is left of the strength for a small first amount.
        small_factor: f64 = 0.4, 0 => 1, "share";
        /// How many other payers make a payee popular.
        popular_from: u32 = 20, 1 => 1000, "accounts";
        /// What is left of the strength for a popular payee.
        popular_factor: f64 = 0.6, 0 => 1, "share";
        /// How large a payment may be on the payee's first day, as a multiple of most of those before it, before
        /// the payee counts as new again. Raising it lets who took an account over, and tried it with a small
        /// payment, pay more; lowering it asks more about payees that are new.
        trial_multiple: f64 = 3.0, 1 => 1000000, "times";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if !context.knows_the_account() || context.knows_the_payee {
        return None;
    }
    let mut strength = if context.payment.kind.is_irrevocable() {
        settings.irrevocable_strength
    } else {
        settings.revocable_strength
    };
    // The more often the account pays new payees, the less one more says.
    let novelty = context.account.profile().novelty();
    strength *= ramp(-novelty, -settings.everyday_novelty, -settings.rare_novelty) / 100.0;
    if context
        .ratio_to_level()
        .is_some_and(|multiple| multiple <= settings.small_share)
    {
        strength *= settings.small_factor;
    }
    let payee = &context.surroundings.payee;
    if payee.payers >= settings.popular_from && payee.reports.strong < 1.0 {
        strength *= settings.popular_factor;
    }
    Measure::of(
        strength,
        Nature::Slip,
        Evidence::Payee {
            similar_payee_id: None,
            times_paid: context.tried_payee.map_or(0, |payee| payee.times_paid),
            last_paid_time: context.tried_payee.map(|payee| payee.last_paid),
        },
    )
}
