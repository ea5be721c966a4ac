//! How many payments a payee got, fading: what reports against it are held against.
//!
//! Some gateways tell of each payment that went well, others of bad news alone. To hear nothing of a payment for
//! a day is as good as to hear that it went well.

use super::reports::Reports;
use crate::scoring::image::{QUANTITY, narrow, number_f32, put_time, time};
use crate::scoring::packing::{Reader, put_float, put_varint};
use crate::scoring::time::{Span, Timestamp, remaining_share};

/// For how long payments are too young to count: bad news may still come.
const YOUTH: Span = Span::from_days(1);

/// Payments since the last count of all, and what is left of those before. Those that are counted fade from the
/// count before on: never less than those of which it is told at once that they went well.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Paid {
    counted_at: Timestamp,
    young: u32,
    over_weeks: f32,
    lately: f32,
}

/// In what time what counts over weeks fades by half, and what counts lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct HalfLives {
    pub(super) over_weeks: Span,
    pub(super) lately: Span,
}

impl Paid {
    /// Notes one more.
    pub(super) fn note(&mut self, half_lives: HalfLives, now: Timestamp) {
        if now.since(self.counted_at) >= YOUTH {
            let (over_weeks, lately) = self.at(half_lives, now);
            *self = Self {
                counted_at: now,
                young: 0,
                over_weeks: kept(over_weeks),
                lately: kept(lately),
            };
        }
        self.young = self.young.saturating_add(1);
    }

    /// Notes that one was not paid after all.
    pub(super) fn note_unpaid(&mut self) {
        if self.young > 0 {
            self.young = self.young.saturating_sub(1);
        } else {
            self.over_weeks = (self.over_weeks - 1.0).max(0.0);
            self.lately = (self.lately - 1.0).max(0.0);
        }
    }

    /// `over_weeks` and `lately` with those that were settled, whether that was told or not.
    pub(super) fn settle(
        self,
        reports: [Reports; 2],
        half_lives: HalfLives,
        now: Timestamp,
    ) -> [Reports; 2] {
        let (over_weeks, lately) = self.at(half_lives, now);
        let [weeks_told, lately_told] = reports;
        let with = |told: Reports, paid: f64| Reports {
            settled: told.settled.max(paid),
            ..told
        };
        [with(weeks_told, over_weeks), with(lately_told, lately)]
    }

    /// What is left at `now` of those over weeks, and of those of late.
    fn at(self, half_lives: HalfLives, now: Timestamp) -> (f64, f64) {
        let elapsed = now.since(self.counted_at);
        let grown = match elapsed >= YOUTH {
            true => f64::from(self.young),
            false => 0.0,
        };
        let left = |before: f32, half_life: Span| {
            (f64::from(before) + grown) * remaining_share(elapsed, half_life)
        };
        (
            left(self.over_weeks, half_lives.over_weeks),
            left(self.lately, half_lives.lately),
        )
    }

    /// Whether it is none.
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

#[expect(
    clippy::cast_possible_truncation,
    reason = "a rate needs no more than 24 bits"
)]
const fn kept(count: f64) -> f32 {
    count as f32
}
