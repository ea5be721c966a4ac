//! Reading a snapshot.

use std::fmt;
use std::io::{self, Read};
use std::thread;

use parking_lot::Mutex;

use super::super::codec::Decoder;
use super::super::fault::{JournalFault, SnapshotDamage, SnapshotDamageKind};
use super::super::header::HeaderFault;
use super::block::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, HEADER_BYTES, Header, SNAPSHOT_VERSION,
};
use super::{Counts, Entry, SnapshotSummary, entry, journal_from_of};
use crate::scoring::image::ImageFault;
use crate::storage::Directory;

/// A snapshot that is being read.
pub struct SnapshotReader {
    name: String,
    file: Box<dyn Read + Send>,
    header: Header,
    seed: u32,
    /// Where the next block begins, and which one it is.
    at: u64,
    place: u32,
    /// Where the closing block stands and what it says, once it has been read.
    closing: Option<(u64, u64, Counts)>,
    failed: bool,
}

/// A block that was read whole.
struct Block {
    /// Where its entries begin, in bytes from the beginning of the file.
    offset: u64,
    count: u32,
    payload: Vec<u8>,
}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("name", &self.name)
            .field("header", &self.header)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl SnapshotReader {
    /// Opens the snapshot of this name.
    ///
    /// # Errors
    /// When it cannot be read, is of a version that this program does not read, or begins with something
    /// else than its name says.
    pub fn open(directory: &dyn Directory, name: &str) -> Result<Self, JournalFault> {
        let mut file = directory
            .read(name)
            .map_err(JournalFault::storage(format_args!("reading {name}")))?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        read_some(&mut file, name, HEADER_BYTES, &mut bytes)?;
        let named = journal_from_of(name);
        let header = match Header::read(&bytes) {
            Ok(header) if named.is_none_or(|named| named == header.journal_from) => header,
            Ok(_) | Err(HeaderFault::Unreadable) => {
                return Err(JournalFault::Snapshot(SnapshotDamage {
                    file: name.to_owned(),
                    offset: 0,
                    kind: SnapshotDamageKind::Unreadable,
                }));
            }
            Err(HeaderFault::Version(found)) => {
                return Err(JournalFault::Version {
                    file: name.to_owned(),
                    found,
                    read: SNAPSHOT_VERSION,
                });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            file,
            header,
            seed: header.seed(),
            at: HEADER_BYTES as u64,
            place: 0,
            closing: None,
            failed: false,
        })
    }

    /// The sequence number from which the journal has to be read on top of it.
    #[must_use]
    pub const fn journal_from(&self) -> u64 {
        self.header.journal_from
    }

    /// Reads it to its end and hands out every entry, on so many threads at once and in no order. Only when
    /// this succeeds was the snapshot whole: what was taken from one that is not has to be thrown away.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or `take` finds that an image is none.
    pub fn read(
        self,
        threads: usize,
        take: impl Fn(Entry<'_>) -> Result<(), ImageFault> + Sync,
    ) -> Result<SnapshotSummary, JournalFault> {
        let reader = Mutex::new(self);
        let work = || take_blocks(&reader, &take);
        let counted = thread::scope(|scope| {
            let helpers = (1..threads).map_while(|_| {
                let helper = thread::Builder::new().name("snapshot".to_owned());
                helper.spawn_scoped(scope, work).ok()
            });
            let helpers: Vec<_> = helpers.collect();
            let mut counted = work()?;
            for helper in helpers {
                counted += helper.join().unwrap_or_else(|_| Err(panicked()))?;
            }
            Ok(counted)
        })?;
        reader.into_inner().summary(counted)
    }

    /// The same on this thread alone, with a `rest` for each entry; `None` where that says `false`.
    ///
    /// # Errors
    /// As there.
    pub fn read_in_runs(
        mut self,
        take: impl Fn(Entry<'_>) -> Result<(), ImageFault>,
        mut rest: impl FnMut() -> bool,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        let mut counted = Counts::default();
        while let Some(block) = self.next_block()? {
            let taken = take_entries(&block, &take);
            counted += taken.map_err(|(offset, kind)| self.fail(offset, kind))?;
            // A block takes no longer than a run may: between its entries there is no need to rest.
            if !(0..block.count).all(|_| rest()) {
                return Ok(None);
            }
        }
        self.summary(counted).map(Some)
    }

    /// What was read, where it is all that was written.
    fn summary(self, counted: Counts) -> Result<SnapshotSummary, JournalFault> {
        match self.closing {
            Some((_, journal_to, counts)) if counts == counted => Ok(SnapshotSummary {
                file: self.name,
                journal_from: self.header.journal_from,
                journal_to,
                counts,
                bytes: self.at,
            }),
            Some((offset, _, _)) => Err(damage(&self.name, offset, SnapshotDamageKind::Missing)),
            None => Err(damage(&self.name, self.at, SnapshotDamageKind::Missing)),
        }
    }

    /// The next block of entries; `None` behind the last one, and after an error.
    fn next_block(&mut self) -> Result<Option<Block>, JournalFault> {
        if self.closing.is_some() || self.failed {
            return Ok(None);
        }
        let read = self.read_block();
        self.failed = read.is_err();
        read
    }

    fn read_block(&mut self) -> Result<Option<Block>, JournalFault> {
        let (name, at) = (&self.name, self.at);
        let mut bytes = Vec::with_capacity(BLOCK_HEADER_BYTES);
        read_some(&mut self.file, name, BLOCK_HEADER_BYTES, &mut bytes)?;
        if bytes.is_empty() {
            return Err(damage(name, at, SnapshotDamageKind::Missing));
        }
        let unreadable = || damage(name, at, SnapshotDamageKind::Unreadable);
        let header = BlockHeader::read(&bytes).ok_or_else(unreadable)?;
        let mut payload = Vec::new();
        read_some(&mut self.file, name, header.length, &mut payload)?;
        if !header.holds(&bytes, &payload, self.seed) || header.place != self.place {
            return Err(unreadable());
        }
        let offset = at + BLOCK_HEADER_BYTES as u64;
        self.at = offset + payload.len() as u64;
        self.place = self.place.wrapping_add(1);
        match header.kind {
            BlockKind::Entries => Ok(Some(Block {
                offset,
                count: header.count,
                payload,
            })),
            BlockKind::Closing => self.close(at, &payload).map(|()| None),
        }
    }

    /// Takes note of the closing block, behind which nothing stands.
    fn close(&mut self, at: u64, payload: &[u8]) -> Result<(), JournalFault> {
        let (journal_to, counts) = entry::read_closing(payload)
            .map_err(|error| damage(&self.name, at, SnapshotDamageKind::NoEntry(error)))?;
        let mut behind = Vec::new();
        read_some(&mut self.file, &self.name, 1, &mut behind)?;
        if !behind.is_empty() {
            return Err(damage(&self.name, self.at, SnapshotDamageKind::Unreadable));
        }
        self.closing = Some((at, journal_to, counts));
        Ok(())
    }

    fn fail(&mut self, offset: u64, kind: SnapshotDamageKind) -> JournalFault {
        self.failed = true;
        damage(&self.name, offset, kind)
    }
}

/// Takes block after block, and hands out its entries; returns how many there were.
fn take_blocks(
    reader: &Mutex<SnapshotReader>,
    take: &impl Fn(Entry<'_>) -> Result<(), ImageFault>,
) -> Result<Counts, JournalFault> {
    let mut counts = Counts::default();
    loop {
        // The next thread reads the next block while this one is looked at.
        let Some(block) = reader.lock().next_block()? else {
            return Ok(counts);
        };
        let taken = take_entries(&block, take);
        counts += taken.map_err(|(offset, kind)| reader.lock().fail(offset, kind))?;
    }
}

fn take_entries(
    block: &Block,
    take: &impl Fn(Entry<'_>) -> Result<(), ImageFault>,
) -> Result<Counts, (u64, SnapshotDamageKind)> {
    let mut counts = Counts::default();
    let mut from = Decoder::new(&block.payload);
    let offset_of = |offset: usize| block.offset.saturating_add(offset as u64);
    let no_entry = |error| (block.offset, SnapshotDamageKind::NoEntry(error));
    for _ in 0..block.count {
        let at = from.offset();
        let entry = entry::read(&mut from).map_err(no_entry)?;
        counts.note(&entry);
        take(entry).map_err(|fault| (offset_of(at), SnapshotDamageKind::NoImage(fault)))?;
    }
    from.end("block").map_err(no_entry)?;
    Ok(counts)
}

/// Reads so many bytes more, or as many as there are.
fn read_some(
    file: &mut (impl Read + ?Sized),
    name: &str,
    count: usize,
    into: &mut Vec<u8>,
) -> Result<(), JournalFault> {
    let read = file.take(count as u64).read_to_end(into);
    read.map(drop)
        .map_err(JournalFault::storage(format_args!("reading {name}")))
}

fn damage(file: &str, offset: u64, kind: SnapshotDamageKind) -> JournalFault {
    JournalFault::Snapshot(SnapshotDamage {
        file: file.to_owned(),
        offset,
        kind,
    })
}

fn panicked() -> JournalFault {
    let panicked = io::Error::other("a thread panicked");
    JournalFault::storage("reading a snapshot")(panicked)
}
