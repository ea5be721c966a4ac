//! Settled payments and reports against a payee, fading.

use super::RiskChange;
use crate::scoring::image::{QUANTITY, number, put_time, time};
use crate::scoring::outcome::PayeeRisk;
use crate::scoring::packing::{Reader, put_float};
use crate::scoring::time::{Span, Timestamp, remaining_share};

/// How many payments were settled and how many of them were reported, recent ones counting more.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reports {
    /// Settled payments.
    pub settled: f64,
    /// Refunds and payers' mistakes among them.
    pub weak: f64,
    /// Frauds among them.
    pub strong: f64,
}

/// The counts as of the last change.
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
        // What is taken back after it faded leaves less than nothing.
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
        // What was taken back had faded since it was added: never below nothing.
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

    /// Notes that the outcome of one payment changed.
    pub(super) fn note(&mut self, change: RiskChange, half_life: Span, now: Timestamp) {
        if self.faded_at < now {
            let left = remaining_share(now.since(self.faded_at), half_life);
            self.counts.settled *= left;
            self.counts.weak *= left;
            self.counts.strong *= left;
            self.faded_at = now;
        }
        let changed = |counts: &dyn Fn(PayeeRisk) -> bool| {
            f64::from(u8::from(counts(change.after))) - f64::from(u8::from(counts(change.before)))
        };
        self.counts.settled += changed(&|risk| risk != PayeeRisk::None);
        self.counts.weak += changed(&|risk| risk == PayeeRisk::Weak);
        self.counts.strong += changed(&|risk| risk == PayeeRisk::Strong);
    }
}
