//! State by key, one exclusive step at a time. The only place that knows the map.
//!
//! Callers hand in a closure and get its result; no guard leaves this module, and a closure must not
//! come back to the same store. The map says in which slot the state of a key lies, and each slot has a
//! lock of its own: a key waits for no other. In front of the map stand hints that say the same without a
//! lock, so that the states of many keys can be [asked for](Store::find) at once: waiting for memory is
//! most of what a step costs, and waits without locks between them overlap.

use std::borrow::Borrow;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::prefetch::prefetch_one;

mod hints;
mod identity;
mod sizes;
mod slab;
mod walks;
#[cfg(test)]
mod tests;

use hints::Hints;
use identity::{Hashing, Identity, PlaceHasher};
use slab::{Guard, Held, Slab, Slot};

/// How many parts the map has. Each grows on its own, and whoever looks for a key in it waits meanwhile:
/// with so many, the one that grows is small even among tens of millions of keys.
const MAP_PARTS: usize = 1_024;

/// A key and where to look for it: hashed once and looked up once, however often it is stepped on.
#[derive(Debug)]
pub struct Sought<'a, K, V> {
    key: &'a K,
    identity: Identity,
    slot: Whereabouts<'a, K, V>,
}

/// Where the state of a key was last found.
#[derive(Debug)]
enum Whereabouts<'a, K, V> {
    /// The hints were not asked yet.
    Unknown,
    /// They name no slot: most likely the key is new.
    Nowhere,
    /// There; another key's may be there by now.
    In(&'a Slot<K, V>),
}

impl<'a, K, V> Whereabouts<'a, K, V> {
    const fn slot(&self) -> Option<&'a Slot<K, V>> {
        match self {
            Self::In(slot) => Some(slot),
            Self::Unknown | Self::Nowhere => None,
        }
    }
}

/// What a state, or a key, holds beside itself.
pub trait Footprint {
    /// Whether a step reads much of what it has allocated.
    const READS_HEAP: bool = false;

    /// How many bytes it has allocated.
    fn heap_bytes(&self) -> usize;

    /// Asks for what it has allocated and a step will read, and waits for none of it.
    fn fetch(&self) {}
}

/// State of type `V` for each key.
///
/// A key is known by 128 bits that stand for it: the texts of keys lie elsewhere in memory, and comparing
/// them would be one more wait for it in every step.
pub struct Store<K, V> {
    hashing: Hashing,
    slots: DashMap<Identity, u32, BuildHasherDefault<PlaceHasher>>,
    /// How many bytes each part of the map takes.
    part_bytes: Box<[AtomicU32]>,
    map_bytes: AtomicUsize,
    hints: Hints,
    slab: Slab<K, V>,
    counts: Counts,
}

/// What changes all the time, on a cache line of its own: what lies beside it is read by every step.
#[derive(Default)]
#[repr(align(64))]
struct Counts {
    keys: AtomicUsize,
    heap_bytes: AtomicUsize,
}

