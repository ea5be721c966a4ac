//! Being asked to stop.

/// Asks to stop: SIGTERM and SIGINT. Each value hears all of them from when it was made.
#[cfg(unix)]
pub(in crate::cli) struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// Listens from now on, not from the first wait on.
    pub(in crate::cli) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(in crate::cli) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Asks to stop.
#[cfg(not(unix))]
pub(in crate::cli) struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    pub(in crate::cli) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(in crate::cli) async fn next(&mut self) -> &'static str {
        // Without the signal there is no way to be asked; serving goes on until the process is ended.
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

impl StopSignals {
    /// Completes once the process is asked to stop.
    pub(in crate::cli) async fn first(mut self) {
        let signal = self.next().await;
        tracing::info!(target: "doublecheck", signal, "stopping");
    }

    /// Completes once it is asked a second time.
    pub(super) async fn second(mut self) {
        self.next().await;
        let signal = self.next().await;
        tracing::warn!(target: "doublecheck", signal, "stopping at once");
    }
}
