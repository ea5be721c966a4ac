//! `StreamPayments`: items in, answers out in the same order.
//!
//! Items that are there already are scored together, in chunks; one that comes alone is a chunk of its own and
//! waits for no other. A client that always has more to send yields after two chunks: each item counts against
//! the budget that tokio gives a task.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop::poll_proceed;
use tokio_stream::Stream;
use tonic::{Code, Request, Status, Streaming};

use super::decision_log::{DecisionLog, trace_of};
use super::routing::RoutedBy;
use crate::clock::Deadline;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Engine, Kept, OutcomeReport};
use crate::grpc::calls::deadline::DeadlineTimer;
use crate::grpc::codec::raw::{Item, StreamPaymentsRequest};
use crate::grpc::codec::{self, Decoded};
use crate::grpc::convert::{InvalidRequest, request, response};
use crate::grpc::pb::StreamPaymentsResponse;
use crate::grpc::pb::stream_payments_response::Answer;
use crate::grpc::server_state::ServerState;
use crate::grpc::status::Fault;
use crate::scoring::payment::{AccountId, Payment};
use crate::telemetry::{self, CallRefused, TraceContext};

mod use_tracker;

use use_tracker::UseTracker;

/// The answers to a stream of items. Items are read only when an answer is polled for and none is ready: a
/// client that does not read is not read from either, beyond one chunk.
#[derive(Debug)]
pub(in crate::grpc) struct Answers {
    engine: Arc<Engine>,
    /// `None` once they have ended.
    items: Option<Streaming<CheckedItem>>,
    routed_by: RoutedBy,
    trace: Option<TraceContext>,
    /// Why the client's side broke off: told after the answers to everything before.
    broken_off: Option<Status>,
    /// Empty between polls; kept to reuse its memory.
    taken: Vec<CheckedItem>,
    /// Answers that were not polled for yet.
    ready: VecDeque<StreamPaymentsResponse>,
    /// `Some` while the journal does not have them yet.
    committing: Option<Committing>,
    /// When the client stops listening.
    deadline: Option<DeadlineTimer>,
    use_tracker: UseTracker,
    /// Counted once the stream ends, however it does.
    call: telemetry::Call<ServerState>,
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
pub(in crate::grpc) struct CheckedItem {
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
        request: Request<Streaming<CheckedItem>>,
        deadline: Option<Deadline>,
        call: telemetry::Call<ServerState>,
    ) -> Self {
        Self {
            engine,
            use_tracker: UseTracker::of(&request),
            trace: trace_of(request.metadata().as_ref()),
            routed_by: RoutedBy::of(request.metadata().as_ref()),
            items: Some(request.into_inner()),
            broken_off: None,
            taken: Vec::new(),
            ready: VecDeque::new(),
            committing: None,
            deadline: deadline.map(DeadlineTimer::new),
            call,
        }
    }

