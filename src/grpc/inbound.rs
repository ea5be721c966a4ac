//! Messages on their way in, and how much of them may be held.
//!
//! A client may send all of a message but its end, on every call that it may have open: gigabytes over one
//! connection. Room for a message is made once it says how long it is, and where memory comes in large pages
//! its first byte takes much of it. So the room of messages that are not whole is counted, and beyond what
//! may be held the call that asks for more is refused.
//!
//! Nor is the rest of a message waited for without an end: who has begun one has so long to send it. A stream that has
//! none begun may be silent.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};
use tonic::Status;
use tonic::codegen::StdError;

use super::calls::Shared;
use super::codec::{HEAD_BYTES, framed_bytes};
use super::convert::{InvalidRequest, request};
use super::deadline::Wait;
use super::received::Received;
use super::status::Fault;
use crate::clock::{Deadline, Stopwatch};
use crate::telemetry::{Call, CallRefused, Method};

mod elements;

use elements::Elements;

/// What is not counted of each: a call costs about as much before, and few messages are longer.
pub(super) const FREE_BYTES: usize = 16 << 10;

/// How long a message to health or reflection may be. Who asks these needs no token, and none of the room that is
/// there for payments.
const TOOL_BYTES_MAX: usize = FREE_BYTES - HEAD_BYTES;

/// What a call brings.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Until all that is waited for has come.
    body: Option<Received>,
    method: Option<Method>,
    /// When the call came.
    since: Stopwatch,
    shared: Arc<Shared>,
    coming: Coming,
    /// What of it is counted.
    held_bytes: usize,
    /// What it has taken was worth so much.
    taken_ns: u64,
    /// Until when what is due must be there, while it is waited for.
    until: Option<Wait>,
    /// Whether more was asked for than had come.
    is_waiting: bool,
    /// Why it is refused, once all of it has gone by: HTTP/2 takes a client for a nuisance that sends what
    /// nobody waits for any more.
    invalid: Option<InvalidRequest>,
}

impl Inbound {
    pub(super) fn new(
        body: Received,
        method: Option<Method>,
        since: Stopwatch,
        shared: &Arc<Shared>,
    ) -> Self {
        let coming = Coming {
            is_stream: matches!(method, Some(Method::StreamPayments) | None),
            is_due: !matches!(method, Some(Method::StreamPayments)),
            elements: (method == Some(Method::BatchScorePayments)).then(Elements::default),
            message_bytes_max: match method {
                Some(_) => shared.admission.message_bytes_max(),
                None => TOOL_BYTES_MAX,
            },
            ..Coming::default()
        };
        Self {
            body: Some(body),
            method,
            since,
            shared: Arc::clone(shared),
            coming,
            held_bytes: 0,
            taken_ns: 0,
            until: None,
            is_waiting: false,
            invalid: None,
        }
    }

    /// Counts the room that it takes now; whether it may be held.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let coming_bytes = self.coming.follow(bytes);
        self.release();
        if self.method.is_none() && self.coming.is_too_long() {
            let problem =
                format!("a message of this method is at most {TOOL_BYTES_MAX} bytes long");
            return Err(Status::resource_exhausted(problem));
        }
        let held_bytes = coming_bytes.saturating_sub(FREE_BYTES);
        if held_bytes == 0 {
            return Ok(());
        }
        if !self.shared.hold(held_bytes) {
            return Err(self.refuse(Fault::Busy(CallRefused::Messages)));
        }
        self.held_bytes = held_bytes;
        Ok(())
    }

    /// Takes what has come. What is refused already goes by.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Status> {
        if self.invalid.is_some() {
            return Ok(());
        }
        self.taken_ns += self.shared.activity.take_data(bytes.len());
        let whole_before = self.coming.whole;
        self.hold(bytes)?;
        if self.coming.whole > whole_before {
            self.until = None;
        }
        let elements = self.coming.elements.as_ref();
        if let Some(count) = elements.map(Elements::count)
            && let Err(invalid) = request::batch_size_so_far(count)
        {
            self.release();
            // There may be much more of it, and nobody waits for that either.
            self.shared
                .activity
                .waste_data(mem::take(&mut self.taken_ns));
            self.invalid = Some(invalid);
        }
        Ok(())
    }

    /// Ready once what is due has not come in time. Only what is waited for takes time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.coming.is_due() {
            return Poll::Pending;
        }
        if self.until.is_none() {
            let time = self.shared.admission.message_time_max();
            self.until = Deadline::after(time).map(Wait::new);
        }
        match &mut self.until {
            Some(until) => until.poll(cx),
            None => Poll::Pending,
        }
    }

    fn is_late(&self) -> bool {
        self.coming.is_due() && self.until.as_ref().is_some_and(Wait::is_over)
    }

    /// Nothing more of it is waited for.
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
        let door = &self.shared.door;
        let status = Status::from(fault);
        // A stream has begun, and is counted as it ends; any other method has not seen its call.
        if let Some(method) = self.method
            && method != Method::StreamPayments
        {
            Call::begun(door, method, self.since).fail(status.code().into());
        }
        status
    }
}

