//! The memory that the records of a window are in: one allocation.
//!
//! Entries are side by side at its start, with room for more; details follow, one after the other. A single
//! allocation that grows in few steps wastes less: many of different sizes, moved to larger ones now and then,
//! would leave the allocator's pages partly empty.

use super::entry::{Entries, Entry, PACKED_BYTES, Packed};
use crate::scoring::heap;

/// The allocation and its layout.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    /// Room for entries, then the details.
    bytes: Vec<u8>,
    /// How many bytes at the start of the details are forgotten.
    details_forgotten: u32,
    /// The total size of the details before the first that is kept; wraps around.
    details_before: u32,
    /// How many entries there is room for: far fewer than sixteen bits count, as in the totals.
    places: u16,
    /// The index of the oldest entry in that room, and of the next one.
    oldest: u16,
    next: u16,
    /// How many of the oldest entries are settled.
    settled: u16,
}

/// Equal records are equal wherever they are in memory.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
            && self.details() == other.details()
            && self.details_before == other.details_before
            && self.settled == other.settled
    }
}

impl Records {
    /// From these entries and details. `details_before` is the size of those before them, and so many of the entries
    /// are `settled`.
    pub(super) fn of(entries: &[Entry], details: &[u8], details_before: u32, settled: u16) -> Self {
        let mut records = Self {
            details_before,
            settled,
            ..Self::default()
        };
        if entries.is_empty() && details.is_empty() {
            // Most accounts are idle, and need no allocation.
            return records;
        }
        records.make_room(entries.len(), details.len());
        records.bytes.extend_from_slice(details);
        entries.iter().for_each(|entry| records.put(entry));
        records
    }

