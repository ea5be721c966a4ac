//! The queue of calls that score one payment each, from all connections of a worker.
//!
//! Calls that are in it at the same time are scored together, like the payments of a batch: their waits for
//! memory overlap, and none of them needs a task of its own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use h2::Reason;
use h2::server::SendResponse;
use hyper::Response;
use hyper::body::Bytes;
use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;

use super::exchange::{self, Answer, Exchange};
use super::{PendingCall, QueuedRequest};
use crate::engine::CHUNK_CALLS_MAX;
use crate::grpc::router::Serving;
use crate::grpc::service::score::{Answered, Asked, ScoringChunk};
use crate::grpc::service::{RiskServer, fast_path};

/// The queue of one worker. While it holds more calls than are scored in one turn, connections are not read
/// from: reading calls takes as long as scoring them, and those in the queue would wait until they are refused.
pub(in crate::grpc) struct CallQueue<C = Box<QueuedCall>>(Arc<Mutex<State<C>>>);

struct State<C> {
    calls: VecDeque<C>,
    /// Wakes the [`Scorer`], if it is idle.
    scorer: Option<Waker>,
    /// Connections that wait for room in the queue, in order.
    readers: VecDeque<(Arc<Reader>, Waker)>,
}

/// A connection that adds calls: whether it waits for room in the queue.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Reader(AtomicBool);

impl<C> State<C> {
    fn has_room(&self) -> bool {
        self.calls.len() < CHUNK_CALLS_MAX
    }

    /// Wakes some of the connections that wait for room. Each may bring several calls, or none; but if all were
    /// woken, most of many would find the queue full again.
    fn wake_readers(&mut self) {
        let woken = self.readers.len().min(CHUNK_CALLS_MAX);
        for (reader, waker) in self.readers.drain(..woken) {
            reader.0.store(false, Ordering::Relaxed);
            waker.wake();
        }
    }
}

impl<C> CallQueue<C> {
    /// Adds a call at the end.
    pub(in crate::grpc) fn push(&self, call: C) {
        let mut state = self.0.lock();
        state.calls.push_back(call);
        if let Some(scorer) = state.scorer.take() {
            scorer.wake();
        }
    }

    /// Ready where there is room for more calls; otherwise the task is woken once there is.
    pub(in crate::grpc) fn poll_room(&self, reader: &Arc<Reader>, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.has_room() {
            return Poll::Ready(());
        }
        if !reader.0.swap(true, Ordering::Relaxed) {
            let waiting = (Arc::clone(reader), cx.waker().clone());
            state.readers.push_back(waiting);
        }
        Poll::Pending
    }

    /// Takes the calls whose turn it is. If there are none, the `scorer` is woken by the next call; or, where
    /// connections wait for room, at once, to come back after they have been read.
    fn take_batch(&self, scorer: &Waker) -> Vec<C> {
        let mut state = self.0.lock();
        let batch = state.calls.len().min(CHUNK_CALLS_MAX);
        let batch: Vec<_> = state.calls.drain(..batch).collect();
        if state.has_room() {
            state.wake_readers();
        }
        match (batch.is_empty(), state.readers.is_empty()) {
            (true, true) => state.scorer = Some(scorer.clone()),
            (true, false) => scorer.wake_by_ref(),
            (false, _) => {}
        }
        batch
    }
}

impl<C> Clone for CallQueue<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for CallQueue<C> {
    fn default() -> Self {
        let state = State {
            calls: VecDeque::new(),
            scorer: None,
            readers: VecDeque::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl<C> fmt::Debug for CallQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallQueue")
    }
}

/// A call in the queue.
#[derive(Debug)]
pub(in crate::grpc) struct QueuedCall {
    pending: PendingCall,
    waiting: QueuedRequest,
    respond: SendResponse<Bytes>,
}

impl QueuedCall {
    pub(in crate::grpc) const fn new(
        pending: PendingCall,
        waiting: QueuedRequest,
        respond: SendResponse<Bytes>,
    ) -> Self {
        Self {
            pending,
            waiting,
            respond,
        }
    }

    /// Leaves the queue, to wait for its turn as a task of its own.
    fn leave(mut self) {
        self.pending.wait_for_turn(self.waiting);
        tokio::spawn(Exchange::new(self.pending, self.respond));
    }

    /// The turn is over; what is `left` of the call, if anything, is awaited as a task.
    fn end_turn(self, left: Option<Rest>) {
        let Self {
            mut pending,
            waiting,
            respond,
        } = self;
        if let Some(left) = left {
            pending.go_on_with(Serving::Later(left));
            tokio::spawn(Exchange::new(pending, respond));
        }
        waiting.end();
    }

