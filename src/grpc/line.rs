//! Calls that score one payment each, of all connections of a worker. They wait in line for their turn; those
//! whose turn comes together are scored together, as the payments of a batch are, so that their waits for memory
//! overlap, and none of them takes a task of its own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use h2::Reason;
use h2::server::SendResponse;
use hyper::Response;
use hyper::body::Bytes;
use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;

use super::calls::{Answering, Waiting};
use super::direct::{self, Direct};
use super::exchange::{self, Answer, Exchange};
use super::pb;
use super::service::{Asked, Together, Told, scored};
use super::services::Serving;
use crate::engine::CHUNK_CALLS_MAX;

/// The line of a worker.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<Standing>>);

#[derive(Default)]
struct Standing {
    calls: VecDeque<Box<Single>>,
    /// Wakes who serves the line, where that one waits.
    clerk: Option<Waker>,
}

impl Line {
    /// Puts a call at its end.
    pub(super) fn join(&self, call: Box<Single>) {
        let mut standing = self.0.lock();
        standing.calls.push_back(call);
        if let Some(clerk) = standing.clerk.take() {
            clerk.wake();
        }
    }

    /// All that stand in it; where nobody does, the `clerk` is woken by the next.
    fn all(&self, calls: &mut VecDeque<Box<Single>>, clerk: &Waker) {
        let mut standing = self.0.lock();
        mem::swap(&mut standing.calls, calls);
        if calls.is_empty() {
            standing.clerk = Some(clerk.clone());
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

/// A call in the line.
#[derive(Debug)]
pub(super) struct Single {
    answering: Answering,
    waiting: Waiting,
    respond: SendResponse<Bytes>,
}

impl Single {
    pub(super) const fn new(
        answering: Answering,
        waiting: Waiting,
        respond: SendResponse<Bytes>,
    ) -> Self {
        Self {
            answering,
            waiting,
            respond,
        }
    }

    /// Leaves the line, and waits for its turn as a task of its own.
    fn leave(mut self) {
        self.answering.wait(self.waiting);
        tokio::spawn(Exchange::new(self.answering, self.respond));
    }

    /// Has had its turn, and waits for what is `left` of it, if anything is.
    fn end_turn(self, left: Option<Left>) {
        let Self {
            mut answering,
            waiting,
            respond,
        } = self;
        if let Some(left) = left {
            answering.go_on_with(Serving::Later(left));
            tokio::spawn(Exchange::new(answering, respond));
        }
        waiting.end();
    }

    /// Answers with this message.
    fn succeed(&mut self, message: Bytes) {
        self.answering.succeed();
        let begun = self.respond.send_response(direct::response(()), false);
        // Each fails only where the client has given the call up.
        let sent = begun.and_then(|mut stream| {
            stream.send_data(message, false)?;
            stream.send_trailers(direct::trailers())
        });
        if sent.is_err() {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Answers that it fails.
    fn fail(&mut self, status: Status) {
        let answer = self.answering.answered(status.into_http());
        self.end(answer);
    }

    fn end(&mut self, answer: Response<Answer>) {
        if let Some(sending) = exchange::begin(&mut self.respond, answer) {
            tokio::spawn(sending);
        }
    }
}

/// Serves the line of a worker, for as long as that lives.
#[derive(Debug)]
pub(super) struct Clerk {
    line: Line,
    direct: Direct,
    /// Who stood in the line, and is to be served before who stands there now.
    called: VecDeque<Box<Single>>,
}

impl Clerk {
    pub(super) const fn new(line: Line, direct: Direct) -> Self {
        Self {
            line,
            direct,
            called: VecDeque::new(),
        }
    }

    /// Serves the first in the line.
    fn turn(&mut self) {
        let (mut calls, mut asked) = (Vec::new(), Vec::new());
        while calls.len() < CHUNK_CALLS_MAX
            && let Some(mut call) = self.called.pop_front()
        {
            let Single {
                answering, waiting, ..
            } = &mut *call;
            match answering.take_message(waiting) {
                Some(message) => {
                    asked.push(self.direct.read(message));
                    calls.push(call);
                }
                None => call.leave(),
            }
        }
        let payments = asked.iter().flatten().flatten().map(|(payment, _)| payment);
        let mut together = self.direct.service().together(payments);
        for (mut call, asked) in calls.into_iter().zip(&asked) {
            let left = serve(&mut call, asked, &mut together);
            call.end_turn(left);
        }
    }
}

/// What is left of a call to wait for.
type Left = BoxFuture<Response<Body>, Infallible>;

/// Answers a call, but for what is returned.
fn serve<'a>(
    call: &mut Single,
    asked: &'a Result<Asked, Status>,
    together: &mut Together<'a>,
) -> Option<Left> {
    if let Err(fault) = call.answering.let_on(&call.waiting) {
        let answer = call.answering.refuse(fault);
        call.end(answer);
        return None;
    }
    let answer = match asked {
        Ok(asked) => {
            let deadline = call.answering.deadline();
            match together.score(call.waiting.headers(), deadline, asked) {
                Told::Now(answer) => answer.and_then(encoded),
                Told::Later(left) => return Some(left),
            }
        }
        Err(status) => Err(status.clone()),
    };
    match answer {
        Ok(message) => call.succeed(message),
        Err(status) => call.fail(status),
    }
    None
}

fn encoded(assessment: pb::Assessment) -> Result<Bytes, Status> {
    direct::framed_message(&scored(assessment))
}

impl Future for Clerk {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        let this = &mut *self;
        if this.called.is_empty() {
            this.line.all(&mut this.called, cx.waker());
        }
        if this.called.is_empty() {
            return Poll::Pending;
        }
        // Whatever happens to these, others come.
        let _ = catch_unwind(AssertUnwindSafe(|| this.turn()));
        // Connections have their turn, with the answers so far, before the next.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
