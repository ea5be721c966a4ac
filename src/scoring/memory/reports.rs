//! Settled payments of a payee and reports against it, fading with time.

use super::RiskChange;
use crate::scoring::image::{QUANTITY, number, put_time, time};
use crate::scoring::outcome::PayeeRisk;
use crate::scoring::packing::{Reader, put_float};
use crate::scoring::time::{Span, Timestamp, remaining_share};

/// How many payments were settled, and how many of them were reported as bad. Not whole numbers: a payment counts 1 at
/// first, and less and less with time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reports {
    /// Payments that were settled, in whatever way: an outcome was reported, or nothing was heard.
    pub settled: f64,
    /// Refunds and payers' mistakes among them.
    pub weak: f64,
    /// Frauds among them.
    pub strong: f64,
}

/// The counts of what was reported, and when they were last brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct FadingReports {
    counts: Reports,
    faded_at: Timestamp,
}

impl FadingReports {
    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self { counts, faded_at } = self;
        let Reports {
            settled,
            weak,
            strong,
        } = *counts;
        for count in [settled, weak, strong] {
            put_float(out, count);
        }
        put_time(out, *faded_at);
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        // May be below 0: a report that is taken back takes 1 off, and had faded to less.
        let mut count = || number(rest, -QUANTITY.end()..=*QUANTITY.end());
        let counts = Reports {
            settled: count()?,
            weak: count()?,
            strong: count()?,
        };
        let faded_at = time(rest)?;
        Some(Self { counts, faded_at })
    }

    /// The counts as of `now`, half of which fades every `half_life`.
    pub(super) fn at(&self, half_life: Span, now: Timestamp) -> Reports {
        if self.counts == Reports::default() {
            return Reports::default();
        }
        let left = remaining_share(now.since(self.faded_at), half_life);
        Reports {
            settled: (self.counts.settled * left).max(0.0),
            weak: (self.counts.weak * left).max(0.0),
            strong: (self.counts.strong * left).max(0.0),
        }
    }

    /// Whether there were refunds, mistakes or frauds.
    pub(super) fn has_bad_news(&self) -> bool {
        self.counts.weak > 0.0 || self.counts.strong > 0.0
    }

    /// Notes that what is known of one payment changed: it leaves the counts that it was in, and enters others.
    pub(super) fn note(&mut self, change: RiskChange, half_life: Span, now: Timestamp) {
        if self.faded_at < now {
            let left = remaining_share(now.since(self.faded_at), half_life);
            self.counts.settled *= left;
            self.counts.weak *= left;
            self.counts.strong *= left;
            self.faded_at = now;
        }
        let one_if = |is: bool| f64::from(u8::from(is));
        let RiskChange { before, after } = change;
        self.counts.settled += one_if(after != PayeeRisk::None) - one_if(before != PayeeRisk::None);
        self.counts.weak += one_if(after == PayeeRisk::Weak) - one_if(before == PayeeRisk::Weak);
        self.counts.strong +=
            one_if(after == PayeeRisk::Strong) - one_if(before == PayeeRisk::Strong);
    }
}
