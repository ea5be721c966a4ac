//! Being asked to end early.

use std::future::pending;
use std::{io, process};

use tokio::sync::watch;

use crate::cli::serve::StopSignals;

/// Whether the load is to end early, on SIGINT or SIGTERM. A second one ends the process at once.
#[derive(Debug, Clone)]
pub(super) struct Interruption(watch::Receiver<bool>);

impl Interruption {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (tell, told) = watch::channel(false);
        StopSignals::watch_on_a_thread(async move |mut signals| {
            signals.next().await;
            tell.send_replace(true);
            signals.next().await;
            process::exit(1);
        })?;
        Ok(Self(told))
    }

    pub(super) fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes once it is told.
    pub(super) async fn told(mut self) {
        if self.0.wait_for(|is_told| *is_told).await.is_err() {
            // Nobody listens any more.
            pending().await
        }
    }
}
