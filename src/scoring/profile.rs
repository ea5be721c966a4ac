//! What is usual for an account: amounts, payees, devices, hours and pace.
//!
//! Bounded and small: recent amounts, the payees and devices used last, one counter per hour. It
//! learns only from payments that went well, so a mistake or a fraud does not become a habit.

use super::money::{Currency, Money};
use super::payment::{DeviceId, Payee, Payment};
use super::policy::Policy;
use super::time::{Span, Timestamp, remaining_share};
use super::window::{WINDOWS, WindowIndex};

/// How many amounts of an account are kept per currency.
pub const AMOUNTS_KEPT: usize = 32;
/// How many amounts of a payee are kept.
pub const PAYEE_AMOUNTS_KEPT: usize = 8;
/// From how many payments on a payee counts as established.
const ESTABLISHED_TIMES: u32 = 3;
/// How long payments count as made in one sitting.
const SITTING: Span = Span::from_minutes(10);
/// How many currencies of an account are kept.
const CURRENCIES_KEPT: usize = 4;

/// An amount on a logarithmic scale: 256 steps to a doubling.
///
/// Amounts people pay are skewed; their logarithms are not. The logarithm is taken in whole numbers,
/// so it is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogAmount(u16);

impl LogAmount {
    /// Steps to a doubling.
    pub const STEPS_PER_DOUBLING: f64 = 256.0;

    /// The logarithm of an amount in minor units; amounts below 1 count as 1.
    #[must_use]
    pub fn of(amount_minor: i64) -> Self {
        let amount = u64::try_from(amount_minor).unwrap_or(1).max(1);
        let whole = amount.ilog2();
        // The mantissa as a fixed-point number in [2^31, 2^32); squaring it eight times reads off
        // eight binary digits of the logarithm.
        let mut mantissa = if whole >= 31 {
            amount >> whole.saturating_sub(31)
        } else {
            amount << 31_u32.saturating_sub(whole)
        };
        let mut log = u64::from(whole);
        for _ in 0..8 {
            mantissa = mantissa.saturating_mul(mantissa) >> 31;
            let digit = mantissa >> 32;
            log = log << 1 | digit;
            mantissa >>= digit;
        }
        Self(u16::try_from(log).unwrap_or(u16::MAX))
    }

    /// How many doublings this amount is above `other`; negative when it is below.
    #[must_use]
    pub fn doublings_above(self, other: Self) -> f64 {
        (f64::from(self.0) - f64::from(other.0)) / Self::STEPS_PER_DOUBLING
    }
}

/// The last amounts paid, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Amounts {
    minor: Vec<i64>,
}

/// The middle of some amounts and how far they spread, both robust: half of the amounts may be
/// arbitrarily wrong without moving either far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median, in minor units.
    pub median_minor: i64,
    /// The logarithm of the median.
    pub median: LogAmount,
    /// The median absolute deviation from it, in doublings.
    pub absolute_deviation_doublings: f64,
}

impl Spread {
    /// The deviation that a normal distribution of this spread would have: 1.4826 times its median
    /// absolute deviation. Source: Rousseeuw and Croux, "Alternatives to the median absolute
    /// deviation", 1993.
    #[must_use]
    pub fn deviation_doublings(&self) -> f64 {
        self.absolute_deviation_doublings * 1.4826
    }
}

impl Amounts {
    /// The amounts in minor units, oldest first.
    #[must_use]
    pub fn minor(&self) -> &[i64] {
        &self.minor
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.minor.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minor.is_empty()
    }

    /// Median and spread; `None` when there are none.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        let mut sorted = [0_i64; AMOUNTS_KEPT];
        let sorted = sorted.get_mut(..self.minor.len())?;
        sorted.copy_from_slice(&self.minor);
        sorted.sort_unstable();
        let middle = sorted.len() / 2;
        let median_minor = *sorted.get(middle)?;
        let median = LogAmount::of(median_minor);
        let mut deviations = [0.0_f64; AMOUNTS_KEPT];
        let deviations = deviations.get_mut(..sorted.len())?;
        for (deviation, amount) in deviations.iter_mut().zip(sorted.iter()) {
            *deviation = LogAmount::of(*amount).doublings_above(median).abs();
        }
        deviations.sort_unstable_by(f64::total_cmp);
        Some(Spread {
            median_minor,
            median,
            absolute_deviation_doublings: *deviations.get(middle)?,
        })
    }

    /// How round the amounts are: the largest of 1, 5, 10, 50, 100 … that divides two in three.
    #[must_use]
    pub fn granularity_minor(&self) -> i64 {
        let divides = |unit: i64| {
            let divided = self
                .minor
                .iter()
                .filter(|amount| amount.checked_rem(unit) == Some(0));
            divided.count().saturating_mul(3) >= self.minor.len().saturating_mul(2)
        };
        let mut granularity = 1;
        let mut factors = [5, 2].into_iter().cycle();
        while let Some(coarser) = factors
            .next()
            .and_then(|by| i64::checked_mul(granularity, by))
            && !self.minor.is_empty()
            && divides(coarser)
        {
            granularity = coarser;
        }
        granularity
    }

    fn learn(&mut self, amount_minor: i64, kept: usize) {
        if self.minor.len() >= kept {
            self.minor.remove(0);
        }
        self.minor.push(amount_minor);
    }

    fn unlearn(&mut self, amount_minor: i64) {
        if let Some(at) = self.minor.iter().rposition(|known| *known == amount_minor) {
            self.minor.remove(at);
        }
    }
}

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

