//! What every HTTP/2 client begins with, read before anything is made for its connection.
//!
//! HTTP/2's library makes its buffers first and waits then: a connection that says nothing, or a byte now and
//! then, would take as much as one that is used. What has come of the greeting is the only thing that is known of
//! such a one, and as the greeting is always the same, how much of it that is takes no room either.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a client has not greeted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ungreeted {
    /// It left, or vanished.
    Left,
    /// It took too long.
    Slow,
    /// What it said begins nothing in HTTP/2.
    NotHttp2,
}

/// Waits until the greeting is whole, or cannot be one any more; what follows it is left where it is.
pub(super) async fn read<IO: AsyncRead + Unpin>(mut io: IO) -> Result<Greeted<IO>, Ungreeted> {
    let mut bytes = [0; PREFACE.len()];
    let mut left = PREFACE;
    while !left.is_empty() {
        let read = io.read(&mut bytes[..left.len()]).await;
        let count = match read {
            Ok(0) | Err(_) => return Err(Ungreeted::Left),
            Ok(count) => count,
        };
        left = left
            .strip_prefix(&bytes[..count])
            .ok_or(Ungreeted::NotHttp2)?;
    }
    Ok(Greeted { io, left: PREFACE })
}

/// A socket whose greeting has come: it is told once more, for HTTP/2's library wants to hear it.
#[derive(Debug)]
pub(super) struct Greeted<IO> {
    io: IO,
    left: &'static [u8],
}

impl<IO: AsyncRead + Unpin> AsyncRead for Greeted<IO> {
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

impl<IO: AsyncWrite + Unpin> AsyncWrite for Greeted<IO> {
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
    async fn the_greeting_is_heard_once_more_and_then_what_follows_it() {
        let said = [PREFACE, b"what follows"].concat();
        for cut in [1, 7, PREFACE.len(), said.len()] {
            let (mut client, server) = tokio::io::duplex(cut);
            let sent = said.clone();
            tokio::spawn(async move { client.write_all(&sent).await });
            let mut greeted = read(server).await.unwrap();
            let mut heard = Vec::new();
            greeted.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, said, "{cut}");
        }
    }

    #[tokio::test]
    async fn with_the_first_byte_that_is_another_it_is_no_greeting() {
        for wrong in 0..PREFACE.len() {
            let (mut client, server) = tokio::io::duplex(64);
            let mut said = PREFACE[..=wrong].to_vec();
            said[wrong] ^= 1;
            client.write_all(&said).await.unwrap();
            // The client is there still, and nothing more comes.
            assert_eq!(read(server).await.unwrap_err(), Ungreeted::NotHttp2);
            drop(client);
        }
    }

    #[tokio::test]
    async fn who_leaves_before_it_is_whole_has_not_greeted() {
        for length in 0..PREFACE.len() {
            let said = &PREFACE[..length];
            assert_eq!(read(said).await.unwrap_err(), Ungreeted::Left);
        }
    }
}
