//! Where the states of keys were last found, readable without a lock.
//!
//! A hint is never trusted: the slot says which key it holds. So hints may be lost, overwritten or out of date,
//! and nothing but speed depends on them.
//!
//! The table grows page by page, each new page taking half of the hints of an old one: linear hashing (Litwin,
//! "Linear hashing: a new tool for file and table addressing", 1980). So it is never much larger than needed,
//! never starts empty, and never pauses.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::prefetch::prefetch_one;

/// How many hints share a bucket: eight of eight bytes are one cache line.
const BUCKET: usize = 8;
/// How many buckets are in a page: 32 kB. With smaller pages the directory would not fit into the core's own
/// cache.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 9;

/// How many keys there may be per page. A page that is not split yet has up to twice as many, two thirds of its
/// capacity, when few of its buckets overflow. A key without a hint has to be looked up in the map, which takes
/// longer than everything else.
const KEYS_A_PAGE: usize = PAGE * BUCKET / 3;

/// Each part of the directory lists as many pages as all before it: room for tens of billions of keys.
const PARTS: usize = 24;

/// Hints of some hashes. Where its page is split, half of them go to another bucket.
pub(super) type Bucket = [AtomicU64; BUCKET];
static EMPTY: Bucket = [const { AtomicU64::new(0) }; BUCKET];

type Page = Box<[Bucket; PAGE]>;

/// Pages of hints, selected by the lowest bits of a hash: as many bits as number all pages, or one fewer where
/// that number does not exist yet.
#[derive(Debug)]
pub(super) struct Hints {
    parts: [OnceLock<Box<[OnceLock<Page>]>>; PARTS],
    /// How many pages there are.
    pages: AtomicUsize,
    growing: Mutex<()>,
}

impl Hints {
    pub(super) fn new() -> Self {
        let hints = Self {
            parts: Default::default(),
            pages: AtomicUsize::new(0),
            growing: Mutex::default(),
        };
        hints.add_page(0);
        hints
    }

    /// The bucket for hints of this hash, requested from memory without waiting.
    #[inline]
    pub(super) fn fetch(&self, hash: u64) -> &Bucket {
        let bucket = self.place(hash).unwrap_or(&EMPTY);
        prefetch_one(bucket, 0);
        bucket
    }

    /// The slots in which the state of a key with this hash may be, most likely first.
    #[inline]
    pub(super) fn slots(bucket: &Bucket, hash: u64) -> impl Iterator<Item = u32> {
        let hints = bucket.iter();
        hints.filter_map(move |hint| slot_of(hint.load(Ordering::Relaxed), hash))
    }

    /// Records that the state of a key with this hash is in `slot`.
    pub(super) fn put(&self, hash: u64, slot: u32) {
        let Some(bucket) = self.place(hash) else {
            return;
        };
        let hint = hint_of(hash, slot);
        // An empty entry, or that of an older hint for the same hash; otherwise one that the hash selects.
        let own = bucket.iter().find(|place| {
            let there = place.load(Ordering::Relaxed);
            there == 0 || there >> u32::BITS == hint >> u32::BITS
        });
        let by_hash = || bucket.get(usize::try_from(hash >> 61).unwrap_or(0) % BUCKET);
        if let Some(place) = own.or_else(by_hash) {
            place.store(hint, Ordering::Relaxed);
        }
    }

    /// Adds a page if there is not enough room for this many keys.
    pub(super) fn make_room(&self, keys: usize) {
        let pages = self.pages.load(Ordering::Relaxed);
        if keys > pages * KEYS_A_PAGE
            && let Some(_alone) = self.growing.try_lock()
            && self.pages.load(Ordering::Relaxed) == pages
        {
            self.add_page(pages);
        }
    }

    /// How many bytes the table takes.
    pub(super) fn bytes(&self) -> usize {
        let pages = self.pages.load(Ordering::Relaxed);
        let named = pages.next_power_of_two() * size_of::<OnceLock<Page>>();
        named + pages * size_of::<[Bucket; PAGE]>()
    }

