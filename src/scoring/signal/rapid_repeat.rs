//! `RAPID_REPEAT`: more payments in a sliding window than people make, or far more than this account does.
//!
//! Each window (a minute, ten minutes, an hour, a day) has a limit above which the payer is asked, and one above which
//! it blocks. Payments that were blocked count towards the first, so whoever goes on is asked; they do not count
//! towards the second, so who waits as long as was told is not blocked for ever.
//!
//! An account that pays a lot every day is held to its own pace instead. It is asked only above a multiple of what it
//! once paid within a window, and blocked only above a multiple of what it paid on a day three days ago or earlier: no
//! script makes itself usual.
//!
//! A payer who was asked about it, by more than a yes, and said that so many are meant, is asked again when they are
//! twice as many.
//!
//! Payments beyond `memory.payments_max` are forgotten before a day is over, so no window counts more than that; but
//! the payments of a busy account's day are counted besides.

use super::{Context, Measure, Nature, Signal};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::{RecordRef, WindowIndex};

settings! {
    /// Settings of `RAPID_REPEAT`.
    Settings as "rapid_repeat" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Payments in one minute above which the payer is asked.
        minute_confirm_above: u32 = 12, 1 => 4096, "payments";
        /// Payments in one minute above which it blocks: only scripts are that fast.
        minute_block_above: u32 = 30, 1 => 4096, "payments";
        /// Payments in ten minutes above which the payer is asked.
        ten_minutes_confirm_above: u32 = 40, 1 => 4096, "payments";
        /// Payments in ten minutes above which it blocks.
        ten_minutes_block_above: u32 = 100, 1 => 4096, "payments";
        /// Payments in one hour above which the payer is asked.
        hour_confirm_above: u32 = 80, 1 => 4096, "payments";
        /// Payments in one hour above which it blocks.
        hour_block_above: u32 = 200, 1 => 4096, "payments";
        /// Payments in 24 hours above which the payer is asked.
        day_confirm_above: u32 = 200, 1 => 4096, "payments";
        /// Payments in 24 hours above which it blocks.
        day_block_above: u32 = 250, 1 => 4096, "payments";
        /// An account is asked only above this multiple of its own usual pace, if that is more than
        /// the limit: a shop that pays forty wages a week is not asked about it.
        usual_multiple: f64 = 1.5, 1 => 100, "times";
        /// Up to this multiple of the most in such a window that the payer was asked about in the last 24 hours, by a
        /// second factor or more, and said was meant, nobody is asked. Raising it asks less often who pays forty wages
        /// for the first time, and lets whoever passed for the payer once go on for longer.
        meant_multiple: f64 = 2.0, 1 => 100, "times";
        /// An account is blocked only above this multiple of its own usual pace, if that is more than
        /// the limit: of what it paid on a day three days ago or longer, so that no script makes itself
        /// usual. Raising it lets accounts that pay hundreds a day grow faster, and whoever takes one over
        /// pay more.
        usual_block_multiple: f64 = 2.0, 1 => 100, "times";
        /// From this multiple of its own usual pace the account is far beyond it, limits or not.
        far_beyond_multiple: f64 = 4.0, 1 => 100, "times";
        /// The least payments for that.
        far_beyond_from: u32 = 8, 2 => 4096, "payments";
        /// Strength of being far beyond the usual pace: on its own not enough to ask.
        far_beyond_strength: f64 = 45.0, 0 => 100, "strength";
        /// Strength of being above a limit at which the payer is asked.
        confirm_strength: f64 = 70.0, 0 => 100, "strength";
    }
}

impl Settings {
    /// Above how many payments in window `nth` the payer is asked.
    pub(super) const fn confirm_above(&self, nth: WindowIndex) -> u32 {
        let (confirm_above, _) = self.limits(nth);
        confirm_above
    }

