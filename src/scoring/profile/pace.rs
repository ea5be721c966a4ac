//! How busy an account usually is: how many payments, and how much money, it gets into a minute, ten minutes, an hour
//! and a day when it pays at all. And how late the outcomes of its payments are reported.
//!
//! Only what was paid counts. That includes what the payer was asked about first, or what is asked about would never
//! become usual.
//!
//! Three figures tell of a window, for three uses. The *usual* count is learnt after one pause, and saves questions.
//! The *proven* count is that of busy days three days ago or earlier, and lifts limits that block. The *everyday*
//! count is what it reached on each of the last three days, and lets bursts pass. The last two are kept for busy
//! accounts only.

use super::busy_days::{BUSY_FROM, BusyDays};
use super::lateness::Lateness;
use crate::scoring::heap;
use crate::scoring::image::{
    QUANTITY, currency, narrow, number_f32, put_currency, put_time, rounded_f32, time,
};
use crate::scoring::money::Currency;
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};
use crate::scoring::window::{WINDOWS, WindowIndex};

/// The usual pace of one account, window by window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    windows: [WindowPace; WINDOWS.len()],
    /// The currency that sums are counted in: the first one that the account paid more than a few sums in. Those in
    /// others are converted by the account's levels.
    currency: Option<Currency>,
    /// Boxed, as few accounts are busy.
    days: Option<Box<BusyDays>>,
    lateness: Lateness,
}

/// What a window holds when a payment is paid, that payment included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// How many payments count as attempts.
    pub attempts: u32,
    /// How many were paid, or may have been.
    pub paid: u32,
    /// What was spent, in minor units.
    pub sum_minor: f64,
}

/// How full one of the windows gets when the account pays.
///
/// Time is cut into busy periods, with a pause as long as the window between them. The most that the window held in a
/// period is its peak, and becomes usual once the period is over.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct WindowPace {
    /// When the current period began.
    since: Timestamp,
    /// The most payments that were paid in the window, during this period.
    count_peak: u32,
    /// The largest sum spent in the window during this period, in minor units.
    sum_peak_minor: f32,
    /// The largest peak of earlier periods, fading by the policy's half-life.
    count_usual: f32,
    sum_usual_minor: f32,
}

impl Pace {
    /// How many payments the account usually makes within window `nth` when it makes any, the proven count at least; 0
    /// if unknown.
    #[must_use]
    pub fn usual_count(&self, nth: WindowIndex) -> f64 {
        let window = self.windows.get(nth as usize);
        let usual = window.map_or(0.0, |pace| pace.count_usual.into());
        self.proven_count(nth).max(usual)
    }

    /// How many payments within window `nth` are proven to be usual: by a day that began three days ago or earlier. It
    /// may lift a limit that blocks. 0 if the account is not busy.
    #[must_use]
    pub fn proven_count(&self, nth: WindowIndex) -> f64 {
        let days = self.days.as_deref();
        days.map_or(0.0, |days| days.usual_count(nth))
    }

    /// How many payments the account makes within window `nth` every day: the least of the last three days on which it
    /// paid. 0 if it is not that busy.
    #[must_use]
    pub fn everyday_count(&self, nth: WindowIndex) -> u32 {
        let days = self.days.as_deref();
        days.map_or(0, |days| days.everyday_count(nth))
    }

    /// How many payments a busy account has paid on the day that is running at `now`, whether they are still
    /// remembered or not, and when that day ends. It began within the last 24 hours, so none of them is older.
    #[must_use]
    pub fn paid_today(&self, now: Timestamp) -> Option<(u32, Timestamp)> {
        self.days.as_deref().and_then(|days| days.today(now))
    }

    /// How late the outcomes of its payments are reported.
    #[must_use]
    pub const fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// Notes that the outcome of a payment was reported after so long; `None`: that it was not.
    pub(super) fn note_reported(&mut self, after: Option<Span>) {
        self.lateness.note(after);
    }

    /// How many bytes it has allocated.
    pub(super) const fn heap_bytes(&self) -> usize {
        match self.days {
            Some(_) => heap::bytes_of::<BusyDays>(1),
            None => 0,
        }
    }

    /// What it usually spends within window `nth`, in minor units of the currency that sums are counted in; 0 if
    /// unknown.
    pub(super) fn usual_sum_minor(&self, nth: WindowIndex) -> f64 {
        self.windows
            .get(nth as usize)
            .map_or(0.0, |pace| pace.sum_usual_minor.into())
    }

