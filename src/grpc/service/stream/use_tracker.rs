//! Whether a stream is of use or wasted work: items count for or against their client as calls do.
//!
//! The items of a chunk are judged together, as in a batch: one useful item is enough. A stream without any
//! counts as one more useless call.

use std::sync::Arc;

use tonic::Status;
use tonic::codegen::http::Extensions;

use crate::grpc::connections::Activity;
use crate::grpc::status::is_unread;

/// What has come of the stream so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// No item has come yet.
    Nothing,
    /// All items so far were refused for what they are.
    Useless,
    /// At least one item was of use.
    Useful,
}

/// What one stream contributes to its connection's debt.
#[derive(Debug)]
pub(super) struct UseTracker {
    activity: Arc<Activity>,
    come: Use,
    /// What the DATA was worth that was taken for items that have no answer yet.
    taken_ns: u64,
}

impl UseTracker {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let activity = extensions.get::<Arc<Activity>>();
        Self {
            activity: activity.cloned().unwrap_or_default(),
            come: Use::Nothing,
            taken_ns: 0,
        }
    }

    /// What the connection's calls have taken so far, to be given to [`take`](Self::take).
    pub(super) fn before(&self) -> u64 {
        self.activity.taken_ns()
    }

    /// What was taken since `before` was taken by this stream.
    pub(super) fn take(&mut self, before: u64) {
        self.taken_ns = self.activity.and_taken_since(before, self.taken_ns);
    }

    /// This many items were answered, of which this many were refused for what they are.
    pub(super) fn answered(&mut self, items: usize, useless: usize) {
        let taken_ns = std::mem::take(&mut self.taken_ns);
        if items > useless {
            self.activity.use_items((items - useless) as u64);
            self.comes_to(Use::Useful);
        } else if useless > 0 {
            self.activity.waste_items(useless as u64, taken_ns);
            self.comes_to(Use::Useless);
        }
    }

    /// The stream ends with this status, perhaps because a message could not be read.
    pub(super) fn broke_off(&mut self, status: &Status) {
        if is_unread(status.code(), !status.details().is_empty()) {
            self.activity
                .waste_items(1, std::mem::take(&mut self.taken_ns));
            self.comes_to(Use::Useless);
        }
    }

    fn comes_to(&mut self, come: Use) {
        match (self.come, come) {
            (Use::Useful, _) => {}
            (_, Use::Useful) => {
                self.activity.use_call();
                self.come = come;
            }
            (_, _) => self.come = come,
        }
    }
}

impl Drop for UseTracker {
    fn drop(&mut self) {
        if self.come == Use::Useless {
            self.activity.waste_call(0);
        }
    }
}
