//! The calls of one connection: admitted or refused, queued for their turn, ended at their deadline, and
//! counted.
//!
//! A call comes as a [`RequestBody`] and is a [`PendingCall`] until it is answered. Calls that score one
//! payment wait in the worker's [queue], which scores several at once; every other is a task of its own, an
//! [`Exchange`]. What their messages may take in memory and time is bounded by [`LimitedBody`].

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use h2::RecvStream;
use h2::server::SendResponse;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, Response};

use super::admission::{Admission, Queued};
use super::auth::Auth;
use super::connections::Activity;
use super::pb::served::risk_service_server::SERVICE_NAME;
use super::router::{Router, Serving};
use super::server_state::ServerState;
use super::status::Fault;
use crate::access::Fingerprint;
use crate::clock::Stopwatch;
use crate::telemetry::{CallRefused, Method};

mod body;
pub(super) mod deadline;
mod ended;
mod exchange;
mod limited_body;
mod open;
mod protocol;
pub(super) mod queue;

use body::RequestBody;
pub(super) use body::UnendedBodies;
use deadline::{Arrival, DeadlineTimer, InvalidTimeout};
use exchange::{Answer, Exchange};
use limited_body::FREE_BYTES;
pub(super) use limited_body::LimitedBody;
pub(super) use open::OpenCall;
use queue::{CallQueue, QueuedCall};

/// How many calls to health and reflection may be open on a connection: anybody may make them, and a probe or a
/// tool needs few.
const TOOLS_OPEN_MAX: usize = 16;

/// The calls of one connection.
#[derive(Debug)]
pub(super) struct Calls(pub(super) Arc<Shared>);

/// What the calls of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server_state: ServerState,
    pub(super) admission: Arc<Admission>,
    pub(super) auth: Auth,
    /// The fingerprint of the client's certificate, if it presented one.
    pub(super) certificate: Option<Fingerprint>,
    /// The client's.
    pub(super) address: SocketAddr,
    pub(super) activity: Arc<Activity>,
    pub(super) router: Router,
    pub(super) queue: CallQueue,
    pub(super) unended: UnendedBodies,
    /// How many calls to health and reflection are open.
    pub(super) tools_open: AtomicUsize,
    /// How many refused calls have bodies that are still being discarded.
    pub(super) discarding: AtomicUsize,
}

