//! `SMALL_PAYMENT_BURST`: a run of small payments within minutes, as scripts and stolen phones make them.
//!
//! Errands are no burst: paying each of several known payees once (bills, wages) is how people spend
//! an evening. What counts is small payments to the same payee again, or to payees never paid before. Of
//! the same payment again and again any is small, and so is what goes to strangers and cannot be called
//! back: who empties an account does so in sums that are usual for it.
//!
//! Nor is it a burst where an account pays so many in such a time every day, as tills and canteens do, or as
//! many at once as wage offices: unless it is strangers that are paid, and strangers are not whom it pays.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::settings;
use crate::scoring::profile::LogAmount;
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::{Recent, RecordRef, WindowIndex};

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
        /// Up to what share of the account's payments going to new payees those to strangers that cannot be
        /// called back count whatever their sum. Above it strangers are whom this account pays.
        strangers_novelty: f64 = 0.5, 0 => 1, "share";
        /// Up to this multiple of what an account pays in such a time every day, or at once if that is
        /// more than `rapid_repeat` asks about, a run says nothing.
        usual_multiple: f64 = 1.5, 1 => 100, "times";
        /// How long after the payment before it a purchase from a stranger counts half: people go from stall
        /// to stall, and scripts do not wait.
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
    if settings.small_share <= 0.0 {
        return None;
    }
    let knows_the_account = context.knows_the_account();
    let level = context.level_doublings().filter(|_| knows_the_account);
    let small_minor_max = level.map_or(0, |level| {
        LogAmount::minor_max(level + LogAmount::doublings_of(settings.small_share))
    });
    let is_small = context.payment.money.amount_minor() <= small_minor_max;
    let own = run(settings, context, Part::Own, small_minor_max);
    let followed = (level.is_some() && !is_small)
        .then(|| run(settings, context, Part::Follows, small_minor_max))
        .flatten();
    match (own, followed) {
        (Some(own), Some(followed)) if followed.strength > own.strength => Some(followed),
        (own, followed) => own.or(followed),
    }
}

/// What is to be said of the run that this payment is such a part of.
fn run(
    settings: &Settings,
    context: &Context<'_>,
    part: Part,
    small_minor_max: i64,
) -> Option<Measure> {
    let span = match part {
        Part::Follows => settings.follow_ms,
        Part::Own => settings.window_ms,
    };
    let attempts_max = context.attempts_max(span).saturating_add(part.count());
    if strength(settings, attempts_max, part) <= 0.0
        || is_everyday(settings, context, attempts_max, span)
    {
        return None;
    }
    let run = Run::before(settings, context, part, span, small_minor_max);
    if strength(settings, run.count_max(), part) <= 0.0 {
        return None;
    }
    let repeated = run.repeated();
    if context.knows_the_payee && repeated == 0 && part == Part::Own {
        // An errand itself.
        return None;
    }
    let counted = run.places & !run.errands(repeated);
    let newest = counted.count_ones().saturating_add(part.count());
    let halves = run.strolls(settings.stroll_ms, counted);
    let mut strength = strength(settings, newest.saturating_sub(halves / 2), part);
    if run.has_large(counted) {
        strength = strength.min(settings.large_strength);
    }
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

/// Whether so many payments within the window over `span` are what the account makes every day, or makes at
/// once where people do not.
fn is_everyday(settings: &Settings, context: &Context<'_>, attempts: u32, span: Span) -> bool {
    let profile = context.account.profile();
    let pays_strangers = || profile.novelty() > settings.strangers_novelty;
    let nth = WindowIndex::over(span);
    let beyond_people = context.policy.signals.rapid_repeat.confirm_above(nth);
    let up_to = |usual: f64| usual * settings.usual_multiple;
    let everyday = up_to(profile.pace().everyday_count(nth).into());
    let at_once = up_to(profile.pace().proven_count(nth));
    let is_usual = f64::from(attempts) <= everyday
        || at_once > f64::from(beyond_people) && f64::from(attempts) <= at_once;
    is_usual && (context.knows_the_payee || pays_strangers())
}

/// What a payment is to the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// One of it.
    Own,
    /// None of it, but what comes after it.
    Follows,
}

impl Part {
    /// How many of the run it is itself.
    const fn count(self) -> u32 {
        match self {
            Self::Own => 1,
            Self::Follows => 0,
        }
    }
}

/// Some of the newest payments, a bit for each, the newest lowest.
type Places = u32;

/// The payments that a payment comes after, those of a run.
struct Run<'a, 'c> {
    context: &'a Context<'c>,
    newest: Recent<'a>,
    older: Recent<'a>,
    part: Part,
    small_minor_max: i64,
    /// Whether what is gone to other strangers is of it whatever its sum.
    counts_strangers: bool,
    /// Whether so is what is gone to the payee that is paid now, whom the account met in this run.
    counts_parts: bool,
    /// Whether the payment that is asked about is not small.
    is_large: bool,
    places: Places,
}

