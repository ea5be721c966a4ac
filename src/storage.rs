//! Files, through one small trait: what is kept across a restart is written and read through it, by
//! nothing else.
//!
//! [`disk`] is the real one. [`simulated`] keeps its files in memory and fails as disks do, by seed: what
//! holds on it is shown by tests, thousands of power cuts in seconds.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

pub mod disk;
pub mod simulated;

/// A directory that one process at a time writes to.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The names of its files, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file. It is there after a power cut only once [`sync`](Self::sync) was called.
    ///
    /// # Errors
    /// When there is a file of this name, or none can be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file to write on at its end.
    ///
    /// # Errors
    /// When there is no file of this name, or it cannot be written to.
    fn append(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file to read it from its beginning.
    ///
    /// # Errors
    /// When there is no file of this name, or it cannot be read.
    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// When there is no file of this name.
    fn length(&self, name: &str) -> io::Result<u64>;

    /// Gives a file another name, in place of what had that name before.
    ///
    /// # Errors
    /// When there is no file of this name, or the directory cannot be written to.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no file of this name, or the directory cannot be written to.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until every name that was made, changed or removed is so on the disk.
    ///
    /// # Errors
    /// When the disk failed. What it then holds is unknown, and another call does not tell.
    fn sync(&self) -> io::Result<()>;

    /// That this process is still the one that writes to it. What says so is taken again where it was removed, and
    /// where the directory was made anew with nothing in it. Where this fails, nothing is made, changed or removed in
    /// it either.
    ///
    /// # Errors
    /// When the directory is gone, or another process has opened it.
    fn check_is_held(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is written at its end. May be synced by one thread while another writes.
pub trait File: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at the end. After an error some of them may be there.
    ///
    /// # Errors
    /// When the disk is full or failed.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until everything that was written is on the disk.
    ///
    /// # Errors
    /// When the disk failed. What was not on it before may never be: the system forgets what it could not
    /// write, and the next call succeeds without it. Whoever sees an error begins another file.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off after so many bytes.
    ///
    /// # Errors
    /// When the disk failed.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// Reads a whole file, unless it has more than `bytes_max` bytes.
///
/// # Errors
/// When the file cannot be read, or is larger.
pub fn read_whole(directory: &dyn Directory, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(directory.length(name)?).unwrap_or(usize::MAX);
    if length > bytes_max {
        let told = format!("has {length} bytes, more than the {bytes_max} that are read at once");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    }
    let mut bytes = Vec::with_capacity(length);
    directory
        .read(name)?
        .take(bytes_max as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
