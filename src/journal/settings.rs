//! How a journal is kept, and what an answer waits for.

use std::fmt;
use std::time::Duration;

use crate::scoring::payment::named;

named! {
    /// What an answer waits for.
    Ack {
        /// The operating system has the record: killing the process forgets nothing.
        Written = "written",
        /// The record is on the disk: losing power forgets nothing.
        Synced = "synced",
    }
}

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What an answer waits for.
    pub ack: Ack,
    /// How large a segment becomes.
    pub segment_bytes_max: u64,
    /// How many bytes of records may wait to be written before no more calls are admitted.
    pub queue_bytes_max: usize,
    /// How often what is written is synced where no answer waits for that.
    pub sync_interval: Duration,
    /// For how long the disk may not answer before nobody waits for it any more.
    pub patience: Duration,
}

impl Settings {
    /// The usual sizes: 64 MiB a segment, 8 MiB in the queue, a sync every second, a second of patience.
    #[must_use]
    pub const fn with_ack(ack: Ack) -> Self {
        Self {
            ack,
            segment_bytes_max: 64 << 20,
            queue_bytes_max: 8 << 20,
            sync_interval: Duration::from_secs(1),
            patience: Duration::from_secs(1),
        }
    }
}
