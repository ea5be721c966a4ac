//! The files of a journal that is being written: one segment after the other.
//!
//! Nothing here waits, or decides when to sync. After an error a log is dropped, never continued.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

use super::fault::JournalFault;
use super::frame::{FrameKind, SEGMENT_HEADER_BYTES, SegmentHeader, closing, seal, segment_name};
use super::queue::Batch;
use super::reader::{Cut, Ending, segments_of};
use crate::storage::{Directory, File};

/// The suffix of files that were set aside.
const ASIDE_SUFFIX: &str = ".damaged";

/// The files of a journal that is being written.
#[derive(Debug)]
pub(super) struct Log {
    directory: Arc<dyn Directory>,
    segment_bytes_max: u64,
    /// The newest file, and its name.
    file: Arc<dyn File>,
    name: String,
    file_bytes: u64,
    /// The sequence number of the first record, in whichever file.
    first: u64,
    /// That of the next one.
    next: u64,
    standing: Standing,
    /// Files that were written to since they were last synced, in order.
    unsynced: Vec<Unsynced>,
}

/// What the journal stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Up to where everything is on the disk.
    pub(super) synced_to: u64,
    /// Whether everything before the log is there, or a snapshot in its place. Until then nothing in it is
    /// promised, and no frame says that anything is synced.
    pub(super) vouched: bool,
}

impl Standing {
    const fn told(self) -> u64 {
        if self.vouched { self.synced_to } else { 0 }
    }
}

/// A file that was written to and not synced.
#[derive(Clone)]
pub(super) struct Unsynced {
    file: Arc<dyn File>,
    /// Where its name is new: the directory to sync as well.
    directory: Option<Arc<dyn Directory>>,
    /// The last record that is on the disk once this is synced, and what stands before.
    up_to: u64,
}

impl fmt::Debug for Unsynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsynced")
            .field("up_to", &self.up_to)
            .finish()
    }
}

impl Unsynced {
    /// Waits for the disk; returns the last record that is on it now.
    pub(super) fn sync(&self) -> io::Result<u64> {
        self.file.sync()?;
        if let Some(directory) = &self.directory {
            directory.sync()?;
        }
        Ok(self.up_to)
    }
}

impl Log {
    /// Begins a segment whose first record will be `next`, on what stands before.
    pub(super) fn begin(
        directory: Arc<dyn Directory>,
        segment_bytes_max: u64,
        next: u64,
        standing: Standing,
    ) -> io::Result<Self> {
        let name = segment_name(next);
        let file = directory.create(&name)?;
        let header = SegmentHeader {
            first: next,
            synced_to: standing.told(),
        };
        file.write(&header.to_bytes())?;
        let begun = Unsynced {
            file: Arc::clone(&file),
            directory: Some(Arc::clone(&directory)),
            up_to: next.saturating_sub(1),
        };
        Ok(Self {
            directory,
            segment_bytes_max,
            file,
            name,
            file_bytes: SEGMENT_HEADER_BYTES as u64,
            first: next,
            next,
            standing,
            unsynced: vec![begun],
        })
    }

