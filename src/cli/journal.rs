//! `journal`: what a journal holds, whether it is whole, and its events as a replay file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Ended, Failure};
use crate::journal::snapshot::is_snapshot;
use crate::journal::{Reader, Tail, is_kept_in};
use crate::scoring::time::Timestamp;
use crate::storage::Directory as _;
use crate::storage::disk::Disk;

mod covered;
mod export;
mod inspect;
mod snapshot;
mod verify;

/// Look into a journal: what it holds, whether it is whole, and what was asked and answered
///
/// A journal holds everything that changed the state of a service, in order, and beside it snapshots of
/// that state. These commands only read; of one that is being written they see what has been written so
/// far, and its end may look torn.
///
/// Examples:
///   doublecheck journal inspect data
///   doublecheck journal verify data
///   doublecheck journal export data --out payments.jsonl
///   doublecheck journal export data --out - | doublecheck replay /dev/stdin --out decisions.jsonl
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct JournalArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell what is in there: segments, records, times, events by kind, how it ends, and snapshots
    Inspect {
        /// The journal's directory
        directory: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Read every record and every snapshot and tell whether all of it is whole, and if not, whether anything
    /// would be lost on the next start; changes nothing
    Verify {
        /// The journal's directory
        directory: PathBuf,
    },
    /// Write payments and outcomes as a file that `doublecheck replay` reads, in order of time
    ///
    /// A payment that answered a question of Doublecheck's names it (`confirms`), and one that came with a
    /// duplicate window of its own has that (`duplicate_window_ms`): under the same policy, the replay
    /// decides as the service did, if the journal goes back to the first record. A service keeps it from the
    /// older of its two snapshots on only; where it begins later, or what was imported came before it, that
    /// is said on standard error, and the replay knows nothing of what came before. What the memory budget
    /// forgot is not in it either.
    #[command(verbatim_doc_comment)]
    Export {
        /// The journal's directory
        directory: PathBuf,
        /// Where the events go, one JSON line each; `-` is standard output. A file takes its place when all
        /// of it is there
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs `journal`.
///
/// # Errors
/// When the journal cannot be read, or is damaged.
pub fn run(arguments: &JournalArguments, out: &mut dyn Write) -> Ended {
    match &arguments.command {
        Command::Inspect { directory, json } => inspect::run(directory, *json, out),
        Command::Verify { directory } => verify::run(directory, out),
        Command::Export {
            directory,
            out: file,
        } => export::run(directory, file),
    }
}

/// How often to look again where files were removed meanwhile.
const LOOKS_MAX: usize = 10;

/// The result of a `look` at a journal that may be in use. The service removes files that newer snapshots replace, so
/// one that was listed may be gone before it is opened, which is no damage. Looks again if the result is not whole
/// and files were removed meanwhile, or snapshots came, of which some may have gone too.
fn look_until_whole<T>(
    directory: &Path,
    look: impl Fn() -> Result<T, Failure>,
    is_whole: impl Fn(&Result<T, Failure>) -> bool,
) -> Result<T, Failure> {
    for _ in 0..LOOKS_MAX {
        let before = kept_names(directory)?;
        let found = look();
        if is_whole(&found) {
            return found;
        }
        let after = kept_names(directory)?;
        let has_come = |name: &String| is_snapshot(name) && !before.contains(name);
        if before.iter().all(|name| after.contains(name)) && !after.iter().any(has_come) {
            return found;
        }
    }
    Err(Failure::Work(format!(
        "error: {}: files are removed again and again while they are read: nothing is known of it; try again, or of \
         a copy",
        directory.display()
    )))
}

fn kept_names(directory: &Path) -> Result<Vec<String>, Failure> {
    let names = look_at(directory)?.names();
    names.map_err(|error| Failure::at_work(directory.display(), &error))
}

fn open(directory: &Path) -> Result<Reader, Failure> {
    let disk = look_at(directory)?;
    Reader::whole(disk).map_err(|fault| Failure::at_work(directory.display(), &fault))
}

fn look_at(directory: &Path) -> Result<Arc<Disk>, Failure> {
    let disk = Disk::look_at(directory);
    let disk = disk.map_err(|error| Failure::at_work(directory.display(), &error))?;
    // Nothing is wrong with nothing: a path that is mistyped must not look like a journal that is whole.
    match is_kept_in(&disk) {
        Ok(true) => Ok(Arc::new(disk)),
        Ok(false) => Err(Failure::Work(format!(
            "error: {}: holds neither a journal nor a snapshot",
            directory.display()
        ))),
        Err(fault) => Err(Failure::at_work(directory.display(), &fault)),
    }
}

/// How a journal ends, in words.
fn told(tail: &Tail) -> String {
    match tail {
        Tail::Closed => "closed".to_owned(),
        Tail::Open => "open: not closed, and nothing in it is torn".to_owned(),
        Tail::Torn {
            file,
            offset,
            bytes,
            readable_behind,
        } => format!(
            "{file}: byte {offset}: a torn tail of {bytes} bytes, never synced, with {readable_behind} \
             readable records in it; the next start cuts it off{}",
            if *readable_behind > 0 {
                ", and keeps a copy"
            } else {
                ""
            }
        ),
        Tail::SetAside(damage) => damage.to_string(),
    }
}

/// A moment in RFC 3339; those that no calendar has in milliseconds.
fn time(time: Timestamp) -> String {
    let known = jiff::Timestamp::from_millisecond(time.unix_ms());
    known.map_or_else(
        |_| format!("{}ms", time.unix_ms()),
        |known| known.to_string(),
    )
}