    /// The currency that sums are counted in; `None` before the first payment.
    pub(super) const fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// Counts sums in `currency` from now on, and forgets those counted in another.
    pub(super) fn count_sums_in(&mut self, currency: Currency) {
        self.currency = Some(currency);
        for pace in &mut self.windows {
            pace.sum_peak_minor = 0.0;
            pace.sum_usual_minor = 0.0;
        }
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            windows,
            currency,
            days,
            lateness,
        } = self;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(currency.is_some(), HAS_CURRENCY)
            | flag(days.is_some(), HAS_DAYS)
            | flag(!lateness.is_unknown(), HAS_LATENESS);
        out.push(flags);
        if let Some(currency) = *currency {
            put_currency(out, currency);
        }
        windows.iter().for_each(|pace| pace.put_image(out));
        if let Some(days) = days {
            days.put_image(out);
        }
        if !lateness.is_unknown() {
            lateness.put_image(out);
        }
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let flags = rest.byte()?;
        if flags & !(HAS_CURRENCY | HAS_DAYS | HAS_LATENESS) != 0 {
            return None;
        }
        let currency = match flags & HAS_CURRENCY {
            0 => None,
            _ => Some(currency(rest)?),
        };
        let mut windows = [WindowPace::default(); WINDOWS.len()];
        for pace in &mut windows {
            *pace = WindowPace::read_image(rest)?;
        }
        let days = match flags & HAS_DAYS {
            0 => None,
            _ => Some(Box::new(BusyDays::read_image(rest)?)),
        };
        let lateness = match flags & HAS_LATENESS {
            0 => Lateness::default(),
            _ => Lateness::read_image(rest)?,
        };
        Some(Self {
            windows,
            currency,
            days,
            lateness,
        })
    }

    /// Notes that a payment was paid. `fill` is what each window holds then; sums are in the currency that they are
    /// counted in.
    pub(super) fn note(
        &mut self,
        fill: impl Fn(WindowIndex) -> Fill,
        half_life: Span,
        now: Timestamp,
    ) {
        for (nth, pace) in WindowIndex::ALL.into_iter().zip(&mut self.windows) {
            pace.note(nth.span(), fill(nth), half_life, now);
        }
        let paid = |nth| fill(nth).paid;
        if self.days.is_none() && paid(WindowIndex::Day) >= BUSY_FROM {
            self.days = Some(Box::new(BusyDays::since(now)));
        }
        if let Some(days) = &mut self.days {
            days.note(paid, half_life, now);
        }
        if self.days.as_deref().is_some_and(BusyDays::are_forgotten)
            && paid(WindowIndex::Day) < BUSY_FROM
        {
            self.days = None;
        }
    }

    /// Notes that a payment made at `time`, which was noted as paid, was not paid after all.
    pub(super) fn note_unpaid(&mut self, time: Timestamp) {
        if let Some(days) = &mut self.days {
            days.note_unpaid(time);
        }
    }

    /// After a fraud, forgets the busy days that are not proven yet.
    pub(super) fn distrust(&mut self) {
        if let Some(days) = &mut self.days {
            days.distrust();
        }
    }
}

// Flags in the first byte of an image: which of the optional parts follow. The first images had no days, and those
// after them no lateness.
const HAS_CURRENCY: u8 = 1;
const HAS_DAYS: u8 = 1 << 1;
const HAS_LATENESS: u8 = 1 << 2;

/// The largest sum that is noted, in minor units: more than an account can pay in a window, and less than an image may
/// hold, however many minor units of one currency a sum in another is worth.
const SUM_MINOR_MAX: f64 = 1e19;

