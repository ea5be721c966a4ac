//! `StreamPayments`: items in, answers out in the same order.
//!
//! Items that are there already are scored together, in chunks; one that comes alone is a chunk of its own and
//! waits for no other. A client that always has more to send yields after two chunks: each item counts against
//! the budget that tokio gives a task.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use tokio::task::coop::poll_proceed;
use tonic::codegen::http::request::Parts;
use tonic::{Code, Status};

use super::decision_log::{DecisionLog, trace_of};
use super::fast_path;
use super::routing::RoutedBy;
use crate::clock::Deadline;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Engine, Kept, OutcomeReport};
use crate::grpc::calls::deadline::DeadlineTimer;
use crate::grpc::codec::raw::{Item, StreamPaymentsRequest};
use crate::grpc::codec::writer::{ANSWER_BYTES, put_framed, put_known, put_message, put_number};
use crate::grpc::codec::{self, Decoded};
use crate::grpc::convert::{InvalidRequest, request, response};
use crate::grpc::pb::StreamPaymentsResponse;
use crate::grpc::pb::stream_payments_response::Answer;
use crate::grpc::server_state::ServerState;
use crate::grpc::status::Fault;
use crate::scoring::payment::{AccountId, Payment};
use crate::telemetry::{self, CallRefused, TraceContext};

mod messages;
mod use_tracker;

pub(super) use messages::Messages;
use use_tracker::UseTracker;

/// The answers to a stream of items. Items are read only when an answer is polled for and none is ready: a
/// client that does not read is not read from either, beyond one chunk.
#[derive(Debug)]
pub(in crate::grpc) struct Answers {
    engine: Arc<Engine>,
    /// `None` once they have ended.
    items: Option<Messages>,
    routed_by: RoutedBy,
    trace: Option<TraceContext>,
    /// Why the client's side broke off: told after the answers to everything before.
    broken_off: Option<Status>,
    /// Empty between polls; kept to reuse its memory.
    taken: Vec<CheckedItem>,
    /// Answers that wait for the journal.
    ready: Ready,
    /// `Some` while the journal does not have them yet.
    committing: Option<Committing>,
    /// When the client stops listening.
    deadline: Option<DeadlineTimer>,
    use_tracker: UseTracker,
    /// Counted once the stream ends, however it does.
    call: telemetry::Call<ServerState>,
    has_ended: bool,
}

/// Answers, framed, to this many items.
#[derive(Debug, Default)]
struct Ready {
    framed: Vec<u8>,
    count: usize,
}

/// Waits for the journal.
struct Committing(Pin<Box<dyn Future<Output = Kept> + Send>>);

impl fmt::Debug for Committing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committing")
    }
}

/// An item, checked.
#[derive(Debug)]
struct CheckedItem {
    sequence: u64,
    call: Result<Call, Fault>,
}

#[derive(Debug)]
enum Call {
    Score(Payment, Option<String>),
    Report(OutcomeReport),
}

impl Answers {
    pub(in crate::grpc) fn new(
        engine: Arc<Engine>,
        head: &Parts,
        items: Messages,
        deadline: Option<Deadline>,
        call: telemetry::Call<ServerState>,
    ) -> Self {
        Self {
            engine,
            use_tracker: UseTracker::of(&head.extensions),
            trace: trace_of(&head.headers),
            routed_by: RoutedBy::of(&head.headers),
            items: Some(items),
            broken_off: None,
            taken: Vec::new(),
            ready: Ready::default(),
            committing: None,
            deadline: deadline.map(DeadlineTimer::new),
            call,
            has_ended: false,
        }
    }

