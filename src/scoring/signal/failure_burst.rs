//! `FAILURE_BURST`: many declined payments within an hour, as guessing of card numbers or passwords makes them.
//!
//! Some ask, more block. If all that were declined were payments to the payee of this one, of this sum or more, the
//! payer may have met a limit and raised it: this is doubt, which asks, and does not add up to a block with an
//! unusual amount. Who tries out payees or growing sums met no limit.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::time::Span;
use crate::scoring::window::{RecordRef, WindowIndex};

/// How far back declined payments count.
const HOUR: Span = WindowIndex::Hour.span();

settings! {
    /// Settings of `FAILURE_BURST`.
    Settings as "failure_burst" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Declined payments in one hour from which the payer is asked. A busy account remembers no more of
        /// them than a quarter of `memory.payments_max`. Industry: hyperswitch 5 an hour per customer.
        confirm_from: u32 = 5, 1 => 4096, "payments";
        /// Declined payments in one hour from which it blocks. Industry: Mastercard allows 10 retries
        /// in 24 hours.
        block_from: u32 = 10, 1 => 4096, "payments";
        /// Strength at which the payer is asked.
        confirm_strength: f64 = 70.0, 0 => 100, "strength";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let window = context.account.window();
    let hour = || window.within(HOUR, context.now);
    let declined = window.totals(WindowIndex::Hour).declined();
    let (strength, limit, nature) = if declined >= settings.block_from {
        (100.0, settings.block_from, Nature::Abuse)
    } else if declined >= settings.confirm_from {
        let mut payments = hour().iter();
        let nature = if payments.all(|record| may_be_at_a_limit(context, record)) {
            Nature::Doubt
        } else {
            Nature::Abuse
        };
        (settings.confirm_strength, settings.confirm_from, nature)
    } else {
        return None;
    };
    let mut measure = Measure::of(
        strength,
        nature,
        Evidence::Velocity {
            window: HOUR,
            count: declined,
            sum_minor: 0,
            limit: i64::from(limit),
            usual: 0.0,
        },
    )?;
    // Once this one is an hour old, there are fewer than it takes.
    let last = hour().nth_newest(limit, |record| record.standing().counts_as_failure());
    measure.retry_after = last.map(|last| last.plus(HOUR).since(context.now));
    Some(measure)
}

/// Whether `record` was not declined, or may have been by a limit that this payment meets too: it was as much or more,
/// to the same payee.
fn may_be_at_a_limit(context: &Context<'_>, record: RecordRef<'_>) -> bool {
    let (tried, money) = (record.money(), context.payment.money);
    !record.standing().counts_as_failure()
        || tried.currency() == money.currency()
            && tried.amount_minor() >= money.amount_minor()
            && record.pays_the_payee_of(context.submission)
}
