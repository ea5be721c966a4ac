//! `RAPID_REPEAT`: more payments in a sliding window than people make, or far more than this account does.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::window::WindowIndex;

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

    pub(super) fn rules(&self, payments_max: u32) -> Vec<(&'static str, bool, &'static str)> {
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

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let mut strongest: Option<Measure> = None;
    for nth in WindowIndex::ALL {
        let found = measure_window(settings, context, nth);
        if found.as_ref().map(|found| found.strength) > strongest.as_ref().map(|best| best.strength)
        {
            strongest = found;
        }
    }
    strongest
}

fn measure_window(settings: &Settings, context: &Context<'_>, nth: WindowIndex) -> Option<Measure> {
    let window = context.account.window();
    let totals = window.totals(nth);
    let count = totals.count().saturating_add(1);
    let usual = context.account.profile().pace().usual_count(nth);
    let (confirm_above, block_above) = settings.limits(nth);
    // Only while it lasts: a burst of the morning is no reason to wonder in the evening.
    let far_beyond = nth <= WindowIndex::TenMinutes
        && context.knows_the_account()
        && usual > 0.0
        && count >= settings.far_beyond_from
        && f64::from(count) >= usual * settings.far_beyond_multiple;

    let (strength, limit) = if count > block_above {
        (100.0, block_above)
    } else if count > confirm_above && f64::from(count) > usual * settings.usual_multiple {
        (settings.confirm_strength, confirm_above)
    } else if far_beyond {
        (settings.far_beyond_strength, confirm_above)
    } else {
        return None;
    };
    let money = context.payment.money;
    let mut measure = Measure::of(
        strength,
        Nature::Abuse,
        Evidence::Velocity {
            window: nth.span(),
            count,
            sum_minor: totals
                .sum_minor(money.currency())
                .saturating_add(money.amount_minor()),
            limit: i64::from(limit),
            usual,
        },
    )?;
    measure.retry_after = window
        .oldest_in(nth)
        .map(|oldest| oldest.plus(nth.span()).since(context.now));
    Some(measure)
}
