//! How many payments a payee got, fading: the number that its reports are divided by to make a rate.
//!
//! Some gateways report each payment that succeeded, others only bad news. So a payment of which nothing was heard for
//! a day counts like one that is known to have succeeded.

use super::reports::Reports;
use crate::scoring::image::{QUANTITY, narrow, number_f32, put_time, rounded_f32, time};
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};

/// How long payments are too young to count, as bad news may still come. Payments are counted together once that time
/// has gone since the first of them.
const YOUTH: Span = Span::from_days(1);

/// The payments that a payee got. All payments that are counted together fade from when the first of them was made, so
/// that they never come to more than if each had been counted at once, as those are that a gateway reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Paid {
    /// When payments were last counted, and the first of those that are not was made.
    counted_at: Timestamp,
    /// How many were made since.
    young: u32,
    /// Those made before, as of `counted_at`, fading over weeks.
    over_weeks: f32,
    /// The same ones, fading within days.
    lately: f32,
}

/// In what time `over_weeks` and `lately` fade by half.
#[derive(Debug, Clone, Copy)]
pub(super) struct HalfLives {
    pub(super) over_weeks: Span,
    pub(super) lately: Span,
}

impl Paid {
    /// Notes one more payment.
    pub(super) fn note(&mut self, half_lives: HalfLives, now: Timestamp) {
        if now.since(self.counted_at) >= YOUTH {
            let (over_weeks, lately) = self.at(half_lives, now);
            *self = Self {
                counted_at: now,
                young: 0,
                over_weeks: rounded_f32(over_weeks),
                lately: rounded_f32(lately),
            };
        }
        self.young = self.young.saturating_add(1);
    }

    /// Notes that a payment was not paid after all. A young one is taken off if there is any, whichever it was.
    pub(super) fn note_unpaid(&mut self) {
        if self.young > 0 {
            self.young = self.young.saturating_sub(1);
        } else {
            self.over_weeks = (self.over_weeks - 1.0).max(0.0);
            self.lately = (self.lately - 1.0).max(0.0);
        }
    }

    /// Adds to what was reported, over weeks and lately, the payments of which nothing was heard. Those that were
    /// reported are among the payments counted here, so the larger number of the two is that of all.
    pub(super) fn settle(
        self,
        reported: [Reports; 2],
        half_lives: HalfLives,
        now: Timestamp,
    ) -> [Reports; 2] {
        let (over_weeks, lately) = self.at(half_lives, now);
        let [reported_over_weeks, reported_lately] = reported;
        let with = |reported: Reports, paid: f64| Reports {
            settled: reported.settled.max(paid),
            ..reported
        };
        [
            with(reported_over_weeks, over_weeks),
            with(reported_lately, lately),
        ]
    }

    /// What `over_weeks` and `lately` are at `now`, the young ones included once they count.
    fn at(self, half_lives: HalfLives, now: Timestamp) -> (f64, f64) {
        let elapsed = now.since(self.counted_at);
        let old_enough = if elapsed >= YOUTH { self.young } else { 0 };
        let left = |before: f32, half_life: Span| {
            (f64::from(before) + f64::from(old_enough)) * remaining_share(elapsed, half_life)
        };
        (
            left(self.over_weeks, half_lives.over_weeks),
            left(self.lately, half_lives.lately),
        )
    }

    /// Whether no payment was ever noted.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn put_image(self, out: &mut Vec<u8>) {
        let Self {
            counted_at,
            young,
            over_weeks,
            lately,
        } = self;
        put_time(out, counted_at);
        put_varint(out, young.into());
        put_float(out, over_weeks.into());
        put_float(out, lately.into());
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let paid = Self {
            counted_at: time(rest)?,
            young: narrow(rest)?,
            over_weeks: number_f32(rest, QUANTITY)?,
            lately: number_f32(rest, QUANTITY)?,
        };
        (!paid.is_none()).then_some(paid)
    }
}
