//! Where the state of a key was last found, without a lock.
//!
//! A hint is never trusted: whoever follows it looks at the key in the slot. So hints may be lost,
//! overwritten and out of date, and nothing but speed depends on them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::prefetch::prefetch_one;

/// How many hints share a bucket: eight of eight bytes are one cache line.
const BUCKET: usize = 8;
/// How many buckets are made at once: 32 kB. In smaller pieces, naming them all takes more than the core's own
/// cache has to spare.
const PAGE: usize = 512;

/// The first table has room for this many hints, each further one for four times as many.
const FIRST_TABLE: usize = 1 << 13;
const GROWTH_BITS: usize = 2;
const TABLES: usize = 10;

type Bucket = [AtomicU64; BUCKET];
static EMPTY: Bucket = [const { AtomicU64::new(0) }; BUCKET];

type Page = Box<[Bucket; PAGE]>;

/// Tables of hints, of which the largest is in use. A new one begins empty and fills as keys are looked
/// for, page by page, so that growing copies nothing and is no pause; the old ones, together a third of
/// it, stay until the end.
#[derive(Debug)]
pub(super) struct Hints {
    tables: [OnceLock<Box<[OnceLock<Page>]>>; TABLES],
    in_use: AtomicUsize,
    bytes: AtomicUsize,
}

impl Hints {
    pub(super) fn new() -> Self {
        let hints = Self {
            tables: Default::default(),
            in_use: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        };
        hints.begin(0);
        hints
    }

    /// Asks for the bucket of this hash, and waits for nothing.
    pub(super) fn fetch(&self, hash: u64) {
        if let Some((page, bucket)) = self.place(hash)
            && let Some(page) = page.get()
        {
            prefetch_one(page.as_slice(), bucket);
        }
    }

    /// The slots in which the state of a key of this hash may be, likeliest first.
    pub(super) fn slots(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bucket = self
            .place(hash)
            .and_then(|(page, bucket)| page.get()?.get(bucket));
        let hints = bucket.unwrap_or(&EMPTY).iter();
        hints.filter_map(move |hint| slot_of(hint.load(Ordering::Relaxed), hash))
    }

    /// Notes that the state of a key of this hash is in `slot`.
    pub(super) fn put(&self, hash: u64, slot: u32) {
        let Some((page, bucket)) = self.place(hash) else {
            return;
        };
        let page = page.get_or_init(|| {
            self.bytes
                .fetch_add(size_of::<[Bucket; PAGE]>(), Ordering::Relaxed);
            Box::new(std::array::from_fn(|_| Bucket::default()))
        });
        let Some(bucket) = page.get(bucket) else {
            return;
        };
        let hint = hint_of(hash, slot);
        // An empty place, or that of an older hint for the same hash; else one that the hash chooses.
        let own = bucket.iter().find(|place| {
            let there = place.load(Ordering::Relaxed);
            there == 0 || there >> 32 == hint >> 32
        });
        let by_hash = || bucket.get(usize::try_from(hash >> 29).unwrap_or(0) % BUCKET);
        if let Some(place) = own.or_else(by_hash) {
            place.store(hint, Ordering::Relaxed);
        }
    }

    /// Makes room for this many keys, if there is not enough: at more than half full, buckets begin to
    /// overflow, and whoever finds no hint goes to the map, which takes longer than all the rest.
    pub(super) fn make_room(&self, keys: usize) {
        let in_use = self.in_use.load(Ordering::Relaxed);
        if keys > capacity(in_use) / 2 && in_use + 1 < TABLES {
            self.begin(in_use + 1);
        }
    }

    /// How many bytes all tables take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn begin(&self, nth: usize) {
        if let Some(table) = self.tables.get(nth) {
            let pages = capacity(nth) / (BUCKET * PAGE);
            table.get_or_init(|| {
                self.bytes
                    .fetch_add(pages * size_of::<OnceLock<Page>>(), Ordering::Relaxed);
                (0..pages).map(|_| OnceLock::new()).collect()
            });
            self.in_use.fetch_max(nth, Ordering::Release);
        }
    }

    /// The page in which hints of this hash stand, and which of its buckets.
    fn place(&self, hash: u64) -> Option<(&OnceLock<Page>, usize)> {
        let table = self
            .tables
            .get(self.in_use.load(Ordering::Acquire))?
            .get()?;
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
        let page = (low / PAGE) & table.len().saturating_sub(1);
        Some((table.get(page)?, low % PAGE))
    }
}

const fn capacity(nth: usize) -> usize {
    FIRST_TABLE << (nth * GROWTH_BITS)
}

/// The high half of the hash, and the slot. Never zero, which stands for no hint.
const fn hint_of(hash: u64, slot: u32) -> u64 {
    (hash >> 32 | 1) << 32 | slot as u64
}

fn slot_of(hint: u64, hash: u64) -> Option<u32> {
    (hint >> 32 == hash >> 32 | 1)
        .then(|| u32::try_from(hint & u64::from(u32::MAX)).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_hints_are_found_again_through_growth() {
        let hints = Hints::new();
        let hash = |nth: u32| u64::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for nth in 0..100_000 {
            hints.make_room(nth as usize + 1);
            hints.put(hash(nth), nth);
            assert!(hints.slots(hash(nth)).any(|slot| slot == nth));
        }
        // Those put before the last growth are gone until they are looked for.
        for nth in 0..100_000 {
            hints.put(hash(nth), nth);
        }
        let found = (0..100_000).filter(|nth| hints.slots(hash(*nth)).any(|slot| slot == *nth));
        assert!(found.count() > 90_000);
        assert!(hints.slots(hash(100_000)).count() <= 1);
    }
}
