//! Files on a disk.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Directory, File};

/// The file whose lock says that somebody writes to the directory. The directory itself is locked as well: this can be
/// removed.
const LOCK: &str = "lock";

/// A directory on a disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    /// What says that this process writes to it; `None` where it only looks.
    held: Option<Mutex<Held>>,
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
        let held = Held::take(&path, false)?;
        Ok(Self {
            path,
            held: Some(Mutex::new(held)),
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
            held: None,
        })
    }

    /// Where a file is that is to be made, changed or removed: in a directory that nobody else writes to.
    fn own(&self, name: &str) -> io::Result<PathBuf> {
        self.check_is_held()?;
        Ok(self.path.join(name))
    }
}

/// That this process alone writes to a directory. Held as long as this lives; the system lets go of it however the
/// process ends.
#[derive(Debug)]
struct Held {
    /// As long as it is open no other gets its identity. `None` where directories cannot be opened.
    _directory: Option<fs::File>,
    directory_id: Identity,
    _lock: fs::File,
    lock_id: Identity,
}

impl Held {
    /// Takes the directory at `path`, one in which there is no file where it `must_be_empty`.
    fn take(path: &Path, must_be_empty: bool) -> io::Result<Self> {
        let directory = fs::File::open(path).ok();
        // Some file systems, NFS for one, lock files only.
        if let Some(directory) = &directory
            && matches!(directory.try_lock(), Err(fs::TryLockError::WouldBlock))
        {
            return Err(taken());
        }
        if must_be_empty && holds_files(path)? {
            let told = "it is not the directory that was opened, and there are files in it that another process may \
                        have written: only a restart goes on with those";
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, told));
        }
        let lock = locked(private().create(true).truncate(false), path)?;
        let directory_id = match &directory {
            Some(directory) => identity(&directory.metadata()?),
            None => identity(&fs::metadata(path)?),
        };
        Ok(Self {
            _directory: directory,
            directory_id,
            lock_id: identity(&lock.metadata()?),
            _lock: lock,
        })
    }

    /// Sees that what is held is what is there. What was removed is taken again.
    fn check(&mut self, path: &Path) -> io::Result<()> {
        if identity(&fs::metadata(path)?) != self.directory_id {
            *self = Self::take(path, true)?;
            return Ok(());
        }
        match fs::metadata(path.join(LOCK)) {
            Ok(found) if identity(&found) == self.lock_id => Ok(()),
            Ok(_) => {
                let told = "another process has opened it: its lock is not the one that this process holds";
                Err(io::Error::new(io::ErrorKind::WouldBlock, told))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let lock = locked(private().create_new(true), path)?;
                self.lock_id = identity(&lock.metadata()?);
                self._lock = lock;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens the lock in the directory at `path`, and takes it.
fn locked(options: &mut fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    let lock = options.write(true).open(path.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(taken()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "another process has it open")
}

/// What tells a file from one that took its place: device and inode. Nothing where there are none.
type Identity = Option<(u64, u64)>;

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    None
}

fn holds_files(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        if !entry?.file_type()?.is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
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
            .open(self.own(name)?)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn append(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        let file = options.append(true).open(self.own(name)?)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(self.path.join(name))?))
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path.join(name))?.len())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.own(from)?, self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.own(name)?)
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn check_is_held(&self) -> io::Result<()> {
        let held = self.held.as_ref();
        let checked = held.map_or(Ok(()), |held| held.lock().check(&self.path));
        checked.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        })
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

    /// What a second process would hear.
    fn is_refused(path: &Path) -> bool {
        Disk::open(path).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn a_lock_that_was_removed_is_taken_again_and_lets_nobody_else_in() {
        let Folder(path) = &Folder::new("unlocked");
        let disk = Disk::open(path).unwrap();
        fs::remove_file(path.join(LOCK)).unwrap();
        assert!(is_refused(path));
        assert!(!path.join(LOCK).exists(), "who is refused leaves nothing");
        disk.check_is_held().unwrap();
        let lock = fs::File::open(path.join(LOCK)).unwrap();
        assert!(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
        assert!(is_refused(path));
        drop(disk);
        Disk::open(path).unwrap();
    }

    #[test]
    fn a_lock_of_another_is_left_to_it_with_all_that_is_there() {
        let Folder(path) = &Folder::new("other-lock");
        let disk = Disk::open(path).unwrap();
        disk.create("own").unwrap();
        fs::remove_file(path.join(LOCK)).unwrap();
        // As an earlier version would, which knows of no other lock.
        let other = fs::File::create(path.join(LOCK)).unwrap();
        other.try_lock().unwrap();
        let told = disk.check_is_held().unwrap_err().to_string();
        assert!(told.contains("another process has opened it"), "{told}");
        drop(other);
        assert!(disk.create("new").is_err());
        assert!(disk.append("own").is_err());
        assert!(disk.rename("own", "new").is_err());
        assert!(disk.remove("own").is_err());
        assert_eq!(disk.names().unwrap(), ["own"]);
    }

    #[test]
    fn a_directory_that_was_made_anew_is_taken_again_where_it_is_empty() {
        let Folder(path) = &Folder::new("anew");
        let disk = Disk::open(path).unwrap();
        let remove = || fs::remove_dir_all(path).unwrap();
        remove();
        let gone = disk.check_is_held().unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        fs::create_dir(path).unwrap();
        disk.create("own").unwrap();
        assert!(is_refused(path));

        remove();
        let other = Disk::open(path).unwrap();
        let held = disk.check_is_held().unwrap_err();
        assert_eq!(held.kind(), io::ErrorKind::WouldBlock);
        other.create("other").unwrap();
        drop(other);
        let left = disk.create("own").unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::DirectoryNotEmpty);
        assert_eq!(Disk::open(path).unwrap().names().unwrap(), ["other"]);
    }
}
