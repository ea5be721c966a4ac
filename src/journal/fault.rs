//! What may be wrong with a journal, in sentences that say what to do.

use std::fmt;
use std::io;

use super::codec::DecodeError;
use crate::scoring::image::ImageFault;

/// The flag that starts in spite of damage: what stands before it is used, the rest is set aside.
pub const SET_ASIDE_FLAG: &str = "--set-damage-aside";

/// Why a journal cannot be read or written.
#[derive(Debug)]
pub enum JournalFault {
    /// The storage failed.
    Storage {
        /// What was tried, such as `reading 00000000000000000001.journal`.
        tried: String,
        /// Why it failed.
        error: io::Error,
    },
    /// A file is of a format that this program does not read.
    Version {
        /// The file.
        file: String,
        /// Its format.
        found: u32,
        /// The format that is read.
        read: u32,
    },
    /// Something that was on the disk is gone or unreadable.
    Damage(Damage),
    /// A snapshot is damaged, and nothing of it may be used.
    Snapshot(SnapshotDamage),
}

/// Something that was on the disk and is gone or unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// In which segment.
    pub file: String,
    /// From which byte on.
    pub offset: u64,
    /// What is wrong there.
    pub kind: DamageKind,
    /// The first record that is lost.
    pub lost_from: u64,
    /// The last one; `None` where nothing behind it tells.
    pub lost_to: Option<u64>,
    /// How many records behind it can be read.
    pub readable_behind: u64,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The bytes are no frame, or not the one that was written.
    Unreadable,
    /// The records that should stand here are missing.
    Missing,
    /// A whole frame holds what is no record.
    NoRecord(DecodeError),
    /// A snapshot is damaged, and what it held stands nowhere else.
    OnlySnapshot,
}

/// Where a snapshot is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDamage {
    /// The snapshot.
    pub file: String,
    /// From which byte on.
    pub offset: u64,
    /// What is wrong there.
    pub kind: SnapshotDamageKind,
}

/// What is wrong with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotDamageKind {
    /// The bytes are no header or block, or not the one that was written.
    Unreadable,
    /// What should stand here is missing.
    Missing,
    /// A whole block holds what is no entry.
    NoEntry(DecodeError),
    /// An entry holds what is no image.
    NoImage(ImageFault),
}

impl JournalFault {
    pub(crate) fn storage(tried: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let tried = tried.to_string();
        move |error| Self::Storage { tried, error }
    }
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage { tried, error } => write!(f, "{tried}: {error}"),
            Self::Version { file, found, read } => write!(
                f,
                "{file}: is of format version {found}; this is Doublecheck {}, which reads version \
                 {read}",
                env!("CARGO_PKG_VERSION")
            ),
            Self::Damage(damage) => damage.fmt(f),
            Self::Snapshot(damage) => damage.fmt(f),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            kind,
            lost_from,
            lost_to,
            readable_behind,
        } = self;
        write!(f, "{file}: byte {offset}: ")?;
        match kind {
            DamageKind::Unreadable => f.write_str("damaged")?,
            DamageKind::Missing => f.write_str("records are missing")?,
            DamageKind::NoRecord(error) => write!(f, "not a record ({error})")?,
            DamageKind::OnlySnapshot => {
                return write!(
                    f,
                    "damaged, and what this snapshot held is in no older one and not in the journal. \
                     {SET_ASIDE_FLAG} goes on without it"
                );
            }
        }
        match lost_to {
            Some(lost_to) if lost_to == lost_from => write!(f, "; record {lost_from} is lost")?,
            Some(lost_to) => write!(f, "; records {lost_from} to {lost_to} are lost")?,
            None => write!(f, "; records from {lost_from} on are lost")?,
        }
        write!(
            f,
            ". {SET_ASIDE_FLAG} goes on with what stands before, and sets aside what is damaged and the \
             {readable_behind} readable records behind it"
        )
    }
}

impl fmt::Display for SnapshotDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, kind } = self;
        write!(f, "{file}: byte {offset}: ")?;
        match kind {
            SnapshotDamageKind::Unreadable => f.write_str("damaged")?,
            SnapshotDamageKind::Missing => f.write_str("something is missing")?,
            SnapshotDamageKind::NoEntry(error) => write!(f, "not an entry ({error})")?,
            SnapshotDamageKind::NoImage(fault) => write!(f, "not an image ({fault})")?,
        }
        f.write_str("; nothing of this snapshot can be used")
    }
}

impl std::error::Error for JournalFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage { error, .. } => Some(error),
            Self::Version { .. } | Self::Damage(_) | Self::Snapshot(_) => None,
        }
    }
}
