//! `RAPID_REPEAT`: more payments in a sliding window than people make, or far more than this account does.
//!
//! Payments that were blocked count as attempts, so whoever goes on is asked. But they keep nobody out: who waits
//! as long as was told gets in again.
//!
//! An account that pays a lot every day is held to its own pace. It is not asked within a multiple of what it
//! once paid, and within one of what it paid three days ago or longer it is not blocked. Payments beyond
//! `memory.payments_max` are forgotten before a window is over, so shorter windows count no more than that;
//! over 24 hours those of a busy account are counted whether they are remembered or not.

use super::{Context, Measure, Nature};
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
    /// Above how many payments in window `nth` people are asked.
    pub(super) const fn confirm_above(&self, nth: WindowIndex) -> u32 {
        self.limits(nth).0
    }

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

/// A window with more payments in it than should be.
#[derive(Debug, Clone, Copy)]
struct Excess {
    nth: WindowIndex,
    count: u32,
    limit: u32,
    strength: f64,
    /// How long it takes until the limit is no longer passed; `None` where none is.
    wait: Option<Span>,
}

impl Excess {
    /// Whether the other speaks for both: the stronger, and of two alike the one that lasts longer.
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

/// What is too much in one window. What is usual for the account is asked for last: few get that far.
fn excess(settings: &Settings, context: &Context<'_>, nth: WindowIndex) -> Option<Excess> {
    let pace = context.account.profile().pace();
    let before = context.account.window().totals(nth).count();
    let count = before.max(paid_today(context, nth)).saturating_add(1);
    let (confirm_above, block_above) = settings.limits(nth);
    // Only while it lasts: a burst of the morning is no reason to wonder in the evening.
    let is_burst = nth <= WindowIndex::TenMinutes && count >= settings.far_beyond_from;

    let times_usual = |multiple: f64| pace.usual_count(nth) * multiple;
    let confirm_limit = || limit(confirm_above, times_usual(settings.usual_multiple));
    let block_limit = || {
        let usual = pace.proven_count(nth) * settings.usual_block_multiple;
        limit(block_above, usual)
    };
    let (strength, limit, wait) = if count > block_above
        && let limit = block_limit()
        && count > limit
        && let Some(wait) = wait_until_paid(context, nth, limit)
    {
        (100.0, limit, Some(wait))
    } else if count > confirm_above
        && let limit = confirm_limit()
        && count > limit
    {
        // This payment counts as an attempt too by then.
        let others = limit.saturating_sub(1);
        let wait = wait(context, nth, others, |record| record.counts_in_velocity());
        let wait = wait.unwrap_or_else(|| nth.span());
        (settings.confirm_strength, limit, Some(wait))
    } else if is_burst && is_far_beyond(context, count, times_usual(settings.far_beyond_multiple)) {
        (settings.far_beyond_strength, confirm_above, None)
    } else {
        return None;
    };
    Some(Excess {
        nth,
        count,
        limit,
        strength,
        wait,
    })
}

/// The limit for an account for which so many are usual: what is more of both.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of payments, held at what fits"
)]
fn limit(above: u32, usual: f64) -> u32 {
    above.max(usual as u32)
}

/// How many a busy account has paid within the window, be they remembered or not, as far as that is counted.
fn paid_today(context: &Context<'_>, nth: WindowIndex) -> u32 {
    let today = || context.account.profile().pace().paid_today(context.now);
    match nth {
        WindowIndex::Day => today().map_or(0, |(paid, _)| paid),
        WindowIndex::Minute | WindowIndex::TenMinutes | WindowIndex::Hour => 0,
    }
}

/// How long it takes until the limit that blocks is no longer passed; `None` where it is not.
fn wait_until_paid(context: &Context<'_>, nth: WindowIndex, limit: u32) -> Option<Span> {
    let remembered = wait(context, nth, limit, |record| {
        record.standing().keeps_others_out()
    });
    let over = || {
        let (_, until) = context.account.profile().pace().paid_today(context.now)?;
        (paid_today(context, nth) >= limit).then(|| until.since(context.now))
    };
    remembered.or_else(over)
}

/// How long it takes until fewer than so many are left in a window of those that count; `None` where there are
/// fewer already.
fn wait(
    context: &Context<'_>,
    nth: WindowIndex,
    left: u32,
    counts: impl Fn(RecordRef<'_>) -> bool,
) -> Option<Span> {
    let window = context.account.window().within(nth.span(), context.now);
    let last = window.nth_newest(left, counts)?;
    Some(last.plus(nth.span()).since(context.now))
}

/// Whether that many are far beyond the usual, which `far_beyond` is a multiple of.
fn is_far_beyond(context: &Context<'_>, count: u32, far_beyond: f64) -> bool {
    context.knows_the_account() && far_beyond > 0.0 && f64::from(count) >= far_beyond
}
