//! The thread that writes the journal: takes what was appended, writes it, and reports how far it is kept.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::fault::JournalFault;
use super::frame::{FrameKind, segment_name};
use super::log::{Log, Standing};
use super::queue::{Batch, Work, records_in};
use super::syncer::Syncer;
use super::{Ack, Condition, Shared, watchdog};
use crate::clock::Stopwatch;
use crate::storage::Directory;

/// A request to the writer.
#[derive(Debug)]
pub(super) enum Request {
    /// Begin anew after a failure.
    Recover(mpsc::Sender<Result<Option<u64>, JournalFault>>),
    /// A snapshot holds everything before this sequence number. Is that enough?
    Vouch(u64, mpsc::Sender<bool>),
    /// Close the journal in an orderly way.
    Close(mpsc::Sender<Result<(), JournalFault>>),
}

/// Writes a journal. Nothing else touches its files.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: Arc<dyn Directory>,
    /// The files that are written to; `None` after a failure.
    log: Option<Log>,
    /// Syncs in the background, where answers do not wait for it.
    syncer: Option<Syncer>,
    since_sync: Stopwatch,
    /// Ends who watches over this.
    _watched: mpsc::Sender<()>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        directory: Arc<dyn Directory>,
        log: Log,
    ) -> io::Result<Self> {
        let syncer = syncer(&shared)?;
        let watched = watchdog::start(Arc::clone(&shared))?;
        Ok(Self {
            shared,
            directory,
            log: Some(log),
            syncer,
            since_sync: Stopwatch::start(),
            _watched: watched,
        })
    }

    /// Writes until the journal is closed.
    pub(super) fn run(mut self) {
        loop {
            let Work { batches, requests } = self.shared.queue.take(self.patience());
            self.keep(batches);
            for request in requests {
                match request {
                    Request::Recover(reply) => {
                        // The sender may not wait for the answer any more.
                        let _ = reply.send(self.recover());
                    }
                    Request::Vouch(before, reply) => {
                        let _ = reply.send(self.vouch(before));
                    }
                    Request::Close(reply) => {
                        let closed = self.close();
                        drop(self);
                        let _ = reply.send(closed);
                        return;
                    }
                }
            }
        }
    }

    /// How long to wait for records before something else is due.
    fn patience(&self) -> Option<Duration> {
        let log = self.log.as_ref()?;
        let interval = self.shared.settings.sync_interval;
        let left = interval.saturating_sub(self.since_sync.elapsed());
        // A running sync is looked after when the next one is due.
        let left = if left.is_zero() { interval } else { left };
        (self.syncer.is_some() && log.has_unsynced()).then_some(left)
    }

    /// Writes these records, and reports it.
    fn keep(&mut self, batches: VecDeque<Batch>) {
        let shared = Arc::clone(&self.shared);
        let records = records_in(&batches);
        match shared.watchdog.over(|| self.write(batches)) {
            (Ok(Some(kept_to)), false) => shared.commits.publish(kept_to),
            (Ok(None), false) => {}
            (Err(error), false) => {
                self.let_go();
                shared.fail(&error.to_string());
            }
            // The writer was given up meanwhile, and what came since is dropped: no more may follow in this
            // log.
            (written, true) => {
                if written.is_ok() {
                    shared.queue.note_dropped(records);
                }
                self.let_go();
                shared.watchdog.begin_again();
            }
        }
    }

    /// Writes these records, and syncs what is due. Returns up to where everything is kept, if that has
    /// changed.
    fn write(&mut self, mut batches: VecDeque<Batch>) -> io::Result<Option<u64>> {
        let Some(log) = &mut self.log else {
            return Ok(None);
        };
        if let Some(syncer) = &self.syncer {
            let synced_to = syncer.synced_to();
            if synced_to.is_err() {
                self.shared.queue.note_dropped(records_in(&batches));
            }
            log.note_synced(synced_to?);
        }
        let counters = &self.shared.counters;
        let is_news = !batches.is_empty();
        while let Some(batch) = batches.front_mut() {
            if let Err(error) = log.write(batch) {
                self.shared.queue.note_dropped(records_in(&batches));
                return Err(error);
            }
            let Some(batch) = batches.pop_front() else {
                break;
            };
            counters.frames.fetch_add(1, Ordering::Relaxed);
            let bytes = batch.frame.len() as u64;
            counters.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.shared.queue.recycle(batch);
        }
        if let Some(syncer) = &self.syncer {
            let is_due = self.since_sync.elapsed() >= self.shared.settings.sync_interval;
            if is_due && log.has_unsynced() && !syncer.is_busy() {
                log.check_is_there()?;
                syncer.sync(log.take_unsynced());
                self.since_sync = Stopwatch::start();
                counters.syncs.fetch_add(1, Ordering::Relaxed);
            }
        } else if is_news {
            log.sync()?;
            log.check_is_there()?;
            counters.syncs.fetch_add(1, Ordering::Relaxed);
        }
        counters
            .synced_to
            .fetch_max(log.synced_to(), Ordering::Relaxed);
        Ok((is_news && log.is_vouched()).then(|| log.last()))
    }

    /// Gives up on the files, which are never touched again: what was not synced may be lost, and no further
    /// sync would report it.
    fn let_go(&mut self) {
        self.log = None;
        self.syncer = None;
    }

    /// Begins a new segment after a failure, and syncs it. Records wait meanwhile, so it may take no longer
    /// than a write.
    fn recover(&mut self) -> Result<Option<u64>, JournalFault> {
        if let Some(log) = &self.log {
            return Ok((!log.is_vouched()).then_some(log.first()));
        }
        let first = self.shared.queue.keep_again();
        let name = segment_name(first);
        let begin = || {
            let begun = self.begin_unvouched(first);
            // What is left of the segment does no harm: it is empty.
            begun.inspect_err(|_| drop(self.directory.remove(&name)))
        };
        let begun = match self.shared.watchdog.over(begin) {
            (begun, false) => begun,
            // The writer was given up meanwhile, and what came since is dropped: no more may follow in this
            // segment.
            (_, true) => {
                let _ = self.directory.remove(&name);
                self.shared.watchdog.begin_again();
                Err(watchdog::not_answering())
            }
        };
        let (log, syncer) = begun.map_err(|error| {
            self.shared.queue.drop_all();
            JournalFault::storage(format_args!("beginning {name}"))(error)
        })?;
        self.log = Some(log);
        self.syncer = syncer;
        // What was dropped will never be on the disk.
        let counters = &self.shared.counters;
        counters.synced_to.fetch_max(first - 1, Ordering::Relaxed);
        Ok(Some(first))
    }

    fn begin_unvouched(&self, first: u64) -> io::Result<(Log, Option<Syncer>)> {
        let standing = Standing {
            synced_to: 0,
            vouched: false,
        };
        let bytes_max = self.shared.settings.segment_bytes_max;
        let mut log = Log::begin(Arc::clone(&self.directory), bytes_max, first, standing)?;
        log.sync()?;
        Ok((log, syncer(&self.shared)?))
    }

    /// A snapshot holds everything before the sequence number `before`.
    fn vouch(&mut self, before: u64) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        if log.is_vouched() {
            return true;
        }
        if before < log.first() {
            return false;
        }
        log.vouch();
        self.shared.set_condition(Condition::Sound);
        self.shared.commits.restore(log.last());
        true
    }

    fn close(&mut self) -> Result<(), JournalFault> {
        let syncer = self.syncer.take();
        let Some(log) = self.log.as_mut().filter(|log| log.is_vouched()) else {
            return Ok(());
        };
        let closing = || {
            if let Some(syncer) = syncer {
                log.note_synced(syncer.finish()?);
            }
            log.sync()?;
            log.close(FrameKind::Finished)?;
            log.sync()?;
            Ok(log.last())
        };
        let last = closing().map_err(JournalFault::storage("closing the journal"))?;
        let counters = &self.shared.counters;
        counters.synced_to.fetch_max(last, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Writer {
    /// Without a writer, nobody must wait.
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.stop(if thread::panicking() {
            self.shared.degraded("the journal's thread panicked")
        } else {
            Condition::Closed
        });
    }
}

fn syncer(shared: &Arc<Shared>) -> io::Result<Option<Syncer>> {
    match shared.settings.ack {
        Ack::Written => Syncer::start(Arc::clone(shared)).map(Some),
        Ack::Synced => Ok(None),
    }
}
