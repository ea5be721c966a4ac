//! The HTTP/2 connection preface, read before anything is allocated for its connection.
//!
//! The HTTP/2 library allocates its buffers first and waits then: a connection that sends nothing, or a byte
//! now and then, would take as much memory as one in use. The preface is always the same, so how much of it has
//! come is all there is to remember.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why there is no preface.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPreface {
    /// The client left, or vanished.
    Left,
    /// It took too long.
    Slow,
    /// What it sent does not begin an HTTP/2 connection.
    NotHttp2,
}

/// Waits until the preface is whole, or cannot be one any more. What follows it is left unread.
pub(super) async fn read<IO: AsyncRead + Unpin>(mut io: IO) -> Result<Rewound<IO>, NoPreface> {
    let mut bytes = [0; PREFACE.len()];
    let mut left = PREFACE;
    while !left.is_empty() {
        let read = io.read(&mut bytes[..left.len()]).await;
        let count = match read {
            Ok(0) | Err(_) => return Err(NoPreface::Left),
            Ok(count) => count,
        };
        left = left
            .strip_prefix(&bytes[..count])
            .ok_or(NoPreface::NotHttp2)?;
    }
    Ok(Rewound { io, left: PREFACE })
}

/// A socket from which the preface has been read: it is read once more, by the HTTP/2 library.
#[derive(Debug)]
pub(super) struct Rewound<IO> {
    io: IO,
    left: &'static [u8],
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewound<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, left } = self.get_mut();
        if left.is_empty() {
            return Pin::new(io).poll_read(cx, buffer);
        }
        let (told, rest) = left.split_at(left.len().min(buffer.remaining()));
        buffer.put_slice(told);
        *left = rest;
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewound<IO> {
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn the_preface_is_read_again_and_then_what_follows_it() {
        let said = [PREFACE, b"what follows"].concat();
        for cut in [1, 7, PREFACE.len(), said.len()] {
            let (mut client, server) = tokio::io::duplex(cut);
            let sent = said.clone();
            tokio::spawn(async move { client.write_all(&sent).await });
            let mut rewound = read(server).await.unwrap();
            let mut heard = Vec::new();
            rewound.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, said, "{cut}");
        }
    }

    #[tokio::test]
    async fn the_first_wrong_byte_makes_it_no_preface() {
        for wrong in 0..PREFACE.len() {
            let (mut client, server) = tokio::io::duplex(64);
            let mut said = PREFACE[..=wrong].to_vec();
            said[wrong] ^= 1;
            client.write_all(&said).await.unwrap();
            // The client is still there, and sends nothing more.
            assert_eq!(read(server).await.unwrap_err(), NoPreface::NotHttp2);
            drop(client);
        }
    }

    #[tokio::test]
    async fn leaving_before_it_is_whole_is_no_preface() {
        for length in 0..PREFACE.len() {
            let said = &PREFACE[..length];
            assert_eq!(read(said).await.unwrap_err(), NoPreface::Left);
        }
    }
}
