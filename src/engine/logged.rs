//! A state, and up to which event of the journal it goes.

use crate::store::Footprint;

/// The state of a key, and the last event of the journal that is in it. A snapshot is taken key by key while
/// calls go on: this number says which later events each state still lacks.
#[derive(Debug, Default)]
pub(super) struct Logged<S> {
    pub(super) state: S,
    /// That event's sequence number; 0 without one.
    pub(super) applied: u64,
}

impl<S> Logged<S> {
    /// Runs `step` if the event with this sequence number is not in the state yet.
    pub(super) fn apply<T>(&mut self, sequence: u64, step: impl FnOnce(&mut S) -> T) -> Option<T> {
        (self.applied < sequence).then(|| {
            self.applied = sequence;
            step(&mut self.state)
        })
    }
}

impl<S: Footprint> Footprint for Logged<S> {
    const READS_HEAP: bool = S::READS_HEAP;

    fn heap_bytes(&self) -> usize {
        self.state.heap_bytes()
    }

    fn fetch(&self) {
        self.state.fetch();
    }
}
