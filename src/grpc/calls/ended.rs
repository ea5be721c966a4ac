//! How calls end (answered, refused or given up by the client), how that is counted, and what it adds to the
//! client's debt.

use std::mem;

use hyper::Response;
use hyper::header::HeaderValue;
use tonic::body::Body;
use tonic::{Code, Status};

use super::exchange::Answer;
use super::{OpenCall, PendingCall, Stage};
use crate::grpc::service::batch::UselessItems;
use crate::grpc::status::{Fault, is_unread};
use crate::telemetry::{Call, Method};

/// The status with which tonic ends a call whose message is too long, which nothing of ours uses; everywhere
/// else in gRPC it is RESOURCE_EXHAUSTED, as clients expect.
const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");

impl PendingCall {
    /// The call came to something.
    pub(in crate::grpc) fn succeed(&self) {
        self.settle(false);
    }

    /// The answer to a call that is refused before its method was called.
    pub(in crate::grpc) fn refuse(&mut self, fault: Fault) -> Response<Answer> {
        // That metric counts calls to our service only, not health and reflection.
        if let (Some(OpenCall { shared, .. }), Fault::Busy(why)) = (&self.open, &fault)
            && self.method.is_some()
        {
            shared.server_state.edge().calls_refused(*why, 1);
        }
        self.settle(fault.is_the_calls());
        let (code, answer) = fault.into_answer();
        self.count_unseen(code);
        self.with_open(answer)
    }

    /// The client has given the call up. It is counted here, unless its method was called, which then counts
    /// it.
    pub(in crate::grpc) fn give_up(&mut self) {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return;
        };
        let before = shared.activity.broken_off();
        let is_seen = match mem::replace(&mut self.stage, Stage::Queued(None)) {
            // A method is called once its message is whole.
            Stage::Admitted(serving) => {
                drop(serving);
                shared.activity.broken_off() == before
            }
            Stage::Queued(_) | Stage::Refused(_) => false,
        };
        if !is_seen {
            self.count_unseen(Code::Cancelled);
        }
    }

    /// The service has answered.
    pub(in crate::grpc) fn answered(&mut self, mut response: Response<Body>) -> Response<Answer> {
        if !self.goes_on(&response) {
            self.settle(is_the_calls(&response));
            self.settle_items(&response);
        }
        let headers = response.headers_mut();
        // Our service adds details to its errors, and counts them; tonic does neither.
        let is_seen = headers.contains_key(Status::GRPC_STATUS_DETAILS);
        if let Some(code) = headers.get_mut(Status::GRPC_STATUS)
            && !is_seen
        {
            if *code == OUT_OF_RANGE {
                *code = RESOURCE_EXHAUSTED;
            }
            let code = Code::from_bytes(code.as_bytes());
            self.count_unseen(code);
        }
        self.with_open(response)
    }

    /// Whether it is a stream that has only begun: whether it is of use shows later, and the stream accounts
    /// for it.
    fn goes_on(&self, response: &Response<Body>) -> bool {
        self.method == Some(Method::StreamPayments)
            && response.status().is_success()
            && !response.headers().contains_key(Status::GRPC_STATUS)
    }

    /// Adds a useless call to the client's debt, or takes a useful one off. Calls to health count as useless:
    /// anybody may make them, so they must neither reduce a debt nor be free.
    fn settle(&self, is_the_calls: bool) {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return;
        };
        match is_the_calls || self.method.is_none() {
            true => shared.activity.waste_call(self.taken_ns),
            false => shared.activity.use_call(),
        }
    }

    /// Adds the useless items of a batch.
    fn settle_items(&self, response: &Response<Body>) {
        let useless = response.extensions().get();
        if let (Some(UselessItems(items)), Some(OpenCall { shared, .. })) = (useless, &self.open) {
            shared.activity.waste_items(*items as u64, 0);
        }
    }

    /// Counts the end of a call whose method was not called and so has not counted it.
    fn count_unseen(&self, code: Code) {
        if let (Some(method), Some(OpenCall { shared, .. })) = (self.method, &self.open) {
            Call::begun(&shared.server_state, method, self.since).fail(code.into());
        }
    }

    fn with_open(&mut self, response: Response<Body>) -> Response<Answer> {
        let (open, deadline) = (self.open.take(), self.deadline.take());
        response.map(|body| Answer::new(body, open, deadline))
    }
}

/// Whether a call was refused for what it is: see [`Fault::is_the_calls`]. tonic, which refuses messages that
/// cannot be read, adds no details.
fn is_the_calls(response: &Response<Body>) -> bool {
    let headers = response.headers();
    match headers.get(Status::GRPC_STATUS) {
        None => {
            let is_useless = response.extensions().get::<UselessItems>().is_some();
            is_useless || !response.status().is_success()
        }
        Some(code) => {
            let code = Code::from_bytes(code.as_bytes());
            let has_details = headers.contains_key(Status::GRPC_STATUS_DETAILS);
            code == Code::InvalidArgument || is_unread(code, has_details)
        }
    }
}
