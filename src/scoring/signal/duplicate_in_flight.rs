//! `DUPLICATE_IN_FLIGHT`: the same payee and amount again while the first payment is still open.
//!
//! Within seconds it is a double press. Later it is somebody who got no answer and tries again: the
//! case that checks against *completed* payments miss. Time-outs of gateways and card networks are
//! 30–60 s, so the repeat comes just after. Where outcomes are reported late anyhow, or never, silence
//! says little, and what speaks for meaning a repeat is heard as it is once the first is paid. A press
//! under two order numbers is as likely as two who are paid for at a gate: it asks.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
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
        /// How far back an open payment is looked for, unless the payment says otherwise. Industry:
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
    let evidence = Evidence::Duplicate {
        earlier_payment_id: earlier.payment_id()?,
        elapsed,
        earlier_outcome: earlier.outcome(),
    };
    let is_press = elapsed <= settings.block_within_ms;
    if is_press && !earlier.pays_another_order_than(context.submission) {
        return Measure::of(100.0, Nature::Abuse, evidence);
    }
    let late = elapsed.share_of(window).min(1.0);
    let mut strength =
        settings.late_strength + (settings.end_strength - settings.late_strength) * late;
    if says_little(context, earlier, elapsed) {
        let equal = recent.iter().filter(|record| {
            record.pays_the_same_as(context.submission) && record.standing().is_duplicate_target()
        });
        let paid = &context.policy.signals.duplicate_recent;
        strength *= paid.meant_share(context, earlier, equal);
    }
    Measure::of(strength, Nature::Slip, evidence)
}

/// Whether it says little that for so long nothing was heard of `earlier`: nobody reported a time-out, and of
/// most of the account's payments it is heard later, or never.
fn says_little(context: &Context<'_>, earlier: RecordRef<'_>, elapsed: Span) -> bool {
    let lateness = context.account.profile().pace().lateness();
    earlier.outcome().is_none() && lateness.is_usually_over(elapsed)
}
