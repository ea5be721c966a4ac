//! HTTP/2 on one connection: takes calls as they come, and writes their answers.
//!
//! Built on `h2` directly. hyper's server is built on it too, but spawns a task for every call, which takes as long
//! as scoring does.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use h2::RecvStream;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::grpc::calls::Calls;
use crate::grpc::limits::Limits;

/// The flow-control windows: how much a client may send before it is read, on one call and on the whole connection.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// What unread DATA frames may take beside their bytes. `h2` counts 256 bytes for each, less its own, and closes the
/// connection beyond this. With this budget even frames of 64 bytes fill the window first, and items of streams are
/// longer: so a client that does not read its answers is merely not read from.
const FRAMES_BYTES: usize = 3 * (CONNECTION_WINDOW_BYTES as usize);

/// How much of an answer is handed over to be sent, at most: it stays in memory while a client with a large window
/// does not read.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// The HTTP/2 of one connection. Completes once the client has left.
pub(super) struct Http2Connection<IO> {
    state: State<IO>,
    calls: Calls,
    /// The client is to be asked to leave: at once, or as soon as the handshake is done.
    is_to_end: bool,
}

enum State<IO> {
    Handshake(Handshake<IO, Bytes>),
    Open(Connection<IO, Bytes>),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Http2Connection<IO> {
    pub(super) fn new(io: IO, limits: &Limits, calls: Calls) -> Self {
        Self {
            state: State::Handshake(http2(limits).handshake(io)),
            calls,
            is_to_end: false,
        }
    }

    /// Asks the client to leave (GOAWAY). Open calls go on.
    pub(super) fn end(&mut self) {
        self.is_to_end = true;
        if let State::Open(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }
}

fn http2(limits: &Limits) -> Builder {
    // Limits are checked against far smaller maxima when they are configured.
    let number = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
    let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let mut http2 = Builder::new();
    http2
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .data_frame_budget(FRAMES_BYTES)
        .max_concurrent_streams(number(limits.streams_per_connection))
        // When the service, or the machine, has stood still for a moment, clients reset all their calls together.
        // `h2` would close the connection after a few; here `waste` and `frames` deal with floods.
        .max_pending_accept_reset_streams(limit(limits.streams_per_connection))
        // Frames may still arrive for calls that have ended here already: they are ignored.
        .max_concurrent_reset_streams(limit(limits.streams_per_connection))
        // Per answer. What the client has no room for yet is held, and counted, by the call.
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_header_list_size(number(limits.metadata_bytes));
    http2
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for Http2Connection<IO> {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Handshake(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    if this.is_to_end {
                        connection.graceful_shutdown();
                    }
                    this.state = State::Open(connection);
                }
                State::Open(connection) => {
                    let begin = |question, answer| this.calls.begin(question, answer);
                    let turned = turn(connection, begin, cx);
                    this.calls.end_turn(this.is_to_end);
                    return turned;
                }
            }
        }
    }
}

/// Takes all calls that have come. Those that `begin` refuses are answered once all are taken: `h2` polls its
/// connection for each call, and would write to the socket each time that there is something to send, which takes
/// longer than everything else about a refusal.
fn turn<IO: AsyncRead + AsyncWrite + Unpin, R: Future<Output = ()> + Send + 'static>(
    connection: &mut Connection<IO, Bytes>,
    mut begin: impl FnMut(Request<RecvStream>, SendResponse<Bytes>) -> Option<R>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>> {
    let mut refused = Vec::new();
    loop {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(come)) => {
                let (question, answer) = come?;
                refused.extend(begin(question, answer));
            }
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending if refused.is_empty() => return Poll::Pending,
            Poll::Pending => mem::take(&mut refused)
                .into_iter()
                .for_each(|refused| spawn_unless_ready(Box::pin(refused))),
        }
    }
}

/// Polls a future that mostly completes at once, and spawns it as a task only if it does not.
pub(in crate::grpc) fn spawn_unless_ready<F>(mut future: Pin<Box<F>>)
where
    F: Future<Output = ()> + Send + ?Sized + 'static,
{
    let mut now = Context::from_waker(Waker::noop());
    if future.as_mut().poll(&mut now).is_pending() {
        tokio::spawn(future);
    }
}

impl<IO> fmt::Debug for Http2Connection<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http2Connection")
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::Response;
    use tokio::io::duplex;
    use tokio::join;

    use super::*;

    #[tokio::test]
    async fn who_is_refused_in_a_turn_is_told_when_all_have_come_and_the_connection_says_it_at_once()
     {
        let (near, far) = duplex(64 << 10);
        let (client, server) = join!(h2::client::handshake(near), h2::server::handshake(far));
        let ((mut client, connection), mut server) = (client.unwrap(), server.unwrap());
        tokio::spawn(connection);
        let answers: Vec<_> = (0..3)
            .map(|_| client.send_request(Request::new(()), true).unwrap().0)
            .collect();
        let (mut come, told) = (0, Arc::new(AtomicUsize::new(0)));
        let mut begin = |_, mut answer: SendResponse<Bytes>| {
            come += 1;
            assert_eq!(told.load(Ordering::Relaxed), 0, "all have come before");
            let told = Arc::clone(&told);
            Some(async move {
                answer.send_response(Response::new(()), true).unwrap();
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        // They come together, for the client was not polled before all were there.
        let ended = poll_fn(|cx| {
            let turned = turn(&mut server, &mut begin, cx);
            match told.load(Ordering::Relaxed) {
                0 => turned.map(|_| false),
                _ => Poll::Ready(turned.is_pending()),
            }
        });
        assert!(ended.await, "it goes on");
        assert_eq!((come, told.load(Ordering::Relaxed)), (3, 3));
        // That turn has written what there was to say.
        for answer in answers {
            assert!(answer.await.unwrap().status().is_success());
        }
    }
}
