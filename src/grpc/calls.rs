//! The calls of one connection: let in or refused, given up at their deadline, and counted as open.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{self, Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::header::HeaderValue;
use hyper::service::Service;
use hyper::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService as _;
use tonic::{Code, Status};

use super::admission::{Admission, Queued};
use super::batch::InVain;
use super::connections::{Pulse, begin_now};
use super::deadline::{self, Wait};
use super::door::Door;
use super::entry::Entry;
use super::inbound::Inbound;
use super::pb::served::risk_service_server::RiskServiceServer;
use super::service::Service as Risk;
use super::services::{Services, Serving};
use super::status::{Fault, is_unread};
use crate::access::Fingerprint;
use crate::clock::Stopwatch;
use crate::telemetry::{Call, Method};

/// What tonic ends a call with whose message is too long. Nothing of ours does; elsewhere in gRPC the same
/// is RESOURCE_EXHAUSTED, and clients know that.
const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");

/// The calls of one connection.
#[derive(Debug)]
pub(super) struct Calls(pub(super) Arc<Shared>);

/// What they share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) door: Door,
    pub(super) admission: Arc<Admission>,
    pub(super) entry: Entry,
    /// What the client has shown.
    pub(super) certificate: Option<Fingerprint>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) services: Services,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let since = Stopwatch::start();
        let method = method(request.uri().path());
        let Shared {
            entry, certificate, ..
        } = &*self.0;
        let denied = entry.admit(&request, *certificate).err();
        let deadline = deadline::of(request.headers());
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let stage = match denied {
            Some(denial) => Stage::Refused(Fault::Denied(denial)),
            None => match self.0.admission.queue(method, since) {
                Ok(queued) => Stage::Waiting(Some(Waiting { queued, request })),
                Err(fault) => {
                    pass_over(request, &self.0.pulse);
                    Stage::Refused(fault)
                }
            },
        };
        Answering {
            method,
            since,
            deadline: deadline.map(Wait::new),
            stage,
            taken_ns: 0,
            open: Some(OpenCall::begin(&self.0)),
        }
    }
}

/// Which method of the service it is; `None` for other services.
fn method(path: &str) -> Option<Method> {
    let path = path.strip_prefix('/')?;
    let (service, method) = path.split_once('/')?;
    let is_ours = service == RiskServiceServer::<Risk>::NAME;
    is_ours.then(|| Method::named(method))
}

/// A call that is open until this is dropped.
#[derive(Debug)]
struct OpenCall(Arc<Shared>);

impl OpenCall {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.pulse.begin_call();
        Self(Arc::clone(shared))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.pulse.end_call();
    }
}

/// A call on its way to its answer.
#[derive(Debug)]
pub(super) struct Answering {
    method: Option<Method>,
    /// When it came.
    since: Stopwatch,
    deadline: Option<Wait>,
    stage: Stage,
    /// What the DATA was worth that it has taken.
    taken_ns: u64,
    /// Until it is answered; goes on with the answer.
    open: Option<OpenCall>,
}

/// How far a call has come.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every call waits, and a box for each is what costs"
)]
enum Stage {
    /// It waits for its first turn.
    Waiting(Option<Waiting>),
    /// It goes on.
    Let(Serving),
    /// It is refused.
    Refused(Fault),
}

#[derive(Debug)]
struct Waiting {
    queued: Queued,
    request: Request<Incoming>,
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Waiting(waiting) = &mut this.stage
            && let Some(waiting) = waiting.take()
        {
            this.stage = this.turn(waiting);
        }
        match this.go_on(cx) {
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(this.answered(response))),
            Poll::Ready(Err(fault)) => return Poll::Ready(Ok(this.refuse(fault))),
            Poll::Pending => {}
        }
        // Who has its message knows of the deadline and has ended by now: this one still waits for it.
        if let Some(deadline) = &mut this.deadline
            && deadline.poll(cx).is_ready()
        {
            return Poll::Ready(Ok(this.refuse(Fault::DeadlineExceeded)));
        }
        Poll::Pending
    }
}

/// How much a client may send before it can have heard that its call is refused.
const UNHEARD_BYTES: usize = 64 << 10;

