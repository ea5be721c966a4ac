//! What comes of a call, as HTTP/2 has it.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use h2::{Reason, RecvStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame};
use parking_lot::Mutex;
use prost::bytes::BytesMut;
use tokio::time::timeout;

use super::calls::Shared;
use super::codec::length;
use super::connections::{Activity, spawn_unless_ready};

/// The message of a call, and what may follow it. What is taken makes room for more.
#[derive(Debug)]
pub(super) struct Received {
    stream: RecvStream,
    /// What was taken before it was known that there is more.
    front: Bytes,
    has_data: bool,
}

impl Received {
    pub(super) const fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            front: Bytes::new(),
            has_data: true,
        }
    }

    /// Its message, where that has come and is no longer than this; else nothing is taken. That nothing follows may
    /// still be to be said: many a client says so by itself, and waits for its answer meanwhile.
    pub(super) fn message(&mut self, bytes_max: usize) -> Option<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Bytes::new();
        loop {
            match Pin::new(&mut *self).poll_frame(&mut cx) {
                Poll::Ready(None) => return Some(all),
                Poll::Ready(Some(Ok(frame))) => {
                    all = joined(all, frame.into_data().unwrap_or_default());
                    if all.len() > bytes_max {
                        break;
                    }
                    if self.is_end_stream() {
                        return Some(all);
                    }
                }
                Poll::Pending if length(&all) == Some(all.len()) => return Some(all),
                // An error is there to stay.
                Poll::Ready(Some(Err(_))) | Poll::Pending => break,
            }
        }
        self.front = all;
        None
    }
}

/// How much a client may send before it can have heard that its call is refused.
const UNHEARD_BYTES: usize = 64 << 10;

/// How many calls of a connection may go by at once, and for how long: until its client can have heard. Then it is
/// told that nothing more is waited for.
const GOING_BY_MAX: usize = 64;
const GOING_BY_TIME: Duration = Duration::from_secs(2);

/// A call that goes by, until this is dropped.
#[derive(Debug)]
struct GoingBy(Arc<Shared>);

impl GoingBy {
    /// `None` where there are many.
    fn begin(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.going_by.fetch_add(1, Ordering::Relaxed);
        let going_by = Self(Arc::clone(shared));
        (before < GOING_BY_MAX).then_some(going_by)
    }
}

impl Drop for GoingBy {
    fn drop(&mut self) {
        self.0.going_by.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Received {
    /// Lets the message of a call go by that is refused before it was looked at: HTTP/2 takes a client for a
    /// nuisance that sends what nobody waits for any more. The answer does not wait for it. It `is_held_against` the
    /// client unless the call is refused for nothing that it has done.
    pub(super) fn pass_over(self, shared: &Arc<Shared>, is_held_against: bool) {
        if self.is_end_stream() {
            return;
        }
        if let Some(going_by) = GoingBy::begin(shared) {
            // Mostly it is there already, and no task is needed to let it go by.
            spawn_unless_ready(Box::pin(async move {
                let activity = (!is_held_against).then_some(&*going_by.0.activity);
                // Either way nothing more is waited for.
                let _ = timeout(GOING_BY_TIME, self.passed_over(activity)).await;
            }));
        }
    }

    async fn passed_over(mut self, activity: Option<&Activity>) {
        let mut unheard_bytes = UNHEARD_BYTES;
        while let Some(Ok(frame)) = self.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len).min(unheard_bytes);
            unheard_bytes -= bytes;
            match activity {
                Some(activity) if bytes > 0 => drop(activity.take_data(bytes)),
                // Whoever may not call is not listened to for longer than that.
                None if unheard_bytes == 0 => return,
                Some(_) | None => {}
            }
        }
    }
}

/// Calls of a connection that were answered before their clients had said that nothing follows. They are held until
/// that is said: HTTP/2 would tell each client that its call is cut short, and take it for a nuisance once it goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct Endings(Arc<Mutex<VecDeque<Received>>>);

/// How many of them there may be: they are looked at with each turn of their connection. Where there are more, the
/// client of the oldest is told that nothing more is waited for.
const ENDINGS_MAX: usize = 64;

impl Endings {
    /// Holds a call, if it has not ended.
    pub(super) fn hold(&self, received: Received) {
        if received.is_end_stream() {
            return;
        }
        let mut held = self.0.lock();
        if held.len() >= ENDINGS_MAX {
            held.pop_front();
        }
        held.push_back(received);
    }

    /// Lets go of those that have ended, and of those that go on, which is not theirs to do.
    pub(super) fn sweep(&self) {
        let mut received = self.0.lock();
        if !received.is_empty() {
            received.retain_mut(Received::is_to_end);
        }
    }

