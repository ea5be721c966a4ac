//! The calls of one connection: let in or refused, given up at their deadline, and counted as open.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use h2::RecvStream;
use h2::server::SendResponse;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use tonic::server::NamedService as _;

use super::admission::{Admission, Queued};
use super::connections::Activity;
use super::deadline::{self, Came, NotTimed, Wait};
use super::door::Door;
use super::entry::Entry;
use super::exchange::{Answer, Exchange};
use super::inbound::{FREE_BYTES, Inbound};
use super::line::{Line, Single};
use super::pb::served::risk_service_server::RiskServiceServer;
use super::received::{Endings, Received};
use super::service::Service as Risk;
use super::services::{Services, Serving};
use super::status::Fault;
use crate::access::Fingerprint;
use crate::clock::Stopwatch;
use crate::telemetry::{CallRefused, Method};

mod ended;
mod open;
mod spoken;

pub(super) use open::OpenCall;

/// How many calls to health and reflection may be open on a connection: anybody may make them, and a probe or a
/// tool has few.
const TOOLS_OPEN_MAX: usize = 16;

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
    pub(super) activity: Arc<Activity>,
    pub(super) services: Services,
    pub(super) line: Line,
    pub(super) endings: Endings,
    /// How many calls to other services than ours are open.
    pub(super) tools_open: AtomicUsize,
    /// How many calls are refused whose clients go on with them.
    pub(super) going_by: AtomicUsize,
}