    /// Reads what is there, up to one chunk; waits only if there is nothing.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(items) = &mut self.items
            && self.taken.len() < CHUNK_CALLS_MAX
        {
            match poll_in_turn(items, cx) {
                Poll::Ready(Some(Ok(item))) => {
                    self.taken.push(item.routed_by(&self.routed_by));
                }
                Poll::Ready(Some(Err(status))) => self.break_off(status),
                Poll::Ready(None) => self.items = None,
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
        if !self.engine.has_room() {
            let edge = self.call.counters().edge();
            edge.calls_refused(CallRefused::Journal, self.taken.len());
            let refuse = |item: &CheckedItem| item.response(Err(Fault::Busy(CallRefused::Journal)));
            self.ready
                .extend(self.taken.drain(..).map(|item| refuse(&item)));
            return;
        }
        let payments = self.taken.iter().filter_map(CheckedItem::payment);
        let mut chunk = self.engine.chunk(payments);
        let log = DecisionLog {
            server_state: self.call.counters(),
            engine: &self.engine,
            trace: self.trace,
        };
        let answers = self.taken.iter();
        let answers = answers.map(|item| item.answer(log, &mut chunk));
        self.ready.extend(answers);
        let receipt = chunk.receipt();
        self.taken.clear();
        match self.engine.kept(receipt) {
            Some(kept) => self.note_kept(kept),
            None => {
                let engine = Arc::clone(&self.engine);
                let committed = async move { engine.committed(receipt).await };
                self.committing = Some(Committing(Box::pin(committed)));
            }
        }
    }

    /// All answers were given. Returns the error that the stream ends with, if any.
    fn ended(&mut self) -> Option<Status> {
        let broken_off = self.broken_off.take();
        match &broken_off {
            Some(status) => self.call.fail(status.code().into()),
            None => self.call.succeed(),
        }
        broken_off
    }

    /// Says in the answers whether a restart may forget them.
    fn note_kept(&mut self, kept: Kept) {
        for response in &mut self.ready {
            if let Some(Answer::Assessment(assessment)) = &mut response.answer {
                response::note_kept(assessment, kept);
            }
        }
    }
}

/// The next item, if the task has budget left.
fn poll_in_turn<T>(
    items: &mut Streaming<T>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<T, Status>>> {
    let turn = ready!(poll_proceed(cx));
    let item = ready!(Pin::new(items).poll_next(cx));
    turn.made_progress();
    Poll::Ready(item)
}

impl Stream for Answers {
    type Item = Result<StreamPaymentsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.poll(cx).is_ready()
        {
            self.deadline = None;
            self.ready.clear();
            self.committing = None;
            self.break_off(Fault::DeadlineExceeded.into());
        } else if self.ready.is_empty() {
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
        match self.ready.pop_front() {
            Some(answer) => {
                self.call.sent(1);
                Poll::Ready(Some(Ok(answer)))
            }
            None => Poll::Ready(self.ended().map(Err)),
        }
    }
}

impl Decoded for CheckedItem {
    fn decoded(message: &[u8]) -> Result<Self, Status> {
        let StreamPaymentsRequest { sequence, item } = codec::read(message)?;
        let call = match item {
            Some(Item::Score(item)) => {
                request::score(&item).map(|(payment, token)| Call::Score(payment, token))
            }
            Some(Item::Outcome(item)) => {
                request::outcome_report(Decoded::decoded(&item)?).map(Call::Report)
            }
            None => Err(InvalidRequest::field("item", "must be set")),
        };
        Ok(Self {
            sequence,
            call: call.map_err(Fault::Invalid),
        })
    }
}

impl CheckedItem {
    /// The same item, refused if it is about another account than the one that the stream was routed by.
    fn routed_by(self, routed_by: &RoutedBy) -> Self {
        let call = self.call.and_then(|call| {
            routed_by.check(call.account_id())?;
            Ok(call)
        });
        Self { call, ..self }
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

    fn answer<'a>(&'a self, log: DecisionLog<'_>, chunk: &mut Chunk<'a>) -> StreamPaymentsResponse {
        let call = self.call.as_ref().map_err(Fault::clone);
        self.response(call.and_then(|call| call.answer(log, chunk)))
    }

    fn response(&self, answer: Result<Answer, Fault>) -> StreamPaymentsResponse {
        StreamPaymentsResponse {
            sequence: self.sequence,
            answer: Some(answer.unwrap_or_else(|fault| Answer::Error(fault.into()))),
        }
    }
}

impl Call {
    const fn account_id(&self) -> &AccountId {
        match self {
            Self::Score(payment, _) => &payment.account_id,
            Self::Report(report) => &report.account_id,
        }
    }

    fn answer<'a>(&'a self, log: DecisionLog<'_>, chunk: &mut Chunk<'a>) -> Result<Answer, Fault> {
        Ok(match self {
            Self::Score(payment, token) => {
                let scored = chunk.score(payment, token.as_deref())?;
                log.log(payment, &scored);
                Answer::Assessment(response::scored(payment, &scored))
            }
            Self::Report(report) => {
                Answer::OutcomeAccepted(response::outcome_accepted(chunk.report_outcome(report)?))
            }
        })
    }
}
