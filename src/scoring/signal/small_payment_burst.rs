//! `SMALL_PAYMENT_BURST`: a run of small payments within minutes, as scripts and stolen phones make them.
//!
//! Errands are no burst: paying each of several known payees once (bills, wages) is how people spend
//! an evening. What counts is small payments to the same payee again, or to payees never paid before.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::RecordRef;

/// How many of the newest payments are looked at: more than any run needs to be found.
const LOOK_BACK_MAX: usize = 32;

settings! {
    /// Settings of `SMALL_PAYMENT_BURST`.
    Settings as "small_payment_burst" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How far back the run may reach.
        window_ms: Span = Span::from_minutes(10), 1000 => 3600000, "ms";
        /// What is small: at most this share of the account's median amount.
        small_share: f64 = 0.75, 0 => 1, "share";
        /// From how many payments on a run is a burst.
        from: u32 = 5, 2 => 32, "payments";
        /// Strength of the shortest burst.
        start_strength: f64 = 70.0, 0 => 100, "strength";
        /// What each further payment adds, up to just below a block.
        step_strength: f64 = 1.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let usual = context.usual.filter(|_| context.knows_the_account())?;
    let is_small = |amount_minor| {
        #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^50")]
        let share = amount_minor as f64 / usual.median_minor.max(1) as f64;
        share <= settings.small_share
    };
    let payment = context.payment;
    if !is_small(payment.money.amount_minor()) {
        return None;
    }
    let run = context
        .account
        .window()
        .within(settings.window_ms, context.now)
        .take(LOOK_BACK_MAX)
        .filter(|record| {
            record.standing().counts_in_velocity()
                && record.money().currency() == payment.money.currency()
                && is_small(record.money().amount_minor())
        });
    if context.knows_the_payee
        && !run
            .clone()
            .any(|record| record.pays_the_payee_of(context.submission))
    {
        return None;
    }
    let is_errand = |record: RecordRef<'_>| {
        let times = run.clone().filter(|other| other.pays_whom(record));
        record.payee_was_known()
            && !record.pays_the_payee_of(context.submission)
            && times.take(2).count() == 1
    };
    let (mut count, mut sum_minor) = (1_u32, payment.money.amount_minor());
    for small in run.clone().filter(|record| !is_errand(*record)) {
        count = count.saturating_add(1);
        sum_minor = sum_minor.saturating_add(small.money().amount_minor());
    }
    let beyond = count.checked_sub(settings.from)?;
    let strength = settings.start_strength + f64::from(beyond) * settings.step_strength;
    let mut measure = Measure::of(
        strength.min(84.0),
        Nature::Abuse,
        Evidence::Velocity {
            window: settings.window_ms,
            count,
            sum_minor,
            limit: i64::from(settings.from.saturating_sub(1)),
            usual: 0.0,
        },
    )?;
    measure.retry_after = Some(settings.window_ms);
    Some(measure)
}
