//! A place for what is kept for as long as the load goes on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// A folder in the system's place for temporary files, removed with this value. Whoever needs it makes it.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn folder() -> Result<Self, Failure> {
        let number =
            getrandom::u64().map_err(|error| Failure::at_work("making up a name", &error))?;
        let name = format!("doublecheck-load-{number:016x}");
        Ok(Self(std::env::temp_dir().join(name)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Mostly nobody has made it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
