//! Messages in gRPC's framing, each decoded from one contiguous slice.
//!
//! tonic's own codec lets prost read through a buffer that may be in many pieces, which takes almost twice as
//! long. Payments to score are not decoded by prost at all, but [borrowed](raw).

use std::marker::PhantomData;

use prost::bytes::Buf as _;
use prost::{DecodeError, Message, Name};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

mod utf8_repair;
pub(super) mod raw;
pub(super) mod writer;

use raw::Raw;
use utf8_repair::with_valid_utf8;

/// The length prefix of each message: a flag and four bytes of length.
pub(super) const HEAD_BYTES: usize = 5;

/// The length of a message and its prefix.
pub(super) const fn framed_bytes(head: [u8; HEAD_BYTES]) -> usize {
    let [_, a, b, c, d] = head;
    HEAD_BYTES + u32::from_be_bytes([a, b, c, d]) as usize
}

/// The same, once the prefix has come.
pub(super) fn length(framed: &[u8]) -> Option<usize> {
    framed.first_chunk().copied().map(framed_bytes)
}

/// Encodes as tonic does, and decodes from slices.
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

/// Decodes from slices.
#[derive(Debug)]
pub(super) struct SliceDecoder<U>(PhantomData<U>);

impl<U: Decoded> Decoder for SliceDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let length = buf.remaining();
        // tonic has gathered the message in one piece by now.
        let message = match buf.chunk() {
            whole if whole.len() == length => U::decoded(whole)?,
            _ => U::decoded(&buf.copy_to_bytes(length))?,
        };
        buf.advance(buf.remaining());
        Ok(Some(message))
    }
}

/// A decoded message.
pub(super) trait Decoded: Sized {
    /// Decodes a message. One that cannot be decoded is the client's fault, and its call ends so.
    fn decoded(message: &[u8]) -> Result<Self, Status>;
}

/// Text that is not UTF-8 is replaced by text that the contract does not allow.
impl<M: Name + Default> Decoded for M {
    fn decoded(message: &[u8]) -> Result<Self, Status> {
        M::decode(message)
            .or_else(|error| {
                M::decode(&*with_valid_utf8(&M::full_name(), message)).map_err(|_| error)
            })
            .map_err(no_message)
    }
}

/// Decodes a message without looking at its text.
#[inline]
pub(super) fn read<'a, M: Raw<'a>>(message: &'a [u8]) -> Result<M, Status> {
    let mut read = M::default();
    read.merge(message).map_err(no_message)?;
    Ok(read)
}

#[expect(clippy::needless_pass_by_value, reason = "as errors are mapped")]
fn no_message(error: DecodeError) -> Status {
    Status::invalid_argument(format!("the message cannot be read: {error}"))
}
