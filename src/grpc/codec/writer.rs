//! Messages written field by field into the bytes that are sent.
//!
//! prost asks a message for its length before it writes it, and again every message within; and it owns each text.
//! Fields that are rare are left to it. Its functions for single fields go byte by byte through a trait, which makes a
//! streamed payment a tenth dearer.

use prost::Message;
use prost::encoding::WireType;

use super::HEAD_BYTES;
use crate::scoring::packing::put_varint;

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
    field: u8,
    into: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    put_key(field, WireType::LengthDelimited, into);
    let begin = into.len();
    into.push(0);
    write(into);
    let length = into.len() - begin - 1;
    match (u8::try_from(length), into.get_mut(begin)) {
        (Ok(length @ ..0x80), Some(prefix)) => *prefix = length,
        _ => {
            let mut prefix = Vec::new();
            put_varint(&mut prefix, length as u64);
            into.splice(begin..=begin, prefix);
        }
    }
}

/// The same of a message that prost knows.
pub(in crate::grpc) fn put_known(field: u8, message: &impl Message, into: &mut Vec<u8>) {
    prost::encoding::message::encode(field.into(), message, into);
}

/// Writes a number, a value of an enum or a truth value, unless it is 0.
pub(in crate::grpc) fn put_number(field: u8, value: u64, into: &mut Vec<u8>) {
    if value != 0 {
        put_key(field, WireType::Varint, into);
        put_varint(into, value);
    }
}

/// Writes a text, unless it is empty.
pub(in crate::grpc) fn put_text(field: u8, text: &str, into: &mut Vec<u8>) {
    if !text.is_empty() {
        put_key(field, WireType::LengthDelimited, into);
        put_varint(into, text.len() as u64);
        into.extend_from_slice(text.as_bytes());
    }
}

/// Writes a floating-point number, unless it is 0.
pub(in crate::grpc) fn put_double(field: u8, value: f64, into: &mut Vec<u8>) {
    if value != 0.0 {
        put_key(field, WireType::SixtyFourBit, into);
        into.extend_from_slice(&value.to_le_bytes());
    }
}

/// No field that is written here has a number above 15.
fn put_key(field: u8, wire_type: WireType, into: &mut Vec<u8>) {
    into.push(field << 3 | wire_type as u8);
}
