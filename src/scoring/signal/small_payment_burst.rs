//! `SMALL_PAYMENT_BURST`: a run of small payments within minutes, as scripts and stolen phones make them.
//!
//! Errands are no burst: paying each of several known payees once (bills, wages) is how people spend
//! an evening. What counts is small payments to the same payee again, or to payees never paid before.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::profile::LogAmount;
use crate::scoring::time::Span;
use crate::scoring::window::RecordRef;

/// How many of the newest payments are looked at: more than any run needs to be found.
const LOOK_BACK_MAX: usize = u32::BITS as usize;

settings! {
    /// Settings of `SMALL_PAYMENT_BURST`.
    Settings as "small_payment_burst" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How far back the run may reach.
        window_ms: Span = Span::from_minutes(10), 1000 => 3600000, "ms";
        /// What is small: at most this share of the account's level.
        small_share: f64 = 0.75, 0 => 1, "share";
        /// From how many payments on a run is a burst.
        from: u32 = 5, 2 => 32, "payments";
        /// Up to how many payments a run says nothing. What lies between is noted, growing towards a
        /// burst.
        nothing_up_to: u32 = 2, 1 => 31, "payments";
        /// Within what time of a burst a payment that is not small is noted too: who tries a card with
        /// small sums goes on to large ones.
        follow_ms: Span = Span::from_hours(1), 0 => 86400000, "ms";
        /// Strength of that: on its own not enough to ask.
        follow_strength: f64 = 50.0, 0 => 100, "strength";
        /// Strength of the shortest burst.
        start_strength: f64 = 70.0, 0 => 100, "strength";
        /// What each further payment adds, up to just below a block.
        step_strength: f64 = 1.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let level = context
        .level_doublings()
        .filter(|_| context.knows_the_account())?;
    let is_small = |amount_minor| {
        let above = LogAmount::of(amount_minor).doublings() - level;
        LogAmount::ratio(above) <= settings.small_share
    };
    let payment = context.payment;
    let follows = !is_small(payment.money.amount_minor());
    let window = if follows {
        settings.follow_ms
    } else {
        settings.window_ms
    };
    // A payment that is not small is none of the run.
    let own = u32::from(!follows);
    let count_max = context.attempts_max(window).saturating_add(own);
    if strength(settings, count_max, follows) <= 0.0 {
        return None;
    }
    let recent = context
        .account
        .window()
        .within(window, context.now)
        .take(LOOK_BACK_MAX)
        .enumerate();
    let is_of_run = |record: RecordRef<'_>| {
        record.standing().counts_in_velocity()
            && record.money().currency() == payment.money.currency()
            && is_small(record.money().amount_minor())
    };
    // A bit for each, as what follows looks at them again and again.
    let mut of_run = 0_u32;
    for (nth, record) in recent.clone() {
        of_run |= u32::from(is_of_run(record)) << nth;
    }
    if strength(settings, own.saturating_add(of_run.count_ones()), follows) <= 0.0 {
        // Those that are errands do not count either.
        return None;
    }
    let run = recent.filter(|(nth, _)| of_run >> nth & 1 != 0);
    let repeats = |record: RecordRef<'_>| !follows && record.pays_the_payee_of(context.submission);
    if !follows && context.knows_the_payee && !run.clone().any(|(_, record)| repeats(record)) {
        return None;
    }
    let is_errand = |nth: usize, record: RecordRef<'_>| {
        let mut others = run.clone().filter(|(other, _)| *other != nth);
        record.payee_was_known()
            && !repeats(record)
            && !others.any(|(_, other)| other.pays_whom(record))
    };
    let mut count = own;
    let mut sum_minor = if follows {
        0
    } else {
        payment.money.amount_minor()
    };
    for (nth, small) in run.clone() {
        if is_errand(nth, small) {
            continue;
        }
        count = count.saturating_add(1);
        sum_minor = sum_minor.saturating_add(small.money().amount_minor());
    }
    let strength = strength(settings, count, follows);
    let mut measure = Measure::of(
        strength.min(84.0),
        Nature::Abuse,
        Evidence::Velocity {
            window,
            count,
            sum_minor,
            limit: i64::from(settings.from.saturating_sub(1)),
            usual: 0.0,
        },
    )?;
    measure.retry_after = Some(window);
    Some(measure)
}

fn strength(settings: &Settings, count: u32, follows: bool) -> f64 {
    match count.checked_sub(settings.from) {
        Some(_) if follows => settings.follow_strength,
        Some(beyond) => settings.start_strength + f64::from(beyond) * settings.step_strength,
        None if follows => 0.0,
        None => {
            let noted = f64::from(count.saturating_sub(settings.nothing_up_to));
            let burst = settings.from.saturating_sub(settings.nothing_up_to).max(1);
            settings.start_strength * noted / f64::from(burst)
        }
    }
}
