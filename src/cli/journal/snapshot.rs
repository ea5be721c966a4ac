//! The snapshots beside a journal.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Ended, Failure, show};
use super::look_at;
use crate::journal::JournalFault;
use crate::journal::snapshot::{SnapshotFile, SnapshotSummary, snapshots, verify};

/// The snapshots that there are, newest first, and what came of reading each.
pub(super) type Found = Vec<(SnapshotFile, Result<SnapshotSummary, JournalFault>)>;

/// Reads all snapshots in `directory`.
pub(super) fn look(directory: &Path) -> Result<Found, Failure> {
    let disk = look_at(directory)?;
    let found = snapshots(&*disk);
    let found = found.map_err(|fault| Failure::at_work(directory.display(), &fault))?;
    let read = found.into_iter().map(|file| {
        let read = verify(&*disk, &file.name);
        (file, read)
    });
    Ok(read.collect())
}

/// A table of them, where there are any.
pub(super) fn write(found: &Found, out: &mut dyn Write) -> Ended {
    if found.is_empty() {
        return Ok(());
    }
    let head = [
        "SNAPSHOT",
        "FROM RECORD",
        "TO RECORD",
        "ACCOUNTS",
        "PAYEES",
        "DEVICES",
        "POLICIES",
        "BYTES",
        "STATE",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|(file, read)| row(file, read)));
    writeln!(out)?;
    show::table(out, &rows)?;
    Ok(())
}

fn row(file: &SnapshotFile, read: &Result<SnapshotSummary, JournalFault>) -> Vec<String> {
    let (numbers, state) = match read {
        Ok(read) => {
            let counts = read.counts;
            let numbers = [
                read.journal_to,
                counts.accounts,
                counts.payees,
                counts.devices,
                counts.policies,
                read.bytes,
            ];
            (numbers.map(|number| number.to_string()), "whole".to_owned())
        }
        Err(fault) => (<[String; 6]>::default(), fault.to_string()),
    };
    let mut row = vec![file.name.clone(), file.journal_from.to_string()];
    row.extend(numbers);
    row.push(state);
    row
}

pub(super) fn to_json(found: &Found) -> Value {
    let each = found.iter().map(|(file, read)| match read {
        Ok(read) => json!({
            "file": file.name,
            "journal_from": read.journal_from,
            "journal_to": read.journal_to,
            "accounts": read.counts.accounts,
            "payees": read.counts.payees,
            "devices": read.counts.devices,
            "policies": read.counts.policies,
            "bytes": read.bytes,
            "state": "whole",
        }),
        Err(fault) => json!({
            "file": file.name,
            "journal_from": file.journal_from,
            "state": "unreadable",
            "message": fault.to_string(),
        }),
    });
    each.collect()
}