    /// Above how many payments in window `nth` the payer is asked, and above how many it blocks.
    const fn limits(&self, nth: WindowIndex) -> (u32, u32) {
        match nth {
            WindowIndex::Minute => (self.minute_confirm_above, self.minute_block_above),
            WindowIndex::TenMinutes => {
                (self.ten_minutes_confirm_above, self.ten_minutes_block_above)
            }
            WindowIndex::Hour => (self.hour_confirm_above, self.hour_block_above),
            WindowIndex::Day => (self.day_confirm_above, self.day_block_above),
        }
    }

    /// Rules between its settings: the path of one, whether the rule holds, the rule.
    pub(in crate::scoring) fn rules(
        &self,
        payments_max: u32,
    ) -> Vec<(&'static str, bool, &'static str)> {
        WindowIndex::ALL
            .into_iter()
            .flat_map(|nth| {
                let (confirm, block) = self.limits(nth);
                let (confirm_path, block_path) = match nth {
                    WindowIndex::Minute => (
                        "rapid_repeat.minute_confirm_above",
                        "rapid_repeat.minute_block_above",
                    ),
                    WindowIndex::TenMinutes => (
                        "rapid_repeat.ten_minutes_confirm_above",
                        "rapid_repeat.ten_minutes_block_above",
                    ),
                    WindowIndex::Hour => (
                        "rapid_repeat.hour_confirm_above",
                        "rapid_repeat.hour_block_above",
                    ),
                    WindowIndex::Day => (
                        "rapid_repeat.day_confirm_above",
                        "rapid_repeat.day_block_above",
                    ),
                };
                [
                    (
                        confirm_path,
                        confirm <= block,
                        "must be at most the number above which it blocks",
                    ),
                    (
                        block_path,
                        block < payments_max,
                        "must be less than memory.payments_max: what is not remembered cannot be counted",
                    ),
                ]
            })
            .collect()
    }
}

/// A window with more payments in it than there should be.
#[derive(Debug, Clone, Copy)]
struct Excess {
    nth: WindowIndex,
    /// How many, the one that is asked about included.
    count: u32,
    limit: u32,
    strength: f64,
    /// How long to wait until the window has room for a payment again; `None` if no limit is passed.
    wait: Option<Span>,
}

impl Excess {
    /// Whether the other one is the one to report: the stronger, and of two as strong the one that lasts longer.
    fn is_less_than(&self, other: &Self) -> bool {
        (self.strength, self.wait) < (other.strength, other.wait)
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let mut strongest: Option<Excess> = None;
    for nth in WindowIndex::ALL {
        if let Some(found) = excess(settings, context, nth)
            && strongest.is_none_or(|best| best.is_less_than(&found))
        {
            strongest = Some(found);
        }
    }
    let Excess {
        nth,
        count,
        limit,
        strength,
        wait,
    } = strongest?;
    let money = context.payment.money;
    let totals = context.account.window().totals(nth);
    let sum_minor = totals.sum_minor(money.currency());
    let mut measure = Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Velocity {
            window: nth.span(),
            count,
            sum_minor: sum_minor.saturating_add(money.amount_minor()),
            limit: i64::from(limit),
            usual: context.account.profile().pace().usual_count(nth),
        },
    )?;
    measure.retry_after = wait;
    Some(measure)
}

/// Whether there are too many payments in one window.
fn excess(settings: &Settings, context: &Context<'_>, nth: WindowIndex) -> Option<Excess> {
    let before = context.account.window().totals(nth).count();
    let count = before.max(paid_today(context, nth)).saturating_add(1);
    above_block_limit(settings, context, nth, count)
        .or_else(|| above_confirm_limit(settings, context, nth, count))
        .or_else(|| far_beyond_usual(settings, context, nth, count))
}

fn above_block_limit(
    settings: &Settings,
    context: &Context<'_>,
    nth: WindowIndex,
    count: u32,
) -> Option<Excess> {
    let (_, block_above) = settings.limits(nth);
    if count <= block_above {
        return None;
    }
    // What is usual is looked up last, as few payments get this far.
    let proven = context.account.profile().pace().proven_count(nth);
    let limit = raised(block_above, proven * settings.usual_block_multiple);
    if count <= limit {
        return None;
    }
    let wait = wait_at_block_limit(context, nth, limit)?;
    Some(Excess {
        nth,
        count,
        limit,
        strength: 100.0,
        wait: Some(wait),
    })
}

