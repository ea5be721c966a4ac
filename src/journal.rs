//! The journal: the log, on disk, of every event that changed the state. A restart rebuilds the state from it.
//!
//! # What is promised
//! [`Ack`] says what an answer waits for. Killing the process loses nothing that was `written`. Losing power loses
//! nothing that was `synced`; of what was only written it loses no more than the last [`Settings::sync_interval`] and
//! what was appended while that was synced, and always from the end of the journal, never out of its middle.
//!
//! # How it works
//! Appending copies a record into a `queue`, under the lock of its account, so records are in the order of each
//! account's steps. One thread (`writer`) takes all that has queued up, writes it as one `frame`, syncs it if promised,
//! and wakes the calls that wait (`commits`).
//!
//! # When it fails
//! A disk that does not answer within [`Settings::patience`] counts as failed (`watchdog`). After a failed write or
//! sync the files are given up, not tried again: the system forgets what it could not write, and reports it only once.
//! Scoring goes on; nobody waits any more, and what is appended is counted and dropped ([`Condition::Degraded`]). Once
//! the storage works again [`Journal::recover`] begins a new segment. It counts, also for a reader, from the moment at
//! which a snapshot replaces what was dropped ([`Journal::snapshot_taken`]).
//!
//! # How it is read
//! [`Reader`] yields every event in order, and how the journal ends. A torn tail is cut off, and reported; damage
//! anywhere else is an error that names the file, the byte, and what is lost. With a [`snapshot`] of the state only the
//! end of the journal has to be read.

use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

pub mod event;
mod settings;
mod codec;
mod header;
pub mod record;
mod frame;
mod fault;
mod reader;
pub mod snapshot;
mod log;
mod queue;
mod commits;
mod syncer;
mod writer;
mod watchdog;
mod block_on;

pub use codec::{DecodeError, DecodeFault};
pub use commits::Kept;
pub use fault::{
    Damage, DamageKind, JournalFault, SET_ASIDE_FLAG, SnapshotDamage, SnapshotDamageKind,
};
pub use frame::FORMAT_VERSION;
pub use log::set_aside;
pub use reader::{Ending, Reader, SegmentSummary, Tail, has_segments, is_kept_in};
pub use settings::{Ack, Settings};

use crate::clock::Clock;
use crate::scoring::time::Timestamp;
use crate::storage::Directory;
use block_on::block_on;
use commits::Commits;
use event::Event;
use frame::first_of_segment;
use log::{Log, Standing};
use queue::Queue;
use watchdog::Watchdog;
use writer::{Request, Writer};

/// Whether the journal works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Sound,
    /// It does not: a restart may forget what has been answered since.
    Degraded {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: Arc<str>,
    },
    /// It was closed.
    Closed,
}

/// What a journal has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalCounts {
    /// The last sequence number that was handed out.
    pub appended_to: u64,
    /// The last sequence number that is kept as was promised.
    pub kept_to: u64,
    /// The last sequence number that is known to be on the disk, with everything before it.
    pub synced_to: u64,
    /// Records that were dropped while it was degraded.
    pub dropped: u64,
    /// Bytes of records that wait to be written.
    pub queued_bytes: u64,
    /// Frames written.
    pub frames: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Syncs begun.
    pub syncs: u64,
    /// Failures of the storage.
    pub faults: u64,
}

/// A journal that is being written. All of its methods may be called by any thread.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    directory: Arc<dyn Directory>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Is called with every change of the journal's condition.
pub type Observer = Box<dyn Fn(&Condition) + Send + Sync>;

struct Shared {
    settings: Settings,
    queue: Queue<Request>,
    commits: Commits,
    watchdog: Watchdog,
    clock: Arc<dyn Clock>,
    condition: Mutex<Condition>,
    observer: Observer,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    synced_to: AtomicU64,
    syncs: AtomicU64,
    faults: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .field("condition", &self.condition)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn set_condition(&self, condition: Condition) {
        *self.condition.lock() = condition.clone();
        (self.observer)(&condition);
    }

    fn degraded(&self, reason: &str) -> Condition {
        Condition::Degraded {
            since: self.clock.now(),
            reason: Arc::from(reason),
        }
    }

    /// The disk does not answer.
    fn hang(&self) {
        let patience_ms = self.settings.patience.as_millis();
        self.fail(&format!("the disk has not answered for {patience_ms} ms"));
    }

    /// The storage has failed.
    fn fail(&self, reason: &str) {
        self.counters.faults.fetch_add(1, Ordering::Relaxed);
        self.stop(self.degraded(reason));
    }

    /// Fails instead of waiting for a disk that does not answer.
    fn check_answers(&self) -> Result<(), JournalFault> {
        if self.watchdog.has_given_up() {
            return Err(JournalFault::storage("writing the journal")(
                watchdog::not_answering(),
            ));
        }
        Ok(())
    }

    /// From now on nothing is kept, and nobody waits.
    fn stop(&self, condition: Condition) {
        self.queue.drop_all();
        self.set_condition(condition);
        self.commits.degrade();
    }
}