impl WindowPace {
    fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            since,
            count_peak,
            sum_peak_minor,
            count_usual,
            sum_usual_minor,
        } = *self;
        put_time(out, since);
        put_varint(out, count_peak.into());
        for number in [sum_peak_minor, count_usual, sum_usual_minor] {
            put_float(out, number.into());
        }
    }

    fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let (since, count_peak) = (time(rest)?, narrow(rest)?);
        let mut number = || number_f32(rest, QUANTITY);
        Some(Self {
            since,
            count_peak,
            sum_peak_minor: number()?,
            count_usual: number()?,
            sum_usual_minor: number()?,
        })
    }

    /// Notes what the window holds, and begins a new period where one is over.
    ///
    /// A period is over after a pause: nothing but this payment is in the window. A burst so does not make itself
    /// usual while it lasts. Where no pause comes in ten windows' time, being busy is what is usual, and the period
    /// ends too.
    ///
    /// Out of line: in the loop over all windows, registers would not suffice.
    #[inline(never)]
    fn note(&mut self, window: Span, fill: Fill, half_life: Span, now: Timestamp) {
        let Fill {
            attempts,
            paid,
            sum_minor,
        } = fill;
        let lasted = now.since(self.since);
        let is_after_a_pause = attempts <= 1;
        if lasted >= window && (is_after_a_pause || lasted.share_of(window) >= 10.0) {
            self.learn_peaks(remaining_share(lasted, half_life));
            self.since = now;
            self.count_peak = 0;
            self.sum_peak_minor = 0.0;
        }
        self.count_peak = self.count_peak.max(paid);
        let sum_minor = rounded_f32(sum_minor.min(SUM_MINOR_MAX));
        self.sum_peak_minor = self.sum_peak_minor.max(sum_minor);
    }

    /// Makes the peaks of the period usual, where they are more than what is left of earlier ones. `left` is the share
    /// of those that has not faded.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a habit needs no more than 24 bits"
    )]
    fn learn_peaks(&mut self, left: f64) {
        if self.count_peak == 0 {
            return;
        }
        let left = rounded_f32(left);
        self.count_usual = (self.count_usual * left).max(self.count_peak as f32);
        self.sum_usual_minor = (self.sum_usual_minor * left).max(self.sum_peak_minor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: Span = Span::from_days(30);

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_unix_ms(0).plus(Span::from_secs(secs))
    }

    const fn paid(paid: u32) -> Fill {
        Fill {
            attempts: paid,
            paid,
            sum_minor: 0.0,
        }
    }

    #[test]
    fn a_burst_does_not_make_itself_usual_while_it_lasts() {
        let mut pace = Pace::default();
        for nth in 1..=20 {
            pace.note(|_| paid(nth), MONTH, at(i64::from(nth)));
            assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 0.0);
        }
        pace.note(|_| paid(21), MONTH, at(700));
        assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 0.0);
        pace.note(|_| paid(1), MONTH, at(3_600));
        assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 21.0);
    }

    #[test]
    fn attempts_that_came_to_nothing_do_not_make_a_pace() {
        let mut pace = Pace::default();
        let tried = |nth| Fill {
            attempts: 3 * nth,
            ..paid(nth)
        };
        (1..=20).for_each(|nth| pace.note(|_| tried(nth), MONTH, at(nth.into())));
        pace.note(|_| paid(1), MONTH, at(3_600));
        assert_eq!(pace.usual_count(WindowIndex::Hour), 20.0);
    }

    /// Forty payments, a second apart, the last of which makes forty in every window.
    fn busy_hour(pace: &mut Pace, from: i64) {
        let secs = (0..).map(|nth| at(from).plus(Span::from_secs(nth)));
        (1..=40)
            .zip(secs)
            .for_each(|(nth, now)| pace.note(|_| paid(nth), MONTH, now));
    }

    #[test]
    fn what_lifts_limits_is_three_days_old_and_fades() {
        const DAY: i64 = 86_400;
        let mut pace = Pace::default();
        let proven = |pace: &Pace| pace.proven_count(WindowIndex::Hour);
        busy_hour(&mut pace, 0);
        busy_hour(&mut pace, DAY + 60);
        pace.note(|_| paid(1), MONTH, at(2 * DAY + 120));
        assert_eq!(proven(&pace), 0.0);
        pace.note(|_| paid(1), MONTH, at(3 * DAY + 180));
        assert!((39.9..=40.0).contains(&proven(&pace)), "{}", proven(&pace));
        // The day counts what was paid in it, the first ones apart that nobody knew to be of a busy account.
        let of_day = pace.proven_count(WindowIndex::Day);
        let known = f64::from(40 - BUSY_FROM + 1);
        assert!((known - 0.1..=known).contains(&of_day), "{of_day}");
        assert_eq!(pace.everyday_count(WindowIndex::Hour), 1);
        pace.note(|_| paid(1), MONTH, at(40 * DAY));
        assert!((15.0..=25.0).contains(&proven(&pace)), "{}", proven(&pace));
        assert!(pace.heap_bytes() > 0);
        pace.note(|_| paid(1), MONTH, at(400 * DAY));
        pace.note(|_| paid(1), MONTH, at(500 * DAY));
        assert_eq!(pace.heap_bytes(), 0);
    }
}
