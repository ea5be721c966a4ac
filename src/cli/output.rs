//! Where results go: a file that is written whole or not at all, or whoever reads them as they come.
//!
//! A file is written beside the one of its name and takes its place when all of it is there: what fails
//! on the way, or is interrupted, leaves what was there before. Pipes, devices and standard output are
//! written as they are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::serve::StopSignals;
use super::{Ended, Failure, tell};

const BUFFER_BYTES: usize = 256 * 1024;

/// Whether `path` says standard output or, of what is read, standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Results on their way to a file, or to whoever reads them.
pub(super) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    /// Dropped last: a file is closed before it is moved or removed.
    unfinished: Option<Unfinished>,
}

impl Output {
    /// Opens `path`; `-` is standard output.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let in_error = |error| Failure::at_work(path.display(), &error);
        let mut unfinished = None;
        let target: Box<dyn Write> = if is_standard(path) {
            Box::new(io::stdout())
        } else if let Some(place) = place_of_file(path) {
            let (file, beside) = Unfinished::begin(place).map_err(in_error)?;
            unfinished = Some(beside);
            Box::new(file)
        } else {
            Box::new(File::create(path).map_err(in_error)?)
        };
        Ok(Self {
            writer: BufWriter::with_capacity(BUFFER_BYTES, target),
            unfinished,
        })
    }

    /// Puts what was written in its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(mut self) -> Ended {
        self.writer.flush()?;
        let Some(unfinished) = self.unfinished.take() else {
            return Ok(());
        };
        drop(self.writer);
        let path = unfinished.place.clone();
        let finished = unfinished.finish();
        finished.map_err(|error| Failure::at_work(path.display(), &error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A file that is being written beside the place that it is for; gone if it never gets there.
struct Unfinished {
    beside: PathBuf,
    place: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    fn begin(place: PathBuf) -> io::Result<(File, Self)> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.unfinished", process::id()));
        let beside = place.with_file_name(name);
        let file = create_unfinished(&beside)?;
        let unfinished = Self {
            beside,
            place,
            is_finished: false,
        };
        // Who may read what was there before may read what takes its place, and nobody else.
        if let Ok(before) = fs::metadata(&unfinished.place) {
            file.set_permissions(before.permissions())?;
        }
        Ok((file, unfinished))
    }

    fn finish(mut self) -> io::Result<()> {
        fs::rename(&self.beside, &self.place)?;
        self.is_finished = true;
        forget_unfinished(&self.beside);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left behind harms nobody.
            let _ = fs::remove_file(&self.beside);
            forget_unfinished(&self.beside);
        }
    }
}

/// Files that are not whole. A signal drops no value, so they are removed where the process is told to end.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole whatever became of who had it.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a file that is removed if SIGINT or SIGTERM comes before [`forget_unfinished`]; the process ends then.
fn create_unfinished(path: &Path) -> io::Result<File> {
    static LISTENING: Once = Once::new();
    // Where signals cannot be heard the file may be left behind, which harms nobody.
    LISTENING.call_once(|| drop(StopSignals::watch_on_a_thread(remove_unfinished)));
    let mut unfinished = unfinished();
    let file = File::create(path)?;
    unfinished.push(path.to_owned());
    Ok(file)
}

/// The file of this name is no longer to be removed.
fn forget_unfinished(path: &Path) {
    unfinished().retain(|other| other != path);
}

async fn remove_unfinished(mut signals: StopSignals) {
    signals.next().await;
    // Held to the end: nothing is begun any more.
    let unfinished = unfinished();
    for path in unfinished.iter() {
        let _ = fs::remove_file(path);
    }
    tell("error: interrupted: nothing was written");
    process::exit(1);
}

/// Where the file of this name stands or would stand, links followed; `None` where it is no file.
fn place_of_file(path: &Path) -> Option<PathBuf> {
    // They may lead to a file, but one that somebody else has open and goes on with.
    let of_process = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
    if is_standard(path) || of_process.iter().any(|name| path.starts_with(name)) {
        return None;
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path).ok(),
        Ok(_) => None,
        Err(_) => {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            let folder = fs::canonicalize(folder.unwrap_or_else(|| Path::new("."))).ok()?;
            Some(folder.join(path.file_name()?))
        }
    }
}

/// Refuses to write over what is read, and twice to the same place, and to read standard input twice. Each is told by
/// its name.
///
/// # Errors
/// When two are the same.
pub(super) fn keep_apart(
    outputs: &[(&str, Option<&Path>)],
    inputs: &[(&str, Option<&Path>)],
) -> Ended {
    for (nth, (name, output)) in outputs.iter().enumerate() {
        let Some(output) = output else {
            continue;
        };
        let earlier = || outputs.iter().take(nth);
        let same = if is_standard(output) {
            // What is read under this name is a file.
            earlier().find(|(_, other)| other.is_some_and(is_standard))
        } else {
            let place = place_of_file(output);
            let is_there = |other| place.is_some() && place_of_file(other) == place;
            let mut others = earlier().chain(inputs);
            others.find(|(_, other)| other.is_some_and(is_there))
        };
        if let Some((other_name, _)) = same {
            let told = format!(
                "error: {name} and {other_name} are the same, {}",
                output.display()
            );
            return Err(Failure::Usage(told));
        }
    }
    let mut standard = inputs
        .iter()
        .filter(|(_, input)| input.is_some_and(is_standard));
    if let (Some((name, _)), Some((other_name, _))) = (standard.next(), standard.next()) {
        let told = format!("error: {name} and {other_name} are the same, standard input");
        return Err(Failure::Usage(told));
    }
    Ok(())
}
