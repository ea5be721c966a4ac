//! State in memory by key, changed in one exclusive step at a time. (Files are [`storage`](crate::storage).)
//!
//! Callers pass a closure and get its result. No lock guard leaves this module, and a closure must not use the
//! same store. A concurrent map says in which slot the state of a key is, and each slot has a lock of its own,
//! so no key waits for another. In front of the map are hints that say the same without a lock, so that the
//! states of many keys can be [requested](Store::find) from memory at once: most of a step is waiting for
//! memory, and these waits overlap.

use std::borrow::Borrow;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

mod hints;
mod identity;
mod map;
mod sizes;
mod slab;
mod walks;
#[cfg(test)]
mod tests;

use hints::{Bucket, Hints};
use identity::{Hashing, Identity};
use map::Map;
use slab::{Guard, Held, Slab, Slot};

/// A key and where its state is: hashed and looked up once, for any number of steps.
#[derive(Debug)]
pub struct Sought<'a, K, V> {
    key: &'a K,
    identity: Identity,
    slot: Whereabouts<'a, K, V>,
}

/// Where the state of a key was last found.
#[derive(Debug)]
enum Whereabouts<'a, K, V> {
    /// Not looked up yet, but this is where hints of it are.
    Unknown(&'a Bucket),
    /// No hint: most likely the key is new.
    Nowhere,
    /// In this slot, unless it was reused for another key since.
    In(&'a Slot<K, V>),
}

impl<'a, K, V> Whereabouts<'a, K, V> {
    const fn slot(&self) -> Option<&'a Slot<K, V>> {
        match self {
            Self::In(slot) => Some(slot),
            Self::Unknown(_) | Self::Nowhere => None,
        }
    }
}

/// The memory that a state, or a key, has allocated.
pub trait Footprint {
    /// Whether a step reads much of it.
    const READS_HEAP: bool = false;

    /// Its size in bytes.
    fn heap_bytes(&self) -> usize;

    /// Requests from memory what a step will read of it, without waiting.
    fn fetch(&self) {}
}

/// A state of type `V` for each key.
///
/// A key is identified by 128 bits of its hash: its text lies elsewhere in memory, and comparing it would add
/// one more wait to every step.
pub struct Store<K, V> {
    hashing: Hashing,
    map: Map,
    hints: Hints,
    slab: Slab<K, V>,
    counts: Counts,
}

