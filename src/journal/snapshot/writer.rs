//! Writing a snapshot.

use std::io;
use std::mem;
use std::sync::Arc;

use super::super::event::PolicyInForce;
use super::super::fault::JournalFault;
use super::block::{
    BLOCK_HEADER_BYTES, BlockKind, HEADER_BYTES, Header, PAYLOAD_BYTES_FULL, PAYLOAD_BYTES_MAX,
    begin, seal,
};
use super::{
    Counts, SnapshotSummary, State, UNFINISHED_SUFFIX, entry, is_unfinished, names, remove_all,
    snapshot_name,
};
use crate::storage::{Directory, File};

/// A snapshot that is being written. After an error it is dropped, never continued; what it leaves is
/// removed with it, or when the next one is begun.
#[derive(Debug)]
pub struct SnapshotWriter {
    directory: Arc<dyn Directory>,
    file: Arc<dyn File>,
    header: Header,
    /// What the checksums of its blocks begin with.
    seed: u32,
    /// The block that is being filled.
    block: Vec<u8>,
    /// How many entries it has, and how many blocks stand before it.
    entries: u32,
    place: u32,
    counts: Counts,
    bytes: u64,
    finished: bool,
}

impl SnapshotWriter {
    /// Begins a snapshot: every image that is put into it holds all events of its key before the sequence
    /// number `journal_from`, at least.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn begin(directory: Arc<dyn Directory>, journal_from: u64) -> Result<Self, JournalFault> {
        let left = names(&*directory)?.into_iter();
        remove_all(&*directory, left.filter(|name| is_unfinished(name)))?;
        let header = Header { journal_from };
        let begun = directory
            .create(&unfinished_name(header))
            .and_then(|file| file.write(&header.to_bytes()).map(|()| file));
        let file = begun.map_err(JournalFault::storage("beginning a snapshot"))?;
        let mut block = Vec::with_capacity(2 * PAYLOAD_BYTES_FULL);
        begin(&mut block);
        Ok(Self {
            directory,
            file,
            header,
            seed: header.seed(),
            block,
            entries: 0,
            place: 0,
            counts: Counts::default(),
            bytes: HEADER_BYTES as u64,
            finished: false,
        })
    }

    /// Puts in what is remembered under one key.
    ///
    /// # Errors
    /// When the storage fails, or it is more than would be read back.
    pub fn put(&mut self, state: &State<'_>) -> Result<(), JournalFault> {
        entry::put_state(state, &mut self.block);
        self.counts.note_key(state.key);
        self.end_entry()
    }

    /// Puts in a policy that records name by its number.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn put_policy(&mut self, policy: PolicyInForce) -> Result<(), JournalFault> {
        entry::put_policy(policy, &mut self.block);
        self.counts.policies += 1;
        self.end_entry()
    }

    /// Finishes the snapshot: it is on the disk then, and takes the place of an earlier one from the same
    /// sequence number on. `journal_to` is the first sequence number that is in no image.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn finish(mut self, journal_to: u64) -> Result<SnapshotSummary, JournalFault> {
        self.close(journal_to)?;
        self.publish(journal_to)
    }

    /// The same, if `is_proven` says so of the file of this name, of which all is on the disk. `None` where it
    /// does not: then nothing is left of the snapshot.
    ///
    /// # Errors
    /// When the storage fails, or `is_proven` does.
    pub fn finish_if(
        mut self,
        journal_to: u64,
        is_proven: impl FnOnce(&str) -> Result<bool, JournalFault>,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        self.close(journal_to)?;
        match is_proven(&unfinished_name(self.header))? {
            true => self.publish(journal_to).map(Some),
            false => Ok(None),
        }
    }

    /// Writes what ends it, and waits for the disk.
    fn close(&mut self, journal_to: u64) -> Result<(), JournalFault> {
        if self.entries > 0 {
            self.write_block(BlockKind::Entries)?;
        }
        entry::put_closing(journal_to, self.counts, &mut self.block);
        self.write_block(BlockKind::Closing)?;
        let synced = self.file.sync();
        synced.map_err(JournalFault::storage("finishing a snapshot"))
    }

    /// Gives it its name.
    fn publish(&mut self, journal_to: u64) -> Result<SnapshotSummary, JournalFault> {
        let file = snapshot_name(self.header.journal_from);
        self.directory
            .rename(&unfinished_name(self.header), &file)
            .and_then(|()| self.directory.sync())
            .map_err(JournalFault::storage("finishing a snapshot"))?;
        self.finished = true;
        Ok(SnapshotSummary {
            file,
            journal_from: self.header.journal_from,
            journal_to,
            counts: self.counts,
            bytes: self.bytes,
        })
    }

    fn end_entry(&mut self) -> Result<(), JournalFault> {
        self.entries += 1;
        let payload_bytes = self.block.len().saturating_sub(BLOCK_HEADER_BYTES);
        if payload_bytes > PAYLOAD_BYTES_MAX {
            let told = format!(
                "a block of {payload_bytes} bytes, of which no more than {PAYLOAD_BYTES_MAX} would be read back"
            );
            let too_large = io::Error::new(io::ErrorKind::FileTooLarge, told);
            return Err(JournalFault::storage("writing a snapshot")(too_large));
        }
        if self.block.len() < PAYLOAD_BYTES_FULL {
            return Ok(());
        }
        self.write_block(BlockKind::Entries)
    }

    fn write_block(&mut self, kind: BlockKind) -> Result<(), JournalFault> {
        let count = mem::take(&mut self.entries);
        seal(&mut self.block, kind, self.place, count, self.seed);
        let written = self.file.write(&self.block);
        written.map_err(JournalFault::storage("writing a snapshot"))?;
        self.place = self.place.checked_add(1).ok_or_else(|| {
            let full = io::Error::from(io::ErrorKind::FileTooLarge);
            JournalFault::storage("writing a snapshot")(full)
        })?;
        self.bytes += self.block.len() as u64;
        begin(&mut self.block);
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    /// On a disk that is full it would take the room that is missing.
    fn drop(&mut self) {
        if !self.finished {
            // Where that fails too, the next one sees to it.
            let _ = self.directory.remove(&unfinished_name(self.header));
        }
    }
}

fn unfinished_name(header: Header) -> String {
    snapshot_name(header.journal_from) + UNFINISHED_SUFFIX
}
