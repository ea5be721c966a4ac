//! How busy an account usually is: payments and spending per window, when it pays at all.

use crate::scoring::image::{
    QUANTITY, currency, narrow, number_f32, optional, put_currency, put_optional, put_time, time,
};
use crate::scoring::money::Currency;
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};
use crate::scoring::window::{WINDOWS, WindowIndex};

/// The usual pace of one account, window by window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    windows: [WindowPace; WINDOWS.len()],
    /// The currency that sums are watched in: the first one that the account paid more than a few sums in.
    currency: Option<Currency>,
}

/// How full one of the windows gets, when there is anything in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct WindowPace {
    /// When the period that is being watched began.
    since: Timestamp,
    /// The most payments in the window during this period.
    count_peak: u32,
    /// The largest sum during this period, in minor units.
    sum_peak_minor: f32,
    /// The peaks of earlier periods, fading.
    count_usual: f32,
    sum_usual_minor: f32,
}

impl Pace {
    /// How many payments the account usually makes within window `nth` when it makes any; 0 if unknown.
    #[must_use]
    pub fn usual_count(&self, nth: WindowIndex) -> f64 {
        self.windows
            .get(nth as usize)
            .map_or(0.0, |pace| pace.count_usual.into())
    }

    /// What it usually spends within window `nth`, in minor units of the currency watched; 0 if unknown.
    pub(super) fn usual_sum_minor(&self, nth: WindowIndex) -> f64 {
        self.windows
            .get(nth as usize)
            .map_or(0.0, |pace| pace.sum_usual_minor.into())
    }

    /// The currency that sums are watched in; `None` before the first.
    pub(super) const fn watched(&self) -> Option<Currency> {
        self.currency
    }

    /// Watches sums in `currency` from now on; what is known of those in another is no help.
    pub(super) fn watch(&mut self, currency: Currency) {
        self.currency = Some(currency);
        for pace in &mut self.windows {
            pace.sum_peak_minor = 0.0;
            pace.sum_usual_minor = 0.0;
        }
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self { windows, currency } = self;
        put_optional(out, *currency, put_currency);
        windows.iter().for_each(|pace| pace.put_image(out));
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let currency = optional(rest, currency)?;
        let mut windows = [WindowPace::default(); WINDOWS.len()];
        for pace in &mut windows {
            *pace = WindowPace::read_image(rest)?;
        }
        Some(Self { windows, currency })
    }

    /// Notes how full window `nth` is, the payment just made included; the sum is in the currency watched.
    pub(super) fn note(
        &mut self,
        nth: WindowIndex,
        count: u32,
        sum_minor: f64,
        half_life: Span,
        now: Timestamp,
    ) {
        if let Some(pace) = self.windows.get_mut(nth as usize) {
            pace.note(nth.span(), count, sum_minor, half_life, now);
        }
    }
}

/// The most that is noted of a sum: more than an account can pay in a window, and no more than can be read back,
/// however far apart its levels in two currencies are.
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

    /// What is usual is learnt when the period is over, which takes a pause: a burst must not make
    /// itself usual while it lasts. Where no pause comes in ten windows running, being busy is what is
    /// usual.
    fn note(&mut self, window: Span, count: u32, sum_minor: f64, half_life: Span, now: Timestamp) {
        let lasted = now.since(self.since);
        if lasted >= window && (count <= 1 || lasted.share_of(window) >= 10.0) {
            self.learn(remaining_share(lasted, half_life));
            self.since = now;
            self.count_peak = 0;
            self.sum_peak_minor = 0.0;
        }
        self.count_peak = self.count_peak.max(count);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a habit needs no more than 24 bits"
        )]
        let sum_minor = sum_minor.min(SUM_MINOR_MAX) as f32;
        self.sum_peak_minor = self.sum_peak_minor.max(sum_minor);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a habit needs no more than 24 bits"
    )]
    fn learn(&mut self, left: f64) {
        if self.count_peak == 0 {
            return;
        }
        let left = left as f32;
        self.count_usual = (self.count_usual * left).max(self.count_peak as f32);
        self.sum_usual_minor = (self.sum_usual_minor * left).max(self.sum_peak_minor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_does_not_make_itself_usual_while_it_lasts() {
        let mut pace = Pace::default();
        let month = Span::from_days(30);
        let at = |secs| Timestamp::from_unix_ms(secs * 1_000);
        for nth in 1..=20 {
            pace.note(WindowIndex::TenMinutes, nth, 0.0, month, at(i64::from(nth)));
            assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 0.0);
        }
        pace.note(WindowIndex::TenMinutes, 21, 0.0, month, at(700));
        assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 0.0);
        pace.note(WindowIndex::TenMinutes, 1, 0.0, month, at(3_600));
        assert_eq!(pace.usual_count(WindowIndex::TenMinutes), 21.0);
    }
}