impl Inbound {
    /// What was taken for nothing, now that no more of it is.
    fn wasted_ns(&self) -> u64 {
        match self.method {
            // What is whole was answered.
            Some(Method::StreamPayments) => self.taken_ns.min(self.coming.came_bytes as u64),
            _ if self.has_ended() => 0,
            _ => self.taken_ns,
        }
    }

    fn has_ended(&self) -> bool {
        self.body.as_ref().is_none_or(Received::is_end_stream)
    }

    /// What comes next, for as long as that is waited for. A message is whole before it is said that nothing follows:
    /// many a client says so by itself, and waits for its answer meanwhile.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let next = Pin::new(body).poll_frame(cx);
        let is_whole = self.invalid.is_none() && self.coming.is_whole();
        let next = match next {
            Poll::Pending if is_whole => None,
            next => ready!(next),
        };
        if next.is_none()
            && let Some(body) = self.body.take()
        {
            self.shared.endings.hold(body);
        }
        Poll::Ready(next)
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.release();
        // A stream counts itself.
        if self.method != Some(Method::StreamPayments) && !self.has_ended() {
            self.shared.activity.break_off();
        }
        let wasted_ns = self.wasted_ns();
        if wasted_ns > 0 {
            self.shared.activity.waste_data(wasted_ns);
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let has_waited = mem::take(&mut self.is_waiting);
        if !has_waited && self.is_late() {
            // Nobody asked for what may have come in time.
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

/// What room the messages of a call take.
#[derive(Debug, Default)]
struct Coming {
    /// Whether its method takes one message after the other, or is not ours. Any other begins when its message is
    /// whole, and until then what has come is held.
    is_stream: bool,
    /// Whether its first message is, from its beginning on: of ours only a stream may be silent before it.
    is_due: bool,
    /// How many messages have come whole.
    whole: u64,
    /// The payments so far, where it is a batch of them.
    elements: Option<Elements>,
    /// What is longer is refused, and no room is made for it.
    message_bytes_max: usize,
    /// What is held of messages that are whole.
    whole_bytes: usize,
    /// The head of the next one, as far as it has come.
    head: [u8; HEAD_BYTES],
    /// How much of the next one has come, its head included.
    came_bytes: usize,
}

impl Coming {
    /// How much room is taken, now that this has come too.
    fn follow(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            let wanted = self.length().unwrap_or(HEAD_BYTES) - self.came_bytes;
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            if self.came_bytes < HEAD_BYTES {
                self.head[self.came_bytes..][..taken.len()].copy_from_slice(taken);
            } else if let Some(elements) = &mut self.elements {
                elements.follow(taken);
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

    /// Whether all has come that its method waits for.
    const fn is_whole(&self) -> bool {
        !self.is_stream && self.whole_bytes > 0 && self.came_bytes == 0
    }

    /// Whether its client is to send more, and not only may.
    const fn is_due(&self) -> bool {
        self.came_bytes > 0 || self.is_due && self.whole == 0
    }

    /// Whether the next one is longer than may be.
    fn is_too_long(&self) -> bool {
        let length = self.length();
        length.is_some_and(|length| length > HEAD_BYTES + self.message_bytes_max)
    }

    /// How long the next one is with its head, once that is there.
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

    fn coming(is_stream: bool) -> Coming {
        Coming {
            is_stream,
            message_bytes_max: 100_000,
            ..Coming::default()
        }
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let lengths = [0, 1, 300, 0, 70_000];
        let whole: Vec<u8> = lengths.into_iter().flat_map(message).collect();
        let sent = [&whole[..], &message(900)[..500]].concat();
        for cut in [1, 2, 4, 5, 6, 7, 300, 1_000, sent.len()] {
            let (mut stream, mut call) = (coming(true), coming(false));
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
        let mut coming = coming(true);
        assert_eq!(coming.follow(&message(100_000)[..4]), 4);
        assert_eq!(coming.follow(&message(100_000)[4..5]), 100_005);
        assert_eq!(coming.follow(&message(100_000)[5..]), 0);
        assert_eq!(coming.follow(&message(100_001)[..5]), 0);
    }
}
