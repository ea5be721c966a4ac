//! Snapshots: taken while calls go on, and begun from.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::Engine;
use super::logged::Logged;
use crate::journal::event::PolicyInForce;
use crate::journal::snapshot::{
    self, Entry, Key, SnapshotFile, SnapshotReader, SnapshotSummary, SnapshotWriter, State,
};
use crate::journal::{Condition, Journal, JournalFault};
use crate::scoring::account::Account;
use crate::scoring::image::ImageFault;
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::scoring::payment::{AccountId, DeviceId, InvalidId, PayeeId};
use crate::scoring::time::Timestamp;
use crate::storage::Directory;
use crate::token::KEY_FILE;

/// How many snapshots are kept: the one before the newest is there if that one is damaged. Of the first there is
/// none: until there are two, the journal before it is what it stands for.
const KEPT: usize = 2;

/// How often it is looked whether the journal is on the disk as far as a snapshot has it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often at most: it is synced every second, unless the storage has failed once more.
const LOOKS_MAX: usize = 500;

/// What a snapshot gave.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) summary: SnapshotSummary,
    pub(super) policies: Vec<PolicyInForce>,
    /// The latest moment that an account in it has seen.
    pub(super) latest: Timestamp,
}

impl Engine {
    /// Takes a snapshot while calls go on; what the journal has before it is then forgotten. `rest` is
    /// called again and again; where that says `false`, or without a journal, none is taken.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn take_snapshot(
        &self,
        rest: impl FnMut() -> bool,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        match &self.journal {
            Some(journal) => self.snapshot_beside(journal, KEPT, rest),
            None => Ok(None),
        }
    }

    /// Where the journal has failed: begins it anew, if the storage works again. A snapshot stands for what
    /// was dropped meanwhile. Returns whether it is sound now.
    ///
    /// # Errors
    /// When the storage still fails.
    pub fn mend_journal(&self, rest: impl FnMut() -> bool) -> Result<bool, JournalFault> {
        let Some(journal) = &self.journal else {
            return Ok(true);
        };
        if journal.recover()?.is_some() {
            // Where the directory was made anew: what is asked from now on is to be answered after a restart.
            let kept = self.token_key.keep_in(&**journal.directory());
            kept.map_err(JournalFault::storage(KEY_FILE))?;
            // What is older lacks what was dropped.
            self.snapshot_beside(journal, 1, rest)?;
        }
        Ok(self.keeps_its_promise())
    }

    /// Takes a snapshot in the place of what was set aside. Without it, the next start would look for that
    /// again, and for nothing that is answered from now on.
    ///
    /// # Errors
    /// When none can be taken: then nothing is to be answered.
    pub(super) fn stand_on_a_snapshot(&self) -> Result<(), JournalFault> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        // What is older needs what was set aside.
        match self.snapshot_beside(journal, 1, || true)? {
            Some(_) => Ok(()),
            None => {
                let unsynced = io::Error::other("the journal does not get to the disk");
                let tried = "taking a snapshot in the place of what was set aside";
                Err(JournalFault::storage(tried)(unsynced))
            }
        }
    }

    fn snapshot_beside(
        &self,
        journal: &Journal,
        kept: usize,
        rest: impl FnMut() -> bool,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        let tried = self.try_snapshot(journal, kept, rest);
        self.snapshots.add(&tried);
        tried
    }

    fn try_snapshot(
        &self,
        journal: &Journal,
        kept: usize,
        mut rest: impl FnMut() -> bool,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        let directory = journal.directory();
        let journal_from = journal.counts().appended_to + 1;
        let mut writer = self.begin_snapshot(directory, journal_from)?;
        let all = self.put_states(&mut writer, &mut rest)?;
        let journal_to = journal.counts().appended_to + 1;
        if !all || !is_synced(journal, journal_to, &mut rest) {
            return Ok(None);
        }
        // What it stands for is let go of: it has to be there, and not only to have been written.
        let is_whole = |file: &str| snapshot::verify_in_runs(&**directory, file, &mut rest);
        let Some(summary) = writer.finish_if(journal_to, is_whole)? else {
            return Ok(None);
        };
        journal.snapshot_taken(journal_from);
        forget_what_is_kept_twice(journal, kept, &summary.file, rest)?;
        Ok(Some(summary))
    }

    pub(super) fn begin_snapshot(
        &self,
        directory: &Arc<dyn Directory>,
        journal_from: u64,
    ) -> Result<SnapshotWriter, JournalFault> {
        let mut writer = SnapshotWriter::begin(Arc::clone(directory), journal_from)?;
        let policies = self.in_force.journalled().clone();
        for policy in policies {
            writer.put_policy(policy)?;
        }
        Ok(writer)
    }

    /// Puts in every state; returns whether `rest` let it.
    pub(super) fn put_states(
        &self,
        writer: &mut SnapshotWriter,
        mut rest: impl FnMut() -> bool,
    ) -> Result<bool, JournalFault> {
        let mut put = Ok(());
        let mut goes_on = true;
        self.visit_states(|state| {
            put = writer.put(state);
            goes_on = rest();
            put.is_ok() && goes_on
        });
        put.map(|()| goes_on)
    }

    /// Takes over what a snapshot holds, on so many threads. Where that fails, so has this engine: what it
    /// has is nothing whole.
    pub(super) fn begin_from(
        &self,
        directory: &dyn Directory,
        file: &SnapshotFile,
        threads: usize,
    ) -> Result<Begun, JournalFault> {
        let policies = Mutex::new(Vec::new());
        let latest = AtomicI64::new(Timestamp::default().unix_ms());
        let reader = SnapshotReader::open(directory, &file.name)?;
        let summary = reader.read(threads, |entry| {
            match entry {
                Entry::State(state) => {
                    let seen = self.take_over(&state)?;
                    latest.fetch_max(seen.unix_ms(), Ordering::Relaxed);
                }
                Entry::Policy(policy) => policies.lock().push(policy),
            }
            Ok(())
        })?;
        let mut policies = policies.into_inner();
        policies.sort_by_key(|policy| policy.number);
        Ok(Begun {
            summary,
            policies,
            latest: Timestamp::from_unix_ms(latest.into_inner()),
        })
    }

    /// Takes over one state; returns the latest moment it has seen.
    fn take_over(&self, state: &State<'_>) -> Result<Timestamp, ImageFault> {
        let State {
            key,
            applied,
            image,
        } = *state;
        let no_id = |_: InvalidId| ImageFault {
            part: "id",
            offset: 0,
        };
        match key {
            Key::Account(id) => {
                let state = Account::from_image(image)?;
                let latest = state.latest();
                let id = AccountId::new(id).map_err(no_id)?;
                self.accounts.place(&id, Logged { state, applied });
                Ok(latest)
            }
            Key::Payee(id) => {
                let state = PayeeMemory::from_image(image)?;
                let id = PayeeId::new(id).map_err(no_id)?;
                self.payees.place(&id, Logged { state, applied });
                Ok(Timestamp::default())
            }
            Key::Device(id) => {
                let state = DeviceMemory::from_image(image)?;
                let id = DeviceId::new(id).map_err(no_id)?;
                self.devices.place(&id, Logged { state, applied });
                Ok(Timestamp::default())
            }
        }
    }
}