/// Lets the message of a call go by that is refused for nothing that it has done: HTTP/2 takes a client for a
/// nuisance that sends what nobody waits for any more. The answer does not wait for it.
fn pass_over(request: Request<Incoming>, pulse: &Arc<Pulse>) {
    let message = request.into_body();
    if message.is_end_stream() {
        return;
    }
    // Mostly it is there already, and no task is needed to let it go by.
    begin_now(Box::pin(passed_over(message, Arc::clone(pulse))));
}

async fn passed_over(mut message: Incoming, pulse: Arc<Pulse>) {
    let mut unheard_bytes = UNHEARD_BYTES;
    while let Some(Ok(frame)) = message.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len).min(unheard_bytes);
        unheard_bytes -= bytes;
        if bytes > 0 {
            pulse.take_data(bytes);
        }
    }
}

impl Answering {
    /// Goes on, and notes what it takes in the meantime: all that its connection does, for a connection is on
    /// one thread.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<Body>, Fault>> {
        let Some(OpenCall(shared)) = &self.open else {
            return Poll::Pending;
        };
        let before_ns = shared.pulse.taken_ns();
        let gone_on = match &mut self.stage {
            Stage::Waiting(_) => Poll::Pending,
            Stage::Let(answer) => Pin::new(answer).poll(cx).map(|Ok(response)| Ok(response)),
            Stage::Refused(fault) => Poll::Ready(Err(fault.clone())),
        };
        let taken_ns = shared.pulse.taken_ns().wrapping_sub(before_ns);
        self.taken_ns = self.taken_ns.wrapping_add(taken_ns);
        gone_on
    }

    /// What becomes of it, now that its turn has come and nothing was done for it so far.
    fn turn(&self, waiting: Waiting) -> Stage {
        let Waiting { queued, request } = waiting;
        // It is open until it is answered.
        let Some(OpenCall(shared)) = &self.open else {
            return Stage::Waiting(None);
        };
        let is_over = self.deadline.as_ref().is_some_and(Wait::is_over);
        let let_on = match is_over {
            true => Err(Fault::DeadlineExceeded),
            false => shared.admission.turn(queued, self.method),
        };
        if let Err(fault) = let_on {
            pass_over(request, &shared.pulse);
            return Stage::Refused(fault);
        }
        let mut request = request.map(|body| Inbound::new(body, self.method, self.since, shared));
        if self.method == Some(Method::StreamPayments) {
            request.extensions_mut().insert(Arc::clone(&shared.pulse));
        }
        Stage::Let(shared.services.call(self.method.is_some(), request))
    }

    /// The answer to a call that its method has not seen.
    fn refuse(&mut self, fault: Fault) -> Response<Answer> {
        if let (Some(OpenCall(shared)), Fault::Busy(why)) = (&self.open, &fault) {
            shared.door.edge().calls_refused(*why, 1);
        }
        self.settle(fault.is_the_calls());
        let (code, answer) = fault.into_answer();
        self.count_unseen(code);
        self.with_open(answer)
    }

    fn answered(&mut self, mut response: Response<Body>) -> Response<Answer> {
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

    /// Puts on the client's bill what came to nothing, or takes off what did not.
    fn settle(&self, is_the_calls: bool) {
        let Some(OpenCall(shared)) = &self.open else {
            return;
        };
        match is_the_calls {
            true => shared.pulse.waste_call(self.taken_ns),
            false => shared.pulse.use_call(),
        }
    }

    /// Puts the items of a batch on it that came to nothing.
    fn settle_items(&self, response: &Response<Body>) {
        let in_vain = response.extensions().get();
        if let (Some(InVain(items)), Some(OpenCall(shared))) = (in_vain, &self.open) {
            shared.pulse.waste_items(*items as u64, 0);
        }
    }

    /// Counts how a call ended that its method has not seen, and so has not counted.
    fn count_unseen(&self, code: Code) {
        if let (Some(method), Some(OpenCall(shared))) = (self.method, &self.open) {
            Call::begun(&shared.door, method, self.since).fail(code.into());
        }
    }

    fn with_open(&mut self, response: Response<Body>) -> Response<Answer> {
        let open = self.open.take();
        response.map(|body| Answer { body, _open: open })
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

/// An answer on its way to the client; its call is open until it has left.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _open: Option<OpenCall>,
}

impl body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
