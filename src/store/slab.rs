//! Numbered slots, each with a lock of its own. Slots are made by the segment and never move.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::identity::Identity;
use crate::prefetch::prefetch_from;

/// How much is made at once: little enough that making it is no pause, and so much that the directory of
/// millions of slots stays in the core's own cache, for every step goes through it. Of this size mimalloc
/// lays eighteen side by side and leaves little over. What it leaves over is resident all the same in huge
/// pages.
const SEGMENT_BYTES: usize = 224 << 10;
/// Segments named by one page of the directory, and pages in it: room for 224 GiB.
const PAGE: u32 = 2_048;
const PAGES: u32 = 512;

/// A place for the state of one key at a time.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot<K, V> {
    /// Tells where the slot is to who does not hold it. Nobody reads it.
    begin: u64,
    held: Mutex<Held<K, V>>,
}

/// Such a slot, held.
pub(super) type Guard<'a, K, V> = MutexGuard<'a, Held<K, V>>;

type Segment<K, V> = Box<[Slot<K, V>]>;
type Page<K, V> = Box<[OnceLock<Segment<K, V>>]>;

/// What a slot holds. The identity stands first, beside the lock: who holds the slot looks at it first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Held<K, V> {
    /// Of the key, under which the map knows it.
    pub(super) identity: Identity,
    /// Whose state it is; `None`: the slot is free.
    pub(super) key: Option<K>,
    pub(super) value: V,
}

impl<K, V: Default> Default for Held<K, V> {
    fn default() -> Self {
        Self {
            key: None,
            identity: Identity::default(),
            value: V::default(),
        }
    }
}

impl<K, V: Default> Default for Slot<K, V> {
    fn default() -> Self {
        Self {
            begin: 0,
            held: Mutex::default(),
        }
    }
}

impl<K, V> Slot<K, V> {
    /// Asks for all of it, and waits neither for memory nor for who holds it.
    pub(super) fn fetch(&self) {
        prefetch_from(&self.begin, size_of::<Self>());
    }

    pub(super) fn lock(&self) -> Guard<'_, K, V> {
        self.held.lock()
    }

    pub(super) fn try_lock(&self) -> Option<Guard<'_, K, V>> {
        self.held.try_lock()
    }
}

impl<K, V> Held<K, V> {
    /// Whether it holds the state of the key of this identity.
    pub(super) fn is_of(&self, identity: Identity) -> bool {
        self.identity == identity && self.key.is_some()
    }
}

/// The slots.
pub(super) struct Slab<K, V> {
    pages: Box<[OnceLock<Page<K, V>>]>,
    /// How many slots have ever been taken.
    taken: AtomicU32,
    /// Slots that are free again.
    free: Mutex<Vec<u32>>,
}

impl<K, V: Default> Slab<K, V> {
    /// How many slots one segment has.
    #[expect(clippy::cast_possible_truncation, reason = "at most four thousand")]
    const SEGMENT: u32 = {
        let slots = SEGMENT_BYTES / size_of::<Slot<K, V>>();
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

    /// Takes a free slot; `None` when all that there can be are taken.
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

    /// How many slots that were taken before are free.
    pub(super) fn free(&self) -> usize {
        self.free.lock().len()
    }

    /// Says that a slot, emptied by its holder, is free again.
    pub(super) fn give_back(&self, slot: u32) {
        self.free.lock().push(slot);
    }

    /// How many slots have ever been taken: numbers below it are slots.
    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many bytes the slots take, used or free.
    pub(super) fn bytes(&self) -> usize {
        self.taken().div_ceil(Self::SEGMENT) as usize * SEGMENT_BYTES
    }

    /// What all slots hold, those of a segment at a time: each segment is given back before the next is
    /// looked at.
    pub(super) fn into_held(self) -> impl Iterator<Item = Held<K, V>> {
        let pages = self.pages.into_iter().filter_map(OnceLock::into_inner);
        let segments = pages.flat_map(|page| page.into_iter().filter_map(OnceLock::into_inner));
        segments.flat_map(|segment| segment.into_iter().map(|slot| slot.held.into_inner()))
    }

    /// The slot of this number.
    pub(super) fn at(&self, slot: u32) -> Option<&Slot<K, V>> {
        let segment = slot / Self::SEGMENT;
        let page = self.pages.get((segment / PAGE) as usize)?.get()?;
        let segment = page.get((segment % PAGE) as usize)?.get()?;
        segment.get((slot % Self::SEGMENT) as usize)
    }
}
