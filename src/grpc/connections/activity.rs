//! What happens on a connection: counted by its socket and its calls, read by its task.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Frames, data_worth_ns};
use super::preface::PREFACE;
use super::waste::Waste;
use crate::grpc::calls::queue::{CallQueue, Reader};

/// What a useful call takes off the connection's debt: what it costs, so that a connection may waste as much as
/// it uses. And what a refused call adds to it, beside its frames.
const CALL_NS: u64 = 20_000;

/// The same for an item of a stream: read, checked and answered.
const ITEM_NS: u64 = 3_000;

/// Counters of one connection.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Activity {
    established: AtomicBool,
    flooded: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    /// Whether any call has come to something.
    useful: AtomicBool,
    /// Wasted work, less useful work, since it was last [taken](Self::take_waste).
    waste_ns: AtomicI64,
    /// What the DATA was worth that calls have taken.
    taken_ns: AtomicU64,
    /// How many calls have ended before all of their message was there.
    broken_off: AtomicU64,
    /// How many bytes were read in this turn, including a surcharge for each frame.
    turn_bytes: AtomicUsize,
}

impl Activity {
    /// The connection's turn begins.
    pub(super) fn begin_turn(&self) {
        self.turn_bytes.store(0, Ordering::Relaxed);
    }

    /// Whether it has read enough for one turn.
    fn turn_is_over(&self) -> bool {
        self.turn_bytes.load(Ordering::Relaxed) >= TURN_BYTES
    }

    /// The client has sent its preface and SETTINGS.
    pub(super) fn establish(&self) {
        self.established.store(true, Ordering::Relaxed);
    }

