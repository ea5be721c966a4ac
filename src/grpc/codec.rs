//! Messages as gRPC frames them, each decoded from the one piece of memory that it stands in.
//!
//! tonic's own codec lets prost read through a buffer that might be in many pieces, which takes it almost twice
//! as long. Payments to score are not read by prost at all, but [raw].

use std::marker::PhantomData;

use prost::bytes::Buf as _;
use prost::{DecodeError, Message, Name};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

mod mended;
pub(super) mod raw;

use mended::mended;
use raw::Raw;

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
    U: Decoded + Send + 'static,
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

impl<U: Decoded> Decoder for SliceDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let length = buf.remaining();
        // tonic gathers a message in one piece before it asks for this.
        let message = match buf.chunk() {
            whole if whole.len() == length => U::decoded(whole)?,
            _ => U::decoded(&buf.copy_to_bytes(length))?,
        };
        buf.advance(buf.remaining());
        Ok(Some(message))
    }
}

/// What a message says.
pub(super) trait Decoded: Sized {
    /// What the message of these bytes says. What is no message is the client's fault, and ends its call so.
    fn decoded(message: &[u8]) -> Result<Self, Status>;
}

/// With text that breaks the contract for text that is not UTF-8.
impl<M: Name + Default> Decoded for M {
    fn decoded(message: &[u8]) -> Result<Self, Status> {
        M::decode(message)
            .or_else(|error| M::decode(&*mended(&M::full_name(), message)).map_err(|_| error))
            .map_err(no_message)
    }
}

/// The message that these bytes are, its text unread.
pub(super) fn read<'a, M: Raw<'a>>(message: &'a [u8]) -> Result<M, Status> {
    M::read(message).map_err(no_message)
}

#[expect(clippy::needless_pass_by_value, reason = "as errors are mapped")]
fn no_message(error: DecodeError) -> Status {
    Status::invalid_argument(format!("the message cannot be read: {error}"))
}
