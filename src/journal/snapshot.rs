//! Snapshots: the whole state in one file, so that a restart need not read the journal from its beginning.
//!
//! A snapshot holds an [image](crate::scoring::image) of everything that is remembered, taken key by key
//! while the service goes on. Its `journal_from` is the sequence number from which the journal has to be
//! read on top of it; for each key, events up to the one that is named as `applied` are in its image
//! already.
//!
//! It is written under a name of its own and gets its real one once all of it is on the disk: what is
//! called a snapshot was whole at one time, and is damaged if it no longer is. Nothing of a damaged one is
//! to be used; [`snapshots`] tells which others there are.

use std::fmt;
use std::ops::AddAssign;

use super::event::PolicyInForce;
use super::fault::JournalFault;
use crate::scoring::account::Account;
use crate::scoring::image::ImageFault;
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::storage::Directory;

mod block;
mod entry;
mod reader;
mod writer;

pub use block::SNAPSHOT_VERSION;
pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

/// What there is in a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// What is remembered under one key.
    State(State<'a>),
    /// A policy that records name by its number.
    Policy(PolicyInForce),
}

/// What is remembered under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a> {
    /// Whose it is.
    pub key: Key<'a>,
    /// The sequence number of the last event that is in it; 0 if it is not known to have any.
    pub applied: u64,
    /// Its image.
    pub image: &'a [u8],
}

/// Whose state it is: the id of an account, a payee or a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// Of an account.
    Account(&'a str),
    /// Of a payee.
    Payee(&'a str),
    /// Of a device.
    Device(&'a str),
}

/// How many entries of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Payees.
    pub payees: u64,
    /// Devices.
    pub devices: u64,
    /// Policies.
    pub policies: u64,
}

impl Counts {
    const fn note(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::State(state) => self.note_key(state.key),
            Entry::Policy(_) => self.policies += 1,
        }
    }

    const fn note_key(&mut self, key: Key<'_>) {
        match key {
            Key::Account(_) => self.accounts += 1,
            Key::Payee(_) => self.payees += 1,
            Key::Device(_) => self.devices += 1,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.accounts += more.accounts;
        self.payees += more.payees;
        self.devices += more.devices;
        self.policies += more.policies;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accounts,
            payees,
            devices,
            policies,
        } = self;
        write!(
            f,
            "{accounts} accounts, {payees} payees, {devices} devices, {policies} policies"
        )
    }
}

/// A snapshot that was written, or read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Its file.
    pub file: String,
    /// The sequence number from which the journal has to be read on top of it.
    pub journal_from: u64,
    /// The first one that was not there when it was finished: what comes from here on is in no image.
    pub journal_to: u64,
    /// What it holds.
    pub counts: Counts,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A file that is called a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name.
    pub name: String,
    /// The sequence number from which the journal has to be read on top of it.
    pub journal_from: u64,
}

/// The snapshots that there are, newest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn snapshots(directory: &dyn Directory) -> Result<Vec<SnapshotFile>, JournalFault> {
    let names = names(directory)?.into_iter().rev();
    Ok(names
        .filter_map(|name| {
            let journal_from = journal_from_of(&name)?;
            Some(SnapshotFile { name, journal_from })
        })
        .collect())
}

/// Whether a file of this name is a snapshot.
#[must_use]
pub fn is_snapshot(name: &str) -> bool {
    journal_from_of(name).is_some()
}

/// Removes all snapshots that are older than the newest `keep` whole ones, at least one: a damaged one stands for
/// nothing. `is_whole` tells of the one of a name, newest first; where it cannot tell, or where there are fewer,
/// none is removed. Returns the oldest that counts: from there on the journal is needed.
///
/// # Errors
/// When the directory cannot be read, or one cannot be removed.
pub fn forget_older(
    directory: &dyn Directory,
    keep: usize,
    mut is_whole: impl FnMut(&str) -> Option<bool>,
) -> Result<Option<SnapshotFile>, JournalFault> {
    let mut found = snapshots(directory)?.into_iter();
    let mut whole = 0;
    while let Some(file) = found.next() {
        match is_whole(&file.name) {
            Some(true) => whole += 1,
            Some(false) => {}
            None => return Ok(None),
        }
        if whole >= keep.max(1) {
            remove_all(directory, found.map(|older| older.name))?;
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Reads a snapshot to its end, and every image in it.
///
/// # Errors
/// As [`SnapshotReader::read`] and [`SnapshotReader::open`].
pub fn verify(directory: &dyn Directory, name: &str) -> Result<SnapshotSummary, JournalFault> {
    SnapshotReader::open(directory, name)?.read(1, check_image)
}

/// The same, in runs with a `rest` for each entry; returns whether it came to the end: it does not where
/// `rest` says `false`.
///
/// # Errors
/// As there.
pub fn verify_in_runs(
    directory: &dyn Directory,
    name: &str,
    rest: impl FnMut() -> bool,
) -> Result<bool, JournalFault> {
    let reader = SnapshotReader::open(directory, name)?;
    let read = reader.read_in_runs(check_image, rest)?;
    Ok(read.is_some())
}

fn check_image(entry: Entry<'_>) -> Result<(), ImageFault> {
    let Entry::State(state) = entry else {
        return Ok(());
    };
    match state.key {
        Key::Account(_) => Account::from_image(state.image).map(drop),
        Key::Payee(_) => PayeeMemory::from_image(state.image).map(drop),
        Key::Device(_) => DeviceMemory::from_image(state.image).map(drop),
    }
}

const PREFIX: &str = "snapshot-";
/// What a snapshot has behind its name until it is finished.
const UNFINISHED_SUFFIX: &str = ".unfinished";

/// The name of the snapshot on top of which the journal is read from this sequence number.
fn snapshot_name(journal_from: u64) -> String {
    format!("{PREFIX}{journal_from:020}")
}

/// From where the journal is read on top of the snapshot of this name; `None` if it is none.
fn journal_from_of(name: &str) -> Option<u64> {
    let journal_from = name.strip_prefix(PREFIX)?.parse().ok()?;
    (snapshot_name(journal_from) == name).then_some(journal_from)
}

/// Whether this is the name of a snapshot that was never finished: it is of no use to anybody.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    let finished = name.strip_suffix(UNFINISHED_SUFFIX);
    finished.is_some_and(|name| journal_from_of(name).is_some())
}

fn names(directory: &dyn Directory) -> Result<Vec<String>, JournalFault> {
    let names = directory.names();
    names.map_err(JournalFault::storage("reading the journal's directory"))
}

fn remove_all(
    directory: &dyn Directory,
    names: impl Iterator<Item = String>,
) -> Result<usize, JournalFault> {
    let mut removed = 0;
    for name in names {
        let tried = format_args!("removing {name}").to_string();
        directory
            .remove(&name)
            .map_err(JournalFault::storage(tried))?;
        removed += 1;
    }
    Ok(removed)
}
