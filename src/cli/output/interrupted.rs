//! Files that are not whole, removed where the process is told to end: nobody else would, for a signal drops no
//! value.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::{process, thread};

use tokio::runtime::Builder;

use crate::cli::serve::StopSignals;
use crate::cli::tell;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole whatever became of who had it.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a file that is removed if SIGINT or SIGTERM comes before [`forget`]; the process ends then.
pub(super) fn create(path: &Path) -> io::Result<File> {
    static LISTENING: Once = Once::new();
    // Where signals cannot be heard the file may be left behind, which harms nobody.
    LISTENING.call_once(|| drop(listen()));
    let mut unfinished = unfinished();
    let file = File::create(path)?;
    unfinished.push(path.to_owned());
    Ok(file)
}

/// The file of this name is no longer to be removed.
pub(super) fn forget(path: &Path) {
    unfinished().retain(|other| other != path);
}

fn listen() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listening = {
        let _inside = runtime.enter();
        StopSignals::listen()
    };
    let mut signals = listening?;
    let watch = move || {
        runtime.block_on(signals.next());
        // Held to the end: nothing is begun any more.
        let unfinished = unfinished();
        for path in unfinished.iter() {
            let _ = fs::remove_file(path);
        }
        tell("error: interrupted: nothing was written");
        process::exit(1);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)?;
    Ok(())
}
