//! Messages with text that is not UTF-8, mended: such a field is to cost its own item and no other.
//!
//! prost reads nothing of a message that has any. So that text gives way to some that no field takes, and the
//! message goes its usual way: whoever checks its fields names this one too.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost::encoding::decode_varint;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::grpc::pb::FILE_DESCRIPTOR_SET;

/// The control character that ASCII has for what was received in error.
const SUBSTITUTE: u8 = 0x1a;

/// What a field holds, of those that hold text or messages.
#[derive(Debug)]
enum Holds {
    Text,
    /// A message of this name.
    Message(String),
}

/// By the number of each.
type Fields = HashMap<u64, Holds>;

/// The fields of each message of the contract, by its name with a dot before it.
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

/// A message of this name, of the same length, in which all text is UTF-8.
pub(super) fn mended(name: &str, message: &[u8]) -> Vec<u8> {
    let mut mended = message.to_vec();
    // What is no message at all is for others to find out.
    let _ = mend(&mut mended, MESSAGES.get(&format!(".{name}")));
    mended
}

/// Mends a message, as far as it is one. Source of the format: the encoding of Protocol Buffers.
fn mend(mut bytes: &mut [u8], fields: Option<&Fields>) -> Option<()> {
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
                    Some(Holds::Message(name)) => mend(content, MESSAGES.get(name))?,
                    Some(Holds::Text) if str::from_utf8(content).is_err() => {
                        content.fill(SUBSTITUTE);
                    }
                    Some(Holds::Text) | None => {}
                }
            }
            5 => {
                take(&mut bytes, 4)?;
            }
            // The beginning or the end of a group.
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

    fn mended_batch(message: &[u8]) -> Vec<u8> {
        mended(&pb::BatchScorePaymentsRequest::full_name(), message)
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_mended_as_far_as_they_are_a_message(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert_eq!(mended_batch(&bytes).len(), bytes.len());
        }

        #[test]
        fn what_is_good_stays_as_it_is(tokens in proptest::collection::vec(".{0,50}", 0..5)) {
            let requests = tokens.iter().map(|token| pb::ScorePaymentRequest {
                confirmation_token: token.clone(),
                ..Default::default()
            });
            let batch = pb::BatchScorePaymentsRequest { requests: requests.collect() };
            let good = batch.encode_to_vec();
            prop_assert_eq!(mended_batch(&good), good);
        }
    }

    #[test]
    fn only_bad_text_of_the_contract_is_replaced() {
        // An item of a batch: its token, and fields that nobody knows, of each kind.
        let item = |token: &[u8]| {
            let length = u8::try_from(token.len()).unwrap();
            let unknown = [0x7a, 1, 0xff, 0x78, 1, 0x79, 1, 2, 3, 4, 5, 6, 7, 0xff];
            let more = [0x7d, 1, 2, 3, 0xff, 0x7b, 0x7c];
            let item = [&[0x12, length], token, &unknown, &more].concat();
            [&[0x0a, u8::try_from(item.len()).unwrap()], &item[..]].concat()
        };
        let bad = [item(b"good"), item(b"b\xffd"), item(b"\xf0\x9f")].concat();
        let good = [item(b"good"), item(b"\x1a\x1a\x1a"), item(b"\x1a\x1a")].concat();
        assert_eq!(mended_batch(&bad), good);
    }
}
