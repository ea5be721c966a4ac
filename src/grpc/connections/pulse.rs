//! What a connection does, told by its socket and its calls, looked at by its task.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Frames, data_worth_ns};
use super::waste::Waste;
use crate::grpc::line::{Line, Reader};

/// What a call is worth that came to something: what it takes, so that a connection may waste as much as it
/// uses. And what one takes that is refused, beside its frames.
const CALL_NS: u64 = 20_000;

/// The same of an item of a stream: read, checked and answered.
const ITEM_NS: u64 = 3_000;

/// What a connection does.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Pulse {
    greeted: AtomicBool,
    flooded: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    /// Whether a call has come to something.
    useful: AtomicBool,
    /// Work that came to nothing, less what was of use, since it was last [taken](Self::take_bill).
    bill_ns: AtomicI64,
    /// What DATA was worth that calls have taken.
    taken_ns: AtomicU64,
    /// How many calls have ended before all of their message was there.
    broken_off: AtomicU64,
    /// How much has been read in this turn, frames counted in.
    turn_bytes: AtomicUsize,
}

impl Pulse {
    /// It is the connection's turn.
    pub(super) fn begin_turn(&self) {
        self.turn_bytes.store(0, Ordering::Relaxed);
    }

    /// Whether it is the turn of others.
    fn turn_is_over(&self) -> bool {
        self.turn_bytes.load(Ordering::Relaxed) >= TURN_BYTES
    }

    /// The client has said what every client begins with.
    pub(super) fn greet(&self) {
        self.greeted.store(true, Ordering::Relaxed);
    }