    /// Writes a frame, into a new segment where this one would become too large.
    pub(super) fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        let bytes = batch.frame.len() as u64;
        let is_used = self.file_bytes > SEGMENT_HEADER_BYTES as u64;
        if is_used && self.file_bytes + bytes > self.segment_bytes_max {
            self.close(FrameKind::Continued)?;
            let begun = Self::begin(
                Arc::clone(&self.directory),
                self.segment_bytes_max,
                self.next,
                self.standing,
            )?;
            let mut unsynced = mem::take(&mut self.unsynced);
            unsynced.extend(begun.unsynced.iter().cloned());
            *self = Self {
                unsynced,
                first: self.first,
                ..begun
            };
        }
        let Batch {
            frame,
            first,
            count,
        } = batch;
        seal(
            frame,
            FrameKind::Records,
            *first,
            self.standing.told(),
            *count,
        );
        self.put(frame)?;
        self.next = first.saturating_add(u64::from(*count));
        self.note_written();
        Ok(())
    }

    /// Ends the segment.
    pub(super) fn close(&mut self, kind: FrameKind) -> io::Result<()> {
        self.put(&closing(kind, self.next, self.standing.told()))?;
        self.note_written();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)?;
        self.file_bytes += bytes.len() as u64;
        Ok(())
    }

    fn note_written(&mut self) {
        let up_to = self.next.saturating_sub(1);
        match self.unsynced.last_mut() {
            Some(last) if Arc::ptr_eq(&last.file, &self.file) => last.up_to = up_to,
            Some(_) | None => self.unsynced.push(Unsynced {
                file: Arc::clone(&self.file),
                directory: None,
                up_to,
            }),
        }
    }

    /// The first record that this wrote, or will write.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The last record that was written.
    pub(super) const fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Up to where everything is on the disk.
    pub(super) const fn synced_to(&self) -> u64 {
        self.standing.synced_to
    }

    pub(super) const fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// Checks that the newest file is still found under its name. A file that was removed, or whose directory
    /// was, can be written and synced without an error, and no start will see it; nor what another process
    /// overwrites.
    ///
    /// # Errors
    /// When it is not, or another process has opened the directory.
    pub(super) fn check_is_there(&self) -> io::Result<()> {
        let found = self.directory.length(&self.name);
        found.map(drop).map_err(|error| {
            io::Error::new(error.kind(), format!("looking for {}: {error}", self.name))
        })?;
        self.directory.check_is_held()
    }

    /// What is to be synced, in order. Whoever takes it syncs it, or drops the log.
    pub(super) fn take_unsynced(&mut self) -> Vec<Unsynced> {
        mem::take(&mut self.unsynced)
    }

    /// Notes up to where everything is on the disk.
    pub(super) fn note_synced(&mut self, synced_to: u64) {
        self.standing.synced_to = self.standing.synced_to.max(synced_to);
    }

    /// Whether what is written here is promised.
    pub(super) const fn is_vouched(&self) -> bool {
        self.standing.vouched
    }

    /// A snapshot stands in the place of what is missing before.
    pub(super) fn vouch(&mut self) {
        self.standing.vouched = true;
    }

    /// Syncs everything, here and now.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for unsynced in self.take_unsynced() {
            let synced_to = unsynced.sync()?;
            self.note_synced(synced_to);
        }
        Ok(())
    }
}

/// Cuts off a torn tail, sets damage aside and closes what is open, so that the journal can continue in a new
/// segment.
pub(super) fn mend(directory: &dyn Directory, ending: &Ending) -> Result<(), JournalFault> {
    for cut in &ending.cuts {
        let file = match cut {
            Cut::Truncate { file, .. } | Cut::Remove { file, .. } => file,
        };
        make_cut(directory, cut).map_err(JournalFault::storage(format_args!("cutting {file}")))?;
    }
    if let Some(file) = &ending.unclosed {
        let last = ending.next.saturating_sub(1);
        directory
            .append(file)
            .and_then(|open| {
                open.sync()?;
                open.write(&closing(FrameKind::Continued, ending.next, last))
            })
            .map_err(JournalFault::storage(format_args!("closing {file}")))?;
    }
    // What was read may not be on the disk yet. It must be before the journal says so.
    for name in segments_of(directory)? {
        directory
            .append(&name)
            .and_then(|open| open.sync())
            .map_err(JournalFault::storage(format_args!("syncing {name}")))?;
    }
    directory
        .sync()
        .map_err(JournalFault::storage("syncing the journal's directory"))
}

fn make_cut(directory: &dyn Directory, cut: &Cut) -> io::Result<()> {
    match cut {
        Cut::Truncate {
            file,
            length,
            keep_a_copy,
        } => {
            if *keep_a_copy {
                copy_aside(directory, file)?;
            }
            let open = directory.append(file)?;
            open.truncate(*length)?;
            open.sync()
        }
        Cut::Remove {
            file,
            keep_a_copy: true,
        } => set_aside(directory, file),
        Cut::Remove {
            file,
            keep_a_copy: false,
        } => directory.remove(file),
    }?;
    directory.sync()
}

/// Gives a damaged file a name that nothing looks for.
///
/// # Errors
/// When the directory cannot be written to.
pub fn set_aside(directory: &dyn Directory, file: &str) -> io::Result<()> {
    directory.rename(file, &aside_name(directory, file)?)
}

/// The name under which a file is set aside. Whatever was set aside under its name before stays.
fn aside_name(directory: &dyn Directory, file: &str) -> io::Result<String> {
    let taken = directory.names()?;
    let first = format!("{file}{ASIDE_SUFFIX}");
    let others = (2_u64..).map(|nth| format!("{first}.{nth}"));
    let mut names = std::iter::once(first.clone()).chain(others);
    let free = names.find(|name| !taken.contains(name));
    free.ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))
}

fn copy_aside(directory: &dyn Directory, file: &str) -> io::Result<()> {
    let copy = directory.create(&aside_name(directory, file)?)?;
    let mut original = directory.read(file)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = original.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        copy.write(buffer.get(..read).unwrap_or_default())?;
    }
    copy.sync()?;
    directory.sync()
}
