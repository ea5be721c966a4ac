//! What is usual for an account: amounts, payees, devices, hours and pace.
//!
//! Bounded and small: recent amounts, the payees and devices used last, one counter per hour. It
//! learns only from payments that went well, so a mistake or a fraud does not become a habit.

use super::heap;
use super::money::{Currency, Money};
use super::policy::Policy;
use super::submission::Submission;
use super::time::{Span, Timestamp};
use super::window::RecordRef;

mod amounts;
mod devices;
mod level;
mod listed;
mod log_amount;
mod pace;
mod payees;

pub use amounts::{AMOUNTS_KEPT, Amounts, Spread};
pub use devices::Devices;
pub use level::Level;
pub use log_amount::LogAmount;
pub use pace::Pace;
pub use payees::{KnownPayee, PAYEE_AMOUNTS_KEPT, Payees};

/// From how many payments on a payee counts as established.
const ESTABLISHED_TIMES: u32 = 3;
/// How long payments count as made in one sitting.
const SITTING: Span = Span::from_minutes(10);
/// Among how many of the last sums to a payee one more of the same is a repeat.
const REPEATS_LOOKED_AT: usize = 2;
/// How many currencies of an account are kept.
const CURRENCIES_KEPT: usize = 4;

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
    amounts: Vec<(Currency, Amounts)>,
    level: Level,
    payees: Payees,
    devices: Devices,
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
    pub fn amounts(&self, currency: Currency) -> Option<&Amounts> {
        self.amounts
            .iter()
            .find_map(|(known, amounts)| (*known == currency).then_some(amounts))
    }

    /// The level of the account's sums.
    #[must_use]
    pub const fn level(&self) -> &Level {
        &self.level
    }

    /// Learns the level of the account's sums from a payment that was let through; see
    /// [`Level`]. Returns what the payee may learn from it.
    pub fn learn_level(
        &mut self,
        submission: &Submission<'_>,
        payee_doublings: f64,
    ) -> Option<f64> {
        let money = submission.payment.money;
        let repeated = self.payee_of(submission).is_some_and(|known| {
            let before = known.amounts().saturating_sub(REPEATS_LOOKED_AT);
            let mut lately = known.amounts_minor().skip(before);
            lately.any(|amount_minor| amount_minor == money.amount_minor())
        });
        if repeated {
            return None;
        }
        self.level.learn(money, payee_doublings)
    }

    /// Reads what the next step will read: see [`Account::warm`](super::account::Account::warm).
    #[must_use]
    pub fn warm(&self) -> u64 {
        let amounts = self.amounts.iter().map(|(_, amounts)| amounts.warm());
        amounts.fold(
            self.payees.listed.warm() ^ self.devices.listed.warm(),
            |sum, part| sum ^ part,
        )
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let own = heap::bytes_of::<(Currency, Amounts)>(self.amounts.capacity());
        let amounts = self.amounts.iter().map(|(_, amounts)| amounts.heap_bytes());
        amounts
            .fold(own, usize::saturating_add)
            .saturating_add(self.payees.listed.heap_bytes())
            .saturating_add(self.devices.listed.heap_bytes())
    }

    /// The share of payments that went to a payee never paid before, 0–1, as if one of two had been
    /// before anything was known.
    #[must_use]
    pub fn novelty(&self) -> f64 {
        (f64::from(self.payees_met) + 0.5) / (f64::from(self.payments_learnt) + 1.0)
    }

    /// The payees it knows.
    #[must_use]
    pub const fn payees(&self) -> &Payees {
        &self.payees
    }

    /// What it knows of the payee of this payment.
    #[must_use]
    pub fn payee_of(&self, submission: &Submission<'_>) -> Option<KnownPayee<'_>> {
        self.payees.payee_of(submission)
    }

    /// The devices it knows.
    #[must_use]
    pub const fn devices(&self) -> &Devices {
        &self.devices
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
        let count = |hour: u8| f64::from(self.hours.get(usize::from(hour)).copied().unwrap_or(0));
        let all: f64 = self.hours.iter().copied().map(f64::from).sum();
        (near.into_iter().map(count).sum::<f64>() + 3.0 / 24.0) / (all + 1.0)
    }

    /// How busy it usually is.
    #[must_use]
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The same, to be taught.
    pub const fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// Learns from a payment that went well.
    pub fn learn(&mut self, policy: &Policy, record: RecordRef<'_>) -> Forgotten {
        let time = record.score_time();
        if self.payments_learnt == 0 {
            self.first_learnt = time;
        }
        self.payments_learnt = self.payments_learnt.saturating_add(1);
        // One sitting, one vote: a split bill, a wage run or a burst must not outvote months.
        if payment_began_a_sitting(self.sitting_since, time) {
            self.sitting_since = time;
            self.learn_amount(record.money());
        }
        self.learn_hour(time.hour_of_day(policy.signals.hour_unusual.utc_offset_min));
        let learnt = self.payees.learn(record, policy.memory.payees_max);
        self.payees_met = self.payees_met.saturating_add(learnt.met.into());
        if record.was_confirmed() && record.was_held_against_another() {
            self.payees.confirm_repeat(record);
        }
        Forgotten {
            payees: learnt.forgotten,
            devices: self.devices.learn(record, policy.memory.devices_max),
        }
    }

    /// Takes back what was learnt from a payment that turned out bad.
    pub fn unlearn(&mut self, policy: &Policy, record: RecordRef<'_>) {
        self.payments_learnt = self.payments_learnt.saturating_sub(1);
        let money = record.money();
        if let Some((_, amounts)) = self
            .amounts
            .iter_mut()
            .find(|(known, _)| *known == money.currency())
        {
            amounts.unlearn(money.amount_minor());
        }
        let hour = record
            .score_time()
            .hour_of_day(policy.signals.hour_unusual.utc_offset_min);
        if let Some(count) = self.hours.get_mut(usize::from(hour)) {
            *count = count.saturating_sub(1);
        }
        if self.payees.unlearn(record) {
            self.payees_met = self.payees_met.saturating_sub(1);
        }
        self.devices.unlearn(record);
    }

    fn learn_amount(&mut self, money: Money) {
        let at = self
            .amounts
            .iter()
            .position(|(known, _)| *known == money.currency());
        let mut entry = match at {
            Some(at) => self.amounts.remove(at),
            None => {
                if self.amounts.len() >= CURRENCIES_KEPT {
                    self.amounts.remove(0);
                }
                (money.currency(), Amounts::default())
            }
        };
        entry.1.learn(money.amount_minor());
        // The currency used last stands last, so that the one to go is the one least used of late.
        self.amounts.push(entry);
    }

    fn learn_hour(&mut self, hour: u8) {
        if self.hours.contains(&u8::MAX) {
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