    /// Adds the page with this number, and moves the hints to it that belong there. One at a time.
    fn add_page(&self, number: usize) {
        let page: Page = Box::new(array::from_fn(|_| Bucket::default()));
        // The highest bit of the number distinguishes the page from the one that had its hints so far.
        let apart = number.checked_ilog2();
        let before = apart.and_then(|bit| self.page(number & !(1 << bit)));
        let Some((bit, before)) = apart.zip(before) else {
            return self.name_page(number, page);
        };
        // Half of them move, at random: branches would be mispredicted.
        let split = |hint: u64| {
            let moves = hint >> (u32::BITS + bit) & 1;
            let moved = hint & moves.wrapping_neg();
            (moved, hint ^ moved)
        };
        for (from, to) in before.as_flattened().iter().zip(page.as_flattened()) {
            let (moved, _) = split(from.load(Ordering::Relaxed));
            to.store(moved, Ordering::Relaxed);
        }
        self.name_page(number, page);
        // Only after the page is in place, so that readers find each hint in one page or the other. A hint that
        // is put there just now may get lost.
        for from in before.as_flattened() {
            let (_, stays) = split(from.load(Ordering::Relaxed));
            from.store(stays, Ordering::Relaxed);
        }
    }

    fn name_page(&self, number: usize, page: Page) {
        let (part, nth) = part_of(number);
        let pages = 1 << part.saturating_sub(1);
        let Some(part) = self.parts.get(part) else {
            return;
        };
        let part = part.get_or_init(|| (0..pages).map(|_| OnceLock::new()).collect());
        if part.get(nth).is_some_and(|place| place.set(page).is_ok()) {
            self.pages.store(number + 1, Ordering::Release);
        }
    }

    /// The bucket for hints of this hash.
    #[inline]
    fn place(&self, hash: u64) -> Option<&Bucket> {
        let pages = self.pages.load(Ordering::Acquire);
        let numbered = pages.next_power_of_two() - 1;
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
        let number = low >> PAGE_BITS & numbered;
        let number = if number < pages {
            number
        } else {
            number & numbered >> 1
        };
        self.page(number)?.get(low % PAGE)
    }

    #[inline]
    fn page(&self, number: usize) -> Option<&Page> {
        let (part, nth) = part_of(number);
        self.parts.get(part)?.get()?.get(nth)?.get()
    }
}

/// Which part of the directory lists the page with this number, and at which index: the first part has the
/// first page, each further part those whose number has one more bit.
#[inline]
fn part_of(number: usize) -> (usize, usize) {
    match number.checked_ilog2() {
        None => (0, 0),
        Some(bit) => (bit as usize + 1, number & !(1 << bit)),
    }
}

/// The bits of the hash from those of the page on, and the slot. Never zero, which is an empty entry.
const fn hint_of(hash: u64, slot: u32) -> u64 {
    (hash >> PAGE_BITS) << u32::BITS | (slot as u64 + 1)
}

#[inline]
fn slot_of(hint: u64, hash: u64) -> Option<u32> {
    let slot = u32::try_from(hint & u64::from(u32::MAX)).ok()?;
    let is_of = hint >> u32::BITS == hash >> PAGE_BITS & u64::from(u32::MAX);
    slot.checked_sub(1).filter(|_| is_of)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A hash of its own for each number.
    fn hash(nth: u32) -> u64 {
        u64::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn is_found(hints: &Hints, nth: u32) -> bool {
        Hints::slots(hints.fetch(hash(nth)), hash(nth)).any(|slot| slot == nth)
    }

    #[test]
    fn most_hints_are_found_again_however_many_came_since() {
        let hints = Hints::new();
        for nth in 0..100_000 {
            hints.make_room(nth as usize + 1);
            hints.put(hash(nth), nth);
            assert!(is_found(&hints, nth));
            if nth % 10_000 == 9_999 {
                let found = (0..=nth).filter(|nth| is_found(&hints, *nth)).count();
                assert!(found as f64 > 0.97 * f64::from(nth), "{found} of {nth}");
                // Some 24 bytes each.
                let bytes = hints.bytes() as f64 / f64::from(nth);
                assert!((22.0..30.0).contains(&bytes), "{bytes} for each of {nth}");
            }
        }
        let found = |nth| Hints::slots(hints.fetch(hash(nth)), hash(nth)).count();
        assert!((100_000..200_000).map(found).sum::<usize>() < 100);
    }

    #[test]
    fn threads_that_make_room_at_once_leave_it_sound() {
        let hints = Hints::new();
        thread::scope(|scope| {
            for first in 0..4 {
                let hints = &hints;
                scope.spawn(move || {
                    for nth in (first..80_000).step_by(4) {
                        hints.make_room(nth as usize + 1);
                        hints.put(hash(nth), nth);
                    }
                });
            }
        });
        // A thread that was held up while it made room let the others do without; whoever is not found is put
        // there again.
        for nth in (0..80_000).filter(|nth| !is_found(&hints, *nth)) {
            hints.put(hash(nth), nth);
        }
        hints.make_room(80_000);
        let found = (0..80_000).filter(|nth| is_found(&hints, *nth));
        assert!(found.count() > 77_600);
    }
}
