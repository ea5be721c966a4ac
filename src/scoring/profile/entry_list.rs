//! A list of entries of different kinds and lengths in one allocation: what a profile knows of amounts, devices,
//! payees and levels.
//!
//! Each entry is a header of four bytes (length, kind, tag) and what its owner wrote behind it. One allocation for
//! all of them, as there are many accounts and each allocation costs memory and a cache miss.

use std::mem;
use std::ops::Range;

use crate::prefetch::prefetch;
use crate::scoring::heap;
use crate::scoring::packing::{Reader, put_varint};

/// The kind of an entry. Entries of a kind are together, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The amounts paid in one currency.
    Amounts,
    /// A device.
    Device,
    /// A payee.
    Payee,
    /// The level of the amounts in one more currency.
    Level,
}

/// The entries, one after the other, those of a kind together. An entry is named by the position of its header among
/// their bytes, which holds until an entry is added, moved, lengthened, shortened or removed.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryList {
    /// How many bytes the entries take; the entries; and room for more. The length is here, as every account has a
    /// list and the room behind it is rarely used up.
    allocation: Box<[u8]>,
}

/// Equal lists have equal entries, whatever room they have.
impl PartialEq for EntryList {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// The size of the length at the start of the allocation.
const LENGTH_BYTES: usize = size_of::<u32>();

/// The size of an entry's header.
pub(super) const HEAD: usize = 4;

impl EntryList {
    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<u8>(self.allocation.len())
    }

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        put_varint(out, self.len() as u64);
        out.extend_from_slice(self.bytes());
    }

    /// Reads a list. Every entry must pass `check`, which gets its kind, its tag and all of its bytes.
    pub(super) fn read_image(
        rest: &mut Reader<'_>,
        check: impl Fn(Kind, u16, &[u8]) -> Option<()>,
    ) -> Option<Self> {
        let bytes = usize::try_from(rest.varint()?).ok()?;
        let bytes = rest.bytes(bytes)?;
        let mut entries = Self::default();
        if !bytes.is_empty() {
            let mut allocation = entries.open(bytes.len());
            allocation.extend_from_slice(bytes);
            entries.close(allocation);
        }
        let (mut end, mut last) = (0, 0);
        for Entry { at, head, bytes } in entries.iter() {
            // A search stops at the first entry of a later kind.
            if head.kind_number() < last {
                return None;
            }
            check(head.kind()?, head.tag(), bytes)?;
            end = at.saturating_add(bytes.len());
            last = head.kind_number();
        }
        (end == entries.len()).then_some(entries)
    }

    /// Requests all of it from memory.
    pub(super) fn fetch(&self) {
        prefetch(&self.allocation);
    }

    /// The entries of a kind: the position and all bytes of each.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (usize, &[u8])> {
        self.iter()
            .skip_while(move |entry| entry.head.kind_number() < kind as u32)
            .take_while(move |entry| entry.head.kind_number() == kind as u32)
            .map(|entry| (entry.at, entry.bytes))
    }

    /// The first entry of this kind and tag for which `read` returns something: its position, and that.
    pub(super) fn find<'a, T>(
        &'a self,
        kind: Kind,
        tag: u16,
        read: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Option<(usize, T)> {
        let wanted = Head::new(kind, tag);
        self.iter()
            .filter(|entry| entry.head.is_like(wanted))
            .find_map(|entry| Some((entry.at, read(entry.bytes)?)))
    }

    /// The bytes of the entry at `at`, for changes in place.
    pub(super) fn entry_mut(&mut self, at: usize) -> Option<&mut [u8]> {
        let from_it = self.bytes_mut().get_mut(at..)?;
        let len = Head::read(from_it)?.len();
        from_it.get_mut(..len)
    }

    /// Adds an entry as the last of its kind, with what `write` appends; returns its position.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        tag: u16,
        expected: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let (at, end) = (self.end_of(kind), self.len());
        let head = Head::new(kind, tag);
        let mut allocation = self.open(expected.saturating_add(HEAD));
        allocation.extend_from_slice(&head.0.to_le_bytes());
        write(&mut allocation);
        self.close(allocation);
        let len = self.len().saturating_sub(end);
        if let Some(moved) = self.bytes_mut().get_mut(at..) {
            moved.rotate_right(len);
        }
        self.set_head(at, head.with_len(len));
        at
    }

    /// Moves the entry at `at`, which is of the first kind, to the front of the list.
    pub(super) fn move_to_front(&mut self, at: usize) {
        let Some(head) = self.head_at(at) else { return };
        let end = at.saturating_add(head.len());
        if let Some(moved) = self.bytes_mut().get_mut(..end) {
            moved.rotate_right(head.len());
        }
    }

    /// Overwrites the bytes of the entry at `at` from `offset` on.
    pub(super) fn put<const N: usize>(&mut self, at: usize, offset: usize, bytes: [u8; N]) {
        let entry = self.entry_mut(at);
        let place = entry.and_then(|entry| entry.get_mut(offset..)?.first_chunk_mut());
        if let Some(place) = place {
            *place = bytes;
        }
    }

    /// Inserts `bytes` into the entry at `at`, before what it has at `offset`.
    pub(super) fn insert<const N: usize>(&mut self, at: usize, offset: usize, bytes: [u8; N]) {
        let Some(head) = self.head_at(at) else { return };
        let len = self.len().saturating_add(N);
        if len.saturating_add(LENGTH_BYTES) > self.allocation.len() {
            let roomier = self.open(N);
            self.close(roomier);
        }
        self.set_len(len);
        let Some(entry) = self.bytes_mut().get_mut(at..) else {
            return;
        };
        if let Some(moved) = entry.get_mut(offset.min(head.len())..) {
            moved.copy_within(..moved.len().saturating_sub(N), N);
            if let Some(inserted) = moved.first_chunk_mut() {
                *inserted = bytes;
            }
        }
        head.with_len(head.len().saturating_add(N)).put(entry);
    }

    /// Shortens the entry at `at` to its first `len` bytes.
    pub(super) fn truncate(&mut self, at: usize, len: usize) {
        let Some(head) = self.head_at(at) else { return };
        let len = len.clamp(HEAD, head.len());
        let end = at.saturating_add(head.len());
        self.cut_out(at.saturating_add(len)..end);
        self.set_head(at, head.with_len(len));
    }

    pub(super) fn remove(&mut self, at: usize) {
        if let Some(head) = self.head_at(at) {
            self.cut_out(at..at.saturating_add(head.len()));
        }
    }

    /// Removes the entries of a kind with the least `worth`, until one more makes at most `max`; returns how
    /// many were removed.
    pub(super) fn forget_least<W: Ord>(
        &mut self,
        kind: Kind,
        max: u32,
        worth: impl Fn(&[u8]) -> Option<W>,
    ) -> u32 {
        let mut forgotten: u32 = 0;
        while self.of_kind(kind).count() >= max.max(1) as usize {
            let worths = self
                .of_kind(kind)
                .filter_map(|(at, entry)| Some((at, worth(entry)?)));
            let Some((least, _)) = worths.min_by(|(_, a), (_, b)| a.cmp(b)) else {
                break;
            };
            self.remove(least);
            forgotten = forgotten.saturating_add(1);
        }
        forgotten
    }

    fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let all = self.bytes();
        let mut rest = all;
        std::iter::from_fn(move || {
            let head = Head::read(rest)?;
            let (bytes, behind) = rest.split_at_checked(head.len())?;
            let at = all.len().saturating_sub(rest.len());
            rest = behind;
            Some(Entry { at, head, bytes })
        })
    }

    /// The position behind the last entry of a kind.
    fn end_of(&self, kind: Kind) -> usize {
        self.iter()
            .find(|entry| entry.head.kind_number() > kind as u32)
            .map_or(self.len(), |entry| entry.at)
    }

    fn head_at(&self, at: usize) -> Option<Head> {
        Head::read(self.bytes().get(at..)?)
    }

    fn set_head(&mut self, at: usize, head: Head) {
        if let Some(entry) = self.bytes_mut().get_mut(at..) {
            head.put(entry);
        }
    }

    /// How many bytes the entries take.
    fn len(&self) -> usize {
        self.allocation.first_chunk().map_or(0, length)
    }

    /// The entries are as long as this from now on.
    fn set_len(&mut self, len: usize) {
        if let Some(place) = self.allocation.first_chunk_mut() {
            *place = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        }
    }

    fn bytes(&self) -> &[u8] {
        let Some((len, behind)) = self.allocation.split_first_chunk() else {
            return &[];
        };
        behind.get(..length(len)).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let Some((len, behind)) = self.allocation.split_first_chunk_mut() else {
            return &mut [];
        };
        behind.get_mut(..length(len)).unwrap_or_default()
    }

    /// Takes out these bytes; those behind them move down.
    fn cut_out(&mut self, taken: Range<usize>) {
        let len = self.len();
        if taken.start <= taken.end && taken.end <= len {
            let left = len.saturating_sub(taken.len());
            self.bytes_mut().copy_within(taken.end.., taken.start);
            self.set_len(left);
        }
    }

    /// The allocation, to append entries of `more` bytes to; [`close`](Self::close) puts it back. It grows to the
    /// next size of the allocator: these are up to a quarter apart, which is enough to grow by, and there are many
    /// accounts.
    fn open(&mut self, more: usize) -> Vec<u8> {
        let used = LENGTH_BYTES.saturating_add(self.len());
        let needed = used.saturating_add(more);
        let mut allocation = Vec::from(mem::take(&mut self.allocation));
        allocation.truncate(used);
        if needed > allocation.capacity() {
            let taken = heap::bytes_of::<u8>(needed);
            allocation.reserve_exact(taken.saturating_sub(allocation.len()));
        }
        // The length is not there yet where there was no entry.
        allocation.resize(used, 0);
        allocation
    }

    /// Puts the allocation back, with what was appended to it.
    fn close(&mut self, mut allocation: Vec<u8>) {
        let len = allocation.len().saturating_sub(LENGTH_BYTES);
        allocation.resize(allocation.capacity(), 0);
        self.allocation = allocation.into_boxed_slice();
        self.set_len(len);
    }
}

