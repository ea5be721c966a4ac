//! How a journal ends, and what has to be done before it can go on.

use super::super::fault::{Damage, DamageKind};
use super::super::snapshot::SnapshotSummary;

/// How a journal ends, and what has to be done before it can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The sequence number of the next event.
    pub next: u64,
    /// How it ends.
    pub tail: Tail,
    /// What has to be cut off, the last first.
    pub(in super::super) cuts: Vec<Cut>,
    /// The segment that is still to be closed.
    pub(in super::super) unclosed: Option<String>,
}

impl Ending {
    /// What is missing where the journal does not reach as far as the snapshot: there would be events in one
    /// account that another one lacks, and numbers would be given out twice.
    #[must_use]
    pub fn missing_before(&self, snapshot: &SnapshotSummary) -> Option<Damage> {
        let next = self.next.max(snapshot.journal_from);
        (next < snapshot.journal_to).then(|| Damage {
            file: snapshot.file.clone(),
            offset: 0,
            kind: DamageKind::Missing,
            lost_from: next,
            lost_to: Some(snapshot.journal_to - 1),
            readable_behind: 0,
        })
    }
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// It was closed in peace.
    Closed,
    /// It ends with a whole frame: its process was killed, or is still running.
    Open,
    /// It ends with what was never synced, and did not get to the disk whole.
    Torn {
        /// In which segment.
        file: String,
        /// From which byte on.
        offset: u64,
        /// How many bytes are cut off.
        bytes: u64,
        /// How many records can be read in them: written, never synced, and of no use without those
        /// that were torn.
        readable_behind: u64,
    },
    /// It was damaged, and what stands before the damage is used.
    SetAside(Damage),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Cut {
    Truncate {
        file: String,
        length: u64,
        keep_a_copy: bool,
    },
    Remove {
        file: String,
        keep_a_copy: bool,
    },
}

/// What a segment was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its name.
    pub file: String,
    /// The sequence number of its first record.
    pub first: u64,
    /// How many records were read.
    pub records: u64,
    /// How many frames: writes that were made for them.
    pub frames: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it was closed. Where one follows that continues it, nothing is lost without.
    pub closed: bool,
}
