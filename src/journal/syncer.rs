//! Syncs in the background, where answers do not wait for the disk, and so the writer must not either.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::Shared;
use super::log::Unsynced;

/// Syncs the files of one log.
#[derive(Debug)]
pub(super) struct Syncer {
    jobs: mpsc::Sender<Vec<Unsynced>>,
    state: Arc<State>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    is_busy: AtomicBool,
    synced_to: AtomicU64,
    failure: Mutex<Option<io::Error>>,
}

impl Syncer {
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel();
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || run(&taken, &own, &shared))?;
        Ok(Self {
            jobs,
            state,
            thread,
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.state.is_busy.load(Ordering::Acquire)
    }

    /// Syncs these files, in order. One job at a time.
    pub(super) fn sync(&self, files: Vec<Unsynced>) {
        self.state.is_busy.store(true, Ordering::Release);
        // Where the thread has ended it has failed, and says so.
        let _ = self.jobs.send(files);
    }

    /// Up to where everything is on the disk.
    ///
    /// # Errors
    /// When a sync failed: it is not to be tried again.
    pub(super) fn synced_to(&self) -> io::Result<u64> {
        match self.state.failure.lock().take() {
            Some(failure) => Err(failure),
            None => Ok(self.state.synced_to.load(Ordering::Acquire)),
        }
    }

    /// Waits for the job that is under way.
    pub(super) fn finish(self) -> io::Result<u64> {
        let Self {
            jobs,
            state,
            thread,
        } = self;
        drop(jobs);
        thread
            .join()
            .map_err(|_| io::Error::other("the sync thread panicked"))?;
        match state.failure.lock().take() {
            Some(failure) => Err(failure),
            None => Ok(state.synced_to.load(Ordering::Acquire)),
        }
    }
}

fn run(jobs: &mpsc::Receiver<Vec<Unsynced>>, state: &State, shared: &Shared) {
    for files in jobs {
        for file in files {
            match file.sync() {
                Ok(synced_to) => state.synced_to.store(synced_to, Ordering::Release),
                Err(error) => {
                    *state.failure.lock() = Some(error);
                    shared.queue.wake_writer();
                    return;
                }
            }
        }
        state.is_busy.store(false, Ordering::Release);
        // It may have nothing else to do, and somebody may wait to hear how far the disk is.
        shared.queue.wake_writer();
    }
}
