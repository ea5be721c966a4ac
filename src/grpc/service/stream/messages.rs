//! The messages of a request that is a stream: each is read where its bytes were gathered.
//!
//! tonic's own reader hands each item on by value, through half a dozen layers.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Body as _;
use prost::bytes::{Buf as _, BytesMut};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::grpc::codec::{HEAD_BYTES, framed_bytes};

/// The messages of one call, uncompressed.
#[derive(Debug)]
pub(in crate::grpc) struct Messages {
    body: Body,
    /// What has come, and how much of it was read.
    came: BytesMut,
    read_bytes: usize,
    message_bytes_max: usize,
}

impl Messages {
    pub(in crate::grpc) fn new(body: Body, message_bytes_max: usize) -> Self {
        Self {
            body,
            came: BytesMut::new(),
            read_bytes: 0,
            message_bytes_max,
        }
    }

    /// The next message; `None` at the end.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<&[u8]>, Status>> {
        let framed_bytes = loop {
            if let Some(framed_bytes) = self.next_framed_bytes()? {
                break framed_bytes;
            }
            if !ready!(self.poll_more(cx))? {
                return Poll::Ready(Ok(None));
            }
        };
        let begin = self.read_bytes + HEAD_BYTES;
        self.read_bytes += framed_bytes;
        Poll::Ready(Ok(self.came.get(begin..self.read_bytes)))
    }

    /// How long the next message is with its length prefix, if it has come whole.
    fn next_framed_bytes(&mut self) -> Result<Option<usize>, Status> {
        let next = self.came.get(self.read_bytes..).unwrap_or_default();
        let Some(head) = next.first_chunk() else {
            return Ok(None);
        };
        let (came_bytes, framed_bytes) = (next.len(), framed_bytes(*head));
        let problem = match head {
            [0, ..] => None,
            [1, ..] => {
                Some("message with compressed-flag but no grpc-encoding was specified".to_owned())
            }
            [flag, ..] => Some(format!(
                "message with invalid compression flag: {flag} (valid flags are 0 and 1), while sending request"
            )),
        };
        if let Some(problem) = problem {
            return Err(Status::internal(format!(
                "protocol error: received {problem}"
            )));
        }
        let (found, limit) = (framed_bytes - HEAD_BYTES, self.message_bytes_max);
        if found > limit {
            return Err(Status::out_of_range(format!(
                "Error, decoded message length too large: found {found} bytes, the limit is: {limit} bytes"
            )));
        }
        if came_bytes < framed_bytes {
            // At once, so that it takes no more memory than is counted for it.
            self.drop_read();
            self.came.reserve(framed_bytes - came_bytes);
            return Ok(None);
        }
        Ok(Some(framed_bytes))
    }

    /// Takes in what comes next; `false` at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Status>> {
        self.drop_read();
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            // The client has left: what has come whole stays.
            Some(Err(status)) if status.code() == Code::Cancelled => return Poll::Ready(Ok(false)),
            Some(Err(status)) => return Poll::Ready(Err(status)),
            // tonic takes no notice of a message of which no more than the prefix has come.
            None if matches!(self.came.len(), 0 | HEAD_BYTES) => return Poll::Ready(Ok(false)),
            None => return Poll::Ready(Err(Status::internal("Unexpected EOF decoding stream."))),
        };
        let Ok(bytes) = frame.into_data() else {
            return Poll::Ready(Ok(false));
        };
        self.came.extend_from_slice(&bytes);
        Poll::Ready(Ok(true))
    }

    fn drop_read(&mut self) {
        self.came.advance(mem::take(&mut self.read_bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    use tonic::Streaming;
    use tonic::codec::{DecodeBuf, Decoder};

    use super::*;

    const MESSAGE_BYTES_MAX: usize = 300;

    /// What came of a body: the messages, and the error at its end.
    type Came = (Vec<Vec<u8>>, Option<(Code, String)>);

    fn body(pieces: &[&[u8]], error: Option<&Status>) -> Body {
        let frame = |piece: &&[u8]| Ok(Frame::data(Bytes::copy_from_slice(piece)));
        let mut frames: Vec<Result<_, Status>> = pieces.iter().map(frame).collect();
        frames.extend(error.cloned().map(Err));
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    }

    async fn ours(body: Body) -> Came {
        let mut messages = Messages::new(body, MESSAGE_BYTES_MAX);
        let mut came = Vec::new();
        loop {
            let next = poll_fn(|cx| {
                messages
                    .poll_next(cx)
                    .map_ok(|next| next.map(<[u8]>::to_vec))
            });
            match next.await {
                Ok(Some(message)) => came.push(message),
                Ok(None) => return (came, None),
                Err(status) => return (came, Some((status.code(), status.message().to_owned()))),
            }
        }
    }

    struct Whole;

    impl Decoder for Whole {
        type Item = Vec<u8>;
        type Error = Status;

        fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
            Ok(Some(buf.copy_to_bytes(buf.remaining()).to_vec()))
        }
    }

    async fn tonics(body: Body) -> Came {
        let mut messages = Streaming::new_request(Whole, body, None, Some(MESSAGE_BYTES_MAX));
        let mut came = Vec::new();
        loop {
            match messages.message().await {
                Ok(Some(message)) => came.push(message),
                Ok(None) => return (came, None),
                Err(status) => return (came, Some((status.code(), status.message().to_owned()))),
            }
        }
    }

    #[tokio::test]
    async fn they_come_and_end_as_with_tonic_however_they_are_cut() {
        let whole = [
            &[0, 0, 0, 0, 3][..],
            b"abc",
            &[0, 0, 0, 0, 0],
            &[0, 0, 0, 1, 44],
            &[7; 300],
        ]
        .concat();
        let ends: [&[u8]; 8] = [
            &[],
            &[0],
            &[0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 2, 1],
            &[0, 0, 0, 1, 45],
            &[0, 255, 255, 255, 255, 1],
            &[1, 0, 0, 0, 1, 1],
            &[9, 0, 0, 0, 1, 1],
        ];
        let errors = [
            None,
            Some(Status::cancelled("left")),
            Some(Status::unknown("broken")),
        ];
        for end in ends {
            let sent = [&whole[..], end].concat();
            for error in &errors {
                let error = error.as_ref();
                let expected = tonics(body(&[&sent], error)).await;
                assert_eq!(expected.0.len(), 3);
                for cut in 0..=sent.len() {
                    let pieces = [&sent[..cut], &sent[cut..]];
                    assert_eq!(ours(body(&pieces, error)).await, expected, "{end:?} {cut}");
                }
                let bytes: Vec<&[u8]> = sent.chunks(1).collect();
                assert_eq!(ours(body(&bytes, error)).await, expected, "{end:?}");
            }
        }
    }
}
