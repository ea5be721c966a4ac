//! A request's body with limits on how much memory and time its messages may take.
//!
//! A client may send all of a message but its end, on every call that it may have open: gigabytes over one
//! connection. Memory for a message is allocated once its length is known, and where pages are large, its first
//! byte takes much of it. So the memory of unfinished messages is counted, and a call that would exceed the
//! limit is refused.
//!
//! A message that has begun must be whole within a time limit. A stream may be silent between messages.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};
use tonic::Status;
use tonic::codegen::StdError;

use super::Shared;
use super::body::RequestBody;
use super::deadline::DeadlineTimer;
use crate::clock::{Deadline, Stopwatch};
use crate::grpc::codec::{HEAD_BYTES, framed_bytes};
use crate::grpc::convert::{InvalidRequest, request};
use crate::grpc::status::Fault;
use crate::telemetry::{Call, CallRefused, Method};

mod batch_size;

use batch_size::BatchSize;

/// Of each message this much is not counted: a call costs about as much anyway, and few messages are longer.
pub(in crate::grpc) const FREE_BYTES: usize = 16 << 10;

/// The longest message to health or reflection. These need no token, and must not use up the room for payments.
const TOOL_BYTES_MAX: usize = FREE_BYTES - HEAD_BYTES;

/// The body of a request, followed as its frames are read.
#[derive(Debug)]
pub(in crate::grpc) struct LimitedBody {
    /// `None` once everything that is awaited has come.
    body: Option<RequestBody>,
    method: Option<Method>,
    /// When the call came.
    since: Stopwatch,
    shared: Arc<Shared>,
    framing: Framing,
    /// How many bytes are counted as held.
    held_bytes: usize,
    /// What the DATA taken so far was worth.
    taken_ns: u64,
    /// By when the message must be whole, while it is waited for.
    until: Option<DeadlineTimer>,
    /// Whether the last poll found nothing to read.
    is_waiting: bool,
    /// Why the call will be refused, once the rest of its body was discarded: `h2` would count what comes for a
    /// stream that was reset as abuse.
    invalid: Option<InvalidRequest>,
}

impl LimitedBody {
    pub(in crate::grpc) fn new(
        body: RequestBody,
        method: Option<Method>,
        since: Stopwatch,
        shared: &Arc<Shared>,
    ) -> Self {
        let framing = Framing {
            is_stream: matches!(method, Some(Method::StreamPayments) | None),
            is_due: !matches!(method, Some(Method::StreamPayments)),
            batch_size: (method == Some(Method::BatchScorePayments)).then(BatchSize::default),
            message_bytes_max: match method {
                Some(_) => shared.admission.message_bytes_max(),
                None => TOOL_BYTES_MAX,
            },
            ..Framing::default()
        };
        Self {
            body: Some(body),
            method,
            since,
            shared: Arc::clone(shared),
            framing,
            held_bytes: 0,
            taken_ns: 0,
            until: None,
            is_waiting: false,
            invalid: None,
        }
    }

