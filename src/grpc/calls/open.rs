//! Open calls, and the memory that they hold, counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::telemetry::CallRefused;

/// Counts a call as open until this is dropped.
#[derive(Debug)]
pub(in crate::grpc) struct OpenCall {
    pub(in crate::grpc) shared: Arc<Shared>,
    is_tool: bool,
}

impl OpenCall {
    pub(super) fn begin(shared: &Arc<Shared>, is_tool: bool) -> Self {
        shared.activity.begin_call();
        shared
            .tools_open
            .fetch_add(is_tool.into(), Ordering::Relaxed);
        Self {
            shared: Arc::clone(shared),
            is_tool,
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.shared.activity.end_call();
        let is_tool = self.is_tool.into();
        self.shared.tools_open.fetch_sub(is_tool, Ordering::Relaxed);
    }
}

impl Shared {
    /// Counts bytes of unfinished messages, in or out, as held. Returns whether there is room; that there is
    /// none is counted.
    pub(in crate::grpc) fn hold(&self, bytes: usize) -> bool {
        let has_room = self.admission.hold(bytes);
        if !has_room {
            self.server_state
                .edge()
                .calls_refused(CallRefused::Messages, 1);
        }
        has_room
    }
}
