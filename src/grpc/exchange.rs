//! A call on HTTP/2, from its question to the end of its answer.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::Response;
use hyper::body::{Body as _, Bytes};
use tonic::body::Body;

use super::calls::{Answering, OpenCall};
use super::deadline::Wait;
use super::inbound::FREE_BYTES;
use crate::clock::Deadline;

/// A call under way. Ends with its answer, or once its client has given it up.
#[derive(Debug)]
pub(super) struct Exchange {
    respond: SendResponse<Bytes>,
    stage: Stage,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most of its time it is the larger one, and a box would cost each call"
)]
enum Stage {
    Answering(Answering),
    Sending(Sending),
}

impl Exchange {
    pub(super) const fn new(answering: Answering, respond: SendResponse<Bytes>) -> Self {
        Self {
            respond,
            stage: Stage::Answering(answering),
        }
    }
}

/// Whether the client has given up a call that has no answer yet. HTTP/2's library gives the message all the same
/// where the client had ended the call before.
pub(super) fn is_given_up(respond: &mut SendResponse<Bytes>) -> bool {
    let mut now = Context::from_waker(Waker::noop());
    respond.poll_reset(&mut now).is_ready()
}

/// Begins an answer. Returns what is still to be sent; `None` where that was all, or nobody hears it.
pub(super) fn begin(
    respond: &mut SendResponse<Bytes>,
    answer: Response<Answer>,
) -> Option<Sending> {
    let (head, answer) = answer.into_parts();
    let is_all = answer.body.is_end_stream();
    match respond.send_response(Response::from_parts(head, ()), is_all) {
        Ok(stream) => (!is_all).then_some(Sending {
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
                Stage::Answering(answering) => {
                    // Asked first, for what is given up is not to be scored; and this is woken once it is.
                    if !answering.is_refused() && this.respond.poll_reset(cx).is_ready() {
                        answering.give_up();
                        return Poll::Ready(());
                    }
                    let answer = ready!(Pin::new(answering).poll(cx));
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

/// An answer that is sent as its client has room for it.
#[derive(Debug)]
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    answer: Answer,
    /// What waits for room.
    held: Option<Held>,
    /// Until when it may, once it does.
    unread: Option<Wait>,
}

/// A piece of an answer, or what is left of it.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    is_last: bool,
    /// What of it is counted, once it waits.
    counted_bytes: Option<usize>,
}

/// Ready once all is sent, or nobody wants it any more.
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
    /// How much there is room for; `None` where the call is over.
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

    /// Sends so much of what is held; whether there may be more. What is handed over beyond the client's room
    /// would be held where nobody counts it.
    fn send(&mut self, room: usize) -> bool {
        let Some(held) = &mut self.held else {
            return true;
        };
        self.unread = None;
        let bytes = held.bytes.split_to(room.min(held.bytes.len()));
        let is_all = held.bytes.is_empty();
        let is_last = is_all && held.is_last;
        let is_sent = self.stream.send_data(bytes, is_last).is_ok();
        if is_all {
            self.drop_held();
        } else {
            self.stream.reserve_capacity(held.bytes.len());
        }
        is_sent && !is_last
    }

    /// Waits for room: to its deadline, no longer than its client may take to read any of it, and only where what
    /// waits for clients does not take too much. What is sent for a call whose answer is not read is not read either,
    /// and takes of what the connection has room for: without an end, other calls of it would come to a stand.
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

    /// Ready once the client has had room for nothing more for too long.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unread.is_none() {
            self.unread = self.answer.unread_until().map(Wait::new);
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

    /// Takes the next of the answer, and sends what needs no room; whether there may be more.
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
                // Nothing that HTTP/2 knows.
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

/// An answer on its way to the client; its call is open until it has left.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    open: Option<OpenCall>,
    deadline: Option<Wait>,
}

impl Answer {
    pub(super) const fn new(body: Body, open: Option<OpenCall>, deadline: Option<Wait>) -> Self {
        Self {
            body,
            open,
            deadline,
        }
    }

    /// Counts what waits for its client among the messages that are not whole; whether there is room for it.
    fn hold(&self, bytes: usize) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.shared.hold(bytes))
    }

    fn release(&self, bytes: usize) {
        if let Some(OpenCall { shared, .. }) = &self.open {
            shared.admission.release(bytes);
        }
    }

    /// Until when its client is to have room for more of it, where it has none now.
    fn unread_until(&self) -> Option<Deadline> {
        let OpenCall { shared, .. } = self.open.as_ref()?;
        Deadline::after(shared.admission.unread_max())
    }

    /// Ready once the client waits for the answer no more.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.deadline {
            Some(deadline) => deadline.poll(cx),
            None => Poll::Pending,
        }
    }
}
