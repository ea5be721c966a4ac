//! `DUPLICATE_IN_FLIGHT`: the same payee and amount again while no outcome of the first payment is known.
//!
//! Within seconds (`block_within_ms`) it is a double press, and blocks. Under two order numbers it may as well be two
//! tickets bought at a gate, and asks. Where such repeats are a habit that the payer has said yes to, as to renewals of
//! two lines at the same second, that counts as in `DUPLICATE_RECENT`.
//!
//! Later it is somebody who got no answer and tries again. Checks against *completed* payments miss this case:
//! time-outs of gateways and card networks are 30–60 s, and the repeat comes just after. It asks, less and less over
//! the window.
//!
//! Where a time-out was reported and nothing since, that holds for as long as payments are remembered: hours later the
//! payer still does not know. Not so where the account pays this sum there so often that it is due again, nor where
//! half of its payments end so.
//!
//! Where the account's outcomes are reported late anyhow, or never, it says little that nothing was heard. Then all
//! that shows that a repeat is meant counts as in `DUPLICATE_RECENT`.

use super::{Context, Measure, Nature, fading};
use crate::scoring::outcome::Outcome;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::{RETENTION, RecordRef};

settings! {
    /// Settings of `DUPLICATE_IN_FLIGHT`.
    Settings as "duplicate_in_flight" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Within this time a repeat is a double press, which blocks; under another order number it asks.
        /// Raising it blocks what was asked about before.
        block_within_ms: Span = Span::from_secs(10), 0 => 120000, "ms";
        /// How far back an open payment is looked for, unless the payment says otherwise; one of which nothing
        /// is reported counts as paid after `memory.settle_after_ms`, and is `duplicate_recent`'s then; one that was
        /// reported as `UNKNOWN` is looked for over `unknown_window_ms`. Industry: 30 s (Braintree) to 1 h (Clover),
        /// most 2 to 30 min.
        window_ms: Span = Span::from_minutes(30), 1000 => 86400000, "ms";
        /// How far back one is looked for of which `UNKNOWN` was reported and nothing since, where that is further
        /// than `window_ms` and the payment does not say otherwise. Lowering it lets payers try again unasked while
        /// nobody knows what became of the first.
        unknown_window_ms: Span = RETENTION, 1000 => 86400000, "ms";
        /// Strength just after `block_within_ms`.
        late_strength: f64 = 84.0, 0 => 100, "strength";
        /// Strength at the far end of the window.
        end_strength: f64 = 65.0, 0 => 100, "strength";
    }
}

/// From how many payments to a payee that are to be expected in a time on another one is no surprise.
const DUE_FROM: f64 = 0.125;

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let asked = context.payment.duplicate_window;
    let window = asked.unwrap_or(settings.window_ms);
    let earlier = match open_within(context, window) {
        Some(earlier) => earlier,
        None if asked.is_none() => timed_out_within(context, settings.unknown_window_ms)?,
        None => return None,
    };
    let window = match earlier.outcome() {
        Some(_) if asked.is_none() => window.max(settings.unknown_window_ms),
        Some(_) | None => window,
    };
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
    let is_pair = is_press && earlier.outcome().is_none();
    if is_pair || is_silence_usual(context, earlier, elapsed) {
        let recent = context.account.window().within(window, context.now);
        let equal = recent.iter().filter(|record| {
            record.pays_the_same_as(context.submission) && record.standing().is_duplicate_target()
        });
        let paid = &context.policy.signals.duplicate_recent;
        strength *= paid.meant_share(context, earlier, equal);
    }
    Measure::of(strength, Nature::Slip, evidence)
}

/// The newest payment of the last `window` that this one repeats and that is still open.
fn open_within<'a>(context: &Context<'a>, window: Span) -> Option<RecordRef<'a>> {
    if !context.was_active_within(window) {
        return None;
    }
    let recent = context.account.window().within(window, context.now);
    recent
        .iter()
        .find(|record| record.pays_the_same_as(context.submission) && context.is_in_flight(*record))
}

/// The newest payment of the last `window` that this one repeats, if a time-out of it was reported and nothing since,
/// and that is reason to ask.
fn timed_out_within<'a>(context: &Context<'a>, window: Span) -> Option<RecordRef<'a>> {
    let account = context.account;
    if !account.window().holds_unknown() || account.profile().pace().lateness().is_mostly_endless()
    {
        return None;
    }
    let recent = account.window().within(window, context.now);
    // One that was paid since has answered what became of the first, as far as the payer is concerned.
    let newest = recent.iter().find(|record| {
        record.pays_the_same_as(context.submission) && record.standing().is_duplicate_target()
    });
    newest.filter(|record| {
        record.outcome() == Some(Outcome::Unknown)
            && !is_due(context, context.now.since(record.score_time()))
    })
}

/// Whether this payment is due, so long after another one: the account pays this sum to this payee often enough for
/// that, as for a coffee in the morning and one in the afternoon.
fn is_due(context: &Context<'_>, elapsed: Span) -> bool {
    let Some(known) = context.comparable_payee() else {
        return false;
    };
    let amount_minor = context.payment.money.amount_minor();
    // The one that timed out was learnt as one of them.
    let mut of_this_sum = known.amounts_minor().filter(|sum| *sum == amount_minor);
    let first = context.account.profile().first_learnt();
    let is_often = |first| {
        elapsed.share_of(context.now.since(first)) * f64::from(known.times_paid) >= DUE_FROM
    };
    of_this_sum.nth(2).is_some() && first.is_some_and(is_often)
}

/// Whether it says little that nothing was heard of `earlier` for so long: no time-out was reported, and half of the
/// account's outcomes are reported later than that, or never.
fn is_silence_usual(context: &Context<'_>, earlier: RecordRef<'_>, elapsed: Span) -> bool {
    let lateness = context.account.profile().pace().lateness();
    earlier.outcome().is_none() && lateness.is_usually_longer_than(elapsed)
}
