//! `StreamPayments`: items in, answers out in the same order.
//!
//! Items that are there already are taken in and scored together, in chunks; one that comes alone is a
//! chunk of its own and waits for no other. Who always has more to say lets others have their turn after two
//! chunks: tokio gives each task so much to do in a turn, and an item counts as one thing.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop::poll_proceed;
use tokio_stream::Stream;
use tonic::{Code, Request, Status, Streaming};

use super::calls::deadline::DeadlineTimer;
use super::codec::raw::{Item, StreamPaymentsRequest};
use super::codec::{self, Decoded};
use super::convert::{InvalidRequest, request, response};
use super::door::Door;
use super::noted::{Noted, trace_of};
use super::pb::StreamPaymentsResponse;
use super::pb::stream_payments_response::Answer;
use super::routed::RoutedBy;
use super::status::Fault;
use crate::clock::Deadline;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Engine, Kept, OutcomeReport};
use crate::scoring::payment::{AccountId, Payment};
use crate::telemetry::{self, CallRefused, TraceContext};

mod bill;

use bill::Bill;

/// The answers to a stream of items. Items are taken in when an answer is asked for and none is ready,
/// and not before: a client that does not read is not read from either, but for one chunk.
#[derive(Debug)]
pub(super) struct Answers {
    engine: Arc<Engine>,
    /// Until they have ended.
    items: Option<Streaming<Taken>>,
    routed_by: RoutedBy,
    trace: Option<TraceContext>,
    /// What the client's side broke off with: told after the answers to all that came before.
    broken_off: Option<Status>,
    /// Empty but while a chunk is taken in and answered; kept for its memory.
    taken: Vec<Taken>,
    /// Answers that were not asked for yet.
    ready: VecDeque<StreamPaymentsResponse>,
    /// Until the journal has what they say.
    committing: Option<Committing>,
    /// When nobody listens any more.
    deadline: Option<DeadlineTimer>,
    bill: Bill,
    /// Counted once this ends, however it does.
    call: telemetry::Call<Door>,
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
pub(super) struct Taken {
    sequence: u64,
    call: Result<Call, Fault>,
}

#[derive(Debug)]
enum Call {
    Score(Payment, Option<String>),
    Report(OutcomeReport),
}

impl Answers {
    pub(super) fn new(
        engine: Arc<Engine>,
        request: Request<Streaming<Taken>>,
        deadline: Option<Deadline>,
        call: telemetry::Call<Door>,
    ) -> Self {
        Self {
            engine,
            bill: Bill::of(&request),
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

    /// Takes in what is there, up to one chunk; waits only if there is nothing.
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

    /// Nothing more is taken in.
    fn break_off(&mut self, status: Status) {
        self.bill.broke_off(&status);
        // See `calls`: an item that is too long.
        let status = match status.code() {
            Code::OutOfRange => Status::resource_exhausted(status.message()),
            _ => status,
        };
        self.broken_off = Some(status);
        self.items = None;
    }

    fn answer_taken(&mut self) {
        self.call.received(self.taken.len());
        let in_vain = self.taken.iter().filter(|item| item.is_in_vain()).count();
        self.bill.answered(self.taken.len(), in_vain);
        if !self.engine.has_room() {
            let edge = self.call.counters().edge();
            edge.calls_refused(CallRefused::Journal, self.taken.len());
            let refuse = |item: &Taken| item.response(Err(Fault::Busy(CallRefused::Journal)));
            self.ready
                .extend(self.taken.drain(..).map(|item| refuse(&item)));
            return;
        }
        let payments = self.taken.iter().filter_map(Taken::payment);
        let mut chunk = self.engine.chunk(payments);
        let noted = Noted {
            door: self.call.counters(),
            engine: &self.engine,
            trace: self.trace,
        };
        let answers = self.taken.iter();
        let answers = answers.map(|item| item.answer(noted, &mut chunk));
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

    /// Every answer was given; what the stream breaks off with, unless it ends well.
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
                assessment.degraded = kept == Kept::No;
            }
        }
    }
}

/// The next item, if it is this task's turn.
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
            let before = self.bill.before();
            let taken = self.take_in(cx);
            self.bill.take(before);
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

impl Decoded for Taken {
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

impl Taken {
    /// The same, refused where it is of another account than the stream was routed by.
    fn routed_by(self, routed_by: &RoutedBy) -> Self {
        let call = self.call.and_then(|call| {
            routed_by.check(call.account_id())?;
            Ok(call)
        });
        Self { call, ..self }
    }

    /// Whether it is refused for what it is.
    fn is_in_vain(&self) -> bool {
        self.call.as_ref().is_err_and(Fault::is_the_calls)
    }

    const fn payment(&self) -> Option<&Payment> {
        match &self.call {
            Ok(Call::Score(payment, _)) => Some(payment),
            Ok(Call::Report(_)) | Err(_) => None,
        }
    }

    fn answer<'a>(&'a self, noted: Noted<'_>, chunk: &mut Chunk<'a>) -> StreamPaymentsResponse {
        let call = self.call.as_ref().map_err(Fault::clone);
        self.response(call.and_then(|call| call.answer(noted, chunk)))
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

    fn answer<'a>(&'a self, noted: Noted<'_>, chunk: &mut Chunk<'a>) -> Result<Answer, Fault> {
        Ok(match self {
            Self::Score(payment, token) => {
                let scored = chunk.score(payment, token.as_deref())?;
                noted.note(payment, &scored);
                Answer::Assessment(response::scored(payment, &scored, Kept::Yes))
            }
            Self::Report(report) => {
                Answer::OutcomeAccepted(response::outcome_accepted(chunk.report_outcome(report)?))
            }
        })
    }
}