    /// Counts the memory that the messages take now; fails if there is no room.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let room_bytes = self.framing.follow(bytes);
        self.release();
        if self.method.is_none() && self.framing.is_too_long() {
            let problem =
                format!("a message of this method is at most {TOOL_BYTES_MAX} bytes long");
            return Err(Status::resource_exhausted(problem));
        }
        let held_bytes = room_bytes.saturating_sub(FREE_BYTES);
        if held_bytes == 0 {
            return Ok(());
        }
        if !self.shared.hold(held_bytes) {
            return Err(self.refuse(Fault::Busy(CallRefused::Messages)));
        }
        self.held_bytes = held_bytes;
        Ok(())
    }

    /// Takes a piece of the body. What is refused already is discarded.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Status> {
        if self.invalid.is_some() {
            return Ok(());
        }
        self.taken_ns += self.shared.activity.take_data(bytes.len());
        let whole_before = self.framing.whole;
        self.hold(bytes)?;
        if self.framing.whole > whole_before {
            self.until = None;
        }
        let batch_size = self.framing.batch_size.as_ref();
        if let Some(count) = batch_size.map(BatchSize::count)
            && let Err(invalid) = request::batch_size_so_far(count)
        {
            self.release();
            // Much more may follow, and it is of no use either.
            self.shared
                .activity
                .waste_data(mem::take(&mut self.taken_ns));
            self.invalid = Some(invalid);
        }
        Ok(())
    }

    /// Ready once a message is late. Time only runs while the message is waited for.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.framing.is_due() {
            return Poll::Pending;
        }
        if self.until.is_none() {
            let time = self.shared.admission.message_time_max();
            self.until = Deadline::after(time).map(DeadlineTimer::new);
        }
        match &mut self.until {
            Some(until) => until.poll(cx),
            None => Poll::Pending,
        }
    }

    fn is_late(&self) -> bool {
        self.framing.is_due() && self.until.as_ref().is_some_and(DeadlineTimer::is_over)
    }

    /// Stops waiting for the rest, and refuses the call.
    fn break_off(&mut self) -> Status {
        let time = self.shared.admission.message_time_max();
        let invalid = self.invalid.take();
        self.refuse(invalid.map_or(Fault::Unfinished(time), Fault::from))
    }

    fn release(&mut self) {
        if self.held_bytes > 0 {
            self.shared.admission.release(self.held_bytes);
            self.held_bytes = 0;
        }
    }

    fn refuse(&self, fault: Fault) -> Status {
        let server_state = &self.shared.server_state;
        let status = Status::from(fault);
        // A stream is counted by its method, which was called; any other method was not.
        if let Some(method) = self.method
            && method != Method::StreamPayments
        {
            Call::begun(server_state, method, self.since).fail(status.code().into());
        }
        status
    }
}

impl LimitedBody {
    /// The worth of what was taken in vain, now that no more comes.
    fn wasted_ns(&self) -> u64 {
        match self.method {
            // Whole items were answered.
            Some(Method::StreamPayments) => self.taken_ns.min(self.framing.came_bytes as u64),
            _ if self.has_ended() => 0,
            _ => self.taken_ns,
        }
    }

    fn has_ended(&self) -> bool {
        self.body.as_ref().is_none_or(RequestBody::is_end_stream)
    }

    /// The next frame, as long as more is awaited. Nothing is once the message is whole: many clients
    /// half-close in a frame of its own, while they already wait for the answer.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let next = Pin::new(body).poll_frame(cx);
        let is_whole = self.invalid.is_none() && self.framing.is_whole();
        let next = match next {
            Poll::Pending if is_whole => None,
            next => ready!(next),
        };
        if next.is_none()
            && let Some(body) = self.body.take()
        {
            self.shared.unended.hold(body);
        }
        Poll::Ready(next)
    }
}

