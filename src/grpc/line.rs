//! Calls that score one payment each, of all connections of a worker. They wait in line for their turn; those
//! whose turn comes together are scored together, as the payments of a batch are, so that their waits for memory
//! overlap, and none of them takes a task of its own.

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

use super::calls::{Answering, Waiting};
use super::direct::{self, Direct};
use super::exchange::{self, Answer, Exchange};
use super::pb;
use super::service::{Asked, Together, Told, scored};
use super::services::Serving;
use crate::engine::CHUNK_CALLS_MAX;

/// The line of a worker. While more stand in it than are served in a turn, nothing is read for more: reading calls
/// takes as long as serving them, and those that stand there would wait until they are refused.
pub(super) struct Line<C = Box<Single>>(Arc<Mutex<Standing<C>>>);

struct Standing<C> {
    calls: VecDeque<C>,
    /// Wakes who serves the line, where that one waits.
    clerk: Option<Waker>,
    /// Connections that are to be read from once there is room, in the order in which they asked.
    readers: VecDeque<(Arc<Reader>, Waker)>,
}

/// A connection that brings calls: whether it waits until there is room in the line.
#[derive(Debug, Default)]
pub(super) struct Reader(AtomicBool);

impl<C> Standing<C> {
    fn has_room(&self) -> bool {
        self.calls.len() < CHUNK_CALLS_MAX
    }

    /// Wakes some of those that wait for room. Each may bring several calls, or none; but if all were woken, most of
    /// many would find the line full again.
    fn wake_readers(&mut self) {
        let woken = self.readers.len().min(CHUNK_CALLS_MAX);
        for (reader, waker) in self.readers.drain(..woken) {
            reader.0.store(false, Ordering::Relaxed);
            waker.wake();
        }
    }
}

impl<C> Line<C> {
    /// Puts a call at its end.
    pub(super) fn join(&self, call: C) {
        let mut standing = self.0.lock();
        standing.calls.push_back(call);
        if let Some(clerk) = standing.clerk.take() {
            clerk.wake();
        }
    }

    /// Ready where there is room for more calls; else the task is woken once there is.
    pub(super) fn poll_room(&self, reader: &Arc<Reader>, cx: &Context<'_>) -> Poll<()> {
        let mut standing = self.0.lock();
        if standing.has_room() {
            return Poll::Ready(());
        }
        if !reader.0.swap(true, Ordering::Relaxed) {
            let waiting = (Arc::clone(reader), cx.waker().clone());
            standing.readers.push_back(waiting);
        }
        Poll::Pending
    }

    /// Calls those that have their turn. Where nobody stands in the line, the `clerk` is woken by who comes next, or
    /// comes again for those who wait for room, once those that were woken have had their turn.
    fn call(&self, clerk: &Waker) -> Vec<C> {
        let mut standing = self.0.lock();
        let called = standing.calls.len().min(CHUNK_CALLS_MAX);
        let called: Vec<_> = standing.calls.drain(..called).collect();
        if standing.has_room() {
            standing.wake_readers();
        }
        match (called.is_empty(), standing.readers.is_empty()) {
            (true, true) => standing.clerk = Some(clerk.clone()),
            (true, false) => clerk.wake_by_ref(),
            (false, _) => {}
        }
        called
    }
}

impl<C> Clone for Line<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Default for Line<C> {
    fn default() -> Self {
        let standing = Standing {
            calls: VecDeque::new(),
            clerk: None,
            readers: VecDeque::new(),
        };
        Self(Arc::new(Mutex::new(standing)))
    }
}

impl<C> fmt::Debug for Line<C> {
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
}

impl Clerk {
    pub(super) const fn new(line: Line, direct: Direct) -> Self {
        Self { line, direct }
    }

    /// Serves those that were called.
    #[expect(
        clippy::vec_box,
        reason = "they were in boxes when they stood in the line"
    )]
    fn turn(&self, called: Vec<Box<Single>>) {
        self.direct.service().begin_turns();
        let (mut calls, mut asked) = (Vec::with_capacity(called.len()), Vec::new());
        for mut call in called {
            let Single {
                answering,
                waiting,
                respond,
            } = &mut *call;
            if exchange::is_given_up(respond) {
                answering.give_up();
                continue;
            }
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
            let came = call.answering.came();
            match together.score(call.waiting.headers(), came, asked) {
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        // All that stand in the line have come since connections had their turn.
        loop {
            let called = self.line.call(cx.waker());
            if called.is_empty() {
                return Poll::Pending;
            }
            // Whatever happens to these, others come.
            let _ = catch_unwind(AssertUnwindSafe(|| self.turn(called)));
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
        fn may_read(&self, line: &Line<usize>) -> bool {
            let waker = Waker::from(Arc::clone(&self.woken));
            let room = line.poll_room(&self.reader, &Context::from_waker(&waker));
            room.is_ready()
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    fn call(line: &Line<usize>) -> Vec<usize> {
        line.call(Waker::noop())
    }

    #[test]
    fn while_a_turn_full_stands_there_nothing_is_read_for_more_and_all_are_woken_in_their_order() {
        let line = Line::default();
        let connections: Vec<_> = (0..200).map(|_| Connection::default()).collect();
        for nth in 0..CHUNK_CALLS_MAX + 10 {
            assert_eq!(connections[0].may_read(&line), nth < CHUNK_CALLS_MAX);
            line.join(nth);
        }
        // However often each asks.
        for _ in 0..3 {
            assert!(
                !connections
                    .iter()
                    .any(|connection| connection.may_read(&line))
            );
        }
        assert!(connections.iter().all(|connection| connection.woken() == 0));
        let all: Vec<_> = (0..CHUNK_CALLS_MAX + 10).collect();
        assert_eq!(call(&line), all[..CHUNK_CALLS_MAX]);
        let (first, others) = connections.split_at(CHUNK_CALLS_MAX);
        assert!(first.iter().all(|connection| connection.woken() == 1));
        assert!(others.iter().all(|connection| connection.woken() == 0));
        assert!(first[0].may_read(&line), "there is room");
        assert_eq!(call(&line), all[CHUNK_CALLS_MAX..]);
        // Some may have brought nothing: nobody is forgotten once the line is empty.
        let clerk = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&clerk));
        assert!(line.call(&waker).is_empty());
        assert_eq!(clerk.0.load(Ordering::Relaxed), 1, "there are more");
        assert!(line.call(&waker).is_empty());
        assert_eq!(clerk.0.load(Ordering::Relaxed), 1);
        assert!(connections.iter().all(|connection| connection.woken() == 1));
    }

    #[test]
    fn the_clerk_is_woken_by_who_comes_to_an_empty_line_and_by_nobody_else() {
        let (line, clerk) = (Line::default(), Arc::new(Woken::default()));
        let woken = || clerk.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&clerk));
        for nth in 0..3 {
            assert!(line.call(&waker).is_empty());
            assert_eq!(woken(), nth);
            line.join(nth);
            line.join(nth);
            assert_eq!(woken(), nth + 1);
            assert_eq!(line.call(&waker), [nth, nth]);
        }
    }
}
