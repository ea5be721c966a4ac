//! What the service tells about itself: logs, and metrics.
//!
//! Counters are plain numbers here, added up and written to a [`Page`] when somebody asks: nothing is looked
//! up by name where payments are scored, no two cores fight for a counter there, and nothing waits to be
//! collected. What a metric is called and what it tells stands in [`families`].

pub mod families;
mod page;
mod process;
mod sharded;
mod calls;
mod log;
mod trace;
mod auth;
mod scores;
mod bounds;
mod edge;
mod shadow;
mod snapshots;
mod reloads;

pub use auth::{AuthCounters, HandshakeFailure};
pub use bounds::{BoundsCounters, BoundsCounts, Evicted};
pub use calls::{Call, CallCounters, Method};
pub use edge::{CallRefused, ConnectionClosed, ConnectionHeld, ConnectionRefused, EdgeCounters};
pub use log::{
    LinesLost, LogFilter, LogFormat, Logging, Sample, Seldom, log_to_stderr, unless_unread,
};
pub use page::{Distribution, Family, Kind, Page, Samples};
pub use process::Process;
pub use reloads::{ReloadCounters, Reloaded};
pub use scores::ScoreCounters;
pub use shadow::{ShadowCounters, ShadowCounts};
pub use snapshots::SnapshotCounters;
pub use trace::{TRACEPARENT, TraceContext};
