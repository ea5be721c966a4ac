//! What a connection does, told by its socket and its calls, looked at by its task.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;

/// What a connection does.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Pulse {
    greeted: AtomicBool,
    flooded: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Pulse {
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

/// A socket that tells what comes in by it, and takes no flood.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    frames: Frames,
    pulse: Arc<Pulse>,
}

impl<IO> Watched<IO> {
    pub(super) const fn new(io: IO, pulse: Arc<Pulse>) -> Self {
        Self {
            io,
            frames: Frames::new(),
            pulse,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, frames, pulse } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(io).poll_read(cx, buffer))?;
        frames.follow(&buffer.filled()[before..]);
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
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
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
