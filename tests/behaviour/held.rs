//! A disk that can be held: whoever writes to it then waits until it is let go.

use std::io::{self, Read};
use std::sync::Arc;

use doublecheck::storage::simulated::Simulated;
use doublecheck::storage::{Directory, File};
use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Held {
    disk: Simulated,
    gate: Arc<Gate>,
}

/// Holds the disk until this is dropped.
pub(crate) struct Hold(Arc<Gate>);

impl Held {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            disk: Simulated::new(1),
            gate: Arc::default(),
        })
    }

    pub(crate) fn hold(&self) -> Hold {
        *self.gate.closed.lock() = true;
        Hold(Arc::clone(&self.gate))
    }

    fn held(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        let gate = Arc::clone(&self.gate);
        let file = file?;
        Ok(Arc::new(HeldFile { file, gate }))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.closed.lock() = false;
        self.0.opened.notify_all();
    }
}

#[derive(Debug)]
struct HeldFile {
    file: Arc<dyn File>,
    gate: Arc<Gate>,
}

impl File for HeldFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut closed = self.gate.closed.lock();
        self.gate.opened.wait_while(&mut closed, |closed| *closed);
        drop(closed);
        self.file.write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
}

impl Directory for Held {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.held(self.disk.create(name))
    }

    fn append(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.held(self.disk.append(name))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.disk.read(name)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        self.disk.length(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }
}
