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
        // The directory, not the way to it: a link on it may lead elsewhere while this is open.
        let path = fs::canonicalize(path)?;
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
            path,
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
            if is_file(&entry)?
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

/// Whether it is a file, or a link to one. A link that leads nowhere is an error: what it led to is missed.
fn is_file(entry: &fs::DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    if !kind.is_symlink() {
        return Ok(kind.is_file());
    }
    let behind = fs::metadata(entry.path());
    behind.map(|behind| behind.is_file()).map_err(|error| {
        let link = entry.path();
        io::Error::new(error.kind(), format!("{}: {error}", link.display()))
    })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that is gone with this.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("doublecheck-disk-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_stays_the_same_where_the_link_to_it_is_switched() {
        let Folder(path) = &Folder::new("switched");
        let current = path.join("current");
        for version in ["v1", "v2"] {
            fs::create_dir_all(path.join(version)).unwrap();
        }
        symlink("v1", &current).unwrap();
        let old = Disk::open(&current.join("data")).unwrap();
        fs::remove_file(&current).unwrap();
        symlink("v2", &current).unwrap();
        let new = Disk::open(&current.join("data")).unwrap();
        old.create("old").unwrap();
        old.sync().unwrap();
        assert_eq!(old.names().unwrap(), ["old"]);
        assert!(new.names().unwrap().is_empty());
        assert!(path.join("v1/data/old").exists());
    }

    #[test]
    fn a_link_stands_for_its_file_and_one_that_leads_nowhere_is_told() {
        let Folder(path) = &Folder::new("links");
        let data = path.join("data");
        let disk = Disk::open(&data).unwrap();
        fs::create_dir(data.join("folder")).unwrap();
        fs::write(path.join("elsewhere"), "bytes").unwrap();
        symlink("../elsewhere", data.join("linked")).unwrap();
        symlink("folder", data.join("linked-folder")).unwrap();
        disk.create("own").unwrap();
        assert_eq!(disk.names().unwrap(), ["linked", "own"]);
        fs::remove_file(path.join("elsewhere")).unwrap();
        let told = disk.names().unwrap_err().to_string();
        assert!(told.contains("data/linked: "), "{told}");
    }
}
