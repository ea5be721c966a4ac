//! Messages written field by field into the bytes that are sent.
//!
//! prost asks a message for its length before it writes it, and again every message within; and it owns each text.
//! Fields that are rare are left to it.

use prost::Message;
use prost::encoding::{WireType, double, encode_key, encode_varint, message};

use super::HEAD_BYTES;

/// About as long as the answer to a payment that is allowed.
pub(in crate::grpc) const ANSWER_BYTES: usize = 128;

/// Writes a message behind its length prefix. None is as long as 4 GiB.
pub(in crate::grpc) fn put_framed(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = into.len();
    into.extend_from_slice(&[0; HEAD_BYTES]);
    write(into);
    let length = into.len() - begin - HEAD_BYTES;
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some([_, prefix @ ..]) = into
        .get_mut(begin..)
        .and_then(<[u8]>::first_chunk_mut::<HEAD_BYTES>)
    {
        *prefix = length;
    }
}

/// Writes a message within another.
pub(in crate::grpc) fn put_message(
    field: u32,
    into: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    encode_key(field, WireType::LengthDelimited, into);
    let begin = into.len();
    into.push(0);
    write(into);
    let length = into.len() - begin - 1;
    match (u8::try_from(length), into.get_mut(begin)) {
        (Ok(length @ ..0x80), Some(prefix)) => *prefix = length,
        _ => {
            let mut prefix = Vec::new();
            encode_varint(length as u64, &mut prefix);
            into.splice(begin..=begin, prefix);
        }
    }
}

/// The same of a message that prost knows.
pub(in crate::grpc) fn put_known(field: u32, known: &impl Message, into: &mut Vec<u8>) {
    message::encode(field, known, into);
}

/// Writes a number, a value of an enum or a truth value, unless it is 0.
pub(in crate::grpc) fn put_number(field: u32, value: u64, into: &mut Vec<u8>) {
    if value != 0 {
        encode_key(field, WireType::Varint, into);
        encode_varint(value, into);
    }
}

/// Writes a text, unless it is empty.
pub(in crate::grpc) fn put_text(field: u32, text: &str, into: &mut Vec<u8>) {
    if !text.is_empty() {
        encode_key(field, WireType::LengthDelimited, into);
        encode_varint(text.len() as u64, into);
        into.extend_from_slice(text.as_bytes());
    }
}

/// Writes a floating-point number, unless it is 0.
pub(in crate::grpc) fn put_double(field: u32, value: f64, into: &mut Vec<u8>) {
    if value != 0.0 {
        double::encode(field, &value, into);
    }
}
