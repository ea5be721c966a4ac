//! A call as a task of its own: from the request to the end of its answer, over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::Response;
use hyper::body::{Body as _, Bytes};
use tonic::body::Body;

use super::deadline::DeadlineTimer;
use super::limited_body::FREE_BYTES;
use super::{OpenCall, PendingCall};
use crate::clock::Deadline;

/// A call and its answer. Completes once the answer is sent, or the client has given up.
#[derive(Debug)]
pub(in crate::grpc) struct Exchange {
    respond: SendResponse<Bytes>,
    stage: Stage,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most of its time it is the larger one, and a box would cost each call"
)]
enum Stage {
    Answering(PendingCall),
    Sending(Sending),
}

impl Exchange {
    pub(super) const fn new(pending: PendingCall, respond: SendResponse<Bytes>) -> Self {
        Self {
            respond,
            stage: Stage::Answering(pending),
        }
    }
}

/// Whether the client has given up a call that is not answered. `h2` still hands out the message of such a call
/// if the client had half-closed before.
pub(super) fn is_given_up(respond: &mut SendResponse<Bytes>) -> bool {
    let mut now = Context::from_waker(Waker::noop());
    respond.poll_reset(&mut now).is_ready()
}

/// Starts to send an answer. Returns what is left to send; `None` if that was all, or nobody hears it.
pub(super) fn begin(
    respond: &mut SendResponse<Bytes>,
    answer: Response<Answer>,
) -> Option<Sending> {
    let (head, answer) = answer.into_parts();
    let is_whole = answer.body.is_end_stream();
    match respond.send_response(Response::from_parts(head, ()), is_whole) {
        Ok(stream) => (!is_whole).then_some(Sending {
            stream,
            answer,
            held: None,
            unread: None,
        }),
        Err(_) => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            None
        }
    }
}

impl Future for Exchange {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Answering(pending) => {
                    // First of all: a call that was given up must not be scored. This also registers to be
                    // woken by a reset.
                    if !pending.is_refused() && this.respond.poll_reset(cx).is_ready() {
                        pending.give_up();
                        return Poll::Ready(());
                    }
                    let answer = ready!(Pin::new(pending).poll(cx));
                    match begin(&mut this.respond, answer) {
                        Some(sending) => this.stage = Stage::Sending(sending),
                        None => return Poll::Ready(()),
                    }
                }
                Stage::Sending(sending) => return Pin::new(sending).poll(cx),
            }
        }
    }
}

/// An answer that is sent as the client's window allows.
#[derive(Debug)]
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    answer: Answer,
    /// The piece that waits for the window.
    held: Option<Held>,
    /// How long it may wait, once it does.
    unread: Option<DeadlineTimer>,
}

/// A piece of an answer, or the rest of one.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    is_last: bool,
    /// How much of it is counted as held, once it waits.
    counted_bytes: Option<usize>,
}

/// Ready once all is sent, or the client does not want it any more.
impl Future for Sending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            while self.held.is_some() {
                match self.poll_room(cx) {
                    Poll::Ready(Some(room)) if self.send(room) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return self.wait(cx),
                }
            }
            if !ready!(self.poll_next(cx)) {
                return Poll::Ready(());
            }
        }
    }
}

