//! Files in memory that fail as disks do, by seed.
//!
//! A power cut leaves any part of what was not synced: of each file any of its sectors, of each
//! directory any of its changes, and one sector may be torn. A failed sync drops what it was to write,
//! as Linux does: the next one succeeds without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Directory, File};
use crate::random::Random;

mod gate;
mod inode;

use gate::Gate;
use inode::Inode;

/// A directory in memory. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct Simulated(Arc<Mutex<State>>, Arc<Gate>);

/// What may be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Making, renaming and removing files.
    Change,
    /// Writing to a file, and cutting it off.
    Write,
    /// Syncing a file or the directory.
    Sync,
    /// Reading a file or the directory.
    Read,
}

#[derive(Debug)]
struct State {
    random: Random,
    inodes: Vec<Inode>,
    /// The names as processes see them.
    names: BTreeMap<String, usize>,
    /// The names as they are on the disk, and what changed since.
    synced_names: BTreeMap<String, usize>,
    unsynced: Vec<Change>,
    bytes_max: usize,
    read_only: bool,
    /// How many more operations of each kind succeed before one fails, where one is to.
    until_failure: BTreeMap<Operation, u32>,
    /// How many more operations there is power for, where that is limited.
    power: Option<u32>,
}

#[derive(Debug, Clone)]
enum Change {
    Name(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl Change {
    fn make(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Name(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Simulated {
    /// An empty directory whose power cuts go by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(Random::new(seed), BTreeMap::new(), Vec::new())
    }

    fn with(random: Random, names: BTreeMap<String, usize>, inodes: Vec<Inode>) -> Self {
        let state = State {
            random,
            inodes,
            synced_names: names.clone(),
            names,
            unsynced: Vec::new(),
            bytes_max: usize::MAX,
            read_only: false,
            until_failure: BTreeMap::new(),
            power: None,
        };
        Self(Arc::new(Mutex::new(state)), Arc::default())
    }

    /// What the disk holds if the power is cut now. This directory stays as it is.
    #[must_use]
    pub fn after_power_cut(&self) -> Self {
        let mut state = self.0.lock();
        let State {
            random,
            inodes,
            synced_names,
            unsynced,
            ..
        } = &mut *state;
        let mut names = synced_names.clone();
        for change in unsynced.iter().filter(|_| random.is_heads()) {
            change.make(&mut names);
        }
        let left = inodes.iter().map(|inode| inode.after_power_cut(random));
        let left = left.collect();
        Self::with(Random::new(random.next()), names, left)
    }

    /// Lets one operation of this kind fail, after `successes` more have succeeded.
    pub fn fail_after(&self, successes: u32, operation: Operation) {
        self.0.lock().until_failure.insert(operation, successes);
    }

    /// Lets operations of this kind hang, of changes those that make files, from now on until it is told otherwise;
    /// `None`: lets all go on.
    pub fn hang(&self, operation: Option<Operation>) {
        self.1.close(operation);
    }

    /// Cuts the power after so many operations other than reading: all later ones fail, and
    /// [`after_power_cut`](Self::after_power_cut) tells what is left.
    pub fn cut_power_after(&self, operations: u32) {
        self.0.lock().power = Some(operations);
    }

    /// Lets the files grow to so many bytes in all.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.0.lock().bytes_max = bytes_max;
    }

    /// Makes the directory read-only, or writable again.
    pub fn set_read_only(&self, read_only: bool) {
        self.0.lock().read_only = read_only;
    }

    /// The bytes of a file as processes see them; `None` if there is none of this name.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        let inode = state.names.get(name)?;
        Some(state.inodes.get(*inode)?.bytes().to_vec())
    }

    /// Puts a file there, synced, in place of what had this name.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.0.lock();
        let inode = state.inodes.len();
        state.inodes.push(Inode::synced(bytes));
        state.names.insert(name.to_owned(), inode);
        state.synced_names.insert(name.to_owned(), inode);
    }
}

impl State {
    fn check(&mut self, operation: Operation) -> io::Result<()> {
        if self.read_only && operation != Operation::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if operation != Operation::Read
            && let Some(left) = &mut self.power
        {
            let spent = left.checked_sub(1);
            *left = spent.ok_or_else(|| io::Error::other("the power is cut"))?;
        }
        match self.until_failure.get_mut(&operation) {
            None => Ok(()),
            Some(0) => {
                self.until_failure.remove(&operation);
                Err(io::Error::other("the simulated disk failed"))
            }
            Some(successes) => {
                *successes -= 1;
                Ok(())
            }
        }
    }

    fn inode_named(&self, name: &str) -> io::Result<usize> {
        let inode = self.names.get(name).copied();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode(&mut self, inode: usize) -> io::Result<&mut Inode> {
        let inode = self.inodes.get_mut(inode);
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        change.make(&mut self.names);
        self.unsynced.push(change);
    }

    fn free_bytes(&self) -> usize {
        let named: BTreeSet<_> = self.names.values().collect();
        let inodes = named
            .into_iter()
            .filter_map(|inode| self.inodes.get(*inode));
        let used = inodes.map(|inode| inode.bytes().len()).sum();
        self.bytes_max.saturating_sub(used)
    }
}

impl Directory for Simulated {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.check(Operation::Read)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.1.pass(Operation::Change);
        let mut state = self.0.lock();
        state.check(Operation::Change)?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change(Change::Name(name.to_owned(), inode));
        Ok(self.file(inode))
    }

    fn append(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.lock();
        state.check(Operation::Change)?;
        let inode = state.inode_named(name)?;
        Ok(self.file(inode))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.0.lock();
        state.check(Operation::Read)?;
        let inode = state.inode_named(name)?;
        let bytes = state.inode(inode)?.bytes().to_vec();
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let mut state = self.0.lock();
        let inode = state.inode_named(name)?;
        Ok(state.inode(inode)?.bytes().len() as u64)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Operation::Change)?;
        let inode = state.inode_named(from)?;
        state.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Operation::Change)?;
        state.inode_named(name)?;
        state.change(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(Operation::Sync)?;
        state.synced_names = state.names.clone();
        state.unsynced.clear();
        Ok(())
    }
}

impl Simulated {
    fn file(&self, inode: usize) -> Arc<dyn File> {
        let directory = self.clone();
        Arc::new(SimulatedFile { directory, inode })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    directory: Simulated,
    inode: usize,
}

impl File for SimulatedFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.directory.1.pass(Operation::Write);
        let mut state = self.directory.0.lock();
        let failed = state.check(Operation::Write);
        let free = state.free_bytes();
        let taken = match failed {
            Ok(()) => bytes.len().min(free),
            // A failed write may have written a part.
            Err(_) if !state.read_only && state.power != Some(0) => {
                state.random.index(bytes.len().min(free) + 1)
            }
            Err(_) => 0,
        };
        state
            .inode(self.inode)?
            .write(bytes.get(..taken).unwrap_or_default());
        failed?;
        if taken < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.1.pass(Operation::Sync);
        let mut state = self.directory.0.lock();
        let checked = state.check(Operation::Sync);
        let has_no_power = state.power == Some(0);
        let inode = state.inode(self.inode)?;
        match checked {
            Ok(()) => inode.sync(),
            // What was to be written is on its way, or is not: the power cut decides.
            Err(_) if has_no_power => {}
            Err(_) => inode.fail_sync(),
        }
        checked
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.directory.0.lock();
        state.check(Operation::Write)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        state.inode(self.inode)?.truncate(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
