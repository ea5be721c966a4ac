//! The body of a request, as it arrives over HTTP/2; and bodies of calls that are answered or refused before
//! they ended.

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

use super::Shared;
use crate::grpc::codec::length;
use crate::grpc::connections::{Activity, spawn_unless_ready};

/// The body of a request. Taking from it opens the flow-control window for more.
#[derive(Debug)]
pub(in crate::grpc) struct RequestBody {
    stream: RecvStream,
    /// What [`message`](Self::message) took before it knew that more follows.
    front: Bytes,
    has_data: bool,
}

impl RequestBody {
    pub(in crate::grpc) const fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            front: Bytes::new(),
            has_data: true,
        }
    }

    /// The message, if it has come and is at most `bytes_max` long; otherwise nothing is taken. The client may
    /// not have half-closed yet: many clients do so in a frame of its own, while they already wait for the
    /// answer.
    pub(in crate::grpc) fn message(&mut self, bytes_max: usize) -> Option<Bytes> {
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
                // An error stays: it is found again by whoever reads the body.
                Poll::Ready(Some(Err(_))) | Poll::Pending => break,
            }
        }
        self.front = all;
        None
    }
}

/// How much a client may send before it can know that its call was refused.
const UNHEARD_BYTES: usize = 64 << 10;

/// How many refused calls of a connection may have their bodies discarded at once, and for how long: until the
/// client can know. Then the stream is reset.
const DISCARDING_MAX: usize = 64;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// One such call, until this is dropped.
#[derive(Debug)]
struct Discarding(Arc<Shared>);

impl Discarding {
    /// `None` where there are too many already.
    fn begin(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.discarding.fetch_add(1, Ordering::Relaxed);
        let discarding = Self(Arc::clone(shared));
        (before < DISCARDING_MAX).then_some(discarding)
    }
}

impl Drop for Discarding {
    fn drop(&mut self) {
        self.0.discarding.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestBody {
    /// Discards the body of a call that is refused before it was read. Resetting the stream instead would let
    /// `h2` count whatever the client still sends as abuse. The answer does not wait for this. The client's
    /// debt grows by what is discarded if it `is_held_against` it; it is not where the client did nothing
    /// wrong.
    pub(in crate::grpc) fn discard(self, shared: &Arc<Shared>, is_held_against: bool) {
        if self.is_end_stream() {
            return;
        }
        if let Some(discarding) = Discarding::begin(shared) {
            // Mostly all of it has come already, and no task is needed.
            spawn_unless_ready(Box::pin(async move {
                let activity = (!is_held_against).then_some(&*discarding.0.activity);
                // After the time, the stream is reset.
                let _ = timeout(DISCARD_TIME, self.discard_rest(activity)).await;
            }));
        }
    }

    async fn discard_rest(mut self, activity: Option<&Activity>) {
        let mut unheard_bytes = UNHEARD_BYTES;
        while let Some(Ok(frame)) = self.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len).min(unheard_bytes);
            unheard_bytes -= bytes;
            match activity {
                Some(activity) if bytes > 0 => drop(activity.take_data(bytes)),
                // A client that may not call at all gets no longer than this.
                None if unheard_bytes == 0 => return,
                Some(_) | None => {}
            }
        }
    }
}

/// Bodies of answered calls whose clients have not half-closed yet. They are held until that comes: dropping
/// one resets its stream, and `h2` would count what the client still sends as abuse.
#[derive(Debug, Clone, Default)]
pub(in crate::grpc) struct UnendedBodies(Arc<Mutex<VecDeque<RequestBody>>>);

/// How many there may be, for all are looked at in each turn of the connection. Beyond it the oldest is
/// dropped, which resets its stream.
const ENDINGS_MAX: usize = 64;

impl UnendedBodies {
    /// Holds a body that has not ended.
    pub(in crate::grpc) fn hold(&self, received: RequestBody) {
        if received.is_end_stream() {
            return;
        }
        let mut held = self.0.lock();
        if held.len() >= ENDINGS_MAX {
            held.pop_front();
        }
        held.push_back(received);
    }

    /// Drops those that have ended, and those that go on with data that nobody asked for.
    pub(in crate::grpc) fn drop_ended(&self) {
        let mut received = self.0.lock();
        if !received.is_empty() {
            received.retain_mut(RequestBody::is_to_end);
        }
    }

    /// Drops all.
    pub(in crate::grpc) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl RequestBody {
    /// Whether nothing more has come, and no end either.
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

impl Body for RequestBody {
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
                    // Fails only where the call has ended, and the window does not matter any more.
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

/// A reset with NO_ERROR is an end, not an error.
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

    /// A call from the client's side (request, answer) and the server's side.
    async fn call() -> (SendStream<Bytes>, RequestBody) {
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
        (sending, RequestBody::new(request.into_body()))
    }

    /// Waits until all that was sent has arrived.
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
            let unended = UnendedBodies::default();
            unended.hold(received);
            unended.drop_ended();
            assert_eq!(unended.0.lock().len(), 1);
            sending
                .send_data(Bytes::from_static(last), !goes_on)
                .unwrap();
            pass().await;
            unended.drop_ended();
            assert_eq!(unended.0.lock().len(), 0);
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
