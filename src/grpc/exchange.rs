//! A call on HTTP/2, from its question to the end of its answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::Response;
use hyper::body::{Body as _, Bytes};
use tonic::body::Body;

use super::calls::{Answering, OpenCall};

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
                Stage::Answering(answering) => match Pin::new(answering).poll(cx) {
                    Poll::Ready(answer) => match begin(&mut this.respond, answer) {
                        Some(sending) => this.stage = Stage::Sending(sending),
                        None => return Poll::Ready(()),
                    },
                    // Whether it is given up meanwhile.
                    Poll::Pending => return this.respond.poll_reset(cx).map(|_| ()),
                },
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
    /// What waits for room, and whether it is the last.
    held: Option<(Bytes, bool)>,
}

/// Ready once all is sent, or nobody wants it any more.
impl Future for Sending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.held.is_some() && !ready!(self.poll_room(cx)) {
                return Poll::Ready(());
            }
            if let Some((bytes, is_last)) = self.held.take()
                && (self.stream.send_data(bytes, is_last).is_err() || is_last)
            {
                return Poll::Ready(());
            }
            if !ready!(self.poll_next(cx)) {
                return Poll::Ready(());
            }
        }
    }
}

impl Sending {
    /// Whether there is room for what is held; not where the call is over.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
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
                // The rest is asked for as it is sent. Asked for before, all of them would wait for each other.
                self.stream.reserve_capacity(usize::from(!bytes.is_empty()));
                let is_last = self.answer.body.is_end_stream();
                if bytes.is_empty() {
                    self.stream.send_data(bytes, is_last).is_ok() && !is_last
                } else {
                    self.held = Some((bytes, is_last));
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

/// An answer on its way to the client; its call is open until it has left.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _open: Option<OpenCall>,
}

impl Answer {
    pub(super) const fn new(body: Body, open: Option<OpenCall>) -> Self {
        Self { body, _open: open }
    }
}
