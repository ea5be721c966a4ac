//! Letting go of what is too old, all the time, behind the back of the calls.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::engine::Engine;

/// How often what is too old is let go of. Nothing but memory depends on it.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// For how long it rests after each run of accounts, so that it takes a core for a fraction of the time.
const SWEEP_REST: Duration = Duration::from_millis(1);

/// A thread that sweeps the engine for as long as this value lives: a sweep visits every account, and
/// no call should wait for that.
pub(super) struct Sweeping {
    _stop: mpsc::Sender<()>,
}

impl Sweeping {
    pub(super) fn start(engine: Arc<Engine>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new()
            .name("sweep".to_owned())
            .spawn(move || {
                let goes_on =
                    |after| stopped.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout);
                while goes_on(SWEEP_EVERY) {
                    engine.sweep_in_runs(|| goes_on(SWEEP_REST));
                }
            })?;
        Ok(Self { _stop: stop })
    }
}
