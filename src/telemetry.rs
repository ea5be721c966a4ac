//! What the service tells about itself: logs, counts of what its bounds cost, and of how often the
//! shadow policy disagrees.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

use crate::scoring::account::BoundsCost;

mod shadow;

pub use shadow::{ShadowCounters, ShadowCounts};

/// What the bounds on memory cost. Nothing is forgotten silently: each loss is counted.
#[derive(Debug, Default)]
pub struct BoundsCounters {
    payments: AtomicU64,
    payees: AtomicU64,
    devices: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BoundsCounts {
    /// Payments forgotten before their time, because their account made more than are kept.
    pub payments_dropped: u64,
    /// Payees forgotten by the account that paid them.
    pub payees_forgotten: u64,
    /// Devices forgotten by the account that used them.
    pub devices_forgotten: u64,
}

impl BoundsCounters {
    /// Adds what one step cost.
    pub fn add(&self, cost: BoundsCost) {
        if cost == BoundsCost::default() {
            return;
        }
        let add = |counter: &AtomicU64, more: u32| {
            counter.fetch_add(u64::from(more), Ordering::Relaxed);
        };
        add(&self.payments, cost.dropped.payments);
        add(&self.payees, cost.forgotten.payees);
        add(&self.devices, cost.forgotten.devices);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> BoundsCounts {
        BoundsCounts {
            payments_dropped: self.payments.load(Ordering::Relaxed),
            payees_forgotten: self.payees.load(Ordering::Relaxed),
            devices_forgotten: self.devices.load(Ordering::Relaxed),
        }
    }
}

/// Sends logs to standard error, by the filter in `DOUBLECHECK_LOG` (default `info`).
pub fn log_to_stderr() {
    let filter =
        EnvFilter::try_from_env("DOUBLECHECK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, as tests make it, changes nothing.
    let _already_set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Colours are for eyes: a log that is collected stays searchable.
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}
