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
    let follows = !is_small(context.payment.money.amount_minor());
    let span = if follows {
        settings.follow_ms
    } else {
        settings.window_ms
    };
    let attempts_max = context
        .attempts_max(span)
        .saturating_add(own_count(follows));
    if strength(settings, attempts_max, follows) <= 0.0 {
        return None;
    }
    let run = Run::before(context, follows, span, is_small);
    if strength(settings, run.count_max(), follows) <= 0.0 || run.is_errand_itself() {
        return None;
    }
    let (count, sum_minor) = run.count_and_sum_minor();
    let strength = strength(settings, count, follows);
    let mut measure = Measure::of(
        strength.min(84.0),
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
    Some(measure)
}

/// A payment that is not small is none of the run that it follows.
fn own_count(follows: bool) -> u32 {
    u32::from(!follows)
}

/// The small payments that a payment comes after.
struct Run<'a, 'c> {
    context: &'a Context<'c>,
    follows: bool,
    span: Span,
    /// Which of the newest payments are of it, the newest lowest: they are looked at again and again.
    bits: u32,
}

impl<'a, 'c> Run<'a, 'c> {
    fn before(
        context: &'a Context<'c>,
        follows: bool,
        span: Span,
        is_small: impl Fn(i64) -> bool,
    ) -> Self {
        let mut run = Self {
            context,
            follows,
            span,
            bits: 0,
        };
        let currency = context.payment.money.currency();
        for (nth, record) in run.newest() {
            let money = record.money();
            let is_of_it = record.standing().counts_in_velocity()
                && money.currency() == currency
                && is_small(money.amount_minor());
            run.bits |= u32::from(is_of_it) << nth;
        }
        run
    }

    fn newest(&self) -> impl Iterator<Item = (usize, RecordRef<'a>)> + Clone + use<'a, 'c> {
        let window = self.context.account.window();
        let newest = window.within(self.span, self.context.now);
        newest.take(LOOK_BACK_MAX).enumerate()
    }

    fn payments(&self) -> impl Iterator<Item = (usize, RecordRef<'a>)> + Clone + use<'a, 'c> {
        let bits = self.bits;
        self.newest().filter(move |(nth, _)| bits >> nth & 1 != 0)
    }

    /// How many there are at most, were none of them an errand.
    fn count_max(&self) -> u32 {
        self.bits
            .count_ones()
            .saturating_add(own_count(self.follows))
    }

    fn repeats(&self, record: RecordRef<'_>) -> bool {
        !self.follows && record.pays_the_payee_of(self.context.submission)
    }

    /// Whether the payment goes to a payee that is known and was not paid in this run.
    fn is_errand_itself(&self) -> bool {
        !self.follows
            && self.context.knows_the_payee
            && !self.payments().any(|(_, record)| self.repeats(record))
    }

    fn is_errand(&self, nth: usize, record: RecordRef<'_>) -> bool {
        let mut others = self.payments().filter(|(other, _)| *other != nth);
        record.payee_was_known()
            && !self.repeats(record)
            && !others.any(|(_, other)| other.pays_whom(record))
    }

    /// How many there are without errands, and what they come to.
    fn count_and_sum_minor(&self) -> (u32, i64) {
        let own_minor = match self.follows {
            true => 0,
            false => self.context.payment.money.amount_minor(),
        };
        let counted = self
            .payments()
            .filter(|(nth, record)| !self.is_errand(*nth, *record));
        counted.fold(
            (own_count(self.follows), own_minor),
            |(count, sum_minor), (_, record)| {
                (
                    count.saturating_add(1),
                    sum_minor.saturating_add(record.money().amount_minor()),
                )
            },
        )
    }
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
