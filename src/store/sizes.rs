//! How many keys a store has, and how much memory it takes.

use std::borrow::Borrow;
use std::sync::atomic::Ordering;

use super::{Footprint, Slot, Store};

impl<K: Borrow<str> + Clone + Footprint, V: Default + Footprint> Store<K, V> {
    /// How many bytes a slot takes.
    pub const SLOT_BYTES: usize = size_of::<Slot<K, V>>();

    /// How many slots for keys there are, used or free.
    pub fn slots(&self) -> usize {
        self.slab.taken() as usize
    }

    /// How many of them are free: this many new keys need no more memory.
    pub fn slots_free(&self) -> usize {
        self.slab.free()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.keys.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes everything takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots_bytes() + self.heap_bytes()
    }

    /// How many bytes keys and states have allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        with_leftover(self.counts.heap_bytes.load(Ordering::Relaxed))
    }

    /// How many bytes the slots take, used or free. Only [compacting](Self::compacted) gives free ones back.
    #[must_use]
    pub fn slots_bytes(&self) -> usize {
        with_leftover(self.slab.bytes() + self.hints.bytes() + self.map.bytes())
    }

    /// Counts a change of allocated memory.
    pub(super) fn count_heap(&self, before: usize, after: usize) {
        if after > before {
            self.counts
                .heap_bytes
                .fetch_add(after - before, Ordering::Relaxed);
        } else if before > after {
            self.counts
                .heap_bytes
                .fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// What the process takes for `bytes`: measured, one part in 32 is unused at the ends of the allocator's pages.
pub(super) const fn with_leftover(bytes: usize) -> usize {
    bytes + bytes / 32
}