/// Forgets all snapshots but the newest so many, and what the journal has before the oldest of these. Where there
/// are fewer, all stays as it is. The one that is `proven` has just been read; any other may have been damaged since it
/// was, and is read again: what it is kept for is about to go.
fn forget_what_is_kept_twice(
    journal: &Journal,
    kept: usize,
    proven: &str,
    mut rest: impl FnMut() -> bool,
) -> Result<(), JournalFault> {
    let directory = &**journal.directory();
    let is_whole = |file: &str| match file == proven {
        true => Some(true),
        false => is_whole(directory, file, &mut rest),
    };
    if let Some(oldest) = snapshot::forget_older(directory, kept, is_whole)? {
        journal.forget_before(oldest.journal_from)?;
    }
    Ok(())
}

/// Whether a snapshot can be read; `None` where `rest` leaves no time to find out. Its images were looked at when it
/// was written: what is damaged since, checksums tell.
fn is_whole(directory: &dyn Directory, file: &str, rest: impl FnMut() -> bool) -> Option<bool> {
    let read = SnapshotReader::open(directory, file)
        .and_then(|reader| reader.read_in_runs(|_| Ok(()), rest));
    match read {
        Ok(read) => read.map(|_| true),
        Err(fault) => {
            tracing::error!(
                target: "doublecheck", file, %fault,
                "a snapshot is damaged; an older one is kept in its place"
            );
            Some(false)
        }
    }
}

/// Waits until the journal is on the disk before the sequence number `journal_to`: a snapshot must not know
/// what the journal may still lose, or numbers would be given out twice.
fn is_synced(journal: &Journal, journal_to: u64, mut rest: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS_MAX {
        if journal.counts().synced_to + 1 >= journal_to {
            return true;
        }
        // Of what was dropped, nothing gets to the disk once it is closed.
        if journal.condition() == Condition::Closed || !rest() {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    false
}
