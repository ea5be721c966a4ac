//! A disk that stalls when a test says so: whoever writes to it waits until it goes on.

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

/// The disk: a simulated one behind a gate.
#[derive(Debug)]
pub(crate) struct StallingDisk {
    disk: Simulated,
    gate: Arc<Gate>,
}

/// The disk is stalled until this is dropped.
pub(crate) struct Stall(Arc<Gate>);

impl StallingDisk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            disk: Simulated::new(1),
            gate: Arc::default(),
        })
    }

    pub(crate) fn stall(&self) -> Stall {
        *self.gate.closed.lock() = true;
        Stall(Arc::clone(&self.gate))
    }

    fn behind_the_gate(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        let gate = Arc::clone(&self.gate);
        let file = file?;
        Ok(Arc::new(StallingFile { file, gate }))
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        *self.0.closed.lock() = false;
        self.0.opened.notify_all();
    }
}

#[derive(Debug)]
struct StallingFile {
    file: Arc<dyn File>,
    gate: Arc<Gate>,
}

impl File for StallingFile {
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

impl Directory for StallingDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.behind_the_gate(self.disk.create(name))
    }

    fn append(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.behind_the_gate(self.disk.append(name))
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