impl Journal {
    /// Continues a journal that ends like this, in a new segment. A torn tail is cut off first, and damage is
    /// set aside.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn start(
        directory: Arc<dyn Directory>,
        ending: &Ending,
        settings: Settings,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Result<Self, JournalFault> {
        log::mend(&*directory, ending)?;
        let next = ending.next;
        let last = next.saturating_sub(1);
        let standing = Standing {
            synced_to: last,
            vouched: true,
        };
        let begun = Log::begin(
            Arc::clone(&directory),
            settings.segment_bytes_max,
            next,
            standing,
        );
        let log = begun.and_then(|mut log| log.sync().map(|()| log));
        let log = log.map_err(JournalFault::storage("beginning a segment of the journal"))?;
        let shared = Arc::new(Shared {
            settings,
            queue: Queue::new(next),
            commits: Commits::new(last),
            watchdog: Watchdog::default(),
            clock,
            condition: Mutex::new(Condition::Sound),
            observer,
            counters: Counters {
                synced_to: AtomicU64::new(last),
                ..Counters::default()
            },
        });
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&directory), log);
        let spawned = writer.and_then(|writer| {
            thread::Builder::new()
                .name("journal".to_owned())
                .spawn(move || writer.run())
        });
        let writer = spawned.map_err(JournalFault::storage("starting the journal's threads"))?;
        Ok(Self {
            shared,
            directory,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Whether another call may be admitted. Asked before anything is done for it, as everything that is done
    /// has to be appended.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.queue.bytes() < self.shared.settings.queue_bytes_max
    }

    /// Appends an event, without waiting; returns its sequence number. Called under the lock of what the event
    /// is about.
    pub fn append(&self, event: &Event<'_>) -> u64 {
        self.shared.queue.append(event)
    }

    /// Waits until the record is kept as [`Ack`] says, or never will be.
    pub async fn committed(&self, sequence: u64) -> Kept {
        self.shared.commits.wait(sequence).await
    }

    /// Whether the record is kept, if that is known already.
    #[must_use]
    pub fn known(&self, sequence: u64) -> Option<Kept> {
        self.shared.commits.known(sequence)
    }

    /// The same, blocking.
    pub fn wait_until_committed(&self, sequence: u64) -> Kept {
        block_on(self.committed(sequence))
    }

    /// Its directory.
    #[must_use]
    pub const fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// Whether it works.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.shared.condition.lock().clone()
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> JournalCounts {
        let (next, dropped) = self.shared.queue.counts();
        let counters = &self.shared.counters;
        JournalCounts {
            appended_to: next.saturating_sub(1),
            kept_to: self.shared.commits.kept_to(),
            synced_to: counters.synced_to.load(Ordering::Relaxed),
            dropped,
            queued_bytes: self.shared.queue.bytes() as u64,
            frames: counters.frames.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            faults: counters.faults.load(Ordering::Relaxed),
        }
    }

    /// Begins a new segment after a failure, if the storage works again. Returns the sequence number of its
    /// first record: a snapshot has to hold everything before it (see
    /// [`snapshot_taken`](Self::snapshot_taken)). `None` if nothing has failed. Waits for the disk, as long as
    /// for a write.
    ///
    /// # Errors
    /// When the storage still fails, or does not answer.
    pub fn recover(&self) -> Result<Option<NonZeroU64>, JournalFault> {
        self.shared.check_answers()?;
        let first = self.ask(Request::Recover)?.unwrap_or(Ok(None))?;
        Ok(first.and_then(NonZeroU64::new))
    }

    /// A snapshot with everything before the sequence number `before` is on the disk. Returns whether the
    /// journal is sound: after a failure it is again if the snapshot covers all that was dropped.
    pub fn snapshot_taken(&self, before: u64) -> bool {
        let told = self.ask(|reply| Request::Vouch(before, reply));
        matches!(told, Ok(Some(true)))
    }

    /// Removes the segments whose records all stand before the sequence number `before`, and are in a snapshot.
    /// Returns how many.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn forget_before(&self, before: u64) -> Result<usize, JournalFault> {
        let segments = reader::segments_of(&*self.directory)?;
        let followers = segments.iter().skip(1);
        let firsts = followers.map_while(|name| first_of_segment(name));
        let forgotten = firsts.take_while(|first| *first <= before).count();
        for name in segments.iter().take(forgotten) {
            self.directory
                .remove(name)
                .map_err(JournalFault::storage(format_args!("removing {name}")))?;
        }
        Ok(forgotten)
    }

    /// Writes and syncs what was appended, and closes the journal. What is appended later is dropped.
    ///
    /// # Errors
    /// When the storage fails, or does not answer: then at once.
    pub fn close(&self) -> Result<(), JournalFault> {
        if let Err(hangs) = self.shared.check_answers() {
            // It ends once the disk answers.
            let (reply, _) = mpsc::channel();
            self.shared.queue.ask(Request::Close(reply));
            return Err(hangs);
        }
        let closed = self.ask(Request::Close)?.unwrap_or(Ok(()));
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            let panicked = io::Error::other("the journal's thread panicked");
            return Err(JournalFault::storage("closing the journal")(panicked));
        }
        closed
    }

    /// Sends the writer a request; `None` if there is no writer any more.
    ///
    /// # Errors
    /// When the disk does not answer it: then it does what it was asked for once it is back, for nobody.
    fn ask<T>(
        &self,
        request: impl FnOnce(mpsc::Sender<T>) -> Request,
    ) -> Result<Option<T>, JournalFault> {
        let (reply, answer) = mpsc::channel();
        self.shared.queue.ask(request(reply));
        loop {
            match answer.recv_timeout(self.shared.settings.patience) {
                Ok(told) => return Ok(Some(told)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.shared.check_answers()?,
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Callers that want to know whether it closed well call `close`.
        let _ = self.close();
    }
}