/// The length at the start of an allocation.
const fn length(bytes: &[u8; LENGTH_BYTES]) -> usize {
    u32::from_le_bytes(*bytes) as usize
}

/// An entry of the list.
struct Entry<'a> {
    at: usize,
    head: Head,
    bytes: &'a [u8],
}

/// The header of an entry. From the lowest bit on: how many bytes follow it, the kind, and a tag that
/// distinguishes it from almost all others of its kind.
#[derive(Debug, Clone, Copy)]
struct Head(u32);

const BEHIND_BITS: u32 = 14;
const BEHIND_MAX: u32 = (1 << BEHIND_BITS) - 1;
const KIND_BITS: u32 = 2;
const KIND_MAX: u32 = (1 << KIND_BITS) - 1;

impl Head {
    fn new(kind: Kind, tag: u16) -> Self {
        Self(u32::from(tag) << (BEHIND_BITS + KIND_BITS) | (kind as u32) << BEHIND_BITS)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes
            .first_chunk()
            .map(|head| Self(u32::from_le_bytes(*head)))
    }

    /// Writes it at the start of its entry.
    fn put(self, entry: &mut [u8]) {
        if let Some(place) = entry.first_chunk_mut() {
            *place = self.0.to_le_bytes();
        }
    }

    /// The same for an entry of `len` bytes, header included.
    fn with_len(self, len: usize) -> Self {
        let behind = u32::try_from(len.saturating_sub(HEAD)).unwrap_or(BEHIND_MAX);
        Self(self.0 & !BEHIND_MAX | behind.min(BEHIND_MAX))
    }

