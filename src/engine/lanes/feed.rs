//! What all lanes are fed from. A lane that comes for more reads on for all of them where one will soon have
//! nothing to do: so the cores are all at work, however unlike the lanes are, and no thread beyond them is
//! needed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::panicked;
use crate::journal::JournalFault;

/// How many batches may wait for a lane. Four times as many are no quicker, and take some 30 MB more.
const BATCHES_AHEAD: usize = 8;

/// How many batches a lane should have before it. It takes one while another lane reads the next.
const BATCHES_AT_HAND: usize = 2;

/// All that `read` gives, batch by batch until one is empty, to each of several lanes.
pub(super) struct Feed<R, T> {
    state: Mutex<State<R, T>>,
    changed: Condvar,
}

struct State<R, T> {
    /// Nobody's while a lane reads.
    read: Option<R>,
    /// What was read and not yet taken, of every lane.
    queues: Vec<VecDeque<Arc<Vec<T>>>>,
    /// How reading ended, once it has.
    end: Option<Result<(), JournalFault>>,
}

/// The batches of one lane, in order.
pub(super) struct Inbox<'f, R, T> {
    feed: &'f Feed<R, T>,
    lane: usize,
    /// What this lane has read. It is freed where it was made, which costs less than anywhere else.
    own: VecDeque<Arc<Vec<T>>>,
}

impl<R, T> Feed<R, T> {
    pub(super) fn new(lanes: usize, read: R) -> Self {
        let state = State {
            read: Some(read),
            queues: (0..lanes).map(|_| VecDeque::new()).collect(),
            end: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// That of a lane: one for each, and all of them are to be taken from.
    pub(super) const fn inbox(&self, lane: usize) -> Inbox<'_, R, T> {
        Inbox {
            feed: self,
            lane,
            own: VecDeque::new(),
        }
    }

    /// How reading ended.
    pub(super) fn end(self) -> Result<(), JournalFault> {
        self.state.into_inner().end.unwrap_or(Ok(()))
    }
}

impl<R, T> State<R, T> {
    /// What to read on with, if somebody will soon need it, nobody reads and nobody is too far behind.
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
            } else if let Some(batch) = state.queues.get_mut(self.lane)?.pop_front() {
                // Somebody may be waiting for that room.
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
    /// Reads on for all lanes, which go on with what they have meanwhile.
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
        // A lane that panicked: the others would wait for it for ever.
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
        for lanes in [1, 2, 3, 40] {
            let feed = Feed::new(lanes, counting(|| Ok(Vec::new())));
            thread::scope(|scope| {
                for lane in 0..lanes {
                    let inbox = feed.inbox(lane);
                    scope.spawn(move || {
                        let mut next = 0;
                        for batch in inbox {
                            for number in &*batch {
                                assert_eq!(*number, next);
                                next += 1;
                            }
                            if lane == 0 {
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
            let taken = [0, 1].map(|lane| {
                scope.spawn({
                    let inbox = feed.inbox(lane);
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
                let lanes = [0, 1, 2].map(|lane| {
                    let inbox = feed.inbox(lane);
                    scope.spawn(move || {
                        inbox.for_each(|_| assert!(panics_reading || lane != 1, "while doing"));
                    })
                });
                let panicked = lanes.map(|lane| lane.join().is_err());
                assert_eq!(panicked.iter().filter(|panicked| **panicked).count(), 1);
            });
            assert!(feed.end().unwrap_err().to_string().contains("panicked"));
        }
    }
}
