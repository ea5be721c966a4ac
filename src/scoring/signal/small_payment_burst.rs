//! `SMALL_PAYMENT_BURST`: a run of small payments within minutes, as scripts and stolen phones make them.
//!
//! Errands are no burst: paying each of several known payees once (bills, wages) is how people spend
//! an evening. What counts is small payments to the same payee again, or to payees never paid before.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::policy::settings;
use crate::scoring::profile::LogAmount;
use crate::scoring::time::Span;
use crate::scoring::window::{Recent, RecordRef};

/// How many of the newest payments are looked at: more than any run needs to be found. Those before them
/// only count in what is told of it.
const LOOK_BACK_MAX: usize = Places::BITS as usize;

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
        .filter(|_| context.knows_the_account() && settings.small_share > 0.0)?;
    let small_up_to = level + LogAmount::doublings_of(settings.small_share);
    let small_minor_max = LogAmount::minor_max(small_up_to);
    let follows = context.payment.money.amount_minor() > small_minor_max;
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
    let run = Run::before(context, follows, span, small_minor_max);
    if strength(settings, run.count_max(), follows) <= 0.0 {
        return None;
    }
    let repeated = run.repeated();
    if context.knows_the_payee && repeated == 0 && !follows {
        // An errand itself.
        return None;
    }
    let counted = run.places & !run.errands(repeated);
    let newest = counted.count_ones().saturating_add(own_count(follows));
    let strength = strength(settings, newest, follows);
    let (count, sum_minor) = run.count_and_sum_minor(counted);
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

/// Some of the newest payments, a bit for each, the newest lowest.
type Places = u32;

/// The small payments that a payment comes after.
struct Run<'a, 'c> {
    context: &'a Context<'c>,
    newest: Recent<'a>,
    older: Recent<'a>,
    small_minor_max: i64,
    follows: bool,
    places: Places,
}

impl<'a, 'c> Run<'a, 'c> {
    fn before(context: &'a Context<'c>, follows: bool, span: Span, small_minor_max: i64) -> Self {
        let recent = context.account.window().within(span, context.now);
        let newest = recent.newest(LOOK_BACK_MAX);
        let mut run = Self {
            context,
            newest,
            older: recent.but_newest(LOOK_BACK_MAX),
            small_minor_max,
            follows,
            places: 0,
        };
        let each = newest.iter().enumerate();
        run.places = each.fold(0, |places, (nth, record)| {
            places | Places::from(run.is_of_it(record)) << nth
        });
        run
    }

    fn is_of_it(&self, record: RecordRef<'_>) -> bool {
        let money = record.money();
        money.amount_minor() <= self.small_minor_max
            && money.currency() == self.context.payment.money.currency()
            && record.standing().counts_in_velocity()
    }

    fn payments(&self, places: Places) -> impl Iterator<Item = (Places, RecordRef<'a>)> + use<'a> {
        let newest = self.newest;
        each(places).filter_map(move |place| {
            let nth = place.trailing_zeros() as usize;
            Some((place, newest.get(nth)?))
        })
    }

    /// How many there are at most, were none of them an errand.
    fn count_max(&self) -> u32 {
        self.places
            .count_ones()
            .saturating_add(own_count(self.follows))
    }

    /// Those to the payee that is paid now too, if that is part of the run.
    fn repeated(&self) -> Places {
        let places = if self.follows { 0 } else { self.places };
        self.payments(places)
            .filter(|(_, record)| record.pays_the_payee_of(self.context.submission))
            .fold(0, |repeated, (place, _)| repeated | place)
    }

    /// Those to a payee that was known, and that is paid once. Whom a payment paid lies far from the rest of
    /// it, so what is found of two payments is told of both.
    fn errands(&self, repeated: Places) -> Places {
        let mut others = repeated;
        for (place, record) in self.payments(self.places) {
            if others & place != 0 {
                continue;
            }
            let mut rest = self.payments(self.places & !place);
            if !record.payee_was_known() {
                others |= place;
            } else if let Some((other, _)) = rest.find(|(_, other)| other.pays_whom(record)) {
                others |= place | other;
            }
        }
        self.places & !others
    }

    /// How many there are, of which these count and older ones like them, and what they come to.
    fn count_and_sum_minor(&self, counted: Places) -> (u32, i64) {
        let own_minor = match self.follows {
            true => 0,
            false => self.context.payment.money.amount_minor(),
        };
        let newest = self.payments(counted).map(|(_, record)| record);
        newest.chain(self.counted_older(counted)).fold(
            (own_count(self.follows), own_minor),
            |(count, sum_minor), record| {
                let amount_minor = record.money().amount_minor();
                (
                    count.saturating_add(1),
                    sum_minor.saturating_add(amount_minor),
                )
            },
        )
    }

    /// The older ones that are no errands either: to strangers, or to whom a newer one that counts is paid.
    fn counted_older(&self, counted: Places) -> impl Iterator<Item = RecordRef<'a>> {
        let is_counted = move |record: &RecordRef<'a>| {
            !record.payee_was_known()
                || !self.follows && record.pays_the_payee_of(self.context.submission)
                || self
                    .payments(counted)
                    .any(|(_, newer)| newer.pays_whom(*record))
        };
        let small = self.older.iter().filter(|record| self.is_of_it(*record));
        small.filter(is_counted)
    }
}

/// Each of them by itself.
fn each(places: Places) -> impl Iterator<Item = Places> {
    let but_lowest = |places: &Places| Some(places & places.wrapping_sub(1));
    std::iter::successors(Some(places), but_lowest)
        .take_while(|places| *places != 0)
        .map(|places| places & places.wrapping_neg())
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