    /// The length of the entry, header included.
    const fn len(self) -> usize {
        ((self.0 & BEHIND_MAX) as usize).saturating_add(HEAD)
    }

    const fn kind_number(self) -> u32 {
        self.0 >> BEHIND_BITS & KIND_MAX
    }

    const fn kind(self) -> Option<Kind> {
        match self.kind_number() {
            0 => Some(Kind::Amounts),
            1 => Some(Kind::Device),
            2 => Some(Kind::Payee),
            3 => Some(Kind::Level),
            _ => None,
        }
    }

    const fn tag(self) -> u16 {
        let [_, _, low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Whether kind and tag are the same.
    const fn is_like(self, other: Self) -> bool {
        self.0 >> BEHIND_BITS == other.0 >> BEHIND_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Plain = Vec<(Kind, u16, Vec<u8>)>;

    const KINDS: [Kind; 4] = [Kind::Amounts, Kind::Device, Kind::Payee, Kind::Level];

    /// Where the entry of this number is.
    fn at(entries: &EntryList, nth: usize) -> usize {
        entries.iter().nth(nth).unwrap().at
    }

    fn assert_same(entries: &EntryList, plain: &Plain) {
        for kind in KINDS {
            let expected = plain.iter().filter(|entry| entry.0 == kind);
            let bytes = entries.of_kind(kind).map(|(_, entry)| &entry[HEAD..]);
            assert!(bytes.eq(expected.map(|entry| &entry.2[..])));
        }
        for (kind, tag, bytes) in plain {
            let is_it = |entry: &[u8]| (entry[HEAD..] == bytes[..]).then_some(());
            assert!(entries.find(*kind, *tag, is_it).is_some());
            assert_eq!(entries.find(*kind, 9, |_| Some(())), None);
        }
        assert!(entries.allocation.len() <= entries.heap_bytes());
    }

    #[test]
    fn entries_stay_what_they_are_beside_a_plain_list() {
        let (mut entries, mut plain) = (EntryList::default(), Plain::new());
        let mut state = 1_u64;
        let mut below = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        for round in 0..5_000_u64 {
            let nth = below(plain.len().max(1));
            let step = if plain.is_empty() { 0 } else { below(6) };
            match step {
                0 | 1 if plain.len() < 30 => {
                    let (kind, tag) = (KINDS[below(4)], u16::try_from(below(4)).unwrap());
                    let bytes = round.to_le_bytes()[..below(9)].to_vec();
                    let place = plain.partition_point(|entry| entry.0 as u32 <= kind as u32);
                    plain.insert(place, (kind, tag, bytes.clone()));
                    let pushed = entries.push(kind, tag, bytes.len(), |out| out.extend(bytes));
                    assert_eq!(pushed, at(&entries, place));
                }
                2 => {
                    let offset = below(plain[nth].2.len() + 1);
                    let more = round.to_le_bytes();
                    plain[nth].2.splice(offset..offset, more);
                    entries.insert(at(&entries, nth), HEAD + offset, more);
                    plain[nth].2[offset] = 7;
                    entries.put(at(&entries, nth), HEAD + offset, [7]);
                }
                3 => {
                    let len = below(plain[nth].2.len() + 1);
                    plain[nth].2.truncate(len);
                    entries.truncate(at(&entries, nth), HEAD + len);
                }
                4 if plain[nth].0 == Kind::Amounts => {
                    plain[..=nth].rotate_right(1);
                    entries.move_to_front(at(&entries, nth));
                }
                _ => {
                    plain.remove(nth);
                    entries.remove(at(&entries, nth));
                }
            }
            assert_same(&entries, &plain);
        }
    }

    #[test]
    fn what_is_worth_least_goes_first_and_of_equals_the_oldest() {
        let mut entries = EntryList::default();
        for (tag, worth) in [(1, 5), (2, 3), (3, 3), (4, 9)] {
            entries.push(Kind::Payee, tag, 1, |out| out.push(worth));
        }
        entries.push(Kind::Device, 5, 1, |out| out.push(0));
        let worth = |entry: &[u8]| entry.last().copied();
        assert_eq!(entries.forget_least(Kind::Payee, 4, worth), 1);
        assert_eq!(entries.find(Kind::Payee, 2, |_| Some(())), None);
        assert_eq!(entries.forget_least(Kind::Payee, 4, worth), 0);
        assert_eq!(entries.forget_least(Kind::Payee, 1, worth), 3);
        assert_eq!(entries.of_kind(Kind::Payee).count(), 0);
        assert_eq!(entries.of_kind(Kind::Device).count(), 1);
    }
}
