//! What the service tells about itself: logs, and metrics.
//!
//! Counters are plain numbers here, added up and written to a [`Page`] when somebody asks: nothing is looked
//! up by name where payments are scored, no two cores fight for a counter there, and nothing waits to be
//! collected. What a metric is called and what it tells stands in [`families`].

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

pub mod families;
mod page;
mod process;
mod sharded;
mod calls;
mod scores;
mod bounds;
mod shadow;
mod snapshots;

pub use bounds::{BoundsCounters, BoundsCounts, Evicted};
pub use calls::{Call, CallCounters, Method};
pub use page::{Distribution, Family, Kind, Page, Samples};
pub use process::Process;
pub use scores::ScoreCounters;
pub use shadow::{ShadowCounters, ShadowCounts};
pub use snapshots::SnapshotCounters;

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
