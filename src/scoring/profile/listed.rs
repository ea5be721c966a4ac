//! Small things of different lengths, one after the other in one piece of memory.

use crate::scoring::heap;

/// Each entry is its length (two bytes, these included), a tag (two bytes) and what its owner lays down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listed {
    bytes: Vec<u8>,
    count: u32,
}

/// How many bytes stand before what the owner laid down.
pub(super) const HEAD: usize = 4;

impl Listed {
    /// How many entries there are.
    pub(super) const fn len(&self) -> u32 {
        self.count
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<u8>(self.bytes.capacity())
    }

    /// Reads a byte of each cache line.
    pub(super) fn warm(&self) -> u64 {
        let lines = self.bytes.chunks(64);
        lines.fold(0, |sum, line| {
            sum ^ line.first().map_or(0, |byte| u64::from(*byte))
        })
    }

    /// Every entry: where it is, and all of its bytes.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &[u8])> + Clone {
        Entries {
            bytes: &self.bytes,
            at: 0,
        }
    }

    /// The entries with this tag.
    pub(super) fn tagged(&self, tag: u16) -> impl Iterator<Item = (usize, &[u8])> {
        self.entries()
            .filter(move |(_, entry)| entry.get(2..HEAD) == Some(&tag.to_le_bytes()))
    }

    /// The bytes of the entry at `at`.
    pub(super) fn entry(&self, at: usize) -> Option<&[u8]> {
        let len = self.len_at(at)?;
        self.bytes.get(at..at.checked_add(len)?)
    }

    /// The bytes of the entry at `at`, to be changed where they are.
    pub(super) fn entry_mut(&mut self, at: usize) -> Option<&mut [u8]> {
        let len = self.len_at(at)?;
        self.bytes.get_mut(at..at.checked_add(len)?)
    }

    /// Adds an entry of what `write` appends.
    pub(super) fn push(&mut self, tag: u16, expected: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        self.make_room(expected.saturating_add(HEAD));
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        write(&mut self.bytes);
        self.set_len(at, self.bytes.len().saturating_sub(at));
        self.count = self.count.saturating_add(1);
    }

    /// Puts `bytes` over those that the entry at `at` has from `offset` on.
    pub(super) fn put(&mut self, at: usize, offset: usize, bytes: &[u8]) {
        let place = offset..offset.saturating_add(bytes.len());
        if let Some(place) = self.entry_mut(at).and_then(|entry| entry.get_mut(place)) {
            place.copy_from_slice(bytes);
        }
    }

    /// Puts `with` in place of `range` of the entry at `at`.
    pub(super) fn splice(&mut self, at: usize, range: std::ops::Range<usize>, with: &[u8]) {
        let Some(len) = self.len_at(at) else { return };
        let range = range.start.min(len)..range.end.min(len);
        self.make_room(with.len());
        let grown = len.saturating_add(with.len()).saturating_sub(range.len());
        let from = at.saturating_add(range.start);
        let to = at.saturating_add(range.end);
        self.bytes.splice(from..to, with.iter().copied());
        self.set_len(at, grown);
    }

    pub(super) fn remove(&mut self, at: usize) {
        if let Some(len) = self.len_at(at) {
            self.bytes.drain(at..at.saturating_add(len));
            self.count = self.count.saturating_sub(1);
        }
    }

    /// Removes what is worth least until one more makes at most `max`; returns how many went.
    pub(super) fn forget_least<W: Ord>(
        &mut self,
        max: u32,
        worth: impl Fn(&[u8]) -> Option<W>,
    ) -> u32 {
        let mut forgotten: u32 = 0;
        while self.count >= max.max(1) {
            let worths = self
                .entries()
                .filter_map(|(at, entry)| Some((at, worth(entry)?)));
            let Some((least, _)) = worths.min_by(|(_, a), (_, b)| a.cmp(b)) else {
                break;
            };
            self.remove(least);
            forgotten = forgotten.saturating_add(1);
        }
        forgotten
    }

    fn len_at(&self, at: usize) -> Option<usize> {
        let (len, _) = self.bytes.get(at..)?.split_first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*len)))
    }

    fn set_len(&mut self, at: usize, len: usize) {
        let len = u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
        if let Some(head) = self
            .bytes
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut())
        {
            *head = len;
        }
    }

    /// Grows by a quarter: most accounts know few payees, and there are many accounts.
    fn make_room(&mut self, more: usize) {
        let (len, capacity) = (self.bytes.len(), self.bytes.capacity());
        if len.saturating_add(more) > capacity {
            self.bytes.reserve_exact(more.max(capacity / 4));
        }
    }
}

#[derive(Clone)]
struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let (len, _) = rest.split_first_chunk()?;
        let entry = rest.get(..usize::from(u16::from_le_bytes(*len)))?;
        let at = self.at;
        // An entry is never empty: at the least it is its head.
        self.at = at.saturating_add(entry.len().max(HEAD));
        Some((at, entry))
    }
}
