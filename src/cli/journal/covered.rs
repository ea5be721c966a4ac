//! Damage that no start comes upon: the newest snapshot stands for all that was there.

use std::fmt;
use std::path::Path;

use super::super::Failure;
use super::look_at;
use crate::journal::snapshot::SnapshotSummary;
use crate::journal::{Damage, Ending, JournalFault, Reader};

/// Damage before what the newest snapshot needs.
#[derive(Debug)]
pub(super) struct Covered {
    damage: Damage,
    /// The snapshot that holds what stood there.
    pub(super) snapshot: String,
    /// How the journal ends behind it.
    pub(super) ending: Ending,
}

impl Covered {
    /// Reads the journal as a start from the snapshot `newest` does, which may pass over `damage`.
    ///
    /// # Errors
    /// What such a start would stop at.
    pub(super) fn by(
        newest: &SnapshotSummary,
        damage: Damage,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let in_error = |fault: JournalFault| Failure::at_work(directory.display(), &fault);
        let reader = Reader::from(look_at(directory)?, newest.journal_from);
        let mut reader = reader.map_err(in_error)?;
        for event in reader.by_ref() {
            event.map_err(in_error)?;
        }
        let ending = reader.ending();
        let ending = ending.ok_or_else(|| in_error(JournalFault::Damage(damage.clone())))?;
        if let Some(missing) = ending.missing_before(newest) {
            return Err(in_error(JournalFault::Damage(missing)));
        }
        Ok(Self {
            damage,
            snapshot: newest.file.clone(),
            ending,
        })
    }
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            damage, snapshot, ..
        } = self;
        let Damage { file, offset, .. } = damage;
        write!(
            f,
            "{file}: byte {offset}: damaged, but nothing is lost: {snapshot} holds what stood there, and a start \
             goes on behind it"
        )
    }
}
