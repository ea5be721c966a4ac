//! `import`: a state made of past payments, so that a first deployment is not blind.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::replay::{BadLines, RecordedFile, Replay, policy_source, progress_bar};
use super::{Ended, Failure, show};
use crate::clock::{Clock as _, Stopwatch, SystemClock};
use crate::config::policy_source::PolicySource;
use crate::journal::snapshot::is_unfinished;
use crate::scoring::policy::Policies;
use crate::scoring::time::Span;
use crate::storage::Directory;
use crate::storage::disk::Disk;

/// By how much the clock of whoever wrote the file may be ahead of this machine's. A service goes on from the
/// latest time that it remembers: one line from another year, and it would live in that year.
const CLOCKS_APART_MAX: Span = Span::from_minutes(5);

/// Build the state of a first deployment from past payments and outcomes
///
/// Reads a file as `replay` does (see there for its lines) and takes every payment in it for made, whatever
/// the policy says to it; one that was not made needs an outcome that says so: not_sent, cancelled or
/// declined. A line later than now is bad. What accounts, payees and devices then are is written to the
/// data directory, which must be new or empty, and `serve` goes on from there. A file with nothing in it is
/// refused. Expect the policy that `serve` will run with: what is remembered, and for how long, is in it.
///
/// Examples:
///   doublecheck import payments.jsonl.zst --data-dir /var/lib/doublecheck
///   doublecheck serve --data-dir /var/lib/doublecheck
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct ImportArguments {
    /// The file of past payments and outcomes, in time order; `-` is standard input
    file: PathBuf,
    /// The data directory to make
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "data",
        env = "DOUBLECHECK_DATA_DIR"
    )]
    data_dir: PathBuf,
    /// The policy that serve will run with: balanced, cautious or lenient, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "balanced", value_parser = policy_source)]
    policy: PolicySource,
    /// Report bad lines on standard error and go on, instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
}

/// Runs `import`.
///
/// # Errors
/// When the policy is faulty, the data directory is not empty or cannot be written to, the file cannot be
/// read or has nothing to import, or a line is bad; no state is left behind then.
pub fn run(arguments: &ImportArguments, out: &mut dyn Write) -> Ended {
    let policy = arguments.policy.read();
    let policy = policy.map_err(|faults| Failure::faulty(&faults))?;
    let progress = progress_bar();
    let bad_lines = BadLines::skipped_if(arguments.skip_bad);
    let mut file = RecordedFile::open(&arguments.file, bad_lines, &progress)?;
    if file.is_empty()? {
        return Err(nothing_in(&arguments.file));
    }
    let directory = empty_directory(arguments)?;
    let stopwatch = Stopwatch::start();
    let until = SystemClock::start().now().plus(CLOCKS_APART_MAX);
    let mut replay = Replay::importing(Policies::from(policy), until);
    replay.run(file, &mut |_, _| Ok(()))?;
    progress.finish_and_clear();
    let (summary, engine) = replay.finish(stopwatch.elapsed());
    if summary.is_of_nothing() {
        return Err(nothing_in(&arguments.file));
    }
    let snapshot = engine.write_first_snapshot(&directory).map_err(|fault| {
        Failure::at_work(format!("writing {}", arguments.data_dir.display()), &fault)
    })?;
    writeln!(out, "{summary}")?;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    show::table(
        out,
        &[
            row("data directory", arguments.data_dir.display().to_string()),
            row("snapshot", snapshot.file),
            row("holds", snapshot.counts.to_string()),
            row("bytes", snapshot.bytes.to_string()),
        ],
    )?;
    Ok(())
}

/// Most likely what should have written it has failed. A service would begin on that as if it were the past, and what
/// is there then cannot be imported any more.
fn nothing_in(file: &Path) -> Failure {
    let file = file.display();
    Failure::Work(format!("error: {file}: there is nothing to import in it"))
}

fn empty_directory(arguments: &ImportArguments) -> Result<Arc<dyn Directory>, Failure> {
    let path = arguments.data_dir.display();
    let in_error = |error| Failure::at_work(format!("opening the data directory {path}"), &error);
    let directory = Disk::open(&arguments.data_dir).map_err(in_error)?;
    let names = directory.names().map_err(in_error)?;
    // Of an import that was killed, and removed when the next snapshot is begun.
    match names.iter().find(|name| !is_unfinished(name)) {
        None => Ok(Arc::new(directory)),
        Some(name) => Err(Failure::Work(format!(
            "error: {path} is not empty: it has {name}; what is imported cannot be added to what is there"
        ))),
    }
}
