//! Numbered slots, each with its own lock. They are allocated in segments and never move.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::identity::{Identity, SharedIdentity};
use crate::prefetch::prefetch_from;

/// The size of a segment: small enough to be allocated without a pause, and large enough that the directory of
/// millions of slots stays in the core's own cache, as every step goes through it. mimalloc puts eighteen of
/// this size side by side and leaves little unused, which in huge pages would be resident all the same.
const SEGMENT_BYTES: usize = 224 << 10;
/// What it may need beside the slots to align them.
const ALIGNING_BYTES: usize = 64;
/// How many segments a page of the directory lists, and how many pages there are: room for 224 GiB.
const PAGE: u32 = 2_048;
const PAGES: u32 = 512;

/// Room for the state of one key at a time. It begins on a cache line, and the states are such that it ends on one:
/// a line that is shared with another slot is fetched for half of what it holds.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot<K, V> {
    /// The identity of the key, as in the map. Whoever changes it holds the lock.
    identity: SharedIdentity,
    held: Mutex<Held<K, V>>,
}

/// A locked slot.
pub(super) type Guard<'a, K, V> = MutexGuard<'a, Held<K, V>>;

type Segment<K, V> = Box<[Slot<K, V>]>;
type Page<K, V> = Box<[OnceLock<Segment<K, V>>]>;

/// The content of a slot.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Held<K, V> {
    /// The key; `None` if the slot is free.
    pub(super) key: Option<K>,
    pub(super) value: V,
}

impl<K, V: Default> Default for Held<K, V> {
    fn default() -> Self {
        Self {
            key: None,
            value: V::default(),
        }
    }
}

impl<K, V: Default> Default for Slot<K, V> {
    fn default() -> Self {
        Self {
            identity: SharedIdentity::default(),
            held: Mutex::default(),
        }
    }
}

impl<K, V> Slot<K, V> {
    /// Requests all of it from memory, without waiting for memory or the lock.
    pub(super) fn fetch(&self) {
        prefetch_from(&self.identity, size_of::<Self>());
    }

    /// Whether the key with this identity is here, or will be at once. As a slot is marked before it is in the
    /// map, and until after it was, this says it exactly while the map is locked; otherwise most likely.
    pub(super) fn is_marked_as(&self, identity: Identity) -> bool {
        self.identity.get() == identity
    }

    /// Marks whose it is. The lock must be held.
    pub(super) fn mark(&self, identity: Identity) {
        self.identity.set(identity);
    }

    /// The identity of the key that is here. The lock must be held.
    pub(super) fn identity(&self) -> Identity {
        self.identity.get()
    }

    /// Locks it if it holds the state of the key with this identity.
    pub(super) fn lock_if_of(&self, identity: Identity) -> Option<Guard<'_, K, V>> {
        let held = self.held.lock();
        (self.is_marked_as(identity) && held.key.is_some()).then_some(held)
    }

    pub(super) fn lock(&self) -> Guard<'_, K, V> {
        self.held.lock()
    }

    pub(super) fn try_lock(&self) -> Option<Guard<'_, K, V>> {
        self.held.try_lock()
    }
}

/// All slots.
pub(super) struct Slab<K, V> {
    pages: Box<[OnceLock<Page<K, V>>]>,
    /// How many slots have ever been taken.
    taken: AtomicU32,
    /// Slots that are free again.
    free: Mutex<Vec<u32>>,
}

impl<K, V: Default> Slab<K, V> {
    /// How many slots are in a segment.
    #[expect(clippy::cast_possible_truncation, reason = "at most four thousand")]
    const SEGMENT: u32 = {
        let slots = (SEGMENT_BYTES - ALIGNING_BYTES) / size_of::<Slot<K, V>>();
        assert!(0 < slots && slots < 4_096, "all slots must fit 32 bits");
        slots as u32
    };

    pub(super) fn new() -> Self {
        Self {
            pages: (0..PAGES).map(|_| OnceLock::new()).collect(),
            taken: AtomicU32::new(0),
            free: Mutex::new(Vec::new()),
        }
    }

    /// Takes a free slot; `None` when there are no more.
    pub(super) fn take(&self) -> Option<u32> {
        if let Some(slot) = self.free.lock().pop() {
            return Some(slot);
        }
        let slot = self.taken.fetch_add(1, Ordering::Relaxed);
        if slot >= Self::SEGMENT * PAGE * (PAGES - 1) {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let page = self.pages.get((slot / Self::SEGMENT / PAGE) as usize)?;
        let page = page.get_or_init(|| (0..PAGE).map(|_| OnceLock::new()).collect());
        page.get((slot / Self::SEGMENT % PAGE) as usize)?
            .get_or_init(|| (0..Self::SEGMENT).map(|_| Slot::default()).collect());
        Some(slot)
    }

    /// How many slots are free again.
    pub(super) fn free(&self) -> usize {
        self.free.lock().len()
    }

    /// Returns a slot that its holder has emptied.
    pub(super) fn give_back(&self, slot: u32) {
        self.free.lock().push(slot);
    }

    /// How many slots have ever been taken. All numbers below are those of slots.
    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many bytes the slots take, used or free.
    pub(super) fn bytes(&self) -> usize {
        self.taken().div_ceil(Self::SEGMENT) as usize * SEGMENT_BYTES
    }

    /// The content of all slots. Each segment is freed before the next is read.
    pub(super) fn into_held(self) -> impl Iterator<Item = Held<K, V>> {
        let pages = self.pages.into_iter().filter_map(OnceLock::into_inner);
        let segments = pages.flat_map(|page| page.into_iter().filter_map(OnceLock::into_inner));
        segments.flat_map(|segment| segment.into_iter().map(|slot| slot.held.into_inner()))
    }

    /// The slot with this number.
    pub(super) fn at(&self, slot: u32) -> Option<&Slot<K, V>> {
        let segment = slot / Self::SEGMENT;
        let page = self.pages.get((segment / PAGE) as usize)?.get()?;
        let segment = page.get((segment % PAGE) as usize)?.get()?;
        segment.get((slot % Self::SEGMENT) as usize)
    }
}
