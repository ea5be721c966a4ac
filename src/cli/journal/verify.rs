//! `journal verify`: whether anything would be lost on the next start.

use std::io::Write;
use std::path::Path;

use super::super::{Ended, Failure, show};
use super::{open, told};
use crate::journal::Tail;

pub(super) fn run(directory: &Path, out: &mut dyn Write) -> Ended {
    let mut reader = open(directory)?;
    let mut records: u64 = 0;
    for event in reader.by_ref() {
        event.map_err(|fault| Failure::at_work(directory.display(), &fault))?;
        records += 1;
    }
    let tail = reader.ending().map_or(Tail::Open, |ending| ending.tail);
    if matches!(tail, Tail::Torn { .. } | Tail::SetAside(_)) {
        let told = told(&tail);
        return Err(Failure::Work(format!(
            "error: {}: {told}",
            directory.display()
        )));
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    writeln!(out, "ok")?;
    show::table(
        out,
        &[
            row("records", records.to_string()),
            row("segments", reader.segments().len().to_string()),
            row("tail", told(&tail)),
        ],
    )?;
    Ok(())
}
