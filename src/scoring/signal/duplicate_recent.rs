//! `DUPLICATE_RECENT`: the same payee and amount again soon after the first payment was paid.
//!
//! The payer may mean it, so it asks and never blocks. The strength falls over the window, and is multiplied by a
//! share below 1 for each sign that the repeat is meant:
//!
//! - another order number in the same sitting (a second ticket), but not where the payer did not hear for a while what
//!   became of the first payment: who starts anew then has a new order number too;
//! - a series under way (a bill split in equal parts);
//! - a habit: the account repeats this payment on many days;
//! - having said of earlier repeats at this payee that they were meant, above all if this sum was paid there twice.
//!
//! Within seconds of the first payment it is taken for a double press, and none of these counts; but what the payer
//! said does where repeats are a habit, unless one of the two names an order and the other does not.

use super::{Context, Measure, Nature, fading};
use crate::scoring::policy::settings;
use crate::scoring::profile::KnownPayee;
use crate::scoring::submission::Submission;
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::RecordRef;

settings! {
    /// Settings of `DUPLICATE_RECENT`.
    Settings as "duplicate_recent" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// How far back a paid payment is looked for, unless the payment says otherwise. Industry:
        /// 30 s (Braintree), 120 s (Authorize.net), 300 s (Helcim), 900 s (CyberSource), about 1,800 s
        /// (Slim CD), 3,600 s (Clover).
        window_ms: Span = Span::from_minutes(30), 1000 => 86400000, "ms";
        /// Strength right after the first payment.
        start_strength: f64 = 84.0, 0 => 100, "strength";
        /// Strength at the far end of the window.
        end_strength: f64 = 63.0, 0 => 100, "strength";
        /// How long one sitting lasts: within it, another order number is another purchase. After it,
        /// an app that submits again under a new number is as likely.
        sitting_ms: Span = Span::from_minutes(5), 0 => 86400000, "ms";
        /// What is left of the strength where another order number comes within one sitting.
        other_order_share: f64 = 0.6, 0 => 1, "share";
        /// What is left of it where another order number comes later.
        other_order_late_share: f64 = 0.97, 0 => 1, "share";
        /// What is left of the strength from the third equal payment of one sitting on: a series is meant, a
        /// bill in equal parts.
        series_share: f64 = 0.6, 0 => 1, "share";
        /// Up to how many payments a series is meant. What goes on is none: an app that submits again and
        /// again, or a burst.
        series_up_to: u32 = 4, 2 => 32, "payments";
        /// What is left of the strength for each time the payer said of this payee that a repeat was
        /// meant; for a sum that was not paid there twice, for every third time.
        confirmed_share: f64 = 0.6, 0 => 1, "share";
        /// What is left of the strength where the account repeated payments to this payee on three days and
        /// this is what it mostly pays there: two taps at the same gate.
        habit_share: f64 = 0.6, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    let payment = context.payment;
    let window = payment.duplicate_window.unwrap_or(settings.window_ms);
    if !context.was_active_within(window) {
        return None;
    }
    let mut paid = context
        .account
        .window()
        .within(window, context.now)
        .iter()
        .filter(|record| {
            record.pays_the_same_as(context.submission)
                && record.standing().is_duplicate_target()
                && !context.is_in_flight(*record)
        });
    let earlier = paid.next()?;

    let strength = fading(
        context.now.since(earlier.score_time()),
        window,
        settings.start_strength,
        settings.end_strength,
    );
    let meant_share = settings.meant_share(context, earlier, [earlier].into_iter().chain(paid));
    let evidence = context.duplicate_of(earlier)?;
    Measure::of(strength * meant_share, Nature::Slip, evidence)
}

