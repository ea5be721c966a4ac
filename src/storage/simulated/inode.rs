//! One file: what processes see of it, and what of that is on the disk.

use std::collections::BTreeSet;

use crate::random::Random;

/// What a disk writes whole, mostly.
pub(super) const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    on_disk: Vec<u8>,
    /// The sectors that differ and are still to be written, by number.
    unsynced: BTreeSet<usize>,
}

impl Inode {
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Self {
            on_disk: bytes.clone(),
            seen: bytes,
            unsynced: BTreeSet::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let from = self.seen.len() / SECTOR_BYTES;
        self.seen.extend_from_slice(bytes);
        let to = self.seen.len().div_ceil(SECTOR_BYTES);
        self.unsynced.extend(from..to);
    }

    /// Cuts off what processes see. That is on the disk with the next sync, or by chance before.
    pub(super) fn truncate(&mut self, length: usize) {
        self.seen.truncate(length);
        let sectors = self.seen.len().div_ceil(SECTOR_BYTES);
        self.unsynced.retain(|sector| *sector < sectors);
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.unsynced) {
            let end = self.sector_end(sector);
            write_sector(&self.seen, sector, end, &mut self.on_disk);
        }
        // The length is synced even where what is before it was dropped: there are zeros then.
        self.on_disk.resize(self.seen.len(), 0);
    }

    /// Nothing is written, and nothing of it will be by any later sync.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    /// What is found after a power cut: any of the unsynced sectors, one of them torn, zeros where a
    /// later one was written, and any length between the old one and the new.
    pub(super) fn after_power_cut(&self, random: &mut Random) -> Self {
        let mut left = self.on_disk.clone();
        let many = self.unsynced.len();
        let torn = random.index(many + 1);
        for (nth, sector) in self.unsynced.iter().enumerate() {
            if random.is_heads() {
                let begin = sector * SECTOR_BYTES;
                let mut end = self.sector_end(*sector);
                if nth == torn {
                    end = begin + random.index(end - begin + 1);
                }
                write_sector(&self.seen, *sector, end, &mut left);
            }
        }
        let (old, new) = (self.on_disk.len(), self.seen.len());
        if left.len() < new && random.is_heads() {
            // The length was written, the data was not.
            left.resize(left.len() + random.index(new - left.len() + 1), 0);
        }
        if new < old && random.is_heads() {
            left.truncate(new);
        }
        Self::synced(left)
    }

    fn sector_end(&self, sector: usize) -> usize {
        ((sector + 1) * SECTOR_BYTES).min(self.seen.len())
    }
}

/// Writes a sector of `from`, up to the byte `end`, into `to`.
fn write_sector(from: &[u8], sector: usize, end: usize, to: &mut Vec<u8>) {
    let begin = sector * SECTOR_BYTES;
    if to.len() < end {
        to.resize(end, 0);
    }
    if let (Some(to), Some(from)) = (to.get_mut(begin..end), from.get(begin..end)) {
        to.copy_from_slice(from);
    }
}