/// What changes with every key, on a cache line of its own: what lies beside it is read by every step.
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
            map: Map::new(),
            hints: Hints::new(),
            slab: Slab::new(),
            counts: Counts::default(),
        }
    }

    /// Hashes `key`, and requests the hint that says where its state is. For several keys that are sought
    /// before the first is [found](Self::find), these waits overlap.
    pub fn seek<'a>(&'a self, key: &'a K) -> Sought<'a, K, V> {
        let identity = self.hashing.identity_of(key.borrow());
        Sought {
            key,
            identity,
            slot: Whereabouts::Unknown(self.hints.fetch(identity.place())),
        }
    }

    /// Looks up where the state of the key most likely is, and requests it. For several keys found one right
    /// after the other, the waits overlap.
    pub fn find<'a>(&'a self, sought: &mut Sought<'a, K, V>) {
        let Whereabouts::Unknown(hints) = sought.slot else {
            return;
        };
        match self.hinted(hints, sought.identity).next() {
            Some(slot) => {
                slot.fetch();
                sought.slot = Whereabouts::In(slot);
            }
            None => {
                // The key will be looked up in the map.
                self.map.fetch(sought.identity);
                sought.slot = Whereabouts::Nowhere;
            }
        }
    }

    /// Requests what the state that was found has allocated. This waits for the state itself, so find all
    /// others first.
    pub fn fetch_heap(sought: &Sought<'_, K, V>) {
        if V::READS_HEAP
            && let Some(held) = sought.slot.slot().and_then(Slot::try_lock)
        {
            held.value.fetch();
        }
    }

    /// Hashes `key`, finds its state and fetches all of it: for a step on a single key.
    pub fn find_and_fetch<'a>(&'a self, key: &'a K) -> Sought<'a, K, V> {
        let mut sought = self.seek(key);
        self.find(&mut sought);
        Self::fetch_heap(&sought);
        sought
    }

    /// Runs `step` on the state of the key, which is created if there is none. Nobody else reads or changes
    /// that state meanwhile.
    pub fn with<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        step: impl FnOnce(&mut V) -> T,
    ) -> T {
        loop {
            // A key without a hint is most likely new. Asking the map first, and then again for a place, would
            // be to wait twice.
            let found = self.hold_hinted(sought).or_else(|| self.insert(sought));
            if let Some(mut held) = found.or_else(|| self.hold_mapped(sought)) {
                return self.step(&mut held, step);
            }
        }
    }

    /// Sets the state of a key. Optimized for keys that most likely have none.
    pub fn place(&self, key: &K, value: V) {
        let mut sought = self.seek(key);
        loop {
            if let Some(mut held) = self.insert(&mut sought).or_else(|| self.hold(&mut sought)) {
                return self.step(&mut held, |place| *place = value);
            }
        }
    }

    /// Runs `step` on the state of the key, if there is one.
    pub fn with_existing<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        step: impl FnOnce(&mut V) -> T,
    ) -> Option<T> {
        let mut held = self.hold(sought)?;
        Some(self.step(&mut held, step))
    }

    /// Runs `read` on the state of the key, if there is one.
    pub fn read<'a, T>(
        &'a self,
        sought: &mut Sought<'a, K, V>,
        read: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        let held = self.hold(sought)?;
        Some(read(&held.value))
    }

    /// Forgets the state of the key if `is_gone` returns `true` for it.
    pub fn forget_if(&self, key: &K, is_gone: impl FnOnce(&V) -> bool) {
        let identity = self.hashing.identity_of(key.borrow());
        if let Some((number, slot)) = self.mapped(identity)
            && let Some(mut held) = slot.lock_if_of(identity)
            && is_gone(&held.value)
        {
            let before = held.heap_bytes();
            self.empty(number, slot, &mut held, before);
        }
    }

    /// Locks the slot of the key, if it has one.
    fn hold<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let found = self.hold_hinted(sought);
        found.or_else(|| self.hold_mapped(sought))
    }

    /// Locks the slot of the key where it was found before, or where a hint says it is.
    fn hold_hinted<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let held = match sought.slot {
            Whereabouts::In(slot) => slot.lock_if_of(sought.identity),
            Whereabouts::Unknown(_) => None,
            // If the key was created since, the map has it.
            Whereabouts::Nowhere => return None,
        };
        held.or_else(|| self.follow_hints(sought))
    }

    /// The same by hints alone. Out of line, so that the common path stays short.
    #[inline(never)]
    fn follow_hints<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        let hints = self.hints.fetch(identity.place());
        self.hinted(hints, identity).find_map(|slot| {
            let held = slot.lock_if_of(identity)?;
            sought.slot = Whereabouts::In(slot);
            Some(held)
        })
    }

    /// Locks the slot of the key where the map says it is, if it has one.
    #[inline(never)]
    fn hold_mapped<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        loop {
            let (number, slot) = self.mapped(identity)?;
            if let Some(held) = slot.lock_if_of(identity) {
                self.hints.put(identity.place(), number);
                sought.slot = Whereabouts::In(slot);
                return Some(held);
            }
            // The key was forgotten between the two lookups: look again.
        }
    }

    /// Creates a state for the key and locks its slot; `None` if another thread was quicker.
    fn insert<'a>(&'a self, sought: &mut Sought<'a, K, V>) -> Option<Guard<'a, K, V>> {
        let identity = sought.identity;
        let Some(number) = self.slab.take() else {
            // There are no more slots. Wait for one to be freed.
            std::thread::yield_now();
            return None;
        };
        let slot = self.slab.at(number)?;
        let mut held = slot.lock();
        slot.mark(identity);
        if !self
            .map
            .insert(identity, number, |number| self.is_of(number, identity))
        {
            slot.mark(Identity::default());
            drop(held);
            self.slab.give_back(number);
            return None;
        }
        self.counts.keys.fetch_add(1, Ordering::Relaxed);
        self.count_heap(0, sought.key.heap_bytes());
        held.key = Some(sought.key.clone());
        self.hints.make_room(self.slab.taken() as usize);
        self.hints.put(identity.place(), number);
        sought.slot = Whereabouts::In(slot);
        Some(held)
    }

    /// The slot of the key where the map says it is. The map is unlocked before the slot's lock is waited for.
    fn mapped(&self, identity: Identity) -> Option<(u32, &Slot<K, V>)> {
        let is_of = |number| self.is_of(number, identity);
        let number = self.map.find(identity, is_of)?;
        Some((number, self.slab.at(number)?))
    }

    fn is_of(&self, number: u32, identity: Identity) -> bool {
        let slot = self.slab.at(number);
        slot.is_some_and(|slot| slot.is_marked_as(identity))
    }

    /// The slots in which the state of the key most likely is, as these hints say.
    fn hinted<'a>(
        &'a self,
        hints: &'a Bucket,
        identity: Identity,
    ) -> impl Iterator<Item = &'a Slot<K, V>> {
        let slots = Hints::slots(hints, identity.place());
        slots.filter_map(|slot| self.slab.at(slot))
    }

    fn step<T>(&self, held: &mut Held<K, V>, step: impl FnOnce(&mut V) -> T) -> T {
        let before = held.value.heap_bytes();
        let result = step(&mut held.value);
        self.count_heap(before, held.value.heap_bytes());
        result
    }

    /// Empties the slot of this number, whose lock is held.
    fn empty(&self, number: u32, slot: &Slot<K, V>, held: &mut Held<K, V>, heap_bytes: usize) {
        self.map.remove(slot.identity(), number);
        slot.mark(Identity::default());
        *held = Held::default();
        self.counts.keys.fetch_sub(1, Ordering::Relaxed);
        self.count_heap(heap_bytes, 0);
        self.slab.give_back(number);
    }
}

impl<K: Footprint, V: Footprint> Held<K, V> {
    fn heap_bytes(&self) -> usize {
        self.key.as_ref().map_or(0, K::heap_bytes) + self.value.heap_bytes()
    }
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