impl Settings {
    /// The share of the strength that is left by all signs that the payer means to repeat `earlier`. `equal` are the
    /// payments of the same sum to the same payee that were paid, or may have been, newest first.
    pub(super) fn meant_share<'a>(
        &self,
        context: &Context<'_>,
        earlier: RecordRef<'_>,
        equal: impl Iterator<Item = RecordRef<'a>>,
    ) -> f64 {
        let elapsed = context.now.since(earlier.score_time());
        let is_press = elapsed <= context.policy.signals.duplicate_in_flight.block_within_ms;
        let mut share = 1.0;
        if !is_press {
            share *= self.other_order_share(earlier, context.submission, elapsed);
            if is_series(self, context.now, equal) {
                share *= self.series_share;
            }
            if is_habit(context) {
                share *= self.habit_share;
            }
        }
        let is_press_alone = is_press && !is_pair_by_habit(context, earlier);
        share * self.said_share(times_meant(context, is_press_alone))
    }

    /// The share of the strength that is left where the payer said so often that a repeat was meant.
    pub(super) fn said_share(&self, times: u8) -> f64 {
        (0..times.min(8)).fold(1.0, |share, _| share * self.confirmed_share)
    }

    /// The share of the strength that is left if the payment is for another order than `earlier`, so long after it.
    /// All is left where the outcome of `earlier` was unknown for a while: whoever starts anew then has another order
    /// number too, and does not mean another purchase.
    fn other_order_share(
        &self,
        earlier: RecordRef<'_>,
        submission: &Submission<'_>,
        elapsed: Span,
    ) -> f64 {
        if !earlier.pays_another_order_than(submission) || earlier.was_paid_after_doubt() {
            1.0
        } else if elapsed <= self.sitting_ms {
            self.other_order_share
        } else {
            self.other_order_late_share
        }
    }
}

/// Whether this is the third or a later payment of a series made in one sitting, each soon after the one before it, up
/// to the number of payments that a series may have. `paid` are the equal payments before it, newest first.
fn is_series<'a>(
    settings: &Settings,
    now: Timestamp,
    paid: impl Iterator<Item = RecordRef<'a>>,
) -> bool {
    let mut next = now;
    let sitting = paid.take_while(|record| {
        let gap = next.since(record.score_time());
        next = record.score_time();
        gap <= settings.sitting_ms && !record.was_paid_after_doubt()
    });
    let longest = settings.series_up_to as usize;
    let before = sitting.take(longest).count();
    before >= 2 && before < longest
}

/// How many repeats that were meant, of other sums at the same payee, count as one of this sum.
const CONFIRMED_PER_OTHER_SUM: u8 = 3;

/// How often the payer said that a repeat like this one was meant. A repeat of another sum says less: who takes two
/// coffees now and then may press twice where a meal is paid. Of a press it says nothing.
fn times_meant(context: &Context<'_>, is_press: bool) -> u8 {
    let known = context.known_payee;
    let confirmed = known.map_or(0, |known| known.repeats.confirmed());
    if confirmed == 0 || is_press {
        return 0;
    }
    let amount_minor = context.payment.money.amount_minor();
    let sums = context.comparable_payee().into_iter();
    let sums = sums.flat_map(|known| known.amounts_minor());
    let was_paid_twice = sums.filter(|sum| *sum == amount_minor).nth(1).is_some();
    if was_paid_twice {
        confirmed
    } else {
        confirmed / CONFIRMED_PER_OTHER_SUM
    }
}

/// Whether two payments within seconds are as likely a pair as a press: repeats are a habit, as for who pays for two at
/// the gate every day. Where orders are named, both of a pair name one.
fn is_pair_by_habit(context: &Context<'_>, earlier: RecordRef<'_>) -> bool {
    earlier.names_an_order() == context.submission.order_id.is_some() && is_habit(context)
}

/// Whether the account repeats this payment on many days: repeats at this payee are a habit, and this is the sum that
/// it mostly pays there.
fn is_habit(context: &Context<'_>) -> bool {
    let are_habit = |known: &KnownPayee<'_>| known.repeats.are_habit();
    context.comparable_payee().is_some_and(are_habit)
        && context.usual_of_payee(1).is_some_and(|usual| {
            let amount_minor = context.payment.money.amount_minor();
            usual.median_minor == amount_minor
        })
}
