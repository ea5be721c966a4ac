//! How snapshots went.

use std::sync::atomic::{AtomicU64, Ordering};

use super::families::SNAPSHOTS;
use super::page::Page;

/// Counts of snapshots. One that was given up for the time it took is neither taken nor failed.
#[derive(Debug, Default)]
pub struct SnapshotCounters {
    taken: AtomicU64,
    failed: AtomicU64,
}

impl SnapshotCounters {
    /// Counts what a try came to.
    pub fn add<T, E>(&self, tried: &Result<Option<T>, E>) {
        let counter = match tried {
            Ok(Some(_)) => &self.taken,
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
    }
}
