//! Feeds the partitions' threads with batches of events. There is no reading thread: a thread that comes for
//! its next batch reads ahead for all of them when one is about to run out. So all cores are at work, however
//! uneven the partitions are.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::panicked;
use crate::journal::JournalFault;

/// How many batches may be queued for a thread. Four times as many are no faster, and take 30 MB more.
const BATCHES_AHEAD: usize = 8;

/// Reading ahead starts when a thread has fewer batches than this before it.
const BATCHES_AT_HAND: usize = 2;

/// Hands every batch that `read` yields, until an empty one, to each of several threads.
pub(super) struct Feed<R, T> {
    state: Mutex<State<R, T>>,
    changed: Condvar,
}

struct State<R, T> {
    /// `None` while a thread is reading.
    read: Option<R>,
    /// For each thread the batches that it has not taken yet.
    queues: Vec<VecDeque<Arc<Vec<T>>>>,
    /// How reading ended, once it has.
    end: Option<Result<(), JournalFault>>,
}

/// The batches for one thread, in order.
pub(super) struct Inbox<'f, R, T> {
    feed: &'f Feed<R, T>,
    partition: usize,
    /// The batches that this thread has read. They are freed by the thread that made them, which is cheapest.
    own: VecDeque<Arc<Vec<T>>>,
}

impl<R, T> Feed<R, T> {
    pub(super) fn new(partitions: usize, read: R) -> Self {
        let state = State {
            read: Some(read),
            queues: (0..partitions).map(|_| VecDeque::new()).collect(),
            end: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The inbox of a partition. Each must have one, and all must be emptied.
    pub(super) const fn inbox(&self, partition: usize) -> Inbox<'_, R, T> {
        Inbox {
            feed: self,
            partition,
            own: VecDeque::new(),
        }
    }

    /// How reading ended.
    pub(super) fn end(self) -> Result<(), JournalFault> {
        self.state.into_inner().end.unwrap_or(Ok(()))
    }
}

impl<R, T> State<R, T> {
    /// Takes the right to read, if a thread will soon run out, nobody is reading, and none is too far behind.
    fn may_read(&mut self) -> Option<R> {
        let mut waiting = self.queues.iter().map(VecDeque::len);
        let least = waiting.clone().min()?;
        let is_due = self.end.is_none() && least < BATCHES_AT_HAND;
        match is_due && waiting.all(|batches| batches < BATCHES_AHEAD) {
            true => self.read.take(),
            false => None,
        }
    }
}

impl<R, T> Iterator for Inbox<'_, R, T>
where
    R: FnMut() -> Result<Vec<T>, JournalFault>,
{
    type Item = Arc<Vec<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.feed.state.lock();
        loop {
            if let Some(read) = state.may_read() {
                self.read_on(&mut state, read);
            } else if let Some(batch) = state.queues.get_mut(self.partition)?.pop_front() {
                // A thread may be waiting for the room.
                self.feed.changed.notify_all();
                return Some(batch);
            } else if state.end.is_some() {
                return None;
            } else {
                self.feed.changed.wait(&mut state);
            }
        }
    }
}

impl<R, T> Inbox<'_, R, T>
where
    R: FnMut() -> Result<Vec<T>, JournalFault>,
{
    /// Reads the next batch for all threads, which meanwhile go on with what they have.
    fn read_on(&mut self, state: &mut MutexGuard<'_, State<R, T>>, mut read: R) {
        let batch = MutexGuard::unlocked(state, || {
            while self
                .own
                .pop_front_if(|batch| Arc::strong_count(batch) == 1)
                .is_some()
            {}
            read()
        });
        match batch {
            Ok(batch) if !batch.is_empty() => {
                let batch = Arc::new(batch);
                for queue in &mut state.queues {
                    queue.push_back(Arc::clone(&batch));
                }
                self.own.push_back(batch);
            }
            ended => {
                state.end.get_or_insert_with(|| ended.map(drop));
            }
        }
        state.read = Some(read);
        self.feed.changed.notify_all();
    }
}

impl<R, T> Drop for Inbox<'_, R, T> {
    fn drop(&mut self) {
        // If this thread panicked, the others would wait for it for ever.
        let mut state = self.feed.state.lock();
        state.end.get_or_insert_with(|| Err(panicked()));
        self.feed.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::{io, thread};

    use super::*;

    const BATCHES: u64 = 1_000;

    /// Three to a batch, and then what `end` says.
    fn counting(
        end: fn() -> Result<Vec<u64>, JournalFault>,
    ) -> impl FnMut() -> Result<Vec<u64>, JournalFault> {
        let mut batches = 0..BATCHES;
        move || match batches.next() {
            Some(nth) => Ok((3 * nth..3 * nth + 3).collect()),
            None => end(),
        }
    }

    #[test]
    fn every_lane_gets_everything_in_order_however_slow_one_is() {
        for partitions in [1, 2, 3, 40] {
            let feed = Feed::new(partitions, counting(|| Ok(Vec::new())));
            thread::scope(|scope| {
                for partition in 0..partitions {
                    let inbox = feed.inbox(partition);
                    scope.spawn(move || {
                        let mut next = 0;
                        for batch in inbox {
                            for number in &*batch {
                                assert_eq!(*number, next);
                                next += 1;
                            }
                            if partition == 0 {
                                thread::yield_now();
                            }
                        }
                        assert_eq!(next, 3 * BATCHES);
                    });
                }
            });
            assert!(feed.end().is_ok());
        }
    }

    #[test]
    fn a_fault_ends_it_for_all_once_they_have_done_what_stood_before() {
        let fault = || Err(JournalFault::storage("reading")(io::Error::other("gone")));
        let feed = Feed::new(2, counting(fault));
        thread::scope(|scope| {
            let taken = [0, 1].map(|partition| {
                scope.spawn({
                    let inbox = feed.inbox(partition);
                    move || inbox.count()
                })
            });
            for taken in taken {
                assert_eq!(taken.join().unwrap() as u64, BATCHES);
            }
        });
        assert!(feed.end().unwrap_err().to_string().contains("gone"));
    }

    #[test]
    fn a_panic_of_one_lane_ends_the_others_and_is_told() {
        let read_panics = AtomicBool::new(false);
        for panics_reading in [false, true] {
            let mut count = counting(|| Ok(Vec::new()));
            read_panics.store(panics_reading, Ordering::Relaxed);
            let feed = Feed::new(3, || {
                assert!(!read_panics.swap(false, Ordering::Relaxed), "while reading");
                count()
            });
            thread::scope(|scope| {
                let partitions = [0, 1, 2].map(|partition| {
                    let inbox = feed.inbox(partition);
                    scope.spawn(move || {
                        inbox
                            .for_each(|_| assert!(panics_reading || partition != 1, "while doing"));
                    })
                });
                let panicked = partitions.map(|partition| partition.join().is_err());
                assert_eq!(panicked.iter().filter(|panicked| **panicked).count(), 1);
            });
            assert!(feed.end().unwrap_err().to_string().contains("panicked"));
        }
    }
}
