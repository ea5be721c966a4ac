//! A watchdog for the disk. One that fails says so; one that hangs says nothing, and nobody may wait for it.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use crate::clock::Stopwatch;

/// How many checks there are within the disk's patience.
const CHECKS: u32 = 4;

/// Watches the writer while it waits for the disk.
#[derive(Debug, Default)]
pub(super) struct Watchdog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when the writer has waited; `None` if it does not.
    waiting: Option<Stopwatch>,
    /// Whether it waited for too long, so that nobody waits for it any more.
    given_up: bool,
}

impl Watchdog {
    /// Does `work`, which waits for the disk. Returns its result, and whether the writer was given up
    /// meanwhile.
    pub(super) fn over<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        self.0.lock().waiting = Some(Stopwatch::start());
        let result = work();
        let mut state = self.0.lock();
        state.waiting = None;
        (result, state.given_up)
    }

    /// Whether the writer was given up, and has not come back.
    pub(super) fn has_given_up(&self) -> bool {
        self.0.lock().given_up
    }

    /// The writer is back, and has dropped the files that it waited for.
    pub(super) fn begin_again(&self) {
        self.0.lock().given_up = false;
    }

    /// Gives the writer up if it has waited for longer than `patience`; `give_up` is done before the writer can
    /// go on.
    fn give_up_after(&self, patience: Duration, give_up: impl FnOnce()) {
        let mut state = self.0.lock();
        let is_over = |waiting: Stopwatch| waiting.elapsed() >= patience;
        if !state.given_up && state.waiting.is_some_and(is_over) {
            state.given_up = true;
            give_up();
        }
    }
}

/// The error for a disk that does not answer.
pub(super) fn not_answering() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer")
}

/// Starts the watchdog's thread, which runs as long as the returned sender is held.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<mpsc::Sender<()>> {
    let (held, ended) = mpsc::channel();
    let patience = shared.settings.patience;
    let goes_on =
        move || ended.recv_timeout(patience / CHECKS) == Err(mpsc::RecvTimeoutError::Timeout);
    thread::Builder::new()
        .name("journal-watch".to_owned())
        .spawn(move || {
            while goes_on() {
                shared.watchdog.give_up_after(patience, || shared.hang());
            }
        })?;
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_too_long_is_given_up_once_until_it_is_back() {
        let watchdog = Watchdog::default();
        let given_up = |patience| {
            let mut told = false;
            watchdog.give_up_after(patience, || told = true);
            told
        };
        assert!(!given_up(Duration::ZERO), "it does not wait");
        let ((), too_late) = watchdog.over(|| assert!(!given_up(Duration::MAX)));
        assert!(!too_late && !watchdog.has_given_up());
        let ((), too_late) = watchdog.over(|| {
            assert!(given_up(Duration::ZERO));
            assert!(!given_up(Duration::ZERO));
        });
        assert!(too_late && watchdog.has_given_up());
        assert!(!given_up(Duration::ZERO));
        watchdog.begin_again();
        assert!(!watchdog.has_given_up());
        assert!(watchdog.over(|| given_up(Duration::ZERO)).0);
    }
}
