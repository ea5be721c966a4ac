//! What is usual for an account: amounts, payees, devices, hours and pace.
//!
//! Bounded and small: recent amounts, the payees and devices used last, one counter per hour. It
//! learns only from payments that went well, so a mistake or a fraud does not become a habit.

use super::money::{Currency, Money};
use super::payment::{DeviceId, Payee, Payment};
use super::policy::Policy;
use super::time::{Span, Timestamp};

mod amounts;
mod pace;

pub use amounts::{AMOUNTS_KEPT, Amounts, LogAmount, Spread};
pub use pace::Pace;

/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;
/// From how many payments on a payee counts as established.
const ESTABLISHED_TIMES: u32 = 3;
/// How long payments count as made in one sitting.
const SITTING: Span = Span::from_minutes(10);
/// How many currencies of an account are kept.
const CURRENCIES_KEPT: usize = 4;

/// A payee that the account has paid.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPayee {
    /// Who.
    pub payee: Payee,
    /// How often.
    pub times_paid: u32,
    /// When first.
    pub first_paid: Timestamp,
    /// When last.
    pub last_paid: Timestamp,
    /// In which currency last; amounts of another are not comparable and were dropped.
    pub currency: Currency,
    /// How much, lately.
    pub amounts: Amounts,
    /// How often the payer, asked about a repeat, said that it was meant.
    pub repeats_confirmed: u16,
}

/// A device that the account has paid from.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownDevice {
    /// Which.
    pub device_id: DeviceId,
    /// How often.
    pub times_used: u32,
    /// When last.
    pub last_used: Timestamp,
}

