//! Messages as gRPC frames them, each decoded from the one piece of memory that it stands in.
//!
//! tonic's own codec lets prost read through a buffer that might be in many pieces, which takes it almost twice
//! as long.

use std::marker::PhantomData;

use prost::bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

mod mended;

use mended::mended;

/// The flag and the length before each message.
pub(super) const HEAD_BYTES: usize = 5;

/// How long the message behind this head is, the head included.
pub(super) const fn framed_bytes(head: [u8; HEAD_BYTES]) -> usize {
    let [_, a, b, c, d] = head;
    HEAD_BYTES + u32::from_be_bytes([a, b, c, d]) as usize
}

/// How long a message is with its head, once that is there.
pub(super) fn length(framed: &[u8]) -> Option<usize> {
    framed.first_chunk().copied().map(framed_bytes)
}

/// Encodes as tonic does, and decodes slices.
#[derive(Debug)]
pub(super) struct SliceCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SliceCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SliceCodec<T, U>
where
    T: Message + Send + 'static,
    U: Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = SliceDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        SliceDecoder(PhantomData)
    }
}

/// Decodes slices.
#[derive(Debug)]
pub(super) struct SliceDecoder<U>(PhantomData<U>);

impl<U: Name + Default> Decoder for SliceDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let length = buf.remaining();
        // tonic gathers a message in one piece before it asks for this.
        let message = match buf.chunk() {
            whole if whole.len() == length => decode(whole)?,
            _ => decode(&buf.copy_to_bytes(length))?,
        };
        buf.advance(buf.remaining());
        Ok(Some(message))
    }
}

/// The message that these bytes are, with text that breaks the contract for text that is not UTF-8. What is no
/// message ends its call as it does with tonic.
pub(super) fn decode<M: Name + Default>(message: &[u8]) -> Result<M, Status> {
    M::decode(message).or_else(|error| {
        M::decode(&*mended(&M::full_name(), message))
            .map_err(|_| Status::internal(error.to_string()))
    })
}
