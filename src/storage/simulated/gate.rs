//! Where operations wait while the disk hangs.

use parking_lot::{Condvar, Mutex};

use super::Operation;

/// Closed to one kind of operation, or to none.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed_to: Mutex<Option<Operation>>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn close(&self, operation: Option<Operation>) {
        *self.closed_to.lock() = operation;
        self.changed.notify_all();
    }

    /// Waits until operations of this kind may pass.
    pub(super) fn pass(&self, operation: Operation) {
        let mut closed_to = self.closed_to.lock();
        while *closed_to == Some(operation) {
            self.changed.wait(&mut closed_to);
        }
    }
}
