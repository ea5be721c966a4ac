//! What is usual for an account: amounts, payees, devices, hours and pace.
//!
//! Bounded and small: recent amounts, the payees and devices used last, one counter per hour of the day.
//!
//! It learns only from payments that went well, so that a mistake or a fraud does not become a habit. The level of
//! sums and the pace do not wait for that: they learn from a payment when it is let through, and no single one moves
//! them far.

use super::money::{Currency, Money};
use super::policy::Policy;
use super::signal::Signal;
use super::submission::Submission;
use super::time::{Span, Timestamp};
use super::window::{RecordRef, WindowIndex};

mod amounts;
mod busy_days;
mod devices;
mod image;
mod lateness;
mod level;

mod entry_list;
mod log_amount;
mod pace;
mod payees;
mod repeats;
mod uses;

pub use amounts::{AMOUNTS_KEPT, Amounts, Spread};
pub use devices::Devices;
pub use lateness::Lateness;
pub use level::Level;
pub use log_amount::LogAmount;
pub use pace::{Fill, Pace};
pub use payees::{KnownPayee, PAYEE_AMOUNTS_KEPT, Payees};
pub use repeats::Repeats;

use amounts::Place;
use entry_list::{EntryList, HEAD, Kind};
use level::by_currency;

/// From how many payments on a payee counts as established: it is forgotten after all that are not.
const ESTABLISHED_TIMES: u32 = 3;
/// How long a sitting lasts. Of all amounts of one sitting only the first is learnt: the parts of a split bill are not
/// what is usual.
const SITTING: Span = Span::from_minutes(10);
/// In how many currencies an account's amounts are kept.
const CURRENCIES_KEPT: usize = 4;

/// Where the amounts in the currency used last are: they are the first entry.
const FIRST: Place = Place {
    at: 0,
    offset: HEAD,
};

/// What is usual for one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    payments_learnt: u32,
    /// How many of them were the first to their payee.
    payees_met: u32,
    /// When the first of them was made.
    first_learnt: Timestamp,
    /// When the sitting began that an amount was last learnt from.
    sitting_since: Timestamp,
    /// The recent amounts in each currency, the currency used last first; then devices; then payees; then levels in
    /// other currencies than that of `level`.
    entries: EntryList,
    /// The level of sums in the currency in which most are known.
    level: Level,
    /// How many payments were made in each hour of the day; all are halved when one is full.
    hours: [u8; 24],
    pace: Pace,
}

/// What a bound cost the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Payees forgotten for want of room.
    pub payees: u32,
    /// Devices forgotten for want of room.
    pub devices: u32,
}

impl Profile {
    /// How many payments it has learnt from.
    #[must_use]
    pub const fn payments_learnt(&self) -> u32 {
        self.payments_learnt
    }

    /// When the first payment was made that it has learnt from; `None` if there is none.
    #[must_use]
    pub fn first_learnt(&self) -> Option<Timestamp> {
        (self.payments_learnt > 0).then_some(self.first_learnt)
    }

