//! What a stream comes to, on its client's bill: items are held against it as calls are.
//!
//! What is scored together is of use or not together, as in a batch: one item that is of use is enough. A stream
//! of which nothing was is a call that came to nothing.

use std::sync::Arc;

use tonic::{Request, Status};

use crate::grpc::connections::Activity;
use crate::grpc::status::is_unread;

/// What has come of it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Come {
    /// It has said nothing yet.
    Nothing,
    /// All that it said was refused for what it was.
    InVain,
    /// Something.
    OfUse,
}

/// A stream's part of its connection's bill.
#[derive(Debug)]
pub(super) struct Bill {
    activity: Arc<Activity>,
    come: Come,
    /// What DATA was worth that was taken for items that have no answer yet.
    taken_ns: u64,
}

impl Bill {
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        let activity = request.extensions().get::<Arc<Activity>>();
        Self {
            activity: activity.cloned().unwrap_or_default(),
            come: Come::Nothing,
            taken_ns: 0,
        }
    }

    /// What its connection has taken so far.
    pub(super) fn before(&self) -> u64 {
        self.activity.taken_ns()
    }

    /// What was taken since `before` was for it.
    pub(super) fn take(&mut self, before: u64) {
        self.taken_ns = self.activity.and_taken_since(before, self.taken_ns);
    }

    /// So many items were answered, so many of them refused for what they were.
    pub(super) fn answered(&mut self, items: usize, in_vain: usize) {
        let taken_ns = std::mem::take(&mut self.taken_ns);
        if items > in_vain {
            self.activity.use_items((items - in_vain) as u64);
            self.comes_to(Come::OfUse);
        } else if in_vain > 0 {
            self.activity.waste_items(in_vain as u64, taken_ns);
            self.comes_to(Come::InVain);
        }
    }

    /// It ends with this, perhaps for a message that is none.
    pub(super) fn broke_off(&mut self, status: &Status) {
        if is_unread(status.code(), !status.details().is_empty()) {
            self.activity
                .waste_items(1, std::mem::take(&mut self.taken_ns));
            self.comes_to(Come::InVain);
        }
    }

    fn comes_to(&mut self, come: Come) {
        match (self.come, come) {
            (Come::OfUse, _) => {}
            (_, Come::OfUse) => {
                self.activity.use_call();
                self.come = come;
            }
            (_, _) => self.come = come,
        }
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if self.come == Come::InVain {
            self.activity.waste_call(0);
        }
    }
}
