//! How much a store remembers, and how many bytes that takes.

use std::borrow::Borrow;
use std::sync::atomic::Ordering;

use super::{Footprint, Store};

/// How many bytes a place for a key takes in a part of the map: the identity, the slot, a byte of its own,
/// and what allocators round up to.
const PLACE_BYTES: u32 = 24;

impl<K: Borrow<str> + Clone + Footprint, V: Default + Footprint> Store<K, V> {
    /// How many places for keys there are, used or free.
    pub fn places(&self) -> usize {
        self.slab.taken() as usize
    }

    /// How many of them are free: so many new keys find room without more memory.
    pub fn places_free(&self) -> usize {
        self.slab.free()
    }

    /// How many keys have state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.keys.load(Ordering::Relaxed)
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes all of it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.places_bytes() + self.heap_bytes()
    }

    /// How many bytes keys and states have allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        with_leftover(self.counts.heap_bytes.load(Ordering::Relaxed))
    }

    /// How many bytes the places for keys take, used or free: they are given back only where it is
    /// [compacted](Self::compacted).
    #[must_use]
    pub fn places_bytes(&self) -> usize {
        let map = self.map_bytes.load(Ordering::Relaxed);
        with_leftover(self.slab.bytes() + self.hints.bytes() + map)
    }

    /// Counts the part of the map in which a key of this hash has been put: it may have grown.
    pub(super) fn count_part(&self, hash: u64) {
        let part = self.part_of(hash);
        let table = self.slots.shards().get(part);
        let (Some(table), Some(counted)) = (table, self.part_bytes.get(part)) else {
            return;
        };
        let table = table.read();
        let places = u32::try_from(table.buckets()).unwrap_or(u32::MAX);
        let bytes = places.saturating_mul(PLACE_BYTES);
        // Tables never shrink: who has seen less has looked earlier.
        let before = counted.fetch_max(bytes, Ordering::Relaxed);
        self.map_bytes
            .fetch_add(bytes.saturating_sub(before) as usize, Ordering::Relaxed);
    }

    /// Counts that what was allocated has become more or less.
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

/// What allocators take for `bytes`: a part in 32 is left over at the ends of their pages, as measured.
pub(super) const fn with_leftover(bytes: usize) -> usize {
    bytes + bytes / 32
}
