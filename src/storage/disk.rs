//! Files on a disk.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Directory, File};

/// The file whose lock says that somebody writes to the directory.
const LOCK: &str = "lock";

/// A directory on a disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    /// Held as long as this lives; the system lets go of it however the process ends.
    _lock: Option<fs::File>,
}

impl Disk {
    /// Opens the directory at `path` to write to it, making it where there is none: for this user alone, as all
    /// files in it. One that is there stays as open as it is.
    ///
    /// # Errors
    /// When it cannot be made or written to; [`io::ErrorKind::WouldBlock`] when another process has it open.
    pub fn open(path: &Path) -> io::Result<Self> {
        make(path)?;
        let lock = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::WouldBlock, "another process has it open")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: Some(lock),
        })
    }

    /// Looks at the directory at `path` without writing to it, whoever else has it open.
    ///
    /// # Errors
    /// When there is no directory.
    pub fn look_at(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: None,
        })
    }
}

impl Directory for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = private()
            .append(true)
            .create_new(true)
            .open(self.path.join(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn append(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        let file = options.append(true).open(self.path.join(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(self.path.join(name))?))
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path.join(name))?.len())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

/// Makes a directory, and those around it, that only this user can look into.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// How files are made that only this user can read: they tell who paid whom, and one is the key that tokens are
/// signed with.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        // The length is synced with the data: without it the data could not be read.
        self.0.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}
