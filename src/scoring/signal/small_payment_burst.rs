//! `SMALL_PAYMENT_BURST`: a run of small payments within minutes, as scripts and stolen phones make them.
//!
//! A run is made of the small payments of the last minutes, small against the level of the account. Beside them count,
//! whatever their sum, payments that are equal to this one; and irrevocable payments (they cannot be called back) to
//! new payees, as who empties an account does so in sums that are usual for it.
//!
//! Errands do not count: paying each of several known payees once (bills, wages) is how people spend an evening. What
//! counts is small payments to new payees, or to the same payee again. Where those to new payees are more than the
//! errands, purchases in quick succession count wherever they are made: a script tries the shops that everybody knows
//! too.
//!
//! A payer who was asked about a run, by more than a yes, and said that it was meant, as who showers a singer with
//! small gifts, is not asked about each further payment: only when the run is twice as long.
//!
//! It is quiet where the account makes so many payments in such a time every day, as tills and canteens do, or as
//! many at once, as wage offices do; unless new payees are paid, and the account does not usually pay new payees. A
//! large payment soon after a burst is noted too, as who tried a card with small sums goes on to large ones.

use super::{Context, Measure, Nature, Signal};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::profile::LogAmount;
use crate::scoring::time::Span;
use crate::scoring::window::WindowIndex;

mod run;

use run::{Role, Run};

/// The most that a burst reaches: just below what blocks by default.
const STRENGTH_MAX: f64 = 84.0;

settings! {
    /// Settings of `SMALL_PAYMENT_BURST`.
    Settings as "small_payment_burst" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How far back the run may reach.
        window_ms: Span = Span::from_minutes(10), 1000 => 3600000, "ms";
        /// What is small: at most this share of the account's level. With 0 nothing is, and there are no
        /// bursts.
        small_share: f64 = 0.75, 0 => 1, "share";
        /// From how many payments on a run is a burst.
        from: u32 = 5, 2 => 32, "payments";
        /// Up to how many payments a run says nothing. What lies between is noted, growing towards a
        /// burst.
        nothing_up_to: u32 = 2, 1 => 31, "payments";
        /// As long as at most this share of the account's payments goes to new payees, those that cannot be
        /// called back count whatever their sum. Above it, strangers are whom this account pays.
        strangers_novelty: f64 = 0.5, 0 => 1, "share";
        /// Up to this multiple of what an account pays in such a time every day, or at once if that is
        /// more than `rapid_repeat` asks about, a run says nothing.
        usual_multiple: f64 = 1.5, 1 => 100, "times";
        /// Up to this multiple of the longest run of the last 24 hours that the payer was asked about, by a second
        /// factor or more, and said was meant, a run says nothing. Raising it asks less often who sends gift after
        /// gift, and lets whoever passed for the payer once go on for longer.
        meant_multiple: f64 = 2.0, 1 => 100, "times";
        /// How long after the payment before it a purchase from a stranger counts half: people go from stall
        /// to stall, and scripts do not wait. Sooner than that, among more strangers than errands, a purchase from a
        /// known payee is no errand.
        stroll_ms: Span = Span::from_minutes(1), 0 => 3600000, "ms";
        /// Within what time of a burst a payment that is not small is noted too: who tries a card with
        /// small sums goes on to large ones.
        follow_ms: Span = Span::from_hours(1), 0 => 86400000, "ms";
        /// Strength of that: on its own not enough to ask.
        follow_strength: f64 = 50.0, 0 => 100, "strength";
        /// Strength of the shortest burst.
        start_strength: f64 = 70.0, 0 => 100, "strength";
        /// What each further payment adds, up to just below a block.
        step_strength: f64 = 1.0, 0 => 100, "strength";
        /// Full strength of a run that is not small: just enough to ask, as gift cards for a class and the first
        /// wages of a new employer look the same. It takes another sign of abuse to block.
        large_strength: f64 = 61.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let span_max = settings.window_ms.max(settings.follow_ms);
    if settings.small_share <= 0.0 || !context.was_active_within(span_max) {
        // No payments are small, or there are none that this one could follow.
        return None;
    }
    let level = if context.knows_the_account() {
        context.level_doublings()
    } else {
        None
    };
    // Where the level is not known, nothing is small.
    let small_minor_max = level.map_or(0, |level| {
        LogAmount::minor_max(level + LogAmount::doublings_of(settings.small_share))
    });
    let is_small = context.payment.money.amount_minor() <= small_minor_max;
    let as_member = burst(settings, context, Role::Member, small_minor_max);
    let as_follower = if level.is_some() && !is_small {
        burst(settings, context, Role::Follower, small_minor_max)
    } else {
        None
    };
    match (as_member, as_follower) {
        (Some(member), Some(follower)) if follower.strength > member.strength => Some(follower),
        (member, follower) => member.or(follower),
    }
}