impl Calls {
    /// Begins a call. Returned is one that is refused at once, for the caller to send its answer.
    pub(super) fn begin(
        &self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Option<Exchange> {
        let shared = &self.0;
        let method = method(request.uri().path());
        let timeout = deadline::of(request.headers());
        let mut pending = PendingCall {
            method,
            since: Stopwatch::start(),
            deadline: timeout.unwrap_or_default().map(DeadlineTimer::new),
            stage: Stage::Queued(None),
            taken_ns: 0,
            open: Some(OpenCall::begin(shared, method.is_none())),
        };
        let request = request.map(RequestBody::new);
        let waiting = match self.queue(&pending, request, timeout.err()) {
            Ok(waiting) => waiting,
            Err(fault) => {
                // A task of its own would wait in the very queue that the call may be refused for.
                pending.stage = Stage::Refused(fault);
                return Some(Exchange::new(pending, respond));
            }
        };
        if shared.router.scores_one(&waiting.request) {
            let queued_call = QueuedCall::new(pending, waiting, respond);
            shared.queue.push(Box::new(queued_call));
        } else {
            pending.stage = Stage::Queued(Some(waiting));
            tokio::spawn(Exchange::new(pending, respond));
        }
        None
    }

    /// All calls that have come were taken. Where the client is to leave, no more is awaited of them.
    pub(super) fn end_turn(&self, is_to_leave: bool) {
        match is_to_leave {
            true => self.0.unended.clear(),
            false => self.0.unended.drop_ended(),
        }
    }

    /// Queues a call for its turn, if it may be made.
    fn queue(
        &self,
        call: &PendingCall,
        request: Request<RequestBody>,
        invalid_timeout: Option<InvalidTimeout>,
    ) -> Result<QueuedRequest, Fault> {
        let shared = &self.0;
        let queued = self
            .admit(call, &request)
            .and_then(|()| {
                invalid_timeout.map_or(Ok(()), |invalid_timeout| Err(invalid_timeout.into()))
            })
            .and_then(|()| shared.admission.queue(call.method, call.since));
        match queued {
            Ok(queued) => Ok(QueuedRequest {
                queued,
                request,
                unended: shared.unended.clone(),
            }),
            Err(fault) => {
                let is_busy = matches!(fault, Fault::Busy(_)) && call.method.is_some();
                request.into_body().discard(shared, !is_busy);
                Err(fault)
            }
        }
    }

    /// Whether a call may be made.
    fn admit(&self, call: &PendingCall, request: &Request<RequestBody>) -> Result<(), Fault> {
        let Shared {
            auth,
            certificate,
            address,
            tools_open,
            ..
        } = &*self.0;
        protocol::check(request)?;
        auth.admit(request, *certificate, *address)
            .map_err(Fault::Denied)?;
        if call.method.is_none() && tools_open.load(Ordering::Relaxed) > TOOLS_OPEN_MAX {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(())
    }
}

/// Which method of our service it is; `None` for health and reflection.
fn method(path: &str) -> Option<Method> {
    let path = path.strip_prefix('/')?;
    let (service, method) = path.split_once('/')?;
    let is_ours = service == SERVICE_NAME;
    is_ours.then(|| Method::named(method))
}

/// A call that is not answered yet.
#[derive(Debug)]
pub(super) struct PendingCall {
    method: Option<Method>,
    /// When the call came.
    since: Stopwatch,
    deadline: Option<DeadlineTimer>,
    stage: Stage,
    /// What the DATA that it has taken was worth.
    taken_ns: u64,
    /// `Some` until the call is answered; then the answer holds it.
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
    Queued(Option<QueuedRequest>),
    /// Its service works on it.
    Admitted(Serving),
    /// It is refused.
    Refused(Fault),
}

#[derive(Debug)]
pub(super) struct QueuedRequest {
    queued: Queued,
    request: Request<RequestBody>,
    unended: UnendedBodies,
}

impl QueuedRequest {
    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The message was taken, and the call is answered or will be. The client may still have to half-close.
    pub(super) fn end(self) {
        self.unended.hold(self.request.into_body());
    }
}

impl Future for PendingCall {
    type Output = Response<Answer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Queued(waiting) = &mut this.stage
            && let Some(waiting) = waiting.take()
        {
            this.stage = this.turn(waiting);
        }
        let answer = this.go_on(cx);
        let Some(deadline) = &mut this.deadline else {
            return answer;
        };
        if answer.is_ready() || deadline.poll(cx).is_pending() {
            return answer;
        }
        // A service that has the message checks the deadline itself, and answers accordingly. If it has not
        // answered, it is still waiting for the message.
        match this.go_on(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => Poll::Ready(this.refuse(Fault::DeadlineExceeded)),
        }
    }
}

impl PendingCall {
    /// Polls the service, and adds up what it takes meanwhile: whatever its connection takes, for a connection
    /// is on one thread.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Response<Answer>> {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return Poll::Pending;
        };
        let before_ns = shared.activity.taken_ns();
        let gone_on = match &mut self.stage {
            Stage::Queued(_) => Poll::Pending,
            Stage::Admitted(answer) => Pin::new(answer).poll(cx).map(|Ok(response)| Ok(response)),
            Stage::Refused(fault) => Poll::Ready(Err(fault.clone())),
        };
        self.taken_ns = shared.activity.and_taken_since(before_ns, self.taken_ns);
        gone_on.map(|answer| match answer {
            Ok(response) => self.answered(response),
            Err(fault) => self.refuse(fault),
        })
    }

    /// Decides what becomes of a call whose first turn has come.
    fn turn(&self, waiting: QueuedRequest) -> Stage {
        // `open` is `Some` until the call is answered.
        let Some(OpenCall { shared, .. }) = &self.open else {
            return Stage::Queued(None);
        };
        let may_go_on = self.may_go_on(&waiting);
        let request = waiting.request;
        if let Err(fault) = may_go_on {
            request.into_body().discard(shared, false);
            return Stage::Refused(fault);
        }
        let mut request =
            request.map(|body| LimitedBody::new(body, self.method, self.since, shared));
        request.extensions_mut().insert(self.arrival());
        if self.method == Some(Method::StreamPayments) {
            request
                .extensions_mut()
                .insert(Arc::clone(&shared.activity));
        }
        Stage::Admitted(shared.router.call(self.method.is_some(), request))
    }

    /// Whether a call may go on, now that its turn has come.
    pub(super) fn may_go_on(&self, waiting: &QueuedRequest) -> Result<(), Fault> {
        if self.deadline.as_ref().is_some_and(DeadlineTimer::is_over) {
            return Err(Fault::DeadlineExceeded);
        }
        match &self.open {
            Some(OpenCall { shared, .. }) => shared.admission.turn(&waiting.queued, self.method),
            None => Ok(()),
        }
    }

    /// When the call came, and its deadline.
    pub(super) fn arrival(&self) -> Arrival {
        Arrival {
            since: self.since,
            deadline: self.deadline.as_ref().map(DeadlineTimer::deadline),
        }
    }

    /// Whether it is refused; such a call is told so even if its client has reset it.
    pub(super) const fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused(_))
    }

    /// Takes the message, if it has come and is short. May be called before the call's turn.
    pub(super) fn take_message(&mut self, waiting: &mut QueuedRequest) -> Option<Bytes> {
        let message = waiting.request.body_mut().message(FREE_BYTES)?;
        if let Some(OpenCall { shared, .. }) = &self.open {
            self.taken_ns += shared.activity.take_data(message.len());
        }
        Some(message)
    }

    /// From here on it waits for its turn as a task of its own.
    pub(super) fn wait_for_turn(&mut self, waiting: QueuedRequest) {
        self.stage = Stage::Queued(Some(waiting));
    }

    /// From here on it waits for `serving`.
    pub(super) fn go_on_with(&mut self, serving: Serving) {
        self.stage = Stage::Admitted(serving);
    }
}
