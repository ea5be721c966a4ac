//! Being asked to stop, or to read files again.

use std::future::pending;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::config::JournalAck;

/// Asks to stop: SIGTERM and SIGINT. Each value hears all of them from when it was made.
#[cfg(unix)]
pub(in crate::cli) struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// Listens from now on, not from the first wait on.
    pub(in crate::cli) fn listen() -> io::Result<Self> {
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
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(in crate::cli) async fn next(&mut self) -> &'static str {
        // Without the signal there is no way to be asked; serving goes on until the process is ended.
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}

impl StopSignals {
    /// Listens from now on, on a thread of its own.
    pub(in crate::cli) fn watch_on_a_thread(
        watch: impl AsyncFnOnce(Self) + Send + 'static,
    ) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listening = {
            let _inside = runtime.enter();
            Self::listen()
        };
        let signals = listening?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(watch(signals)))?;
        Ok(())
    }

    /// Completes once the process is asked to stop, or whoever started it is gone.
    pub(in crate::cli) async fn first_or(mut self, gone: impl Future<Output = ()>) {
        let asked_by = tokio::select! {
            signal = self.next() => signal,
            () = gone => "the end of standard input",
        };
        tracing::info!(target: "doublecheck", signal = asked_by, "stopping");
    }

    /// Completes once it is asked a second time.
    pub(super) async fn second(mut self) {
        self.next().await;
        let signal = self.next().await;
        tracing::warn!(target: "doublecheck", signal, "stopping at once");
    }
}

/// Whether another program started this one, to use it for as long as it lives itself.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Starter {
    /// Write the address and journal.ack to standard output once calls are taken, and end when standard input
    /// does: whoever started this process holds its other end, and however that one ends, the system lets go
    /// of it
    #[arg(long = Starter::FLAG.trim_start_matches('-'), hide = true)]
    for_starter: bool,
}

impl Starter {
    pub(in crate::cli) const FLAG: &str = "--for-starter";

    /// Tells that program that calls are taken, where, and what answers wait for. The log tells people: it may be
    /// in any format, or say nothing.
    pub(in crate::cli) fn tell(&self, address: SocketAddr, journal_ack: JournalAck) {
        if self.for_starter {
            // Where it is gone, this process ends anyway.
            let _ = writeln!(io::stdout(), "{address} {journal_ack}");
        }
    }

    /// Completes once that program is gone, if there is one.
    pub(in crate::cli) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let (gone, told) = oneshot::channel();
        let watch = move || {
            // An end is an end, be it an error's.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            // Who serves no longer need not be told.
            let _ = gone.send(());
        };
        let watched = self.for_starter.then(|| thread::spawn(watch));
        async move {
            match watched {
                Some(_) => drop(told.await),
                None => pending().await,
            }
        }
    }
}

/// SIGHUPs: from when this was made they end nobody.
pub(super) struct Hangups {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Hangups {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        let next = self.hangup.recv().await;
        #[cfg(not(unix))]
        let next: Option<()> = None;
        if next.is_none() {
            // There will be no more.
            pending().await
        }
    }
}