/// How many payments the account usually makes within one of the windows, when it makes any.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Pace {
    /// When the period that is being watched began.
    since: Timestamp,
    /// The most payments in the window during this period.
    count_peak: u32,
    /// The largest sum during this period, in minor units of the profile's main currency.
    sum_peak_minor: i64,
    /// The usual peaks of earlier periods, fading.
    count_usual: f64,
    sum_usual_minor: f64,
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
    pace: [Pace; WINDOWS.len()],
    /// The currency that sums are watched in: the first one seen. Others are not comparable.
    pace_currency: Option<Currency>,
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

    /// How many payments the account usually makes within window `nth` when it makes any; 0 if unknown.
    #[must_use]
    pub fn usual_count(&self, nth: WindowIndex) -> f64 {
        self.pace
            .get(nth as usize)
            .map_or(0.0, |pace| pace.count_usual)
    }

    /// What it usually spends within window `nth`, in minor units; 0 if unknown.
    #[must_use]
    pub fn usual_sum_minor(&self, nth: WindowIndex, currency: Currency) -> f64 {
        if self.pace_currency != Some(currency) {
            return 0.0;
        }
        self.pace
            .get(nth as usize)
            .map_or(0.0, |pace| pace.sum_usual_minor)
    }

    /// Notes how full a window is, this payment included. What is usual is learnt when the period is
    /// over, which takes a pause: a burst must not make itself usual while it lasts. Where no pause
    /// comes in ten windows running, being busy is what is usual.
    pub fn note_pace(
        &mut self,
        nth: WindowIndex,
        count: u32,
        (currency, sum_minor): (Currency, i64),
        half_life: Span,
        now: Timestamp,
    ) {
        let watched = *self.pace_currency.get_or_insert(currency);
        let sum_minor = if watched == currency { sum_minor } else { 0 };
        let Some(pace) = self.pace.get_mut(nth as usize) else {
            return;
        };
        let lasted = now.since(pace.since);
        let is_over = lasted >= nth.span() && (count <= 1 || lasted.share_of(nth.span()) >= 10.0);
        if is_over {
            if pace.count_peak > 0 {
                let left = remaining_share(lasted, half_life);
                pace.count_usual = (pace.count_usual * left).max(f64::from(pace.count_peak));
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a habit needs no more than 53 bits"
                )]
                let sum_peak = pace.sum_peak_minor as f64;
                pace.sum_usual_minor = (pace.sum_usual_minor * left).max(sum_peak);
            }
            pace.since = now;
            pace.count_peak = 0;
            pace.sum_peak_minor = 0;
        }
        pace.count_peak = pace.count_peak.max(count);
        pace.sum_peak_minor = pace.sum_peak_minor.max(sum_minor);
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
        let mut forgotten = Forgotten::default();
        forgotten.payees = self.learn_payee(payment, time, policy.memory.payees_max);
        forgotten.devices = self.learn_device(payment, time, policy.memory.devices_max);
        forgotten
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
        if self.hours.iter().any(|count| *count == u8::MAX) {
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
            known.times_paid = known.times_paid.saturating_add(1);
            known.last_paid = known.last_paid.max(time);
            known
                .amounts
                .learn(money.amount_minor(), PAYEE_AMOUNTS_KEPT);
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
            amounts: Amounts {
                minor: vec![money.amount_minor()],
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: fn() -> (Currency, i64) = || (Currency::from_code("CNY").unwrap(), 0);

    #[test]
    fn the_whole_number_logarithm_follows_the_real_one() {
        for amount_minor in (1..5_000).chain([99_999, 1_234_567, 10_i64.pow(15)]) {
            let exact = (amount_minor as f64).log2();
            let ours = LogAmount::of(amount_minor).doublings_above(LogAmount::of(1));
            assert!(
                (exact - ours).abs() <= 1.0 / 256.0,
                "{amount_minor}: {exact} {ours}"
            );
        }
    }

    #[test]
    fn half_of_the_amounts_may_be_wrong_without_moving_the_middle_far() {
        let mut amounts = Amounts::default();
        for amount in [1_000, 1_100, 900, 1_050, 950, 1_000_000, 5_000_000] {
            amounts.learn(amount, AMOUNTS_KEPT);
        }
        let spread = amounts.spread().unwrap();
        assert_eq!(spread.median_minor, 1_050);
        assert!(spread.absolute_deviation_doublings < 0.3);
    }

    #[test]
    fn a_burst_does_not_make_itself_usual_while_it_lasts() {
        let mut profile = Profile::default();
        let month = Span::from_days(30);
        let at = |secs| Timestamp::from_unix_ms(secs * 1_000);
        for nth in 1..=20 {
            profile.note_pace(
                WindowIndex::TenMinutes,
                nth,
                NOTHING(),
                month,
                at(i64::from(nth)),
            );
            assert_eq!(profile.usual_count(WindowIndex::TenMinutes), 0.0);
        }
        profile.note_pace(WindowIndex::TenMinutes, 21, NOTHING(), month, at(700));
        assert_eq!(profile.usual_count(WindowIndex::TenMinutes), 0.0);
        profile.note_pace(WindowIndex::TenMinutes, 1, NOTHING(), month, at(3_600));
        assert_eq!(profile.usual_count(WindowIndex::TenMinutes), 21.0);
    }
}
