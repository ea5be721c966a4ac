//! `StreamPayments`: items in, answers out in the same order.
//!
//! Items that are there already are taken in and scored together, in chunks; one that comes alone is a
//! chunk of its own and waits for no other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::convert::{InvalidRequest, request, response};
use super::pb::stream_payments_request::Item;
use super::pb::stream_payments_response::Answer;
use super::pb::{StreamPaymentsRequest, StreamPaymentsResponse};
use super::status::Fault;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Engine, OutcomeReport};
use crate::scoring::payment::Payment;

/// The answers to a stream of items. Items are taken in when an answer is asked for and none is ready,
/// and not before: a client that does not read is not read from either, but for one chunk.
#[derive(Debug)]
pub(super) struct Answers {
    engine: Arc<Engine>,
    /// Until they have ended.
    items: Option<Streaming<StreamPaymentsRequest>>,
    /// What the client's side broke off with: told after the answers to all that came before.
    broken_off: Option<Status>,
    /// Empty but while a chunk is taken in and answered; kept for its memory.
    taken: Vec<Taken>,
    /// Answers that were not asked for yet.
    ready: VecDeque<StreamPaymentsResponse>,
}

/// An item, checked.
#[derive(Debug)]
struct Taken {
    sequence: u64,
    call: Result<Call, Fault>,
}

#[derive(Debug)]
enum Call {
    Score(Payment, Option<String>),
    Report(OutcomeReport),
}

impl Answers {
    pub(super) fn new(engine: Arc<Engine>, items: Streaming<StreamPaymentsRequest>) -> Self {
        Self {
            engine,
            items: Some(items),
            broken_off: None,
            taken: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes in what is there, up to one chunk; waits only if there is nothing.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(items) = &mut self.items
            && self.taken.len() < CHUNK_CALLS_MAX
        {
            match Pin::new(items).poll_next(cx) {
                Poll::Ready(Some(Ok(item))) => self.taken.push(Taken::from(item)),
                Poll::Ready(Some(Err(status))) => {
                    self.broken_off = Some(status);
                    self.items = None;
                }
                Poll::Ready(None) => self.items = None,
                Poll::Pending if self.taken.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    fn answer_taken(&mut self) {
        let payments = self.taken.iter().filter_map(Taken::payment);
        let mut chunk = self.engine.chunk(payments);
        let answers = self.taken.iter().map(|item| item.answer(&mut chunk));
        self.ready.extend(answers);
        self.taken.clear();
    }
}

impl Stream for Answers {
    type Item = Result<StreamPaymentsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ready.is_empty() {
            ready!(self.take_in(cx));
            self.answer_taken();
        }
        let answer = self.ready.pop_front().map(Ok);
        Poll::Ready(answer.or_else(|| self.broken_off.take().map(Err)))
    }
}

impl From<StreamPaymentsRequest> for Taken {
    fn from(request: StreamPaymentsRequest) -> Self {
        let call = match request.item {
            Some(Item::Score(item)) => {
                request::score(item).map(|(payment, token)| Call::Score(payment, token))
            }
            Some(Item::Outcome(item)) => request::outcome_report(item).map(Call::Report),
            None => Err(InvalidRequest::field("item", "must be set")),
        };
        Self {
            sequence: request.sequence,
            call: call.map_err(Fault::Invalid),
        }
    }
}

impl Taken {
    const fn payment(&self) -> Option<&Payment> {
        match &self.call {
            Ok(Call::Score(payment, _)) => Some(payment),
            Ok(Call::Report(_)) | Err(_) => None,
        }
    }

    fn answer<'a>(&'a self, chunk: &mut Chunk<'a>) -> StreamPaymentsResponse {
        let call = self.call.as_ref().map_err(Fault::clone);
        let answer = call.and_then(|call| call.answer(chunk));
        StreamPaymentsResponse {
            sequence: self.sequence,
            answer: Some(answer.unwrap_or_else(|fault| Answer::Error(fault.into()))),
        }
    }
}

impl Call {
    fn answer<'a>(&'a self, chunk: &mut Chunk<'a>) -> Result<Answer, Fault> {
        Ok(match self {
            Self::Score(payment, token) => {
                let scored = chunk.score(payment, token.as_deref())?;
                Answer::Assessment(response::scored(payment, &scored))
            }
            Self::Report(report) => {
                Answer::OutcomeAccepted(response::outcome_accepted(chunk.report_outcome(report)?))
            }
        })
    }
}