impl<K: Borrow<str> + Clone + Footprint, V: Default + Footprint> Store<K, V> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hashing: Hashing::new(),
            slots: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), MAP_PARTS),
            part_bytes: (0..MAP_PARTS).map(|_| AtomicU32::new(0)).collect(),
            map_bytes: AtomicUsize::new(0),
            hints: Hints::new(),
            slab: Slab::new(),
            counts: Counts::default(),
        }
    }

    /// Hashes `key`, and asks for the hint that says where its state is: several keys that are sought before
    /// the first is [found](Self::find) wait for that together.
    pub fn seek<'a>(&self, key: &'a K) -> Sought<'a, K, V> {
        let identity = self.hashing.identity_of(key.borrow());
        self.hints.fetch(identity.place());
        Sought {
            key,
            identity,
            slot: Whereabouts::Unknown,
        }
    }

    /// Looks up where the state of the key likely is, and asks for it. The first may have to wait for memory:
    /// who finds several keys, one right after the other, waits for all of them at once.
    pub fn find<'a>(&'a self, sought: &mut Sought<'a, K, V>) {
        match self.hinted(sought.identity).next() {
            Some(slot) => {
                slot.fetch();
                sought.slot = Whereabouts::In(slot);
            }
            None => {
                // The map will be asked for a place.
                self.fetch_part(sought.identity.place());
                sought.slot = Whereabouts::Nowhere;
            }
        }
    }

    /// Asks for the part of the map in which a key of this hash has its place.
    fn fetch_part(&self, hash: u64) {
        prefetch_one(self.slots.shards(), self.part_of(hash));
    }

    /// The part of the map in which a key of this hash has its place.
    fn part_of(&self, hash: u64) -> usize {
        self.slots.determine_shard(self.slots.hash_usize(&hash))
    }

    /// Asks for what the state that was found has allocated. This waits for the state itself: find the others
    /// first.
    pub fn fetch_heap(sought: &Sought<'_, K, V>) {
        if V::READS_HEAP
            && let Some(held) = sought.slot.slot().and_then(Slot::try_lock)
        {
            held.value.fetch();
        }
    }

    /// Hashes `key`, finds its state and fetches all of it: for who steps on this one alone.
    pub fn bring<'a>(&'a self, key: &'a K) -> Sought<'a, K, V> {
        let mut sought = self.seek(key);
        self.find(&mut sought);
        Self::fetch_heap(&sought);
        sought
    }

    /// Runs `step` on the state of the key, made new if there is none. Nobody else sees or changes that
    /// state meanwhile.
    pub fn with<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        step: impl FnOnce(&mut V) -> T,
    ) -> T {
        loop {
            // Whoever is not hinted at is most likely new. To ask the map whether it is, and then again for a
            // place in it, is to wait twice.
            let found = self.hold_hinted(sought).or_else(|| self.insert(sought));
            if let Some(mut held) = found.or_else(|| self.hold_mapped(sought)) {
                return self.step(&mut held, step);
            }
        }
    }

    /// Gives the key this state. For keys that most likely have none: a state is not looked for first.
    pub fn place(&self, key: &K, value: V) {
        let mut sought = self.seek(key);
        loop {
            if let Some(mut held) = self.insert(&mut sought).or_else(|| self.hold(&mut sought)) {
                return self.step(&mut held, |place| *place = value);
            }
        }
    }

    /// Runs `step` on the state of the key, if there is any.
    pub fn with_existing<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        step: impl FnOnce(&mut V) -> T,
    ) -> Option<T> {
        let mut held = self.hold(sought)?;
        Some(self.step(&mut held, step))
    }

    /// Runs `read` on the state of the key, if there is any.
    pub fn read<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        read: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        self.with_existing(sought, |value| read(value))
    }

    /// Forgets the state of the key, if there is any and `is_gone` says so.
    pub fn forget_if(&self, key: &K, is_gone: impl FnOnce(&V) -> bool) {
        let identity = self.hashing.identity_of(key.borrow());
        // The guard of the map is gone before the slot is waited for.
        let Some(number) = self.slots.get(&identity).map(|number| *number) else {
            return;
        };
        if let Some(mut held) = self.slab.at(number).map(Slot::lock)
            && held.is_of(identity)
            && is_gone(&held.value)
        {
            let before = held.heap_bytes();
            self.empty(number, &mut held, before);
        }
    }

    /// Holds the slot of the key, if it has one.
    fn hold<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let found = self.hold_hinted(sought);
        found.or_else(|| self.hold_mapped(sought))
    }

    /// Holds the slot of the key where it was found before, or where a hint says that it is.
    fn hold_hinted<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let held = match sought.slot {
            Whereabouts::In(slot) => hold_if_of(slot, sought.identity),
            Whereabouts::Unknown => None,
            // Whoever made it since has put it in the map.
            Whereabouts::Nowhere => return None,
        };
        held.or_else(|| self.follow_hints(sought))
    }

    /// The same, wherever the key was found before. Out of line, so that the usual way stays short.
    #[inline(never)]
    fn follow_hints<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        self.hinted(identity).find_map(|slot| {
            let held = hold_if_of(slot, identity)?;
            sought.slot = Whereabouts::In(slot);
            Some(held)
        })
    }

    /// Holds the slot of the key where the map says that it is, if it has one.
    #[inline(never)]
    fn hold_mapped<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        loop {
            // The guard of the map is gone before the slot is waited for.
            let number = self.slots.get(&identity).map(|number| *number)?;
            let slot = self.slab.at(number)?;
            if let Some(held) = hold_if_of(slot, identity) {
                self.hints.put(identity.place(), number);
                sought.slot = Whereabouts::In(slot);
                return Some(held);
            }
            // It was forgotten between the map and the slot: look again.
        }
    }

    /// Makes new state for the key and holds its slot; `None` if somebody else was quicker.
    fn insert<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        let Some(number) = self.slab.take() else {
            // All that there can be are taken: what is forgotten next makes room.
            std::thread::yield_now();
            return None;
        };
        let slot = self.slab.at(number)?;
        let mut held = slot.lock();
        match self.slots.entry(identity) {
            Entry::Occupied(_) => {
                drop(held);
                self.slab.give_back(number);
                return None;
            }
            Entry::Vacant(vacant) => drop(vacant.insert(number)),
        }
        self.count_part(identity.place());
        self.counts.keys.fetch_add(1, Ordering::Relaxed);
        self.count_heap(0, sought.key.heap_bytes());
        held.key = Some(sought.key.clone());
        held.identity = identity;
        self.hints.make_room(self.slab.taken() as usize);
        self.hints.put(identity.place(), number);
        sought.slot = Whereabouts::In(slot);
        Some(held)
    }

    /// The slots in which the state of the key likely is.
    fn hinted(&self, identity: Identity) -> impl Iterator<Item = &Slot<K, V>> {
        let slots = self.hints.slots(identity.place());
        slots.filter_map(|slot| self.slab.at(slot))
    }

    fn step<T>(&self, held: &mut Held<K, V>, step: impl FnOnce(&mut V) -> T) -> T {
        let before = held.value.heap_bytes();
        let result = step(&mut held.value);
        self.count_heap(before, held.value.heap_bytes());
        result
    }

    fn empty(&self, slot: u32, held: &mut Held<K, V>, heap_bytes: usize) {
        self.slots.remove(&held.identity);
        *held = Held::default();
        self.counts.keys.fetch_sub(1, Ordering::Relaxed);
        self.count_heap(heap_bytes, 0);
        self.slab.give_back(slot);
    }
}

impl<K: Footprint, V: Footprint> Held<K, V> {
    fn heap_bytes(&self) -> usize {
        self.key.as_ref().map_or(0, K::heap_bytes) + self.value.heap_bytes()
    }
}

/// Holds the slot if the state in it is that of the key of this identity.
fn hold_if_of<K, V>(slot: &Slot<K, V>, identity: Identity) -> Option<Guard<'_, K, V>> {
    let held = slot.lock();
    held.is_of(identity).then_some(held)
}

impl<K, V> Default for Store<K, V>
where
    K: Borrow<str> + Clone + Footprint,
    V: Default + Footprint,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for Store<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.counts.keys.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
