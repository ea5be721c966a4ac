//! Where calls run: each on a task of its own, but for those that are refused on arrival.

use std::sync::Arc;
use std::task::{Context, Waker};

use hyper::rt::Executor;

use crate::grpc::admission::Admission;

/// Runs the calls of a worker.
#[derive(Debug, Clone)]
pub(super) struct Prompt(pub(super) Arc<Admission>);

impl<F> Executor<F> for Prompt
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        if !self.0.has_refused() {
            tokio::spawn(call);
            return;
        }
        // A task of its own would stand in the very queue that it was refused for.
        let mut call = Box::pin(call);
        let mut now = Context::from_waker(Waker::noop());
        if call.as_mut().poll(&mut now).is_pending() {
            tokio::spawn(call);
        }
    }
}
