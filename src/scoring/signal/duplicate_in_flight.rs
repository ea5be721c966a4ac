//! `DUPLICATE_IN_FLIGHT`: the same payee and amount again while no outcome of the first payment is known.
//!
//! Within seconds (`block_within_ms`) it is a double press, and blocks. Under two order numbers it may as well be two
//! tickets bought at a gate, and asks.
//!
//! Later it is somebody who got no answer and tries again. Checks against *completed* payments miss this case:
//! time-outs of gateways and card networks are 30–60 s, and the repeat comes just after. It asks, less and less over
//! the window.
//!
//! Where the account's outcomes are reported late anyhow, or never, it says little that nothing was heard. Then all
//! that shows that a repeat is meant counts as in `DUPLICATE_RECENT`.

use super::{Context, Measure, Nature, fading};
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::RecordRef;

settings! {
    /// Settings of `DUPLICATE_IN_FLIGHT`.
    Settings as "duplicate_in_flight" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Within this time a repeat is a double press, which blocks. Raising it blocks what was
        /// asked about before.
        block_within_ms: Span = Span::from_secs(10), 0 => 120000, "ms";
        /// How far back an open payment is looked for, unless the payment says otherwise; one of which nothing
        /// is reported counts as paid after `memory.settle_after_ms`, and is `duplicate_recent`'s then. Industry:
        /// 30 s (Braintree) to 1 h (Clover), most 2 to 30 min.
        window_ms: Span = Span::from_minutes(30), 1000 => 86400000, "ms";
        /// Strength just after `block_within_ms`.
        late_strength: f64 = 84.0, 0 => 100, "strength";
        /// Strength at the far end of the window.
        end_strength: f64 = 65.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payment = context.payment;
    let window = payment.duplicate_window.unwrap_or(settings.window_ms);
    if !context.was_active_within(window) {
        return None;
    }
    let recent = context.account.window().within(window, context.now);
    let earlier = recent.iter().find(|record| {
        record.pays_the_same_as(context.submission) && context.is_in_flight(*record)
    })?;
    let elapsed = context.now.since(earlier.score_time());
    let evidence = context.duplicate_of(earlier)?;
    let is_press = elapsed <= settings.block_within_ms;
    if is_press && !earlier.pays_another_order_than(context.submission) {
        return Measure::of(100.0, Nature::Abuse, evidence);
    }
    let mut strength = fading(
        elapsed,
        window,
        settings.late_strength,
        settings.end_strength,
    );
    if is_silence_usual(context, earlier, elapsed) {
        let equal = recent.iter().filter(|record| {
            record.pays_the_same_as(context.submission) && record.standing().is_duplicate_target()
        });
        let paid = &context.policy.signals.duplicate_recent;
        strength *= paid.meant_share(context, earlier, equal);
    }
    Measure::of(strength, Nature::Slip, evidence)
}

/// Whether it says little that nothing was heard of `earlier` for so long: no time-out was reported, and half of the
/// account's outcomes are reported later than that, or never.
fn is_silence_usual(context: &Context<'_>, earlier: RecordRef<'_>, elapsed: Span) -> bool {
    let lateness = context.account.profile().pace().lateness();
    earlier.outcome().is_none() && lateness.is_usually_longer_than(elapsed)
}
