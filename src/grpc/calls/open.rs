//! Calls that are open, counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;

/// A call that is open until this is dropped.
#[derive(Debug)]
pub(in crate::grpc) struct OpenCall {
    pub(in crate::grpc) shared: Arc<Shared>,
    is_tool: bool,
}

impl OpenCall {
    pub(super) fn begin(shared: &Arc<Shared>, is_tool: bool) -> Self {
        shared.pulse.begin_call();
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
        self.shared.pulse.end_call();
        let is_tool = self.is_tool.into();
        self.shared.tools_open.fetch_sub(is_tool, Ordering::Relaxed);
    }
}