    pub(super) fn entries(&self) -> Entries<'_> {
        Entries::of(self.entry_bytes())
    }

    /// The details of all entries, in order.
    pub(super) fn details(&self) -> &[u8] {
        self.bytes.get(self.details_start()..).unwrap_or_default()
    }

    /// The details from this position on, counted from the first byte ever.
    pub(super) fn detail_at(&self, begin: u32) -> &[u8] {
        self.details()
            .get(self.place_of(begin)..)
            .unwrap_or_default()
    }

    /// The total size of the details before the first that is kept, and of all; wraps around.
    pub(super) fn details_ends(&self) -> (u32, u32) {
        let len = u32::try_from(self.details_len()).unwrap_or(u32::MAX);
        (self.details_before, self.details_before.wrapping_add(len))
    }

    /// How many of the oldest entries are settled.
    pub(super) const fn settled(&self) -> usize {
        self.settled as usize
    }

    /// The oldest entry that was not settled is.
    pub(super) fn settle_next(&mut self) {
        self.settled = self.settled.saturating_add(1).min(self.count());
    }

    pub(super) const fn len(&self) -> usize {
        self.count() as usize
    }

    const fn count(&self) -> u16 {
        self.next.saturating_sub(self.oldest)
    }

    pub(super) const fn details_len(&self) -> usize {
        self.bytes.len().saturating_sub(self.details_start())
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<u8>(self.bytes.capacity())
    }

    /// The newest `entries` entries, and the newest `details` bytes of details.
    pub(super) fn newest(&self, entries: usize, details: usize) -> [&[u8]; 2] {
        [
            last_of(self.entry_bytes(), entries.saturating_mul(PACKED_BYTES)),
            last_of(self.details(), details),
        ]
    }

    /// Adds `entry` as the newest. `write` appends its detail, of about `expected` bytes, and must do nothing
    /// else.
    pub(super) fn push(
        &mut self,
        entry: &Entry,
        expected: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let is_full = self.bytes.len().saturating_add(expected) > self.bytes.capacity();
        if is_full || self.next == self.places {
            self.make_room(1, expected);
        }
        write(&mut self.bytes);
        self.put(entry);
    }

    /// Changes an entry; returns it before and after.
    pub(super) fn change(
        &mut self,
        nth: usize,
        change: impl FnOnce(&mut Entry),
    ) -> Option<(Entry, Entry)> {
        let place = self.places_mut().get_mut(nth)?;
        let before = Entry::unpack(place);
        let mut after = before;
        change(&mut after);
        *place = after.pack();
        Some((before, after))
    }

    /// Notes whether the profile has learnt from an entry.
    pub(super) fn set_learnt(&mut self, nth: usize, learnt: bool) {
        if let Some(place) = self.places_mut().get_mut(nth) {
            Entry::set_learnt(place, learnt);
        }
    }

    /// Removes an entry, and its detail. If the detail stayed, each payment that is decided anew would leave one
    /// more.
    pub(super) fn remove(&mut self, nth: usize) -> Option<Entry> {
        let removed = self.entries().get(nth)?;
        let detail =
            self.place_of(removed.detail)..self.place_of(self.begin_of(nth.saturating_add(1)));
        let behind = self.places_mut().get_mut(nth..)?;
        behind.rotate_left(1);
        self.next = self.next.saturating_sub(1);
        if nth < self.settled() {
            self.settled = self.settled.saturating_sub(1);
        }

        let length = detail.len();
        let moved = u32::try_from(length).unwrap_or(u32::MAX);
        for behind in self.places_mut().iter_mut().skip(nth) {
            Entry::move_detail(behind, moved);
        }
        let details = self.details_start();
        let end = details.saturating_add(detail.end);
        if end <= self.bytes.len() {
            let to = details.saturating_add(detail.start);
            self.bytes.copy_within(end.., to);
            self.bytes.truncate(self.bytes.len().saturating_sub(length));
        }
        Some(removed)
    }

    /// Forgets the oldest `count` entries and their details. When none is left, an allocation of more than `keep`
    /// bytes is freed.
    pub(super) fn forget(&mut self, count: usize, keep: usize) {
        let left_from = self.begin_of(count);
        let details = left_from.wrapping_sub(self.details_before) as usize;
        let details = u32::try_from(details.min(self.details_len())).unwrap_or(u32::MAX);
        self.details_forgotten = self.details_forgotten.saturating_add(details);
        self.details_before = left_from;
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.oldest = self.oldest.saturating_add(count).min(self.next);
        self.settled = self.settled.saturating_sub(count);
        if self.oldest < self.next {
            return;
        }
        // Where there are none, all is as if there had never been any.
        self.details_before = 0;
        if self.bytes.capacity() > keep {
            *self = Self::default();
        } else {
            self.bytes.truncate(bytes_of(self.places));
            (self.oldest, self.next, self.details_forgotten) = (0, 0, 0);
        }
    }

    /// Where the detail of an entry begins, or would if there were one more.
    fn begin_of(&self, nth: usize) -> u32 {
        let (_, end) = self.details_ends();
        self.entries().get(nth).map_or(end, |entry| entry.detail)
    }

    /// The place among the details of this position, which is counted from the first byte ever.
    const fn place_of(&self, begin: u32) -> usize {
        begin.wrapping_sub(self.details_before) as usize
    }

    fn entry_bytes(&self) -> &[u8] {
        let (oldest, next) = (bytes_of(self.oldest), bytes_of(self.next));
        self.bytes.get(oldest..next).unwrap_or_default()
    }

    /// The entries, for changes in place.
    fn places_mut(&mut self) -> &mut [Packed] {
        let (oldest, next) = (bytes_of(self.oldest), bytes_of(self.next));
        let bytes = self.bytes.get_mut(oldest..next).unwrap_or_default();
        let (words, _) = bytes.as_chunks_mut();
        words.as_chunks_mut().0
    }

    /// Writes `entry` into the next place, which must exist.
    fn put(&mut self, entry: &Entry) {
        let nth = self.len();
        self.next = self.next.saturating_add(1);
        if let Some(place) = self.places_mut().get_mut(nth) {
            *place = entry.pack();
        }
    }

    const fn details_start(&self) -> usize {
        bytes_of(self.places).saturating_add(self.details_forgotten as usize)
    }

    /// Makes room for this many more entries and bytes of details, and divides the spare room between them.
    /// Where records come and go, an eighth more is allocated, or they would be moved each time. An allocation
    /// that is large enough and less than twice as large is kept.
    fn make_room(&mut self, more: usize, more_details: usize) {
        let count = self.len().saturating_add(more).max(1);
        let details = self.details_len().saturating_add(more_details);
        let needed = count.saturating_mul(PACKED_BYTES).saturating_add(details);
        let spare = if self.oldest > 0 { needed / 8 } else { 0 };
        let size = heap::roomy_bytes(needed.saturating_add(spare));
        let capacity = self.bytes.capacity();
        let stays = size <= capacity && capacity < size.saturating_mul(2);
        let size = if stays { capacity } else { size };
        let share = size.saturating_mul(count).checked_div(needed);
        let places = u16::try_from(share.unwrap_or(count)).unwrap_or(u16::MAX);
        if stays {
            self.move_within(places);
        } else {
            self.move_to(size, places);
        }
        self.next = self.next.saturating_sub(self.oldest);
        (self.places, self.oldest, self.details_forgotten) = (places, 0, 0);
    }

    fn move_to(&mut self, size: usize, places: u16) {
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(self.entry_bytes());
        bytes.resize(bytes_of(places), 0);
        bytes.extend_from_slice(self.details());
        self.bytes = bytes;
    }

    fn move_within(&mut self, places: u16) {
        let entries = bytes_of(self.oldest)..bytes_of(self.next);
        let (details, to) = (self.details_start()..self.bytes.len(), bytes_of(places));
        let end = to.saturating_add(details.len());
        if to > details.start {
            // The details make room for entries first.
            self.bytes.resize(end.max(details.end), 0);
            self.bytes.copy_within(details, to);
            self.bytes.copy_within(entries, 0);
        } else {
            self.bytes.copy_within(entries, 0);
            self.bytes.copy_within(details, to);
        }
        self.bytes.truncate(end);
    }
}