impl Calls {
    /// Begins a call. One that is refused as it comes is given back, to be told so.
    pub(super) fn begin(
        &self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Option<Exchange> {
        let shared = &self.0;
        let method = method(request.uri().path());
        let timeout = deadline::of(request.headers());
        let mut answering = Answering {
            method,
            since: Stopwatch::start(),
            deadline: timeout.unwrap_or_default().map(Wait::new),
            stage: Stage::Waiting(None),
            taken_ns: 0,
            open: Some(OpenCall::begin(shared, method.is_none())),
        };
        let request = request.map(Received::new);
        let waiting = match self.queue(&answering, request, timeout.err()) {
            Ok(waiting) => waiting,
            Err(fault) => {
                // A task of its own would stand in the very queue that it may be refused for.
                answering.stage = Stage::Refused(fault);
                return Some(Exchange::new(answering, respond));
            }
        };
        if shared.services.scores_singly(&waiting.request) {
            let single = Single::new(answering, waiting, respond);
            shared.line.join(Box::new(single));
        } else {
            answering.stage = Stage::Waiting(Some(waiting));
            tokio::spawn(Exchange::new(answering, respond));
        }
        None
    }

    /// All that has come so far was taken. Of a client that is to leave nothing more is waited for.
    pub(super) fn end_turn(&self, is_to_leave: bool) {
        match is_to_leave {
            true => self.0.endings.let_go(),
            false => self.0.endings.sweep(),
        }
    }

    /// Lets a call wait for its turn, if it may be made.
    fn queue(
        &self,
        call: &Answering,
        request: Request<Received>,
        not_timed: Option<NotTimed>,
    ) -> Result<Waiting, Fault> {
        let shared = &self.0;
        let queued = self
            .admit(call, &request)
            .and_then(|()| not_timed.map_or(Ok(()), |not_timed| Err(not_timed.into())))
            .and_then(|()| shared.admission.queue(call.method, call.since));
        match queued {
            Ok(queued) => Ok(Waiting {
                queued,
                request,
                endings: shared.endings.clone(),
            }),
            Err(fault) => {
                let is_busy = matches!(fault, Fault::Busy(_)) && call.method.is_some();
                request.into_body().pass_over(shared, !is_busy);
                Err(fault)
            }
        }
    }

    /// Whether a call may be made.
    fn admit(&self, call: &Answering, request: &Request<Received>) -> Result<(), Fault> {
        let Shared {
            entry,
            certificate,
            tools_open,
            ..
        } = &*self.0;
        spoken::check(request)?;
        entry.admit(request, *certificate).map_err(Fault::Denied)?;
        if call.method.is_none() && tools_open.load(Ordering::Relaxed) > TOOLS_OPEN_MAX {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(())
    }
}

/// Which method of the service it is; `None` for other services.
fn method(path: &str) -> Option<Method> {
    let path = path.strip_prefix('/')?;
    let (service, method) = path.split_once('/')?;
    let is_ours = service == RiskServiceServer::<Risk>::NAME;
    is_ours.then(|| Method::named(method))
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
pub(super) struct Waiting {
    queued: Queued,
    request: Request<Received>,
    endings: Endings,
}

impl Waiting {
    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Its message was taken, and it is answered, or will be.
    pub(super) fn end(self) {
        self.endings.hold(self.request.into_body());
    }
}

impl Future for Answering {
    type Output = Response<Answer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Waiting(waiting) = &mut this.stage
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
        // Who has its message knows of the deadline, which may just have passed, and says so itself. Else it still
        // waits for it.
        match this.go_on(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => Poll::Ready(this.refuse(Fault::DeadlineExceeded)),
        }
    }
}

impl Answering {
    /// Goes on, and notes what it takes in the meantime: all that its connection does, for a connection is on
    /// one thread.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Response<Answer>> {
        let Some(OpenCall { shared, .. }) = &self.open else {
            return Poll::Pending;
        };
        let before_ns = shared.activity.taken_ns();
        let gone_on = match &mut self.stage {
            Stage::Waiting(_) => Poll::Pending,
            Stage::Let(answer) => Pin::new(answer).poll(cx).map(|Ok(response)| Ok(response)),
            Stage::Refused(fault) => Poll::Ready(Err(fault.clone())),
        };
        self.taken_ns = shared.activity.and_taken_since(before_ns, self.taken_ns);
        gone_on.map(|answer| match answer {
            Ok(response) => self.answered(response),
            Err(fault) => self.refuse(fault),
        })
    }

    /// What becomes of it, now that its turn has come and nothing was done for it so far.
    fn turn(&self, waiting: Waiting) -> Stage {
        // It is open until it is answered.
        let Some(OpenCall { shared, .. }) = &self.open else {
            return Stage::Waiting(None);
        };
        let let_on = self.let_on(&waiting);
        let request = waiting.request;
        if let Err(fault) = let_on {
            request.into_body().pass_over(shared, false);
            return Stage::Refused(fault);
        }
        let mut request = request.map(|body| Inbound::new(body, self.method, self.since, shared));
        request.extensions_mut().insert(self.came());
        if self.method == Some(Method::StreamPayments) {
            request
                .extensions_mut()
                .insert(Arc::clone(&shared.activity));
        }
        Stage::Let(shared.services.call(self.method.is_some(), request))
    }

    /// Whether it goes on, now that its turn has come.
    pub(super) fn let_on(&self, waiting: &Waiting) -> Result<(), Fault> {
        if self.deadline.as_ref().is_some_and(Wait::is_over) {
            return Err(Fault::DeadlineExceeded);
        }
        match &self.open {
            Some(OpenCall { shared, .. }) => shared.admission.turn(&waiting.queued, self.method),
            None => Ok(()),
        }
    }

    /// When it came, and until when it is to be answered.
    pub(super) fn came(&self) -> Came {
        Came {
            since: self.since,
            deadline: self.deadline.as_ref().map(Wait::deadline),
        }
    }

    /// Whether it is to be told that it is refused, whoever still hears it.
    pub(super) const fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused(_))
    }

    /// Its message, where that has come and is short. It may be looked at before its turn.
    pub(super) fn take_message(&mut self, waiting: &mut Waiting) -> Option<Bytes> {
        let message = waiting.request.body_mut().message(FREE_BYTES)?;
        if let Some(OpenCall { shared, .. }) = &self.open {
            self.taken_ns += shared.activity.take_data(message.len());
        }
        Some(message)
    }

    /// It waits for its turn as a task of its own.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.stage = Stage::Waiting(Some(waiting));
    }

    /// It goes on with this to wait for.
    pub(super) fn go_on_with(&mut self, serving: Serving) {
        self.stage = Stage::Let(serving);
    }
}