    /// The account's recent amounts in `currency`.
    #[must_use]
    pub fn amounts(&self, currency: Currency) -> Option<Amounts<'_>> {
        self.find_amounts(currency).map(|(_, amounts)| amounts)
    }

    /// The level of the account's sums in `currency`; one of no sums where it has paid none.
    #[must_use]
    pub fn level_in(&self, currency: Currency) -> Level {
        if self.level.currency() == Some(currency) {
            return self.level;
        }
        let found = by_currency::find(&self.entries, currency);
        found.map_or_else(|| self.level.of_no_sums(), |(_, level)| level)
    }

    /// Learns the level of the account's sums from a payment that was let through. `payee_doublings` is how far the
    /// sums of its payee lie above their payers' levels. Returns how many doublings this one lies above what was to
    /// be expected, for the payee to learn from; `None` where the account's level is not known.
    pub fn learn_level(&mut self, money: Money, payee_doublings: f64) -> Option<f64> {
        by_currency::learn(&mut self.level, &mut self.entries, money, payee_doublings)
    }

    /// Asks for the memory that the next step will read.
    pub fn fetch(&self) {
        self.entries.fetch();
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.entries
            .heap_bytes()
            .saturating_add(self.pace.heap_bytes())
    }

    /// The share of payments that went to a payee never paid before, 0–1, as if one of two had been
    /// before anything was known.
    #[must_use]
    pub fn novelty(&self) -> f64 {
        (f64::from(self.payees_met) + 0.5) / (f64::from(self.payments_learnt) + 1.0)
    }

    /// The payees it knows.
    #[must_use]
    pub const fn payees(&self) -> Payees<'_> {
        Payees(&self.entries)
    }

    /// What it knows of the payee of this payment.
    #[must_use]
    pub fn payee_of(&self, submission: &Submission<'_>) -> Option<KnownPayee<'_>> {
        self.payees().payee_of(submission)
    }

    /// The devices it knows.
    #[must_use]
    pub const fn devices(&self) -> Devices<'_> {
        Devices(&self.entries)
    }

    /// The share of payments made within an hour of `hour`, 0–1, as if one payment had been spread
    /// evenly over the day before.
    #[must_use]
    pub fn share_near_hour(&self, hour: u8) -> f64 {
        let near = [
            hour.wrapping_add(23) % 24,
            hour % 24,
            hour.wrapping_add(1) % 24,
        ];
        let count = |hour: u8| u32::from(self.hours.get(usize::from(hour)).copied().unwrap_or(0));
        let near: u32 = near.into_iter().map(count).sum();
        let all: u32 = self.hours.iter().copied().map(u32::from).sum();
        (f64::from(near) + 3.0 / 24.0) / (f64::from(all) + 1.0)
    }

    /// How busy it usually is.
    #[must_use]
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What the account usually spends within a window, as a function of the window, in minor units of `currency`; 0
    /// if unknown. Sums counted in another currency are converted by the account's levels in both.
    pub fn usual_sums_minor(&self, currency: Currency) -> impl Fn(WindowIndex) -> f64 {
        let counted_in = self.pace.currency();
        let multiple = counted_in.and_then(|counted_in| self.worth_of(counted_in, currency));
        move |nth| multiple.map_or(0.0, |multiple| self.pace.usual_sum_minor(nth) * multiple)
    }

    /// Notes that a payment in `currency` was paid. `fill` is what each window holds then, that payment included, with
    /// sums in the same currency.
    pub fn note_paid(
        &mut self,
        currency: Currency,
        fill: impl Fn(WindowIndex) -> Fill,
        half_life: Span,
        now: Timestamp,
    ) {
        let is_known = |currency| self.level_in(currency).is_known_in(currency);
        match self.pace.currency() {
            Some(counted_in) if counted_in == currency => {}
            // A currency that was paid in once or twice is no measure of all others.
            Some(counted_in) if is_known(counted_in) || !is_known(currency) => {}
            _ => self.pace.count_sums_in(currency),
        }
        let counted_in = self.pace.currency();
        let multiple = counted_in.and_then(|counted_in| self.worth_of(currency, counted_in));
        let multiple = multiple.unwrap_or(0.0);
        let fill = |nth| {
            let fill = fill(nth);
            Fill {
                sum_minor: fill.sum_minor * multiple,
                ..fill
            }
        };
        self.pace.note(fill, half_life, now);
    }

    /// Notes that a payment made at `time` was not paid after all.
    pub fn note_unpaid(&mut self, time: Timestamp) {
        self.pace.note_unpaid(time);
    }

    /// Notes that the outcome of a payment was reported after so long; `None`: that it was not, for as long as it was
    /// waited for.
    pub fn note_reported(&mut self, after: Option<Span>) {
        self.pace.note_reported(after);
    }

    /// After a fraud, forgets the busy days that are not proven yet: they may be the thief's.
    pub fn distrust_pace(&mut self) {
        self.pace.distrust();
    }

    /// How many minor units of `to` one of `of` is worth to this account, by its levels in both; `None` where one of
    /// these is not known. No exchange rates are needed: who usually pays 20 EUR, or 3,000 JPY, takes them for the
    /// same.
    fn worth_of(&self, of: Currency, to: Currency) -> Option<f64> {
        if of == to {
            return Some(1.0);
        }
        let (of_level, to_level) = (self.level_in(of), self.level_in(to));
        let are_known = of_level.is_known_in(of) && to_level.is_known_in(to);
        let doublings = to_level.middle_doublings() - of_level.middle_doublings();
        are_known.then(|| LogAmount::ratio(doublings))
    }

    /// Learns from a payment that went well.
    pub fn learn(&mut self, policy: &Policy, record: RecordRef<'_>) -> Forgotten {
        let time = record.score_time();
        if self.payments_learnt == 0 {
            self.first_learnt = time;
        }
        self.payments_learnt = self.payments_learnt.saturating_add(1);
        // Of one sitting only the first amount is learnt: a split bill, a wage run or a burst must not outweigh
        // months.
        if payment_began_a_sitting(self.sitting_since, time) {
            self.sitting_since = time;
            self.learn_amount(record.money());
        }
        self.learn_hour(time.hour_of_day(policy.signals.hour_unusual.utc_offset_min));
        let learnt = payees::learn(&mut self.entries, record, policy.memory.payees_max);
        self.payees_met = self.payees_met.saturating_add(learnt.met.into());
        if record.reason_that_was_meant(Signal::AmountSlip).is_some() {
            payees::learn_meant(&mut self.entries, record);
        }
        if record.was_held_against_another() {
            payees::learn_repeat(&mut self.entries, record, self.pace.lateness());
        }
        Forgotten {
            payees: learnt.forgotten,
            devices: devices::learn(&mut self.entries, record, policy.memory.devices_max),
        }
    }

    /// Takes back what was learnt from a payment that turned out bad.
    pub fn unlearn(&mut self, policy: &Policy, record: RecordRef<'_>) {
        self.payments_learnt = self.payments_learnt.saturating_sub(1);
        let money = record.money();
        if let Some((place, _)) = self.find_amounts(money.currency()) {
            amounts::unlearn(&mut self.entries, place, money.amount_minor());
        }
        let hour = record
            .score_time()
            .hour_of_day(policy.signals.hour_unusual.utc_offset_min);
        if let Some(count) = self.hours.get_mut(usize::from(hour)) {
            *count = count.saturating_sub(1);
        }
        if payees::unlearn(&mut self.entries, record, self.pace.lateness()) {
            self.payees_met = self.payees_met.saturating_sub(1);
        }
        devices::unlearn(&mut self.entries, record);
    }

    /// Takes back that `record`, which was learnt, was a repeat that was meant: what it repeats was not paid.
    pub fn unlearn_repeat(&mut self, record: RecordRef<'_>) {
        payees::unlearn_repeat(&mut self.entries, record, self.pace.lateness());
    }

    fn learn_amount(&mut self, money: Money) {
        let at = match self.find_amounts(money.currency()) {
            Some((place, _)) => place.at,
            None => self.make_place(money.currency()),
        };
        // The currency used last stands first, so that the one to go is the one least used of late.
        if at != FIRST.at {
            self.entries.move_to_front(at);
        }
        amounts::learn(&mut self.entries, FIRST, AMOUNTS_KEPT, money.amount_minor());
    }

    fn find_amounts(&self, currency: Currency) -> Option<(Place, Amounts<'_>)> {
        let read = |entry| <[u8]>::get(entry, HEAD..).map(Amounts::of);
        let tag = currency.number().into();
        let (at, amounts) = self.entries.find(Kind::Amounts, tag, read)?;
        Some((Place { at, ..FIRST }, amounts))
    }

    /// Makes a place for amounts in a currency that has none.
    fn make_place(&mut self, currency: Currency) -> usize {
        let last_kept = self.entries.of_kind(Kind::Amounts).nth(CURRENCIES_KEPT - 1);
        if let Some(at) = last_kept.map(|(at, _)| at) {
            self.entries.remove(at);
        }
        let tag = currency.number().into();
        self.entries.push(Kind::Amounts, tag, 0, |_| {})
    }

    fn learn_hour(&mut self, hour: u8) {
        let most = |most: u8, count: &u8| most.max(*count);
        if self.hours.iter().fold(0, most) == u8::MAX {
            for count in &mut self.hours {
                *count /= 2;
            }
        }
        if let Some(count) = self.hours.get_mut(usize::from(hour)) {
            *count = count.saturating_add(1);
        }
    }
}

/// Whether a payment at `time` is the first of its sitting, not one more of the sitting before.
fn payment_began_a_sitting(sitting_since: Timestamp, time: Timestamp) -> bool {
    sitting_since.plus(SITTING) <= time || sitting_since == Timestamp::default()
}