/// The last `count` of `bytes`, or all if there are fewer.
fn last_of(bytes: &[u8], count: usize) -> &[u8] {
    let from = bytes.len().saturating_sub(count);
    bytes.get(from..).unwrap_or_default()
}

/// How many bytes this many entries take.
const fn bytes_of(entries: u16) -> usize {
    (entries as usize).saturating_mul(PACKED_BYTES)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::random::Random;
    use crate::scoring::money::{Currency, Money};
    use crate::scoring::time::Timestamp;

    fn entry(nth: u32) -> Entry {
        let money = Money::new(1, Currency::from_code("EUR").unwrap()).unwrap();
        Entry {
            detail: nth,
            ..Entry::allowed(Timestamp::from_unix_ms(nth.into()), money)
        }
    }

    /// What it should hold, kept the plain way.
    #[derive(Default)]
    struct Plain {
        entries: VecDeque<Entry>,
        details: VecDeque<Vec<u8>>,
        details_before: u32,
    }

    impl Plain {
        fn details_end(&self) -> u32 {
            let len: usize = self.details.iter().map(Vec::len).sum();
            self.details_before + u32::try_from(len).unwrap()
        }

        fn remove(&mut self, nth: usize) -> Option<Entry> {
            let removed = self.entries.remove(nth)?;
            let bytes = self.details.remove(nth)?.len();
            for behind in self.entries.iter_mut().skip(nth) {
                behind.detail -= u32::try_from(bytes).unwrap();
            }
            Some(removed)
        }

        fn assert_is(&self, records: &Records) {
            assert!(records.entries().iter().eq(self.entries.iter().copied()));
            assert_eq!(records.len(), self.entries.len());
            let details: Vec<u8> = self.details.iter().flatten().copied().collect();
            assert_eq!(records.details(), details);
            assert_eq!(records.details_len(), details.len());
            let ends = (self.details_before, self.details_end());
            assert_eq!(records.details_ends(), ends);
            for (entry, detail) in self.entries.iter().zip(&self.details) {
                assert!(records.detail_at(entry.detail).starts_with(detail));
            }
            let [newest_entry, newest_detail] = records.newest(1, 3);
            assert!(
                Entries::of(newest_entry)
                    .iter()
                    .eq(records.entries().last())
            );
            assert_eq!(newest_detail, &details[details.len().saturating_sub(3)..]);
        }
    }

    #[test]
    fn records_come_and_go_in_order_and_in_little_room() {
        come_and_go(false);
    }

    #[test]
    fn none_take_no_room() {
        assert_eq!(Records::of(&[], &[], 0, 0).heap_bytes(), 0);
        assert!(Records::of(&[entry(1)], &[7], 1, 0).heap_bytes() > 0);
    }

    #[test]
    fn details_may_be_longer_than_expected() {
        come_and_go(true);
    }

    fn come_and_go(longer_than_expected: bool) {
        let mut random = Random::new(1);
        let (mut records, mut plain) = (Records::default(), Plain::default());
        let mut recent_bytes = VecDeque::new();
        for nth in 0..20_000_u32 {
            let detail = vec![nth.to_le_bytes()[0]; 40 + (random.next() % 30) as usize];
            let details_end = plain.details_end();
            let expected = match longer_than_expected {
                true => (random.next() % 40) as usize,
                false => detail.len() + (random.next() % 10) as usize,
            };
            records.push(&entry(details_end), expected, |bytes| {
                bytes.extend_from_slice(&detail)
            });
            plain.entries.push_back(entry(details_end));
            plain.details.push_back(detail);
            recent_bytes.push_back(records.len() * PACKED_BYTES + records.details_len() + 10);
            recent_bytes.drain(..recent_bytes.len().saturating_sub(40));
            if random.next().is_multiple_of(10) {
                let nth = (random.next() % 12) as usize;
                let changed = records.change(nth, |entry| entry.learnt = true);
                let expected = plain.entries.get_mut(nth).map(|entry| {
                    let before = *entry;
                    entry.learnt = true;
                    (before, *entry)
                });
                assert_eq!(changed, expected);
                plain.assert_is(&records);
                assert_eq!(records.remove(nth), plain.remove(nth));
            }
            plain.assert_is(&records);
            // Now many, now few, now none.
            let most = [12, 3, 40, 0][nth as usize / 500 % 4];
            while plain.entries.len() > most {
                let forgotten = plain.details.pop_front().map_or(0, |detail| detail.len());
                plain.entries.pop_front();
                plain.details_before += u32::try_from(forgotten).unwrap();
                if plain.entries.is_empty() {
                    plain.details_before = 0;
                }
                records.forget(1, 384);
                plain.assert_is(&records);
            }
            // An eighth more than there was at most since it last moved, in less than twice the next of the
            // usual sizes.
            let most = recent_bytes
                .iter()
                .max()
                .map_or(0, |most| most * 9 / 8 * 3 / 2 * 2);
            let bytes = records.heap_bytes();
            assert!(
                longer_than_expected || bytes <= 384.max(most),
                "{bytes} {most}"
            );
        }
    }
}