/// The burst that the payment belongs to in this role, if there is one. What is quick to look up comes first, as most
/// payments belong to none.
fn burst(
    settings: &Settings,
    context: &Context<'_>,
    role: Role,
    small_minor_max: i64,
) -> Option<Measure> {
    let span = match role {
        Role::Follower => settings.follow_ms,
        Role::Member => settings.window_ms,
    };
    let attempts_max = context.attempts_max(span).saturating_add(role.count());
    if strength(settings, attempts_max, role) <= 0.0
        || is_everyday(settings, context, attempts_max, span)
    {
        return None;
    }
    let run = Run::before(settings, context, role, span, small_minor_max);
    if strength(settings, run.count_max(), role) <= 0.0 {
        return None;
    }
    let counted = run.counted(settings.stroll_ms)?;
    let count_newest = counted.count_ones().saturating_add(role.count());
    let halves = run.strolls(settings.stroll_ms, counted);
    let mut strength = strength(settings, count_newest.saturating_sub(halves / 2), role);
    if run.has_large(counted) {
        strength = strength.min(settings.large_strength);
    }
    let (count, sum_minor) = run.count_and_sum_minor(counted);
    let mut measure = Measure::of(
        strength.min(STRENGTH_MAX),
        Nature::Abuse,
        Evidence::Velocity {
            window: span,
            count,
            sum_minor,
            limit: i64::from(settings.from.saturating_sub(1)),
            usual: 0.0,
        },
    )?;
    measure.retry_after = Some(span);
    // Looked up last: it goes over the day's payments.
    let meant = context.meant_count(Signal::SmallPaymentBurst, span);
    (f64::from(count) > f64::from(meant) * settings.meant_multiple).then_some(measure)
}

/// Whether so many payments in such a time are nothing special for the account: it makes as many every day, or made as
/// many at once on a busy day, more than people do. Not so where a new payee is paid by an account that seldom pays
/// one.
fn is_everyday(settings: &Settings, context: &Context<'_>, attempts: u32, span: Span) -> bool {
    let profile = context.account.profile();
    let pays_strangers = || profile.novelty() > settings.strangers_novelty;
    let nth = WindowIndex::over(span);
    let people_pay_max = context.policy.signals.rapid_repeat.confirm_above(nth);
    let is_up_to = |usual: f64| f64::from(attempts) <= usual * settings.usual_multiple;
    let at_once = profile.pace().proven_count(nth);
    let is_usual = is_up_to(profile.pace().everyday_count(nth).into())
        || at_once > f64::from(people_pay_max) && is_up_to(at_once);
    is_usual && (context.knows_the_payee || pays_strangers())
}

/// The strength of a run of so many payments, 0–100, before any limit on it.
fn strength(settings: &Settings, count: u32, role: Role) -> f64 {
    match (count.checked_sub(settings.from), role) {
        (Some(_), Role::Follower) => settings.follow_strength,
        (Some(beyond), Role::Member) => {
            settings.start_strength + f64::from(beyond) * settings.step_strength
        }
        (None, Role::Follower) => 0.0,
        (None, Role::Member) => {
            let noted = f64::from(count.saturating_sub(settings.nothing_up_to));
            let burst = settings.from.saturating_sub(settings.nothing_up_to).max(1);
            settings.start_strength * noted / f64::from(burst)
        }
    }
}
