//! How calls end: answered, refused or given up; how that is counted, and on whose bill it is.

use std::mem;

use hyper::Response;
use hyper::header::HeaderValue;
use tonic::body::Body;
use tonic::{Code, Status};

use super::{Answering, OpenCall, Stage};
use crate::grpc::batch::InVain;
use crate::grpc::exchange::Answer;
use crate::grpc::status::{Fault, is_unread};
use crate::telemetry::{Call, Method};

/// What tonic ends a call with whose message is too long. Nothing of ours does; elsewhere in gRPC the same
/// is RESOURCE_EXHAUSTED, and clients know that.
const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");

impl Answering {
    /// It came to something.
    pub(in crate::grpc) fn succeed(&self) {
        self.settle(false);
    }

    /// The answer to a call that its method has not seen.
    pub(in crate::grpc) fn refuse(&mut self, fault: Fault) -> Response<Answer> {
        // Calls to health and reflection are not what is refused there.
        if let (Some(OpenCall { shared, .. }), Fault::Busy(why)) = (&self.open, &fault)
            && self.method.is_some()
        {
            shared.door.edge().calls_refused(*why, 1);
        }
        self.settle(fault.is_the_calls());
        let (code, answer) = fault.into_answer();
        self.count_unseen(code);
        self.with_open(answer)
    }

    /// Its client has given it up. It is counted here unless its method has seen it, which then does so.
    pub(in crate::grpc) fn give_up(&mut self) {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return;
        };
        let before = shared.activity.broken_off();
        let is_seen = match mem::replace(&mut self.stage, Stage::Waiting(None)) {
            // A method sees what has come whole.
            Stage::Let(serving) => {
                drop(serving);
                shared.activity.broken_off() == before
            }
            Stage::Waiting(_) | Stage::Refused(_) => false,
        };
        if !is_seen {
            self.count_unseen(Code::Cancelled);
        }
    }

    /// What its service has answered.
    pub(in crate::grpc) fn answered(&mut self, mut response: Response<Body>) -> Response<Answer> {
        if !self.goes_on(&response) {
            self.settle(is_the_calls(&response));
            self.settle_items(&response);
        }
        let headers = response.headers_mut();
        // What the service itself refuses, and counts, has details; what tonic does has none.
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

    /// Whether it is a stream that has begun: what comes of it is to be seen, and it settles that itself.
    fn goes_on(&self, response: &Response<Body>) -> bool {
        self.method == Some(Method::StreamPayments)
            && response.status().is_success()
            && !response.headers().contains_key(Status::GRPC_STATUS)
    }

    /// Puts on the client's bill what came to nothing, or takes off what did not. Anybody may ask for health: who
    /// does gets rid of no bill by it, and does not ask without end either.
    fn settle(&self, is_the_calls: bool) {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return;
        };
        match is_the_calls || self.method.is_none() {
            true => shared.activity.waste_call(self.taken_ns),
            false => shared.activity.use_call(),
        }
    }

    /// Puts the items of a batch on it that came to nothing.
    fn settle_items(&self, response: &Response<Body>) {
        let in_vain = response.extensions().get();
        if let (Some(InVain(items)), Some(OpenCall { shared, .. })) = (in_vain, &self.open) {
            shared.activity.waste_items(*items as u64, 0);
        }
    }

    /// Counts how a call ended that its method has not seen, and so has not counted.
    fn count_unseen(&self, code: Code) {
        if let (Some(method), Some(OpenCall { shared, .. })) = (self.method, &self.open) {
            Call::begun(&shared.door, method, self.since).fail(code.into());
        }
    }

    fn with_open(&mut self, response: Response<Body>) -> Response<Answer> {
        let (open, deadline) = (self.open.take(), self.deadline.take());
        response.map(|body| Answer::new(body, open, deadline))
    }
}

/// Whether a call was refused for what it is: see [`Fault::is_the_calls`]. tonic, which refuses what cannot be
/// read, gives no details.
fn is_the_calls(response: &Response<Body>) -> bool {
    let headers = response.headers();
    match headers.get(Status::GRPC_STATUS) {
        None => {
            let is_in_vain = response.extensions().get::<InVain>().is_some();
            is_in_vain || !response.status().is_success()
        }
        Some(code) => {
            let code = Code::from_bytes(code.as_bytes());
            let has_details = headers.contains_key(Status::GRPC_STATUS_DETAILS);
            code == Code::InvalidArgument || is_unread(code, has_details)
        }
    }
}
