//! How snapshots went.

use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{SNAPSHOT_AGE, SNAPSHOTS};
use super::page::Page;
use crate::clock::Stopwatch;

/// Counts of snapshots. One that was given up for the time it took is neither taken nor failed.
#[derive(Debug)]
pub struct SnapshotCounters {
    taken: AtomicU64,
    failed: AtomicU64,
    running: Stopwatch,
    /// How long it had been running when the latest was taken.
    latest_ms: AtomicU64,
}

impl Default for SnapshotCounters {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            running: Stopwatch::start(),
            latest_ms: AtomicU64::new(0),
        }
    }
}

impl SnapshotCounters {
    /// Counts what a try came to.
    pub fn add<T, E>(&self, tried: &Result<Option<T>, E>) {
        let counter = match tried {
            Ok(Some(_)) => {
                self.latest_ms.store(self.running_ms(), Ordering::Relaxed);
                &self.taken
            }
            Ok(None) => return,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut samples = page.family(&SNAPSHOTS);
        samples.put(&["taken"], self.taken.load(Ordering::Relaxed));
        samples.put(&["failed"], self.failed.load(Ordering::Relaxed));
        let latest_ms = self.latest_ms.load(Ordering::Relaxed);
        let age_ms = self.running_ms().saturating_sub(latest_ms);
        page.one(&SNAPSHOT_AGE, age_ms as f64 / 1e3);
    }

    fn running_ms(&self) -> u64 {
        u64::try_from(self.running.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
