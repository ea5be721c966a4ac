//! `DUPLICATE_ORDER`: the same order of the same payee again within 24 hours, paid or in flight.
//!
//! For the same sum it is near-certain that nobody means it. For another sum the order may be a big
//! bill that is paid in parts: worth a question, not a block.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;

settings! {
    /// Settings of `DUPLICATE_ORDER`.
    Settings as "duplicate_order" {
        /// How much the signal counts; 0 switches it off. With 0.84 the same order and sum again asks and
        /// does not block, for gateways whose order numbers come around within a day, as those of tables do.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Strength where the sum differs from the earlier one's: the order may be paid in parts.
        other_amount_strength: f64 = 70.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payment = context.payment;
    payment.order_id.as_ref()?;
    let same_order = || {
        let window = context.account.window();
        window.of_the_order_of(context.submission).filter(|record| {
            record.pays_the_payee_of(context.submission) && record.standing().is_duplicate_target()
        })
    };
    let same_sum = same_order().find(|record| record.money() == payment.money);
    let (earlier, strength, nature) = match same_sum {
        Some(earlier) => (earlier, 100.0, Nature::Abuse),
        None => (
            same_order().next()?,
            settings.other_amount_strength,
            Nature::Slip,
        ),
    };
    let evidence = Evidence::Duplicate {
        earlier_payment_id: earlier.payment_id()?,
        elapsed: context.now.since(earlier.score_time()),
        earlier_outcome: earlier.outcome(),
    };
    Measure::of(strength, nature, evidence)
}
