//! Which files of a directory are those of a journal.

use std::collections::VecDeque;

use super::super::fault::JournalFault;
use super::super::frame::first_of_segment;
use super::super::snapshot::snapshots;
use crate::storage::Directory;

/// Whether a journal is kept in `directory`, or a snapshot that one may begin from.
///
/// # Errors
/// When the directory cannot be read.
pub fn is_kept_in(directory: &dyn Directory) -> Result<bool, JournalFault> {
    Ok(has_segments(directory)? || !snapshots(directory)?.is_empty())
}

/// Whether anything was journalled in `directory`.
///
/// # Errors
/// When the directory cannot be read.
pub fn has_segments(directory: &dyn Directory) -> Result<bool, JournalFault> {
    Ok(!segments_of(directory)?.is_empty())
}

pub(in crate::journal) fn segments_of(
    directory: &dyn Directory,
) -> Result<VecDeque<String>, JournalFault> {
    let names = directory
        .names()
        .map_err(JournalFault::storage("reading the journal's directory"))?;
    let segments = names.into_iter();
    Ok(segments
        .filter(|name| first_of_segment(name).is_some())
        .collect())
}