impl Sending {
    /// How much the client's window allows; `None` where the call is over.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        loop {
            match self.stream.capacity() {
                0 => match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(None),
                },
                room => return Poll::Ready(Some(room)),
            }
        }
    }

    /// Sends this much of the held piece; returns whether more may follow. Anything beyond the window would be
    /// buffered in `h2`, where nobody counts it.
    fn send(&mut self, room: usize) -> bool {
        let Some(held) = &mut self.held else {
            return true;
        };
        self.unread = None;
        let bytes = held.bytes.split_to(room.min(held.bytes.len()));
        let is_whole = held.bytes.is_empty();
        let is_last = is_whole && held.is_last;
        let is_sent = self.stream.send_data(bytes, is_last).is_ok();
        if is_whole {
            self.drop_held();
        } else {
            self.stream.reserve_capacity(held.bytes.len());
        }
        is_sent && !is_last
    }

    /// Waits for the window: until the deadline, no longer than the client may take to read any of it, and only
    /// while all that waits for clients does not take too much. While a client does not read an answer, what it
    /// sends for that call is not read either, and fills the connection's window: without a limit other calls
    /// would stall.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(held) = &mut self.held
            && held.counted_bytes.is_none()
        {
            let bytes = held.bytes.len().saturating_sub(FREE_BYTES);
            if bytes > 0 && !self.answer.hold(bytes) {
                self.stream.send_reset(Reason::ENHANCE_YOUR_CALM);
                return Poll::Ready(());
            }
            held.counted_bytes = Some(bytes);
        }
        let why = match self.answer.poll_deadline(cx) {
            Poll::Ready(()) => Reason::CANCEL,
            Poll::Pending => {
                ready!(self.poll_unread(cx));
                Reason::ENHANCE_YOUR_CALM
            }
        };
        self.stream.send_reset(why);
        Poll::Ready(())
    }

    /// Ready once the client has had no room for too long.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unread.is_none() {
            self.unread = self.answer.unread_until().map(DeadlineTimer::new);
        }
        match &mut self.unread {
            Some(unread) => unread.poll(cx),
            None => Poll::Pending,
        }
    }

    fn drop_held(&mut self) {
        let held = self.held.take();
        if let Some(bytes @ 1..) = held.and_then(|held| held.counted_bytes) {
            self.answer.release(bytes);
        }
    }

    /// Takes the next frame of the answer, and sends what needs no window; returns whether more may follow.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let frame = match ready!(Pin::new(&mut self.answer.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                self.stream.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(false);
            }
            None => {
                // Fails only where the call has ended anyway.
                let _ = self.stream.send_data(Bytes::new(), true);
                return Poll::Ready(false);
            }
        };
        Poll::Ready(match frame.into_data() {
            Ok(bytes) => {
                self.stream.reserve_capacity(bytes.len());
                let is_last = self.answer.body.is_end_stream();
                if bytes.is_empty() {
                    self.stream.send_data(bytes, is_last).is_ok() && !is_last
                } else {
                    self.held = Some(Held {
                        bytes,
                        is_last,
                        counted_bytes: None,
                    });
                    true
                }
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => {
                    self.stream.reserve_capacity(0);
                    let _ = self.stream.send_trailers(trailers);
                    false
                }
                // Neither data nor trailers: nothing that HTTP/2 has.
                Err(_) => true,
            },
        })
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.drop_held();
    }
}

/// The body of an answer; the call counts as open until it is sent.
#[derive(Debug)]
pub(in crate::grpc) struct Answer {
    body: Body,
    open: Option<OpenCall>,
    deadline: Option<DeadlineTimer>,
}

impl Answer {
    pub(super) const fn new(
        body: Body,
        open: Option<OpenCall>,
        deadline: Option<DeadlineTimer>,
    ) -> Self {
        Self {
            body,
            open,
            deadline,
        }
    }

    /// Counts bytes that wait for the client as held, like those of unfinished messages; returns whether there
    /// is room.
    fn hold(&self, bytes: usize) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.shared.hold(bytes))
    }

    fn release(&self, bytes: usize) {
        if let Some(OpenCall { shared, .. }) = &self.open {
            shared.admission.release(bytes);
        }
    }

    /// By when the client must have read some of it.
    fn unread_until(&self) -> Option<Deadline> {
        let OpenCall { shared, .. } = self.open.as_ref()?;
        Deadline::after(shared.admission.unread_max())
    }

    /// Ready once the client's deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.deadline {
            Some(deadline) => deadline.poll(cx),
            None => Poll::Pending,
        }
    }
}
