//! Calls that end before the service hears of them: messages that are none or too large, and methods that
//! it does not have. They are counted too.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::Status;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use super::door::Door;
use crate::telemetry::{CallCounters, Method};

/// A service, and what it rejects counted.
#[derive(Debug, Clone)]
pub(super) struct CountRejected<S> {
    pub(super) service: S,
    pub(super) door: Door,
}

/// A call to it.
#[derive(Debug)]
pub(super) struct Counting<F> {
    answering: F,
    door: Door,
    method: Method,
}

impl<S: NamedService> NamedService for CountRejected<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<http::Request<B>> for CountRejected<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Counting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Counting {
            door: self.door.clone(),
            method: Method::at(request.uri().path()),
            answering: self.service.call(request),
        }
    }
}

impl<F, R, E> Future for Counting<F>
where
    F: Future<Output = Result<http::Response<R>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answering).poll(cx));
        if let Ok(response) = &answer
            && let Some(code) = rejection(response.headers())
        {
            let counters: &CallCounters = self.door.as_ref();
            counters.add_rejected(self.method, code);
        }
        Poll::Ready(answer)
    }
}

/// The status of a call that ended at once and without details: what the service itself refuses, and
/// counts, always has some.
fn rejection(headers: &http::HeaderMap) -> Option<i32> {
    let status = headers.get(Status::GRPC_STATUS)?;
    let is_ours = headers.contains_key(Status::GRPC_STATUS_DETAILS);
    let code = || status.to_str().ok()?.parse().ok();
    if is_ours { None } else { code() }
}
