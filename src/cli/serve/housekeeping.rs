//! In the background: takes snapshots, restarts a journal that has failed, and compares the machine's clock.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::opening::tell_snapshot;
use super::time_of_day::Ahead;
use crate::clock::Stopwatch;
use crate::config::SnapshotEvery;
use crate::engine::Engine;

/// How often to check whether there is anything to do.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// After how many states it rests, and how long: so that a snapshot takes a core for part of the time, and
/// a call that comes on the same core waits for a fraction of a millisecond.
const STATES_IN_A_RUN: u32 = 256;
const REST: Duration = Duration::from_micros(500);

/// The thread that does this, as long as this value lives.
pub(super) struct Housekeeping {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Housekeeping {
    pub(super) fn start(engine: Arc<Engine>, every: SnapshotEvery) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let goes_on =
            move |after| stopped.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout);
        let thread = thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || keep(&engine, every, goes_on))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Housekeeping {
    /// Waits until it has ended: two snapshots must not be taken at once.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, the journal is no worse for it.
            let _ = thread.join();
        }
    }
}

fn keep(engine: &Engine, every: SnapshotEvery, goes_on: impl Fn(Duration) -> bool) {
    let mut since = Stopwatch::start();
    // What the start had to read counts too: or processes that are killed early, one after the other, would
    // never snapshot.
    let mut bytes_then = 0;
    let mut ahead = Ahead::at_start(engine.now());
    while goes_on(LOOK_EVERY) {
        ahead.look(engine.now());
        let mut states = 0_u32;
        let rest = || {
            states = states.wrapping_add(1);
            !states.is_multiple_of(STATES_IN_A_RUN) || goes_on(REST)
        };
        if !engine.keeps_its_promise() {
            // The failure was reported, and lasts until it works again.
            if let Err(fault) = engine.restart_journal(rest) {
                tracing::debug!(target: "doublecheck", %fault, "the journal still fails");
            }
            continue;
        }
        let bytes = engine.journal_bytes() - bytes_then;
        if bytes == 0 || !every.is_due(since.elapsed(), bytes) {
            continue;
        }
        match engine.take_snapshot(rest) {
            Ok(Some(summary)) => tell_snapshot(&summary),
            Ok(None) => {}
            Err(fault) => {
                tracing::error!(target: "doublecheck", %fault, "a snapshot could not be taken");
            }
        }
        since = Stopwatch::start();
        bytes_then = engine.journal_bytes();
    }
}