/// What is usual for one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    payments_learnt: u32,
    /// How many of them were the first to their payee.
    payees_met: u32,
    /// When the sitting began that an amount was last learnt from.
    sitting_since: Timestamp,
    amounts: Vec<(Currency, Amounts)>,
    payees: Vec<KnownPayee>,
    devices: Vec<KnownDevice>,
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

    /// The account's recent amounts in `currency`.
    #[must_use]
    pub fn amounts(&self, currency: Currency) -> Option<&Amounts> {
        self.amounts
            .iter()
            .find_map(|(known, amounts)| (*known == currency).then_some(amounts))
    }

    /// The share of payments that went to a payee never paid before, 0–1, as if one of two had been
    /// before anything was known.
    #[must_use]
    pub fn novelty(&self) -> f64 {
        (f64::from(self.payees_met) + 0.5) / (f64::from(self.payments_learnt) + 1.0)
    }

    /// The payees it knows, in no particular order.
    #[must_use]
    pub fn payees(&self) -> &[KnownPayee] {
        &self.payees
    }

    /// What it knows of `payee`.
    #[must_use]
    pub fn payee(&self, payee: &Payee) -> Option<&KnownPayee> {
        self.payees.iter().find(|known| known.payee == *payee)
    }

    /// The devices it knows, in no particular order.
    #[must_use]
    pub fn devices(&self) -> &[KnownDevice] {
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
    pub fn learn(&mut self, policy: &Policy, payment: &Payment, time: Timestamp) -> Forgotten {
        self.payments_learnt = self.payments_learnt.saturating_add(1);
        // One sitting, one vote: a split bill, a wage run or a burst must not outvote months.
        if payment_began_a_sitting(self.sitting_since, time) {
            self.sitting_since = time;
            self.learn_amount(payment.money);
        }
        self.learn_hour(time.hour_of_day(policy.signals.hour_unusual.utc_offset_min));
        Forgotten {
            payees: self.learn_payee(payment, time, policy.memory.payees_max),
            devices: self.learn_device(payment, time, policy.memory.devices_max),
        }
    }

    /// Takes back what was learnt from a payment that turned out bad.
    pub fn unlearn(&mut self, policy: &Policy, payment: &Payment, time: Timestamp) {
        self.payments_learnt = self.payments_learnt.saturating_sub(1);
        let money = payment.money;
        if let Some((_, amounts)) = self
            .amounts
            .iter_mut()
            .find(|(known, _)| *known == money.currency())
        {
            amounts.unlearn(money.amount_minor());
        }
        let hour = time.hour_of_day(policy.signals.hour_unusual.utc_offset_min);
        if let Some(count) = self.hours.get_mut(usize::from(hour)) {
            *count = count.saturating_sub(1);
        }
        if let Some(known) = self.known_payee_mut(&payment.payee) {
            known.times_paid = known.times_paid.saturating_sub(1);
            known.amounts.unlearn(money.amount_minor());
        }
        let known_before = self.payees.len();
        self.payees.retain(|known| known.times_paid > 0);
        if self.payees.len() < known_before {
            self.payees_met = self.payees_met.saturating_sub(1);
        }
        for known in &mut self.devices {
            if Some(&known.device_id) == payment.device_id.as_ref() {
                known.times_used = known.times_used.saturating_sub(1);
            }
        }
        self.devices.retain(|known| known.times_used > 0);
    }

    /// Notes that the payer, asked about a repeat of this payment, said that it was meant.
    pub fn confirm_repeat(&mut self, payment: &Payment) {
        if let Some(known) = self.known_payee_mut(&payment.payee) {
            known.repeats_confirmed = known.repeats_confirmed.saturating_add(1);
        }
    }

    fn known_payee_mut(&mut self, payee: &Payee) -> Option<&mut KnownPayee> {
        self.payees.iter_mut().find(|known| known.payee == *payee)
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
        entry.1.learn(money.amount_minor(), AMOUNTS_KEPT);
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

    fn learn_payee(&mut self, payment: &Payment, time: Timestamp, payees_max: u32) -> u32 {
        let money = payment.money;
        if let Some(known) = self.known_payee_mut(&payment.payee) {
            if known.currency != money.currency() {
                known.currency = money.currency();
                known.amounts = Amounts::default();
            }
            // One sitting, one vote here too: the parts of one bill are not what is usual.
            if known.last_paid.plus(SITTING) <= time || known.amounts.is_empty() {
                known
                    .amounts
                    .learn(money.amount_minor(), PAYEE_AMOUNTS_KEPT);
            }
            known.times_paid = known.times_paid.saturating_add(1);
            known.last_paid = known.last_paid.max(time);
            return 0;
        }
        self.payees_met = self.payees_met.saturating_add(1);
        // Those paid once or twice go first, however lately: a payee of years outlives a holiday.
        let forgotten = make_room(&mut self.payees, payees_max, |known| {
            (known.times_paid.min(ESTABLISHED_TIMES), known.last_paid)
        });
        self.payees.push(KnownPayee {
            payee: payment.payee.clone(),
            times_paid: 1,
            first_paid: time,
            last_paid: time,
            currency: money.currency(),
            amounts: Amounts::of(money.amount_minor()),
            repeats_confirmed: 0,
        });
        forgotten
    }

    fn learn_device(&mut self, payment: &Payment, time: Timestamp, devices_max: u32) -> u32 {
        let Some(device_id) = &payment.device_id else {
            return 0;
        };
        if let Some(known) = self
            .devices
            .iter_mut()
            .find(|known| known.device_id == *device_id)
        {
            known.times_used = known.times_used.saturating_add(1);
            known.last_used = known.last_used.max(time);
            return 0;
        }
        let forgotten = make_room(&mut self.devices, devices_max, |known| known.last_used);
        self.devices.push(KnownDevice {
            device_id: device_id.clone(),
            times_used: 1,
            last_used: time,
        });
        forgotten
    }
}

/// Whether a payment at `time` is the first of its sitting, not one more of the sitting before.
fn payment_began_a_sitting(sitting_since: Timestamp, time: Timestamp) -> bool {
    sitting_since.plus(SITTING) <= time || sitting_since == Timestamp::default()
}

/// Makes room for one more by dropping what is worth least; returns how many went.
fn make_room<T, W: Ord>(kept: &mut Vec<T>, max: u32, worth: impl Fn(&T) -> W) -> u32 {
    let mut dropped: u32 = 0;
    while kept.len() >= max.max(1) as usize {
        let Some((least, _)) = kept
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| worth(entry))
        else {
            break;
        };
        kept.swap_remove(least);
        dropped = dropped.saturating_add(1);
    }
    dropped
}