    /// Reads what is there, up to one chunk; waits only if there is nothing.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(items) = &mut self.items
            && self.taken.len() < CHUNK_CALLS_MAX
        {
            match poll_in_turn(items, cx) {
                Poll::Ready(Ok(Some(message))) => {
                    match CheckedItem::read(message, &self.routed_by) {
                        Ok(item) => self.taken.push(item),
                        Err(status) => self.break_off(status),
                    }
                }
                Poll::Ready(Ok(None)) => self.items = None,
                Poll::Ready(Err(status)) => self.break_off(status),
                Poll::Pending if self.taken.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    /// No more items are read.
    fn break_off(&mut self, status: Status) {
        self.use_tracker.broke_off(&status);
        // As for unary calls (see `calls/ended.rs`): the item is too long.
        let status = match status.code() {
            Code::OutOfRange => Status::resource_exhausted(status.message()),
            _ => status,
        };
        self.broken_off = Some(status);
        self.items = None;
    }

    fn answer_taken(&mut self) {
        self.call.received(self.taken.len());
        let useless = self.taken.iter().filter(|item| item.is_useless()).count();
        self.use_tracker.answered(self.taken.len(), useless);
        let count = self.taken.len();
        let mut framed = Vec::with_capacity(count * ANSWER_BYTES);
        if !self.engine.has_room() {
            let edge = self.call.counters().edge();
            edge.calls_refused(CallRefused::Journal, count);
            let refused = || Fault::Busy(CallRefused::Journal);
            for item in self.taken.drain(..) {
                item.put_answer(&mut framed, |_| Err(refused()));
            }
            self.ready = Ready { framed, count };
            return;
        }
        let payments = self.taken.iter().filter_map(CheckedItem::payment);
        let mut chunk = self.engine.chunk(payments);
        let log = DecisionLog {
            server_state: self.call.counters(),
            engine: &self.engine,
            trace: self.trace,
        };
        for item in &self.taken {
            item.put_answer(&mut framed, |into| item.answer(log, &mut chunk, into));
        }
        let receipt = chunk.receipt();
        self.taken.clear();
        self.ready = Ready { framed, count };
        match self.engine.kept(receipt) {
            Some(kept) => self.note_kept(kept),
            None => {
                let engine = Arc::clone(&self.engine);
                let committed = async move { engine.committed(receipt).await };
                self.committing = Some(Committing(Box::pin(committed)));
            }
        }
    }

    /// All answers were given: what the stream ends with.
    fn trailers(&mut self) -> Result<HeaderMap, Status> {
        let Some(broken_off) = self.broken_off.take() else {
            self.call.succeed();
            return Ok(fast_path::trailers());
        };
        self.call.fail(broken_off.code().into());
        let mut trailers = HeaderMap::new();
        broken_off.add_header(&mut trailers)?;
        Ok(trailers)
    }

    /// Says in the answers whether a restart may forget them.
    fn note_kept(&mut self, kept: Kept) {
        let note = |response: &mut StreamPaymentsResponse| {
            if let Some(Answer::Assessment(assessment)) = &mut response.answer {
                assessment.degraded = true;
            }
        };
        let framed = mem::take(&mut self.ready.framed);
        match response::with_kept(framed, kept, note) {
            Ok(framed) => self.ready.framed = framed,
            Err(fault) => {
                self.ready = Ready::default();
                self.break_off(fault.into());
            }
        }
    }
}

/// The next item, if the task has budget left.
fn poll_in_turn<'a>(
    items: &'a mut Messages,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<&'a [u8]>, Status>> {
    let turn = ready!(poll_proceed(cx));
    let item = ready!(items.poll_next(cx));
    turn.made_progress();
    Poll::Ready(item)
}

impl HttpBody for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.poll(cx).is_ready()
        {
            self.deadline = None;
            self.ready = Ready::default();
            self.committing = None;
            self.break_off(Fault::DeadlineExceeded.into());
        } else if self.ready.count == 0 {
            let before = self.use_tracker.before();
            let taken = self.take_in(cx);
            self.use_tracker.take(before);
            ready!(taken);
            self.answer_taken();
        }
        if let Some(Committing(committed)) = &mut self.committing {
            let kept = ready!(committed.as_mut().poll(cx));
            self.committing = None;
            self.note_kept(kept);
        }
        let Ready { framed, count } = mem::take(&mut self.ready);
        Poll::Ready(Some(if count > 0 {
            self.call.sent(count);
            Ok(Frame::data(framed.into()))
        } else {
            self.has_ended = true;
            self.trailers().map(Frame::trailers)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

impl CheckedItem {
    /// Reads an item. It is refused if it is about another account than the one that the stream was routed by.
    fn read(message: &[u8], routed_by: &RoutedBy) -> Result<Self, Status> {
        let StreamPaymentsRequest { sequence, item } = &codec::read(message)?;
        let call = match item {
            Some(Item::Score(item)) => {
                request::score(item).map(|(payment, token)| Call::Score(payment, token))
            }
            Some(Item::Outcome(item)) => {
                request::outcome_report(Decoded::decoded(item)?).map(Call::Report)
            }
            None => Err(InvalidRequest::field("item", "must be set")),
        };
        let mut item = Self {
            sequence: *sequence,
            call: call.map_err(Fault::Invalid),
        };
        if let Ok(call) = &item.call
            && let Err(misrouted) = routed_by.check(call.account_id())
        {
            item.call = Err(misrouted);
        }
        Ok(item)
    }

    /// Whether it is refused for what it is.
    fn is_useless(&self) -> bool {
        self.call.as_ref().is_err_and(Fault::is_the_calls)
    }

    const fn payment(&self) -> Option<&Payment> {
        match &self.call {
            Ok(Call::Score(payment, _)) => Some(payment),
            Ok(Call::Report(_)) | Err(_) => None,
        }
    }

    /// Writes the answer, or why there is none.
    fn put_answer(
        &self,
        framed: &mut Vec<u8>,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
    ) {
        put_framed(framed, |into| {
            put_number(1, self.sequence, into);
            if let Err(fault) = put(into) {
                put_known(4, &tonic_types::Status::from(fault), into);
            }
        });
    }

    fn answer<'a>(
        &'a self,
        log: DecisionLog<'_>,
        chunk: &mut Chunk<'a>,
        into: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match self.call.as_ref().map_err(Fault::clone)? {
            Call::Score(payment, token) => {
                let scored = chunk.score(payment, token.as_deref())?;
                log.log(payment, &scored);
                put_message(2, into, |into| response::put_scored(payment, &scored, into));
            }
            Call::Report(report) => {
                let accepted = response::outcome_accepted(chunk.report_outcome(report)?);
                put_known(3, &accepted, into);
            }
        }
        Ok(())
    }
}

impl Call {
    const fn account_id(&self) -> &AccountId {
        match self {
            Self::Score(payment, _) => &payment.account_id,
            Self::Report(report) => &report.account_id,
        }
    }
}