    /// Sends the answer.
    fn succeed(&mut self, message: Bytes) {
        self.pending.succeed();
        let begun = self.respond.send_response(fast_path::response(()), false);
        // These fail only where the client has given the call up.
        let sent = begun.and_then(|mut stream| {
            stream.send_data(message, false)?;
            stream.send_trailers(fast_path::trailers())
        });
        if sent.is_err() {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Answers with an error.
    fn fail(&mut self, status: Status) {
        let answer = self.pending.answered(status.into_http());
        self.send(answer);
    }

    fn send(&mut self, answer: Response<Answer>) {
        if let Some(sending) = exchange::begin(&mut self.respond, answer) {
            tokio::spawn(sending);
        }
    }
}

/// The task that scores the calls of a worker's queue, as long as the worker lives.
#[derive(Debug)]
pub(in crate::grpc) struct Scorer {
    queue: CallQueue,
    server: RiskServer,
}

impl Scorer {
    pub(in crate::grpc) const fn new(queue: CallQueue, server: RiskServer) -> Self {
        Self { queue, server }
    }

    /// Scores these calls together.
    #[expect(
        clippy::vec_box,
        reason = "they were in boxes when they stood in the queue"
    )]
    fn score_together(&self, batch: Vec<Box<QueuedCall>>) {
        self.server.service().begin_turns();
        let (mut calls, mut asked) = (Vec::with_capacity(batch.len()), Vec::new());
        for mut call in batch {
            let QueuedCall {
                pending,
                waiting,
                respond,
            } = &mut *call;
            if exchange::is_given_up(respond) {
                pending.give_up();
                continue;
            }
            match pending.take_message(waiting) {
                Some(message) => {
                    asked.push(self.server.read(message));
                    calls.push(call);
                }
                None => call.leave(),
            }
        }
        let payments = asked.iter().flatten().flatten().map(|(payment, _)| payment);
        let mut chunk = self.server.service().begin_chunk(payments);
        for (mut call, asked) in calls.into_iter().zip(&asked) {
            let left = answer(&mut call, asked, &mut chunk);
            call.end_turn(left);
        }
    }
}

/// The rest of a call, to be awaited.
type Rest = BoxFuture<Response<Body>, Infallible>;

/// Answers a call; returns the rest of it if that has to be awaited.
fn answer<'a>(
    call: &mut QueuedCall,
    asked: &'a Result<Asked, Status>,
    chunk: &mut ScoringChunk<'a>,
) -> Option<Rest> {
    if let Err(fault) = call.pending.may_go_on(&call.waiting) {
        let answer = call.pending.refuse(fault);
        call.send(answer);
        return None;
    }
    let answer = match asked {
        Ok(asked) => {
            let arrival = call.pending.arrival();
            match chunk.score(call.waiting.headers(), arrival, asked) {
                Answered::Now(answer) => answer,
                Answered::Later(left) => return Some(left),
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

impl Future for Scorer {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        // Everything in the queue has come since connections had their turn.
        loop {
            let batch = self.queue.take_batch(cx.waker());
            if batch.is_empty() {
                return Poll::Pending;
            }
            // Should one panic, the next calls are scored all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| self.score_together(batch)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Debug, Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[derive(Default)]
    struct Connection {
        reader: Arc<Reader>,
        woken: Arc<Woken>,
    }

    impl Connection {
        fn may_read(&self, queue: &CallQueue<usize>) -> bool {
            let waker = Waker::from(Arc::clone(&self.woken));
            let room = queue.poll_room(&self.reader, &Context::from_waker(&waker));
            room.is_ready()
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    fn call(queue: &CallQueue<usize>) -> Vec<usize> {
        queue.take_batch(Waker::noop())
    }

    #[test]
    fn a_full_queue_stops_reading_and_connections_are_woken_in_order() {
        let queue = CallQueue::default();
        let connections: Vec<_> = (0..200).map(|_| Connection::default()).collect();
        for nth in 0..CHUNK_CALLS_MAX + 10 {
            assert_eq!(connections[0].may_read(&queue), nth < CHUNK_CALLS_MAX);
            queue.push(nth);
        }
        // However often each asks.
        for _ in 0..3 {
            assert!(
                !connections
                    .iter()
                    .any(|connection| connection.may_read(&queue))
            );
        }
        assert!(connections.iter().all(|connection| connection.woken() == 0));
        let all: Vec<_> = (0..CHUNK_CALLS_MAX + 10).collect();
        assert_eq!(call(&queue), all[..CHUNK_CALLS_MAX]);
        let (first, others) = connections.split_at(CHUNK_CALLS_MAX);
        assert!(first.iter().all(|connection| connection.woken() == 1));
        assert!(others.iter().all(|connection| connection.woken() == 0));
        assert!(first[0].may_read(&queue), "there is room");
        assert_eq!(call(&queue), all[CHUNK_CALLS_MAX..]);
        // Some may have brought nothing: nobody is forgotten once the queue is empty.
        let scorer = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&scorer));
        assert!(queue.take_batch(&waker).is_empty());
        assert_eq!(scorer.0.load(Ordering::Relaxed), 1, "there are more");
        assert!(queue.take_batch(&waker).is_empty());
        assert_eq!(scorer.0.load(Ordering::Relaxed), 1);
        assert!(connections.iter().all(|connection| connection.woken() == 1));
    }

    #[test]
    fn the_first_call_in_an_empty_queue_wakes_the_scorer_and_no_other_does() {
        let (queue, scorer) = (CallQueue::default(), Arc::new(Woken::default()));
        let woken = || scorer.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&scorer));
        for nth in 0..3 {
            assert!(queue.take_batch(&waker).is_empty());
            assert_eq!(woken(), nth);
            queue.push(nth);
            queue.push(nth);
            assert_eq!(woken(), nth + 1);
            assert_eq!(queue.take_batch(&waker), [nth, nth]);
        }
    }
}
