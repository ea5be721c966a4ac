//! The map: in which slot the state of each key is.
//!
//! An entry is a part of the hash and the number of the slot, eight bytes: the slot itself says whose state it
//! holds. Looking up a key that is there so reads its slot, which whoever asks will read anyway; one that is not
//! there reads none but by chance.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::{DashMap, SharedValue};

use super::identity::Identity;
use crate::prefetch::prefetch_one;

/// The number of shards of the map. Each grows by itself, and lookups in it wait meanwhile; with so many, a
/// shard is small even with tens of millions of keys.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 10;

/// Where the state of a key is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    /// Bits of the hash beside those that choose the shard.
    hash: u32,
    slot: u32,
}

impl Place {
    const fn of(hash: u64, slot: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "these bits")]
        let hash = (hash >> (u64::BITS - PART_BITS - u32::BITS)) as u32;
        Self { hash, slot }
    }

    /// The bits twice, as tables look at the highest and at the lowest.
    const fn table_hash(self) -> u64 {
        (self.hash as u64) << u32::BITS | self.hash as u64
    }
}

/// Numbers of slots by the identity of the key. Its shards are used one by one, as whether two places are of the same
/// key is not theirs to say.
pub(super) struct Map {
    map: DashMap<Place, ()>,
    /// How many bytes the tables take.
    table_bytes: AtomicUsize,
}

impl Map {
    pub(super) fn new() -> Self {
        Self {
            map: DashMap::with_shard_amount(PARTS),
            table_bytes: AtomicUsize::new(0),
        }
    }

    /// Requests the shard for this key from memory, without waiting.
    pub(super) fn fetch(&self, identity: Identity) {
        prefetch_one(self.map.shards(), part_of(identity));
    }

    /// The slot of the key. `is_of` says whether a slot is this key's; no slot in the map changes its key.
    pub(super) fn find(&self, identity: Identity, is_of: impl Fn(u32) -> bool) -> Option<u32> {
        let sought = Place::of(identity.place(), 0);
        let table = self.map.shards().get(part_of(identity))?.read();
        let found = table.get(sought.table_hash(), |(place, _)| {
            place.hash == sought.hash && is_of(place.slot)
        });
        found.map(|(place, _)| place.slot)
    }

    /// Adds the slot of a key; `false` if the key has one already.
    pub(super) fn insert(
        &self,
        identity: Identity,
        slot: u32,
        is_of: impl Fn(u32) -> bool,
    ) -> bool {
        let added = Place::of(identity.place(), slot);
        let Some(shard) = self.map.shards().get(part_of(identity)) else {
            return false;
        };
        let mut table = shard.write();
        let is_there = table.get(added.table_hash(), |(place, _)| {
            place.hash == added.hash && is_of(place.slot)
        });
        if is_there.is_some() {
            return false;
        }
        let (_, before) = table.allocation_info();
        let hash = |(place, _): &(Place, SharedValue<()>)| place.table_hash();
        table.insert(added.table_hash(), (added, SharedValue::new(())), hash);
        let (_, after) = table.allocation_info();
        let grown = after.size().saturating_sub(before.size());
        if grown > 0 {
            self.table_bytes.fetch_add(grown, Ordering::Relaxed);
        }
        true
    }

    /// Removes the slot of a key.
    pub(super) fn remove(&self, identity: Identity, slot: u32) {
        let sought = Place::of(identity.place(), slot);
        if let Some(shard) = self.map.shards().get(part_of(identity)) {
            let is_it = |(place, _): &(Place, SharedValue<()>)| place.slot == slot;
            shard.write().remove_entry(sought.table_hash(), is_it);
        }
    }

    /// How many bytes it takes. Tables never shrink.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.map.shards()) + self.table_bytes.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }
}

fn part_of(identity: Identity) -> usize {
    usize::try_from(identity.place() >> (u64::BITS - PART_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_hash_are_told_apart_by_their_slots() {
        let map = Map::new();
        let same = Identity::of(1 << 40, 0);
        assert!(map.insert(same, 1, |_| false));
        // Another key whose hash is the same.
        assert!(map.insert(same, 2, |slot| slot == 2));
        assert!(!map.insert(same, 3, |slot| slot == 1));
        assert_eq!(map.find(same, |slot| slot == 1), Some(1));
        assert_eq!(map.find(same, |slot| slot == 2), Some(2));
        assert_eq!(map.find(same, |_| false), None);
        map.remove(same, 1);
        assert_eq!(map.find(same, |slot| slot == 1), None);
        assert_eq!(map.find(same, |slot| slot == 2), Some(2));
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn tables_grow_with_their_keys_and_take_nine_bytes_a_place() {
        let map = Map::new();
        let keys = 200_000_u32;
        for nth in 0..keys {
            let hash = u64::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert!(map.insert(Identity::of(hash, 0), nth, |_| false));
        }
        let each = map.table_bytes.load(Ordering::Relaxed) as f64 / f64::from(keys);
        // Tables are full to between seven sixteenths and seven eighths.
        assert!((10.0..21.0).contains(&each), "{each}");
    }
}