fn above_confirm_limit(
    settings: &Settings,
    context: &Context<'_>,
    nth: WindowIndex,
    count: u32,
) -> Option<Excess> {
    let (confirm_above, _) = settings.limits(nth);
    if count <= confirm_above {
        return None;
    }
    let usual = context.account.profile().pace().usual_count(nth);
    let limit = raised(confirm_above, usual * settings.usual_multiple);
    if count <= limit {
        return None;
    }
    let meant = context.meant_count(Signal::RapidRepeat, nth.span());
    let limit = raised(limit, f64::from(meant) * settings.meant_multiple);
    if count <= limit {
        return None;
    }
    // This payment counts as an attempt too by then.
    let others = limit.saturating_sub(1);
    let wait = wait(context, nth, others, |record| record.counts_in_velocity());
    Some(Excess {
        nth,
        count,
        limit,
        strength: settings.confirm_strength,
        wait: Some(wait.unwrap_or_else(|| nth.span())),
    })
}

/// Far more payments than the account usually makes, within ten minutes or less: a burst of the morning is no reason
/// to wonder in the evening.
fn far_beyond_usual(
    settings: &Settings,
    context: &Context<'_>,
    nth: WindowIndex,
    count: u32,
) -> Option<Excess> {
    let is_burst = nth <= WindowIndex::TenMinutes && count >= settings.far_beyond_from;
    if !is_burst || !context.knows_the_account() {
        return None;
    }
    let usual = context.account.profile().pace().usual_count(nth);
    let far_beyond = usual * settings.far_beyond_multiple;
    (far_beyond > 0.0 && f64::from(count) >= far_beyond).then(|| Excess {
        nth,
        count,
        limit: settings.confirm_above(nth),
        strength: settings.far_beyond_strength,
        wait: None,
    })
}

/// The limit `above`, or what is allowed by the account's pace, if that is more.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of payments, held at what fits"
)]
fn raised(above: u32, allowed_by_pace: f64) -> u32 {
    above.max(allowed_by_pace as u32)
}

/// How many payments a busy account has paid today, whether they are still remembered or not. 0 for windows shorter
/// than a day, where this is not known.
fn paid_today(context: &Context<'_>, nth: WindowIndex) -> u32 {
    let today = || context.account.profile().pace().paid_today(context.now);
    match nth {
        WindowIndex::Day => today().map_or(0, |(paid, _)| paid),
        WindowIndex::Minute | WindowIndex::TenMinutes | WindowIndex::Hour => 0,
    }
}

/// How long to wait until another payment is not above the limit that blocks; `None` if it is not above it now.
/// Blocked payments do not count. Where not enough payments are remembered, today's count tells, until the day is
/// over.
fn wait_at_block_limit(context: &Context<'_>, nth: WindowIndex, limit: u32) -> Option<Span> {
    let remembered = wait(context, nth, limit, |record| {
        record.standing().keeps_others_out()
    });
    let today = || {
        let (_, until) = context.account.profile().pace().paid_today(context.now)?;
        (paid_today(context, nth) >= limit).then(|| until.since(context.now))
    };
    remembered.or_else(today)
}

/// How long it takes until the window holds fewer than `limit` of the payments that count; `None` if it does already.
fn wait(
    context: &Context<'_>,
    nth: WindowIndex,
    limit: u32,
    counts: impl Fn(RecordRef<'_>) -> bool,
) -> Option<Span> {
    let window = context.account.window().within(nth.span(), context.now);
    // Once this one has left the window, those after it are fewer.
    let last_to_leave = window.nth_newest(limit, counts)?;
    Some(last_to_leave.plus(nth.span()).since(context.now))
}