impl<'a, 'c> Run<'a, 'c> {
    fn before(
        settings: &Settings,
        context: &'a Context<'c>,
        part: Part,
        span: Span,
        small_minor_max: i64,
    ) -> Self {
        let recent = context.account.window().within(span, context.now);
        let newest = recent.newest(LOOK_BACK_MAX);
        let payment = context.payment;
        // Whoever said yes to one of many wages is not asked about each.
        let was_meant = |record: RecordRef<'_>| {
            record.was_confirmed()
                && (is_gone_to_a_stranger(record) || record.pays_the_payee_of(context.submission))
        };
        let counts_strangers = part == Part::Own
            && context.knows_the_account()
            && context.account.profile().novelty() <= settings.strangers_novelty
            && !newest.iter().any(was_meant);
        let was_met = |record: RecordRef<'_>| {
            is_gone_to_a_stranger(record) && record.pays_the_payee_of(context.submission)
        };
        let is_gone = counts_strangers && payment.kind.is_irrevocable();
        let counts_parts = is_gone && newest.iter().any(was_met);
        let is_gone = is_gone && (counts_parts || !context.knows_the_payee);
        // One that is neither is part of a run of its like only.
        let is_large = payment.money.amount_minor() > small_minor_max;
        let is_alike_only = part == Part::Own && is_large && !is_gone;
        let mut run = Self {
            context,
            newest,
            older: recent.but_newest(LOOK_BACK_MAX),
            part,
            small_minor_max: if is_alike_only { 0 } else { small_minor_max },
            counts_strangers: counts_strangers && !is_alike_only,
            counts_parts,
            is_large,
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
        money.currency() == self.context.payment.money.currency()
            && record.counts_in_velocity()
            && (money.amount_minor() <= self.small_minor_max
                || self.part == Part::Own && record.pays_the_same_as(self.context.submission)
                || self.is_to_another_stranger(record)
                || self.is_part_for_the_stranger(record))
    }

    /// Whether it is of the run whatever its sum, since it is gone to the stranger that gets this one too. Who
    /// empties an account by its transfer limit does so in parts.
    fn is_part_for_the_stranger(&self, record: RecordRef<'_>) -> bool {
        self.counts_parts && record.pays_the_payee_of(self.context.submission)
    }

    /// Whether it is of the run whatever its sum, since it is gone to another stranger. What that one gets in
    /// parts counts where it is small.
    fn is_to_another_stranger(&self, record: RecordRef<'_>) -> bool {
        self.counts_strangers
            && is_gone_to_a_stranger(record)
            && !record.pays_the_payee_of(self.context.submission)
    }

    /// Whether some of it is not small.
    fn has_large(&self, counted: Places) -> bool {
        let is_large = |record: RecordRef<'_>| record.money().amount_minor() > self.small_minor_max;
        self.part == Part::Own
            && (self.is_large || self.payments(counted).any(|(_, record)| is_large(record)))
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
        self.places.count_ones().saturating_add(self.part.count())
    }

    /// Those to the payee that is paid now too, if that is part of the run.
    fn repeated(&self) -> Places {
        let places = match self.part {
            Part::Follows => 0,
            Part::Own => self.places,
        };
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

    /// How many of these, and of what comes after them, are purchases from strangers that so long a time lies
    /// before.
    fn strolls(&self, pause: Span, counted: Places) -> u32 {
        let is_revocable = |kind: PaymentKind| !kind.is_irrevocable();
        let comes_late = |time: Timestamp, before: Option<RecordRef<'_>>| {
            before.is_none_or(|before| time.since(before.score_time()) >= pause)
        };
        let context = self.context;
        let own = self.part == Part::Own
            && !context.knows_the_payee
            && is_revocable(context.payment.kind)
            && comes_late(context.now, self.newest.get(0));
        let strolls = self.payments(counted).filter(|(place, record)| {
            let before = self
                .newest
                .get((place.trailing_zeros() as usize).saturating_add(1));
            comes_late(record.score_time(), before) && is_to_a_stranger(*record, is_revocable)
        });
        let count = u32::try_from(strolls.count()).unwrap_or(u32::MAX);
        count.saturating_add(own.into())
    }

    /// How many there are, of which these count and older ones like them, and what they come to.
    fn count_and_sum_minor(&self, counted: Places) -> (u32, i64) {
        let own_minor = match self.part {
            Part::Follows => 0,
            Part::Own => self.context.payment.money.amount_minor(),
        };
        let newest = self.payments(counted).map(|(_, record)| record);
        newest.chain(self.counted_older(counted)).fold(
            (self.part.count(), own_minor),
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
                || self.part == Part::Own && record.pays_the_payee_of(self.context.submission)
                || self
                    .payments(counted)
                    .any(|(_, newer)| newer.pays_whom(*record))
        };
        let small = self.older.iter().filter(|record| self.is_of_it(*record));
        small.filter(is_counted)
    }
}

/// Whether it went to a payee that the account did not know, for what is so.
fn is_to_a_stranger(record: RecordRef<'_>, is_so: impl FnOnce(PaymentKind) -> bool) -> bool {
    !record.payee_was_known() && record.kind().is_some_and(is_so)
}

/// Whether it went to a payee that the account did not know, and cannot be called back.
fn is_gone_to_a_stranger(record: RecordRef<'_>) -> bool {
    is_to_a_stranger(record, PaymentKind::is_irrevocable)
}

/// Each of them by itself.
fn each(places: Places) -> impl Iterator<Item = Places> {
    let but_lowest = |places: &Places| Some(places & places.wrapping_sub(1));
    std::iter::successors(Some(places), but_lowest)
        .take_while(|places| *places != 0)
        .map(|places| places & places.wrapping_neg())
}

fn strength(settings: &Settings, count: u32, part: Part) -> f64 {
    match (count.checked_sub(settings.from), part) {
        (Some(_), Part::Follows) => settings.follow_strength,
        (Some(beyond), Part::Own) => {
            settings.start_strength + f64::from(beyond) * settings.step_strength
        }
        (None, Part::Follows) => 0.0,
        (None, Part::Own) => {
            let noted = f64::from(count.saturating_sub(settings.nothing_up_to));
            let burst = settings.from.saturating_sub(settings.nothing_up_to).max(1);
            settings.start_strength * noted / f64::from(burst)
        }
    }
}