    /// A call begins.
    pub(in crate::grpc) fn begin_call(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that began has ended.
    pub(in crate::grpc) fn end_call(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A call came to something, or it was not the client's fault that it did not.
    pub(in crate::grpc) fn use_call(&self) {
        self.useful.store(true, Ordering::Relaxed);
        self.put_on_bill(-signed(CALL_NS));
    }

    /// A call was refused for what it was; DATA worth so much had been taken for it.
    pub(in crate::grpc) fn waste_call(&self, taken_ns: u64) {
        self.put_on_bill(signed(CALL_NS + taken_ns));
    }

    /// So many items of a stream came to something.
    pub(in crate::grpc) fn use_items(&self, items: u64) {
        self.put_on_bill(-signed(items.saturating_mul(ITEM_NS)));
    }

    /// So many were refused for what they were; DATA worth so much had been taken for them.
    pub(in crate::grpc) fn waste_items(&self, items: u64, taken_ns: u64) {
        let work_ns = items.saturating_mul(ITEM_NS).saturating_add(taken_ns);
        self.put_on_bill(signed(work_ns));
    }

    /// A call takes so many bytes that have come for it. What that is worth.
    pub(in crate::grpc) fn take_data(&self, bytes: usize) -> u64 {
        let worth_ns = data_worth_ns(bytes);
        self.taken_ns.fetch_add(worth_ns, Ordering::Relaxed);
        self.put_on_bill(-signed(worth_ns));
        worth_ns
    }

    /// What it took was for nothing.
    pub(in crate::grpc) fn waste_data(&self, taken_ns: u64) {
        self.taken_ns.fetch_sub(taken_ns, Ordering::Relaxed);
        self.put_on_bill(signed(taken_ns));
    }

    /// Of a call no more is waited for, though it is not whole.
    pub(in crate::grpc) fn break_off(&self) {
        self.broken_off.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so.
    pub(in crate::grpc) fn broken_off(&self) -> u64 {
        self.broken_off.load(Ordering::Relaxed)
    }

    /// What all calls have taken so far.
    pub(in crate::grpc) fn taken_ns(&self) -> u64 {
        self.taken_ns.load(Ordering::Relaxed)
    }

    /// So much, and what calls have taken since it was `before_ns`: a connection is on one thread. What was put on the
    /// bill meanwhile, as that of an item that never came whole, is taken no more.
    pub(in crate::grpc) fn and_taken_since(&self, before_ns: u64, taken_ns: u64) -> u64 {
        let since_ns = self.taken_ns().wrapping_sub(before_ns).cast_signed();
        taken_ns.saturating_add_signed(since_ns)
    }

    fn put_on_bill(&self, work_ns: i64) {
        self.bill_ns.fetch_add(work_ns, Ordering::Relaxed);
    }

    /// What has come to nothing since this was asked last; less than nothing where more was of use.
    pub(super) fn take_bill(&self) -> i64 {
        self.bill_ns.swap(0, Ordering::Relaxed)
    }

    /// Whether any call has come to something.
    pub(super) fn is_useful(&self) -> bool {
        self.useful.load(Ordering::Relaxed)
    }

    /// Whether the client has said what every client begins with.
    pub(super) fn has_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }

    /// Whether it was cut off for frames that carry no call.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    /// How many calls have begun.
    pub(super) fn calls_begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether none of them is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == self.calls_begun()
    }
}

fn signed(work_ns: u64) -> i64 {
    i64::try_from(work_ns).unwrap_or(i64::MAX)
}

/// How much of one connection is read before it is the turn of others: a client that always has more to
/// say would keep its thread else, until HTTP/2 has read some megabytes of it.
const TURN_BYTES: usize = 32 << 10;

/// What a frame counts for beside its bytes: a thread takes as long for the smallest of them as for some
/// hundred bytes.
const FRAME_BYTES: usize = 256;

/// A socket that tells what comes in by it, takes no flood, is read slowly where that comes to nothing, and lets
/// others have their turn.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    frames: Frames,
    pulse: Arc<Pulse>,
    waste: Waste,
    line: Line,
    reader: Arc<Reader>,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, pulse: Arc<Pulse>, waste: Waste, line: Line) -> Self {
        Self {
            io,
            frames: Frames::new(),
            pulse,
            waste,
            line,
            reader: Arc::default(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            io,
            frames,
            pulse,
            waste,
            line,
            reader,
        } = self.get_mut();
        ready!(waste.poll_read_on(cx));
        ready!(line.poll_room(reader, cx));
        // HTTP/2's library asks for more with each call that it has found: only its next turn is another one.
        if pulse.turn_is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (before, frames_before) = (buffer.filled().len(), frames.count());
        ready!(Pin::new(io).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        frames.follow(read);
        waste.add(frames.take_work_ns());
        let frames_read = usize::try_from(frames.count() - frames_before).unwrap_or(usize::MAX);
        let turn_bytes = read.len() + FRAME_BYTES * frames_read;
        pulse.turn_bytes.fetch_add(turn_bytes, Ordering::Relaxed);
        if !pulse.has_greeted() && frames.has_greeted() {
            pulse.greet();
        }
        if frames.is_flood() {
            pulse.flooded.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("many frames without calls")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, frames, .. } = self.get_mut();
        let sent = ready!(Pin::new(io).poll_write(cx, bytes))?;
        frames.send(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, frames, .. } = self.get_mut();
        let sent = ready!(Pin::new(io).poll_write_vectored(cx, slices))?;
        frames.send(sent);
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::repeat;

    use super::*;

    const BUFFER: usize = 1_000;

    /// How much is read until it is the turn of others.
    fn turn(watched: &mut Watched<impl AsyncRead + Unpin>) -> usize {
        watched.pulse.begin_turn();
        read_on(watched)
    }

    /// How much of it is read before that.
    fn read_on(watched: &mut Watched<impl AsyncRead + Unpin>) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = 0;
        loop {
            let mut bytes = [0; BUFFER];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *watched).poll_read(&mut cx, &mut buffer) {
                Poll::Ready(read) => read.unwrap(),
                Poll::Pending => return all,
            }
            all += buffer.filled().len();
        }
    }

    #[test]
    fn who_always_has_more_to_say_is_interrupted_and_goes_on() {
        // Frames of 460,551 bytes, and empty ones.
        for (byte, least) in [(7, TURN_BYTES), (0, 9 * TURN_BYTES / (9 + FRAME_BYTES))] {
            let mut watched = Watched::new(
                repeat(byte),
                Arc::default(),
                Waste::unlimited(),
                Line::default(),
            );
            for _ in 0..3 {
                let read = turn(&mut watched);
                assert!((least..=least + BUFFER).contains(&read), "{read} of {byte}");
                assert_eq!(
                    read_on(&mut watched),
                    0,
                    "its turn is over, however often it asks"
                );
            }
        }
    }

    #[tokio::test]
    async fn who_owes_too_much_is_not_read_from_until_a_call_comes_to_something() {
        let pulse = Arc::new(Pulse::default());
        let waste = Waste::allowing(100, Arc::clone(&pulse));
        let mut watched = Watched::new(repeat(0), Arc::clone(&pulse), waste, Line::default());
        // Empty frames of DATA. A hundredth of a millisecond is forgiven in a tenth of a second.
        let read: Vec<usize> = (0..100).map(|_| turn(&mut watched)).collect();
        assert!(read[0] > 0);
        assert!(
            read.iter().filter(|read| **read > 0).count() < 10,
            "{read:?}"
        );
        assert_eq!(read[99], 0);
        (0..100).for_each(|_| pulse.use_call());
        assert!(turn(&mut watched) > 0);
    }
}
