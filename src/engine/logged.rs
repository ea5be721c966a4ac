//! State, and how much of the journal is in it.

use crate::store::Footprint;

/// What is remembered of a key, and the last event of the journal that is in it. A snapshot is taken key
/// by key while others go on: by this number it is known of each which events it still lacks.
#[derive(Debug, Default)]
pub(super) struct Logged<S> {
    pub(super) state: S,
    /// The sequence number of that event; 0 where there is none.
    pub(super) applied: u64,
}

impl<S> Logged<S> {
    /// Runs `step` if the event of this sequence number is not in the state yet.
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
