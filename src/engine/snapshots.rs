//! Taking snapshots while calls go on, and loading them.

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

/// How many snapshots are kept: if the newest is damaged, the one before it is used. Until there are two, the
/// journal is kept from its beginning.
const KEPT: usize = 2;

/// How often to check whether the journal is synced as far as the snapshot needs it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many times at most. The journal is synced every second, unless the storage fails again.
const LOOKS_MAX: usize = 500;

/// What a snapshot held, besides the states.
#[derive(Debug)]
pub(super) struct LoadedSnapshot {
    pub(super) summary: SnapshotSummary,
    pub(super) policies: Vec<PolicyInForce>,
    /// The latest time that any of its accounts has seen.
    pub(super) latest: Timestamp,
}

impl Engine {
    /// Takes a snapshot while calls go on, and removes what is not needed any more. `rest` is called again and
    /// again; no snapshot is taken if it returns `false`, or without a journal.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn take_snapshot(
        &self,
        rest: impl FnMut() -> bool,
    ) -> Result<Option<SnapshotSummary>, JournalFault> {
        match &self.journal {
            Some(journal) => self.snapshot_keeping(journal, KEPT, rest),
            None => Ok(None),
        }
    }

    /// Restarts a journal that has failed, if the storage works again. A snapshot makes up for what was dropped
    /// meanwhile. Returns whether the journal is sound now.
    ///
    /// # Errors
    /// When the storage still fails.
    pub fn restart_journal(&self, rest: impl FnMut() -> bool) -> Result<bool, JournalFault> {
        let Some(journal) = &self.journal else {
            return Ok(true);
        };
        if journal.recover()?.is_some() {
            // The directory may have been made anew: a restart needs the key for tokens that are handed out
            // from now on.
            let kept = self.token_key.keep_in(&**journal.directory());
            kept.map_err(JournalFault::storage(KEY_FILE))?;
            // Older snapshots lack what was dropped.
            self.snapshot_keeping(journal, 1, rest)?;
        }
        Ok(self.keeps_its_promise())
    }

    /// Takes a snapshot in place of what was set aside. Without it the next start would look for that again,
    /// and miss everything that is answered from now on.
    ///
    /// # Errors
    /// When none can be taken: then nothing is to be answered.
    pub(super) fn snapshot_past_damage(&self) -> Result<(), JournalFault> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        // Older snapshots need what was set aside.
        match self.snapshot_keeping(journal, 1, || true)? {
            Some(_) => Ok(()),
            None => {
                let unsynced = io::Error::other("the journal does not get to the disk");
                let tried = "taking a snapshot in the place of what was set aside";
                Err(JournalFault::storage(tried)(unsynced))
            }
        }
    }

    fn snapshot_keeping(
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
        if !all || !wait_until_synced(journal, journal_to, &mut rest) {
            return Ok(None);
        }
        // What the snapshot replaces is removed next, so it has to be readable, not only written.
        let is_whole = |file: &str| snapshot::verify_in_runs(&**directory, file, &mut rest);
        let Some(summary) = writer.finish_if(journal_to, is_whole)? else {
            return Ok(None);
        };
        journal.snapshot_taken(journal_from);
        prune(journal, kept, &summary.file, rest)?;
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

    /// Writes every state; returns whether `rest` let it finish.
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

    /// Loads a snapshot on this many threads. If that fails, this engine has loaded a part of it and must not
    /// be used.
    pub(super) fn load_snapshot(
        &self,
        directory: &dyn Directory,
        file: &SnapshotFile,
        threads: usize,
    ) -> Result<LoadedSnapshot, JournalFault> {
        let policies = Mutex::new(Vec::new());
        let latest = AtomicI64::new(Timestamp::default().unix_ms());
        let reader = SnapshotReader::open(directory, &file.name)?;
        let summary = reader.read(threads, |entry| {
            match entry {
                Entry::State(state) => {
                    let seen = self.load_state(&state)?;
                    latest.fetch_max(seen.unix_ms(), Ordering::Relaxed);
                }
                Entry::Policy(policy) => policies.lock().push(policy),
            }
            Ok(())
        })?;
        let mut policies = policies.into_inner();
        policies.sort_by_key(|policy| policy.number);
        Ok(LoadedSnapshot {
            summary,
            policies,
            latest: Timestamp::from_unix_ms(latest.into_inner()),
        })
    }

    /// Loads one state; returns the latest time it has seen.
    fn load_state(&self, state: &State<'_>) -> Result<Timestamp, ImageFault> {
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

/// Removes all snapshots but the newest `kept`, and the journal before the oldest of these; nothing where there
/// are fewer. `proven` was just verified. Any other may have been damaged since it was written, and is read
/// again before what could replace it is removed.
fn prune(
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

/// Whether a snapshot can be read; `None` if `rest` leaves no time to find out. Its states were checked when it
/// was written; damage since then shows in the checksums.
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

/// Waits until the journal is synced up to `journal_to`: a snapshot must not know of events that the journal
/// may still lose, or their numbers would be given out twice.
fn wait_until_synced(journal: &Journal, journal_to: u64, mut rest: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS_MAX {
        if journal.counts().synced_to + 1 >= journal_to {
            return true;
        }
        // Events that were dropped are never synced once the journal is closed.
        if journal.condition() == Condition::Closed || !rest() {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    false
}
