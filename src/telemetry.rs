//! What the service tells about itself: logs, counts of what its bounds cost, and of how often the
//! shadow policy disagrees.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

mod bounds;
mod shadow;

pub use bounds::{BoundsCounters, BoundsCounts, Evicted};
pub use shadow::{ShadowCounters, ShadowCounts};

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
