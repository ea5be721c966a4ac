//! Repairs messages with text that is not UTF-8, so that such a field fails its own item and no other.
//!
//! prost refuses the whole message. So invalid text is replaced by characters that no field allows, and the
//! message goes its usual way: validation then names this field like any other.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost::encoding::decode_varint;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::grpc::pb::FILE_DESCRIPTOR_SET;

/// ASCII's control character for what was received in error.
const SUBSTITUTE: u8 = 0x1a;

/// What a field holds, if that is text or a message.
#[derive(Debug)]
enum Holds {
    Text,
    /// A message with this name.
    Message(String),
}

/// Fields by their number.
type Fields = HashMap<u64, Holds>;

/// The fields of each message of the contract, by its full name with a leading dot.
static MESSAGES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    let files = files.file.iter();
    let messages = files.flat_map(|file| {
        let messages = file.message_type.iter();
        messages.map(|message| (format!(".{}.{}", file.package(), message.name()), message))
    });
    let messages = messages.map(|(name, message)| (name, fields(message)));
    messages.collect()
});

fn fields(message: &DescriptorProto) -> Fields {
    let fields = message.field.iter().filter_map(|field| {
        let number = u64::try_from(field.number()).ok()?;
        let holds = match field.r#type() {
            Type::String => Holds::Text,
            Type::Message => Holds::Message(field.type_name().to_owned()),
            _ => return None,
        };
        Some((number, holds))
    });
    fields.collect()
}

/// The same message, of the same length, with only valid UTF-8 in its text fields.
pub(super) fn with_valid_utf8(name: &str, message: &[u8]) -> Vec<u8> {
    let mut with_valid_utf8 = message.to_vec();
    // Bytes that are no message are left for the decoder to refuse.
    let _ = repair(&mut with_valid_utf8, MESSAGES.get(&format!(".{name}")));
    with_valid_utf8
}

/// Repairs a message, as far as it is one. Source of the format: the Protocol Buffers encoding.
fn repair(mut bytes: &mut [u8], fields: Option<&Fields>) -> Option<()> {
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        match key & 7 {
            0 => {
                number(&mut bytes)?;
            }
            1 => {
                take(&mut bytes, 8)?;
            }
            2 => {
                let length = number(&mut bytes)?;
                let content = take(&mut bytes, usize::try_from(length).ok()?)?;
                match fields.and_then(|fields| fields.get(&(key >> 3))) {
                    Some(Holds::Message(name)) => repair(content, MESSAGES.get(name))?,
                    Some(Holds::Text) if str::from_utf8(content).is_err() => {
                        content.fill(SUBSTITUTE);
                    }
                    Some(Holds::Text) | None => {}
                }
            }
            5 => {
                take(&mut bytes, 4)?;
            }
            // The start or the end of a group.
            _ => {}
        }
    }
    Some(())
}

fn number(bytes: &mut &mut [u8]) -> Option<u64> {
    let mut rest: &[u8] = bytes;
    let number = decode_varint(&mut rest).ok()?;
    let length = bytes.len() - rest.len();
    take(bytes, length)?;
    Some(number)
}

fn take<'a>(bytes: &mut &'a mut [u8], count: usize) -> Option<&'a mut [u8]> {
    bytes.split_off_mut(..count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Name as _;

    use super::*;
    use crate::grpc::pb;

    fn repaired_batch(message: &[u8]) -> Vec<u8> {
        with_valid_utf8(&pb::BatchScorePaymentsRequest::full_name(), message)
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_repaired_as_far_as_they_are_a_message(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert_eq!(repaired_batch(&bytes).len(), bytes.len());
        }

        #[test]
        fn what_is_good_stays_as_it_is(tokens in proptest::collection::vec(".{0,50}", 0..5)) {
            let requests = tokens.iter().map(|token| pb::ScorePaymentRequest {
                confirmation_token: token.clone(),
                ..Default::default()
            });
            let batch = pb::BatchScorePaymentsRequest { requests: requests.collect() };
            let good = batch.encode_to_vec();
            prop_assert_eq!(repaired_batch(&good), good);
        }
    }

    #[test]
    fn only_bad_text_of_the_contract_is_replaced() {
        // An item of a batch: its token, and unknown fields of each kind.
        let item = |token: &[u8]| {
            let length = u8::try_from(token.len()).unwrap();
            let unknown = [0x7a, 1, 0xff, 0x78, 1, 0x79, 1, 2, 3, 4, 5, 6, 7, 0xff];
            let more = [0x7d, 1, 2, 3, 0xff, 0x7b, 0x7c];
            let item = [&[0x12, length], token, &unknown, &more].concat();
            [&[0x0a, u8::try_from(item.len()).unwrap()], &item[..]].concat()
        };
        let bad = [item(b"good"), item(b"b\xffd"), item(b"\xf0\x9f")].concat();
        let good = [item(b"good"), item(b"\x1a\x1a\x1a"), item(b"\x1a\x1a")].concat();
        assert_eq!(repaired_batch(&bad), good);
    }
}
