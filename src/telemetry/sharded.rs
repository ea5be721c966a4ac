//! Counters that no two cores fight for.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads count each in a place of their own; beyond that they share them.
const SHARDS: usize = 32;

/// A place for each thread to count in, and all of them to be added up when somebody asks.
#[derive(Debug)]
pub(super) struct Sharded<T>(Box<[Apart<T>]>);

/// Aligned so that no two of them are in one cache line, nor in two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Sharded<T> {
    /// The place of this thread.
    pub(super) fn own(&self) -> &T {
        &self.0[thread_number() % SHARDS].0
    }

    /// What all threads have counted, by what `count` reads of each place.
    pub(super) fn sum(&self, count: impl Fn(&T) -> u64) -> u64 {
        self.0.iter().map(|Apart(place)| count(place)).sum()
    }
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Apart::default()).collect())
    }
}

/// Threads are numbered as they first count something.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn more_threads_than_places_lose_nothing() {
        let counters: Sharded<AtomicU64> = Sharded::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * SHARDS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        counters.own().fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let sum = counters.sum(|counter| counter.load(Ordering::Relaxed));
        assert_eq!(sum, 3 * 100 * SHARDS as u64);
    }
}
