//! Records that were appended and are not written yet.
//!
//! Appending happens under an account's lock, which makes the order here the order of each account's steps. So
//! it copies some hundred bytes and never waits; whether there is room is asked beforehand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::event::Event;
use super::frame::{self, PAYLOAD_BYTES_FULL};
use super::record::encode;

/// How many emptied buffers are kept for later.
const SPARES_MAX: usize = 4;

/// Records for one frame.
#[derive(Debug)]
pub(super) struct Batch {
    /// Room for the frame's header, and the records.
    pub(super) frame: Vec<u8>,
    /// The sequence number of the first of them.
    pub(super) first: u64,
    /// How many they are.
    pub(super) count: u32,
}

/// Records on their way to the writer.
#[derive(Debug)]
pub(super) struct Queue<R> {
    state: Mutex<State<R>>,
    filled: Condvar,
    /// How many bytes of records wait.
    bytes: AtomicUsize,
}

#[derive(Debug)]
struct State<R> {
    batches: VecDeque<Batch>,
    spares: Vec<Vec<u8>>,
    /// What the writer is to do once all records are written.
    requests: VecDeque<R>,
    /// The sequence number of the next record.
    next: u64,
    /// Whether records are counted and dropped.
    drops: bool,
    dropped: u64,
    writer_waits: bool,
    /// Whether the writer is to wake up even if there is nothing to write.
    poked: bool,
    /// Whether the writer has ended.
    closed: bool,
}

/// What there is to do.
#[derive(Debug)]
pub(super) struct Work<R> {
    pub(super) batches: VecDeque<Batch>,
    pub(super) requests: VecDeque<R>,
}

thread_local! {
    /// Where a record is encoded before the lock is taken.
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<R> Queue<R> {
    pub(super) fn new(next: u64) -> Self {
        Self {
            state: Mutex::new(State {
                batches: VecDeque::new(),
                spares: Vec::new(),
                requests: VecDeque::new(),
                next,
                drops: false,
                dropped: 0,
                writer_waits: false,
                poked: false,
                closed: false,
            }),
            filled: Condvar::new(),
            bytes: AtomicUsize::new(0),
        }
    }

    /// How many bytes of records wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Adds a record; returns its sequence number.
    pub(super) fn append(&self, event: &Event<'_>) -> u64 {
        ENCODED.with_borrow_mut(|encoded| {
            encoded.clear();
            encode(event, encoded);
            self.append_encoded(encoded)
        })
    }

    fn append_encoded(&self, record: &[u8]) -> u64 {
        let mut state = self.state.lock();
        let sequence = state.next;
        state.next += 1;
        if state.drops {
            state.dropped += 1;
            return sequence;
        }
        state.put(sequence, record);
        self.bytes.fetch_add(record.len(), Ordering::Relaxed);
        let wake = mem::take(&mut state.writer_waits);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        sequence
    }

    /// Asks the writer for something. Without a writer the request is dropped.
    pub(super) fn ask(&self, request: R) {
        let mut state = self.state.lock();
        if !state.closed {
            state.requests.push_back(request);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The writer has ended.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.requests.clear();
    }

    /// Wakes the writer even if there is nothing to do.
    pub(super) fn wake_writer(&self) {
        self.state.lock().poked = true;
        self.filled.notify_one();
    }

    /// Takes everything there is to do. Waits for it, but no longer than `patience` if that is limited.
    pub(super) fn take(&self, patience: Option<Duration>) -> Work<R> {
        let mut state = self.state.lock();
        let poked = mem::take(&mut state.poked);
        if state.batches.is_empty() && state.requests.is_empty() && !poked {
            state.writer_waits = true;
            match patience {
                Some(patience) => {
                    self.filled.wait_for(&mut state, patience);
                }
                None => self.filled.wait(&mut state),
            }
            state.writer_waits = false;
        }
        self.bytes.store(0, Ordering::Relaxed);
        Work {
            batches: mem::take(&mut state.batches),
            requests: mem::take(&mut state.requests),
        }
    }

    /// Returns a buffer for reuse.
    pub(super) fn recycle(&self, batch: Batch) {
        let mut state = self.state.lock();
        if state.spares.len() < SPARES_MAX {
            state.spares.push(batch.frame);
        }
    }

    /// Counts records that were taken and could not be written.
    pub(super) fn note_dropped(&self, count: u64) {
        self.state.lock().dropped += count;
    }

    /// From now on records are counted and dropped, and so are those in the queue.
    pub(super) fn drop_all(&self) {
        let mut state = self.state.lock();
        let waiting = mem::take(&mut state.batches);
        state.drops = true;
        state.dropped += records_in(&waiting);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// From now on records are kept again; returns the sequence number of the first. One number is skipped, so
    /// that no earlier segment begins with the same.
    pub(super) fn keep_again(&self) -> u64 {
        let mut state = self.state.lock();
        state.drops = false;
        state.next += 1;
        state.next
    }

    /// The sequence number of the next record, and how many were dropped.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.next, state.dropped)
    }
}

/// How many records the batches hold.
pub(super) fn records_in(batches: &VecDeque<Batch>) -> u64 {
    batches.iter().map(|batch| u64::from(batch.count)).sum()
}

impl<R> State<R> {
    fn put(&mut self, sequence: u64, record: &[u8]) {
        let last = self.batches.back_mut();
        if let Some(last) = last.filter(|last| last.frame.len() < PAYLOAD_BYTES_FULL) {
            last.frame.extend_from_slice(record);
            last.count += 1;
            return;
        }
        let mut frame = self.spares.pop().unwrap_or_default();
        frame::begin(&mut frame);
        frame.extend_from_slice(record);
        self.batches.push_back(Batch {
            frame,
            first: sequence,
            count: 1,
        });
    }
}