    /// A call begins.
    pub(in crate::grpc) fn begin_call(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended.
    pub(in crate::grpc) fn end_call(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A call came to something, or it was not the client's fault that it did not.
    pub(in crate::grpc) fn use_call(&self) {
        self.useful.store(true, Ordering::Relaxed);
        self.add_waste(-signed(CALL_NS));
    }

    /// A call was refused for what it was; `taken_ns` is what the DATA taken for it was worth.
    pub(in crate::grpc) fn waste_call(&self, taken_ns: u64) {
        self.add_waste(signed(CALL_NS + taken_ns));
    }

    /// This many items of a stream came to something.
    pub(in crate::grpc) fn use_items(&self, items: u64) {
        self.add_waste(-signed(items.saturating_mul(ITEM_NS)));
    }

    /// This many were refused for what they were; `taken_ns` is what the DATA taken for them was worth.
    pub(in crate::grpc) fn waste_items(&self, items: u64, taken_ns: u64) {
        let work_ns = items.saturating_mul(ITEM_NS).saturating_add(taken_ns);
        self.add_waste(signed(work_ns));
    }

    /// A call takes `bytes` of DATA. Returns what they are worth.
    pub(in crate::grpc) fn take_data(&self, bytes: usize) -> u64 {
        let worth_ns = data_worth_ns(bytes);
        self.taken_ns.fetch_add(worth_ns, Ordering::Relaxed);
        self.add_waste(-signed(worth_ns));
        worth_ns
    }

    /// DATA worth this much was taken for nothing.
    pub(in crate::grpc) fn waste_data(&self, taken_ns: u64) {
        self.taken_ns.fetch_sub(taken_ns, Ordering::Relaxed);
        self.add_waste(signed(taken_ns));
    }

    /// A call ends before its message is whole.
    pub(in crate::grpc) fn break_off(&self) {
        self.broken_off.fetch_add(1, Ordering::Relaxed);
    }

    /// How many did.
    pub(in crate::grpc) fn broken_off(&self) -> u64 {
        self.broken_off.load(Ordering::Relaxed)
    }

    /// What all calls have taken so far.
    pub(in crate::grpc) fn taken_ns(&self) -> u64 {
        self.taken_ns.load(Ordering::Relaxed)
    }

    /// `taken_ns`, and what calls have taken since [`taken_ns`](Self::taken_ns) was `before_ns`: all of it by
    /// one call, for a connection is on one thread. What was counted as waste meanwhile, as DATA of an item
    /// that never came whole, is left out.
    pub(in crate::grpc) fn and_taken_since(&self, before_ns: u64, taken_ns: u64) -> u64 {
        let since_ns = self.taken_ns().wrapping_sub(before_ns).cast_signed();
        taken_ns.saturating_add_signed(since_ns)
    }

    fn add_waste(&self, work_ns: i64) {
        self.waste_ns.fetch_add(work_ns, Ordering::Relaxed);
    }

    /// The wasted work since this was asked last; negative where more was useful.
    pub(super) fn take_waste(&self) -> i64 {
        self.waste_ns.swap(0, Ordering::Relaxed)
    }

    /// Whether any call has come to something.
    pub(super) fn is_useful(&self) -> bool {
        self.useful.load(Ordering::Relaxed)
    }

    /// Whether the client has sent its preface and SETTINGS.
    pub(super) fn is_established(&self) -> bool {
        self.established.load(Ordering::Relaxed)
    }

    /// Whether the connection was cut off for frames that carry no call.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    /// How many calls have begun.
    pub(super) fn calls_begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether no call is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == self.calls_begun()
    }
}

fn signed(work_ns: u64) -> i64 {
    i64::try_from(work_ns).unwrap_or(i64::MAX)
}

/// How much of one connection is read in a turn. A client that always has more to send would keep the thread
/// otherwise, until HTTP/2 has read some megabytes.
const TURN_BYTES: usize = 32 << 10;

/// What a frame counts for beside its bytes: the smallest takes as long as some hundred bytes do.
const FRAME_BYTES: usize = 256;

/// A connection's socket, from which the preface has been read: the HTTP/2 library reads that once more. Counts
/// what comes in, cuts off floods of frames, is throttled by [`Waste`] and by a full queue of calls, and lets other
/// connections have their turn.
#[derive(Debug)]
pub(super) struct WatchedSocket<IO> {
    io: IO,
    /// What of the preface is still to be read once more.
    preface_left: &'static [u8],
    frames: Frames,
    activity: Arc<Activity>,
    waste: Waste,
    queue: CallQueue,
    reader: Arc<Reader>,
}

impl<IO> WatchedSocket<IO> {
    pub(super) fn new(io: IO, activity: Arc<Activity>, waste: Waste, queue: CallQueue) -> Self {
        Self {
            io,
            preface_left: PREFACE,
            frames: Frames::new(),
            activity,
            waste,
            queue,
            reader: Arc::default(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for WatchedSocket<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            io,
            preface_left,
            frames,
            activity,
            waste,
            queue,
            reader,
        } = self.get_mut();
        ready!(waste.poll_may_read(cx));
        ready!(queue.poll_room(reader, cx));
        // The HTTP/2 library reads on with each call that it has found; only when its task is polled again is
        // it another turn.
        if activity.turn_is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (before, frames_before) = (buffer.filled().len(), frames.count());
        if preface_left.is_empty() {
            ready!(Pin::new(io).poll_read(cx, buffer))?;
        } else {
            let (told, rest) = preface_left.split_at(preface_left.len().min(buffer.remaining()));
            buffer.put_slice(told);
            *preface_left = rest;
        }
        let read = &buffer.filled()[before..];
        frames.follow(read);
        waste.add(frames.take_work_ns());
        let frames_read = usize::try_from(frames.count() - frames_before).unwrap_or(usize::MAX);
        let turn_bytes = read.len() + FRAME_BYTES * frames_read;
        activity.turn_bytes.fetch_add(turn_bytes, Ordering::Relaxed);
        if !activity.is_established() && frames.is_established() {
            activity.establish();
        }
        if frames.is_flood() {
            activity.flooded.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("many frames without calls")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for WatchedSocket<IO> {
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

    use tokio::io::{AsyncReadExt as _, repeat};

    use super::*;

    const BUFFER: usize = 1_000;

    /// How much is read in one turn.
    fn turn(watched: &mut WatchedSocket<impl AsyncRead + Unpin>) -> usize {
        watched.activity.begin_turn();
        read_on(watched)
    }

    /// How much of it is read before the turn ends.
    fn read_on(watched: &mut WatchedSocket<impl AsyncRead + Unpin>) -> usize {
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

    #[tokio::test]
    async fn the_preface_is_read_once_more_and_then_what_follows_it() {
        for length in [1, 7, PREFACE.len(), 99] {
            let mut watched = WatchedSocket::new(
                repeat(0),
                Arc::default(),
                Waste::unlimited(),
                CallQueue::default(),
            );
            let mut heard = vec![1; 2 * PREFACE.len()];
            for piece in heard.chunks_mut(length) {
                watched.read_exact(piece).await.unwrap();
            }
            assert_eq!(heard, [PREFACE, &[0; PREFACE.len()]].concat(), "{length}");
        }
    }

    #[test]
    fn who_always_has_more_to_say_is_interrupted_and_goes_on() {
        // Frames of 460,551 bytes, and empty ones.
        for (byte, least) in [(7, TURN_BYTES), (0, 9 * TURN_BYTES / (9 + FRAME_BYTES))] {
            let mut watched = WatchedSocket::new(
                repeat(byte),
                Arc::default(),
                Waste::unlimited(),
                CallQueue::default(),
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
        let activity = Arc::new(Activity::default());
        let waste = Waste::allowing(100, Arc::clone(&activity));
        let mut watched = WatchedSocket::new(
            repeat(0),
            Arc::clone(&activity),
            waste,
            CallQueue::default(),
        );
        // Empty DATA frames. A hundredth of a millisecond of debt drains in a tenth of a second.
        let read: Vec<usize> = (0..100).map(|_| turn(&mut watched)).collect();
        assert!(read[0] > 0);
        assert!(
            read.iter().filter(|read| **read > 0).count() < 10,
            "{read:?}"
        );
        assert_eq!(read[99], 0);
        (0..100).for_each(|_| activity.use_call());
        assert!(turn(&mut watched) > 0);
    }
}
