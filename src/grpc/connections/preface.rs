//! The HTTP/2 connection preface, read before anything is allocated for its connection.
//!
//! The HTTP/2 library allocates its buffers first and waits then: a connection that sends nothing, or a byte
//! now and then, would take as much memory as one in use. The preface is always the same, so how much of it has
//! come is all there is to remember.

use tokio::io::{AsyncRead, AsyncReadExt as _};

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
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<(), NoPreface> {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn the_preface_is_read_and_what_follows_it_is_left() {
        let said = [PREFACE, b"what follows"].concat();
        for cut in [1, 7, PREFACE.len(), said.len()] {
            let (mut client, mut server) = tokio::io::duplex(cut);
            let sent = said.clone();
            tokio::spawn(async move { client.write_all(&sent).await });
            read(&mut server).await.unwrap();
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"what follows", "{cut}");
        }
    }

    #[tokio::test]
    async fn the_first_wrong_byte_makes_it_no_preface() {
        for wrong in 0..PREFACE.len() {
            let (mut client, mut server) = tokio::io::duplex(64);
            let mut said = PREFACE[..=wrong].to_vec();
            said[wrong] ^= 1;
            client.write_all(&said).await.unwrap();
            // The client is still there, and sends nothing more.
            assert_eq!(read(&mut server).await, Err(NoPreface::NotHttp2));
            drop(client);
        }
    }

    #[tokio::test]
    async fn leaving_before_it_is_whole_is_no_preface() {
        for length in 0..PREFACE.len() {
            let mut said = &PREFACE[..length];
            assert_eq!(read(&mut said).await, Err(NoPreface::Left));
        }
    }
}
