//! How often the shadow policy would have decided otherwise.

use std::sync::atomic::{AtomicU64, Ordering};

use super::families::SHADOW;
use super::page::Page;
use crate::scoring::assessment::Decision;

const DECISIONS: usize = Decision::ALL.len();

/// Counts by what was decided and what the shadow policy would have decided.
#[derive(Debug, Default)]
pub struct ShadowCounters([[AtomicU64; DECISIONS]; DECISIONS]);

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShadowCounts([[u64; DECISIONS]; DECISIONS]);

impl ShadowCounters {
    /// Counts a payment. One that got its stored answer again was counted before.
    pub fn add(&self, decided: Decision, shadow: Decision) {
        self.0[decided as usize][shadow as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> ShadowCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShadowCounts(self.0.each_ref().map(|row| row.each_ref().map(count)))
    }
}

impl ShadowCounts {
    /// How many payments were `decided` so where the shadow policy would have decided `shadow`.
    #[must_use]
    pub const fn of(&self, decided: Decision, shadow: Decision) -> u64 {
        self.0[decided as usize][shadow as usize]
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut samples = page.family(&SHADOW);
        for decided in Decision::ALL {
            for shadow in Decision::ALL {
                let labels = [decided.name(), shadow.name()];
                samples.put(&labels, self.of(*decided, *shadow));
            }
        }
    }
}
