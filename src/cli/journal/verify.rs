//! `journal verify`: whether anything would be lost on the next start.

use std::io::Write;
use std::path::Path;

use super::super::{Ended, Failure, show};
use super::covered::Covered;
use super::{look_at, look_until_whole, open, snapshot, told};
use crate::journal::snapshot::SnapshotSummary;
use crate::journal::{JournalFault, Reader, Tail};
use crate::token::{KEY_FILE, TokenKey};

pub(super) fn run(directory: &Path, out: &mut dyn Write) -> Ended {
    let rows = look_until_whole(directory, || look(directory), Result::is_ok)?;
    writeln!(out, "ok")?;
    show::table(out, &rows)?;
    Ok(())
}

/// What is told of a journal that is whole; otherwise the failure says what is wrong.
fn look(directory: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let snapshots = whole_snapshots(directory)?;
    let mut reader = open(directory)?;
    let mut records: u64 = 0;
    for event in reader.by_ref() {
        event.map_err(|fault| damaged(fault, snapshots.first(), directory))?;
        records += 1;
    }
    let ending = reader.ending();
    let newest = ending.as_ref().zip(snapshots.first());
    if let Some(missing) = newest.and_then(|(ending, newest)| ending.missing_before(newest)) {
        let fault = JournalFault::Damage(missing);
        return Err(Failure::at_work(directory.display(), &fault));
    }
    let tail = ending.map_or(Tail::Open, |ending| ending.tail);
    if matches!(tail, Tail::Torn { .. } | Tail::SetAside(_)) {
        let told = told(&tail);
        return Err(Failure::Work(format!(
            "error: {}: {told}",
            directory.display()
        )));
    }
    // Without a key a start makes one; with one that is damaged there is no start.
    let key = look_at(directory).map(|disk| TokenKey::found_in(&*disk))?;
    key.map_err(|error| {
        Failure::at_work(directory.display(), &JournalFault::storage(KEY_FILE)(error))
    })?;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("records", records.to_string()),
        row("segments", reader.segments().len().to_string()),
        row("tail", told(&tail)),
    ];
    let holds = |snapshot: &SnapshotSummary| {
        let SnapshotSummary { file, counts, .. } = snapshot;
        row("snapshot", format!("{file}: {counts}"))
    };
    rows.extend(snapshots.iter().map(holds));
    Ok(rows)
}

/// What is wrong with a journal that cannot be read from its beginning: a start reads it from the newest snapshot
/// on.
fn damaged(fault: JournalFault, newest: Option<&SnapshotSummary>, directory: &Path) -> Failure {
    let (damage, newest) = match (fault, newest) {
        (JournalFault::Damage(damage), Some(newest)) => (damage, newest),
        (fault, _) => return Failure::at_work(directory.display(), &fault),
    };
    let covered = match Covered::by(newest, damage, directory) {
        Ok(covered) => covered,
        Err(failure) => return failure,
    };
    let torn = match &covered.ending.tail {
        Tail::Closed | Tail::Open => String::new(),
        tail @ (Tail::Torn { .. } | Tail::SetAside(_)) => format!("; {}", told(tail)),
    };
    let directory = directory.display();
    Failure::Work(format!("error: {directory}: {covered}{torn}"))
}

/// The snapshots, all of them whole, and the journal there that the newest has to be gone on with.
fn whole_snapshots(directory: &Path) -> Result<Vec<SnapshotSummary>, Failure> {
    let in_error = |fault| Failure::at_work(directory.display(), &fault);
    let found = snapshot::look(directory)?.into_iter();
    let whole = found.map(|(_, read)| read.map_err(in_error));
    let whole: Vec<_> = whole.collect::<Result<_, _>>()?;
    if let Some(newest) = whole.first() {
        Reader::from(look_at(directory)?, newest.journal_from).map_err(in_error)?;
    }
    Ok(whole)
}