impl Drop for LimitedBody {
    fn drop(&mut self) {
        self.release();
        // A stream does its own accounting.
        if self.method != Some(Method::StreamPayments) && !self.has_ended() {
            self.shared.activity.break_off();
        }
        let wasted_ns = self.wasted_ns();
        if wasted_ns > 0 {
            self.shared.activity.waste_data(wasted_ns);
        }
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let has_waited = mem::take(&mut self.is_waiting);
        if !has_waited && self.is_late() {
            // It may have come in time, but nobody had polled for it.
            self.until = None;
        }
        loop {
            let frame = match self.poll_next(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Pending => {
                    self.is_waiting = true;
                    ready!(self.poll_late(cx));
                    return Poll::Ready(Some(Err(self.break_off().into())));
                }
                Poll::Ready(None) => {
                    let invalid = self.invalid.take();
                    let refused = invalid.map(|invalid| Err(self.refuse(invalid.into()).into()));
                    return Poll::Ready(refused);
                }
            };
            if let Some(bytes) = frame.data_ref()
                && let Err(status) = self.take(bytes)
            {
                return Poll::Ready(Some(Err(status.into())));
            }
            if has_waited && self.is_late() {
                return Poll::Ready(Some(Err(self.break_off().into())));
            }
            if self.invalid.is_none() {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.invalid.is_none() && self.has_ended()
    }
}

/// How much memory the messages of a call take: follows the length prefixes of gRPC.
#[derive(Debug, Default)]
struct Framing {
    /// Whether each message is handed on as soon as it is whole: streams, health and reflection. All other
    /// methods are called once their message is whole, and all of it is held until then.
    is_stream: bool,
    /// Whether the first message is awaited from the start. Only a stream of ours may be silent before it.
    is_due: bool,
    /// How many whole messages have come.
    whole: u64,
    /// How many payments have come, if it is a batch.
    batch_size: Option<BatchSize>,
    /// Longer messages are refused, and no memory is allocated for them.
    message_bytes_max: usize,
    /// How many bytes of whole messages are held.
    whole_bytes: usize,
    /// The length prefix of the next message, as far as it has come.
    head: [u8; HEAD_BYTES],
    /// How much of the next message has come, its prefix included.
    came_bytes: usize,
}

impl Framing {
    /// Follows these bytes; returns how much memory the messages take then.
    fn follow(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            let wanted = self.length().unwrap_or(HEAD_BYTES) - self.came_bytes;
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            if self.came_bytes < HEAD_BYTES {
                self.head[self.came_bytes..][..taken.len()].copy_from_slice(taken);
            } else if let Some(batch_size) = &mut self.batch_size {
                batch_size.follow(taken);
            }
            self.came_bytes += taken.len();
            if self.length() == Some(self.came_bytes) {
                if !self.is_stream {
                    self.whole_bytes += self.came_bytes;
                }
                self.came_bytes = 0;
                self.whole += 1;
            }
            bytes = rest;
        }
        let next = self.length().unwrap_or(self.came_bytes);
        self.whole_bytes + if self.is_too_long() { 0 } else { next }
    }

    /// Whether everything that the method waits for has come.
    const fn is_whole(&self) -> bool {
        !self.is_stream && self.whole_bytes > 0 && self.came_bytes == 0
    }

    /// Whether the client must send more, and not only may.
    const fn is_due(&self) -> bool {
        self.came_bytes > 0 || self.is_due && self.whole == 0
    }

    /// Whether the next message is longer than allowed.
    fn is_too_long(&self) -> bool {
        let length = self.length();
        length.is_some_and(|length| length > HEAD_BYTES + self.message_bytes_max)
    }

    /// The length of the next message with its prefix, once that has come.
    fn length(&self) -> Option<usize> {
        (self.came_bytes >= HEAD_BYTES).then_some(framed_bytes(self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let head = u32::try_from(length).unwrap().to_be_bytes();
        [&[0], &head[..], &vec![7; length]].concat()
    }

    fn framing(is_stream: bool) -> Framing {
        Framing {
            is_stream,
            message_bytes_max: 100_000,
            ..Framing::default()
        }
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let lengths = [0, 1, 300, 0, 70_000];
        let whole: Vec<u8> = lengths.into_iter().flat_map(message).collect();
        let sent = [&whole[..], &message(900)[..500]].concat();
        for cut in [1, 2, 4, 5, 6, 7, 300, 1_000, sent.len()] {
            let (mut stream, mut call) = (framing(true), framing(false));
            let mut held = (0, 0);
            for bytes in sent.chunks(cut) {
                held = (stream.follow(bytes), call.follow(bytes));
                assert!(held.0 <= 70_005);
            }
            assert_eq!(held, (905, whole.len() + 905), "{cut}");
        }
    }

    #[test]
    fn room_is_taken_with_the_head_and_none_for_what_is_too_long() {
        let mut framing = framing(true);
        assert_eq!(framing.follow(&message(100_000)[..4]), 4);
        assert_eq!(framing.follow(&message(100_000)[4..5]), 100_005);
        assert_eq!(framing.follow(&message(100_000)[5..]), 0);
        assert_eq!(framing.follow(&message(100_001)[..5]), 0);
    }
}
