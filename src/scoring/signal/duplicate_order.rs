//! `DUPLICATE_ORDER`: the same order of the same payee again within 24 hours, paid or in flight.
//!
//! The same sum again blocks if the earlier payment is known to be paid, or was made within seconds: hardly anybody
//! means that. If nothing was heard of the earlier payment for longer, it may have been declined, and this is the next
//! try: it asks. Hours later it asks too, as some number their orders by days, or call all of them the same. Where the
//! payer has said so, or the same order was paid again on another day and nobody complained, orders say nothing; nor
//! does one with the id of its payee.
//!
//! Another sum asks too, as a big bill may be paid in parts, until the payer has said at this payee that repeats are
//! meant: who sends an order in parcels charges each. A tip is for no order that something else paid, nor the other way
//! round.

use super::{Context, Measure, Nature};
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::RecordRef;

settings! {
    /// Settings of `DUPLICATE_ORDER`.
    Settings as "duplicate_order" {
        /// How much the signal counts; 0 switches it off. With 0.84 the same order and sum again asks and
        /// does not block, for gateways whose order numbers come around within a day, as those of tables do.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Within this time the same order and sum again blocks if the earlier one was paid; later it asks. Raising
        /// it blocks those who pay a shop twice a day that has one order number for all.
        block_within_ms: Span = Span::from_hours(4), 0 => 86400000, "ms";
        /// Strength later than that, and where it is not known what became of the earlier one, later than
        /// `duplicate_in_flight.block_within_ms`: it may have been declined.
        open_strength: f64 = 84.0, 0 => 100, "strength";
        /// Strength where the sum differs from the earlier one's: the order may be paid in parts. For each time the
        /// payer said of this payee that a repeat was meant, `duplicate_recent.confirmed_share` of it is left.
        other_amount_strength: f64 = 70.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payment = context.payment;
    payment.order_id.as_ref()?;
    if context.orders_come_back || context.submission.names_its_payee_as_order() {
        return None;
    }
    let same_order = || {
        let window = context.account.window();
        window.of_the_order_of(context.submission).filter(|record| {
            record.pays_the_payee_of(context.submission)
                && record.standing().is_duplicate_target()
                && is_tip(record.kind()) == is_tip(Some(payment.kind))
        })
    };
    // Rather one that is known to be paid than one that is not.
    let same_sum = same_order()
        .filter(|record| record.money() == payment.money)
        .min_by_key(|record| may_be_unpaid(context, *record));
    let (earlier, strength, nature) = match same_sum {
        Some(earlier)
            if may_be_unpaid(context, earlier)
                || context.now.since(earlier.score_time()) > settings.block_within_ms =>
        {
            (earlier, settings.open_strength, Nature::Slip)
        }
        Some(earlier) => (earlier, 100.0, Nature::Abuse),
        None => {
            let earlier = same_order().next()?;
            let strength = settings.other_amount_strength * said_share(context, earlier);
            (earlier, strength, Nature::Slip)
        }
    };
    Measure::of(strength, nature, context.duplicate_of(earlier)?)
}

fn is_tip(kind: Option<PaymentKind>) -> bool {
    kind == Some(PaymentKind::Tip)
}

/// The share of the strength of another sum that is left by what the payer said of repeats at this payee. Sums of parts
/// differ anyhow, so each yes counts; but none within seconds, where it is a press at a new rate of exchange.
fn said_share(context: &Context<'_>, earlier: RecordRef<'_>) -> f64 {
    let signals = &context.policy.signals;
    let elapsed = context.now.since(earlier.score_time());
    let confirmed = context.known_payee.map(|known| known.repeats.confirmed());
    match confirmed {
        Some(times) if elapsed > signals.duplicate_in_flight.block_within_ms => {
            signals.duplicate_recent.said_share(times)
        }
        Some(_) | None => 1.0,
    }
}

/// Whether the earlier payment may have been declined: no outcome is known, for longer than a double press takes.
fn may_be_unpaid(context: &Context<'_>, earlier: RecordRef<'_>) -> bool {
    let press = context.policy.signals.duplicate_in_flight.block_within_ms;
    earlier.standing().is_in_flight() && context.now.since(earlier.score_time()) > press
}