    /// Lets go of all.
    pub(super) fn let_go(&self) {
        self.0.lock().clear();
    }
}

impl Received {
    /// Whether nothing more has come, and not its end either.
    fn is_to_end(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut *self).poll_frame(&mut cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Poll::Ready(_) => return false,
            }
        }
    }
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        (false, false) => {
            let mut both = BytesMut::from(first);
            both.extend_from_slice(&second);
            both.freeze()
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.front.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut this.front)))));
        }
        if this.has_data {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    // Fails only where the call has ended, and room is no matter.
                    let _ = this.stream.flow_control().release_capacity(bytes.len());
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return Poll::Ready(unless_done(error)),
                None => this.has_data = false,
            }
        }
        Poll::Ready(match ready!(this.stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.map(Frame::trailers).map(Ok),
            Err(error) => unless_done(error),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.stream.is_end_stream()
    }
}

/// An end without an error is none.
fn unless_done<T>(error: h2::Error) -> Option<Result<T, h2::Error>> {
    (error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
}

#[cfg(test)]
mod tests {
    use h2::SendStream;
    use hyper::{Request, Response};
    use tokio::io::duplex;
    use tokio::join;
    use tokio::task::yield_now;

    use super::*;

    /// A call that a client makes: what it sends by, and what comes of it.
    async fn call() -> (SendStream<Bytes>, Received) {
        let (near, far) = duplex(256 << 10);
        let (client, server) = join!(h2::client::handshake(near), h2::server::handshake(far));
        let ((mut client, connection), mut server) = (client.unwrap(), server.unwrap());
        tokio::spawn(connection);
        let (_, sending) = client.send_request(Request::new(()), false).unwrap();
        let (request, mut answer) = server.accept().await.unwrap().unwrap();
        tokio::spawn(async move {
            let _answered = answer.send_response(Response::new(()), false);
            while server.accept().await.is_some() {}
        });
        (sending, Received::new(request.into_body()))
    }

    /// Until all that was sent has come.
    async fn pass() {
        for _ in 0..20 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn it_is_whole_once_its_end_has_come_in_whatever_pieces() {
        for pieces in [
            &["abc"][..],
            &["abc", ""],
            &["", "a", "bc"],
            &["ab", "", "c", ""],
        ] {
            let (mut sending, mut received) = call().await;
            let last = pieces.len() - 1;
            for (nth, piece) in pieces.iter().enumerate() {
                assert_eq!(received.message(3), None);
                let piece = Bytes::from_static(piece.as_bytes());
                sending.send_data(piece, nth == last).unwrap();
                pass().await;
            }
            assert_eq!(
                received.message(3).as_deref(),
                Some(&b"abc"[..]),
                "{pieces:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_whole_or_too_long_comes_as_it_would_have() {
        let (mut sending, mut received) = call().await;
        sending
            .send_data(Bytes::from_static(b"abcd"), false)
            .unwrap();
        pass().await;
        assert_eq!(received.message(9), None);
        sending
            .send_data(Bytes::from_static(b"efghij"), true)
            .unwrap();
        pass().await;
        assert_eq!(received.message(9), None);
        assert!(!received.is_end_stream());
        assert_eq!(received.collect().await.unwrap().to_bytes(), "abcdefghij");
    }

    #[tokio::test]
    async fn a_message_is_one_before_its_end_is_said_and_held_until_that_is() {
        let framed = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
        for (last, goes_on) in [(&b""[..], false), (b"more", true)] {
            let (mut sending, mut received) = call().await;
            sending
                .send_data(Bytes::copy_from_slice(&framed[..6]), false)
                .unwrap();
            pass().await;
            assert_eq!(received.message(9), None);
            sending
                .send_data(Bytes::copy_from_slice(&framed[6..]), false)
                .unwrap();
            pass().await;
            assert_eq!(received.message(9).as_deref(), Some(&framed[..]));
            let endings = Endings::default();
            endings.hold(received);
            endings.sweep();
            assert_eq!(endings.0.lock().len(), 1);
            sending
                .send_data(Bytes::from_static(last), !goes_on)
                .unwrap();
            pass().await;
            endings.sweep();
            assert_eq!(endings.0.lock().len(), 0);
        }
    }

    #[tokio::test]
    async fn what_is_given_up_is_never_whole() {
        let (mut sending, mut received) = call().await;
        sending.send_data(Bytes::from_static(b"ab"), false).unwrap();
        pass().await;
        sending.send_reset(Reason::CANCEL);
        pass().await;
        assert_eq!(received.message(9), None);
        assert!(received.collect().await.is_err());
    }
}
