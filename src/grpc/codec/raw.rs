//! Requests about payments, borrowed from the bytes of their messages: text is neither copied nor checked for
//! UTF-8 here.
//!
//! prost makes a `String` of each text, which takes several times as long as the rest of decoding a payment.

use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, skip_field,
};
use prost_types::Duration;

/// `doublecheck.v1.ScorePaymentRequest`.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::grpc) struct ScorePaymentRequest<'a> {
    pub(in crate::grpc) payment: Option<Payment<'a>>,
    pub(in crate::grpc) confirmation_token: &'a [u8],
}

/// `doublecheck.v1.Payment`.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::grpc) struct Payment<'a> {
    pub(in crate::grpc) payment_id: &'a [u8],
    pub(in crate::grpc) account_id: &'a [u8],
    pub(in crate::grpc) payee: Option<Payee<'a>>,
    pub(in crate::grpc) money: Option<Money<'a>>,
    pub(in crate::grpc) kind: i32,
    pub(in crate::grpc) order_id: Option<&'a [u8]>,
    pub(in crate::grpc) device_id: Option<&'a [u8]>,
    pub(in crate::grpc) session_id: Option<&'a [u8]>,
    pub(in crate::grpc) duplicate_window: Option<Duration>,
}

/// `doublecheck.v1.Payee`.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::grpc) struct Payee<'a> {
    pub(in crate::grpc) id: &'a [u8],
    pub(in crate::grpc) payee_type: i32,
}

/// `doublecheck.v1.Money`.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::grpc) struct Money<'a> {
    pub(in crate::grpc) amount_minor: i64,
    pub(in crate::grpc) currency_code: &'a [u8],
}

/// `doublecheck.v1.BatchScorePaymentsRequest`.
#[derive(Debug, Default, PartialEq)]
pub(in crate::grpc) struct BatchScorePaymentsRequest<'a> {
    pub(in crate::grpc) requests: Vec<ScorePaymentRequest<'a>>,
}

/// `doublecheck.v1.StreamPaymentsRequest`.
#[derive(Debug, Default, PartialEq)]
pub(in crate::grpc) struct StreamPaymentsRequest<'a> {
    pub(in crate::grpc) sequence: u64,
    pub(in crate::grpc) item: Option<Item<'a>>,
}

/// What an item of a stream is.
#[derive(Debug, PartialEq)]
pub(in crate::grpc) enum Item<'a> {
    Score(ScorePaymentRequest<'a>),
    /// The bytes of a `doublecheck.v1.ReportOutcomeRequest`, which are rare.
    Outcome(Vec<u8>),
}

/// A message that is decoded field by field.
pub(in crate::grpc) trait Raw<'a>: Default {
    /// Takes in a field; unknown ones are ignored.
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError>;

    /// Takes in the fields in these bytes.
    fn merge(&mut self, mut bytes: &'a [u8]) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            self.set(Field::take(&mut bytes)?)?;
        }
        Ok(())
    }
}

/// A field of a message.
#[derive(Debug)]
pub(in crate::grpc) struct Field<'a> {
    number: u32,
    wire_type: WireType,
    /// The value of a varint field.
    value: u64,
    /// The content of a length-delimited field.
    bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// Takes the first field from these bytes. Almost every one has a key of a single byte, and a length or value
    /// of another.
    #[inline]
    fn take(fields: &mut &'a [u8]) -> Result<Self, DecodeError> {
        if let [key @ 8..0x80, second @ ..0x80, rest @ ..] = *fields {
            let (wire_type, length) = match key & 7 {
                0 => (WireType::Varint, 0),
                2 => (WireType::LengthDelimited, usize::from(*second)),
                _ => return Self::take_any(fields),
            };
            if let Some((bytes, rest)) = rest.split_at_checked(length) {
                *fields = rest;
                return Ok(Self {
                    number: u32::from(key >> 3),
                    wire_type,
                    value: u64::from(*second),
                    bytes,
                });
            }
        }
        Self::take_any(fields)
    }

    fn take_any(fields: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let (number, wire_type) = decode_key(fields)?;
        let (mut value, mut bytes) = (0, [].as_slice());
        match wire_type {
            WireType::Varint => value = decode_varint(fields)?,
            WireType::LengthDelimited => {
                let whole = *fields;
                let length = decode_varint(fields)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                match fields.split_off(..length) {
                    Some(taken) => bytes = taken,
                    // Too short: prost makes the error.
                    None => skip(wire_type, number, &mut { whole })?,
                }
            }
            WireType::SixtyFourBit
            | WireType::StartGroup
            | WireType::EndGroup
            | WireType::ThirtyTwoBit => skip(wire_type, number, fields)?,
        }
        Ok(Self {
            number,
            wire_type,
            value,
            bytes,
        })
    }

    fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        check_wire_type(WireType::LengthDelimited, self.wire_type)?;
        Ok(self.bytes)
    }

    fn u64(&self) -> Result<u64, DecodeError> {
        check_wire_type(WireType::Varint, self.wire_type)?;
        Ok(self.value)
    }

    fn i64(&self) -> Result<i64, DecodeError> {
        self.u64().map(u64::cast_signed)
    }

    #[expect(clippy::cast_possible_truncation, reason = "what the format asks for")]
    fn i32(&self) -> Result<i32, DecodeError> {
        self.i64().map(|value| value as i32)
    }
}

#[cold]
fn skip(wire_type: WireType, number: u32, fields: &mut &[u8]) -> Result<(), DecodeError> {
    skip_field(wire_type, number, fields, DecodeContext::default())
}

impl<'a> Raw<'a> for ScorePaymentRequest<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            1 => {
                let payment = self.payment.get_or_insert_default();
                payment.merge(field.bytes()?)?;
            }
            2 => self.confirmation_token = field.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for Payment<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            1 => self.payment_id = field.bytes()?,
            2 => self.account_id = field.bytes()?,
            3 => {
                let payee = self.payee.get_or_insert_default();
                payee.merge(field.bytes()?)?;
            }
            4 => {
                let money = self.money.get_or_insert_default();
                money.merge(field.bytes()?)?;
            }
            5 => self.kind = field.i32()?,
            6 => self.order_id = Some(field.bytes()?),
            7 => self.device_id = Some(field.bytes()?),
            8 => self.session_id = Some(field.bytes()?),
            9 => {
                let window = self.duplicate_window.get_or_insert_default();
                window.merge(field.bytes()?)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for Payee<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            1 => self.id = field.bytes()?,
            2 => self.payee_type = field.i32()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for Money<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            1 => self.amount_minor = field.i64()?,
            2 => self.currency_code = field.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for Duration {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            1 => self.seconds = field.i64()?,
            2 => self.nanos = field.i32()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for BatchScorePaymentsRequest<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        if field.number == 1 {
            let request = self.requests.push_mut(ScorePaymentRequest::default());
            request.merge(field.bytes()?)?;
        }
        Ok(())
    }
}

impl<'a> Raw<'a> for StreamPaymentsRequest<'a> {
    fn set(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        match (field.number, &mut self.item) {
            (1, _) => self.sequence = field.u64()?,
            // The same message twice is merged, as Protocol Buffers prescribe.
            (2, Some(Item::Score(score))) => score.merge(field.bytes()?)?,
            (2, item) => {
                *item = Some(Item::Score(ScorePaymentRequest::default()));
                return self.set(field);
            }
            (3, Some(Item::Outcome(report))) => report.extend_from_slice(field.bytes()?),
            (3, item) => *item = Some(Item::Outcome(field.bytes()?.to_vec())),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::grpc::codec::{Decoded, read};
    use crate::grpc::pb::{self, stream_payments_request};

    /// Text as prost decodes it, with a substitute where it is not UTF-8.
    fn text(bytes: &[u8]) -> String {
        let substitute = || "\u{1a}".repeat(bytes.len());
        String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| substitute())
    }

    impl From<ScorePaymentRequest<'_>> for pb::ScorePaymentRequest {
        fn from(request: ScorePaymentRequest<'_>) -> Self {
            Self {
                payment: request.payment.map(|payment| pb::Payment {
                    payment_id: text(payment.payment_id),
                    account_id: text(payment.account_id),
                    payee: payment.payee.map(|payee| pb::Payee {
                        id: text(payee.id),
                        r#type: payee.payee_type,
                    }),
                    money: payment.money.map(|money| pb::Money {
                        amount_minor: money.amount_minor,
                        currency_code: text(money.currency_code),
                    }),
                    kind: payment.kind,
                    order_id: payment.order_id.map(text),
                    device_id: payment.device_id.map(text),
                    session_id: payment.session_id.map(text),
                    duplicate_window: payment.duplicate_window,
                }),
                confirmation_token: text(request.confirmation_token),
            }
        }
    }

    fn item(bytes: &[u8]) -> Option<pb::StreamPaymentsRequest> {
        use stream_payments_request::Item as Wire;
        let StreamPaymentsRequest { sequence, item } = read(bytes).ok()?;
        let item = match item {
            Some(Item::Score(score)) => Some(Wire::Score(score.into())),
            Some(Item::Outcome(report)) => Some(Wire::Outcome(Decoded::decoded(&report).ok()?)),
            None => None,
        };
        Some(pb::StreamPaymentsRequest { sequence, item })
    }

    fn batch(bytes: &[u8]) -> Option<pb::BatchScorePaymentsRequest> {
        let BatchScorePaymentsRequest { requests } = read(bytes).ok()?;
        let requests = requests.into_iter().map(Into::into).collect();
        Some(pb::BatchScorePaymentsRequest { requests })
    }

    /// Decodes these bytes as each message, and compares with prost.
    fn read_as_prost_does(bytes: &[u8]) {
        assert_eq!(item(bytes), Decoded::decoded(bytes).ok(), "{bytes:02x?}");
        assert_eq!(batch(bytes), Decoded::decoded(bytes).ok(), "{bytes:02x?}");
    }

    fn duration() -> impl Strategy<Value = Duration> {
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| Duration { seconds, nanos })
    }

    fn payee() -> impl Strategy<Value = pb::Payee> {
        (".{0,9}", any::<i32>()).prop_map(|(id, r#type)| pb::Payee { id, r#type })
    }

    fn money() -> impl Strategy<Value = pb::Money> {
        (any::<i64>(), ".{0,4}").prop_map(|(amount_minor, currency_code)| pb::Money {
            amount_minor,
            currency_code,
        })
    }

    fn payment() -> impl Strategy<Value = pb::Payment> {
        let ids = (".{0,40}", ".{0,9}");
        let more = [(); 3].map(|()| option::of(".{0,9}"));
        let parts = (option::of(payee()), option::of(money()), any::<i32>());
        (ids, parts, more, option::of(duration())).prop_map(
            |((payment_id, account_id), (payee, money, kind), more, duplicate_window)| {
                let [order_id, device_id, session_id] = more;
                pb::Payment {
                    payment_id,
                    account_id,
                    payee,
                    money,
                    kind,
                    order_id,
                    device_id,
                    session_id,
                    duplicate_window,
                }
            },
        )
    }

    fn score() -> impl Strategy<Value = pb::ScorePaymentRequest> {
        (option::of(payment()), ".{0,9}").prop_map(|(payment, confirmation_token)| {
            pb::ScorePaymentRequest {
                payment,
                confirmation_token,
            }
        })
    }

    /// Any of the messages.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        use stream_payments_request::Item as Wire;
        let report = (".{0,9}", any::<i32>()).prop_map(|(account_id, outcome)| {
            Wire::Outcome(pb::ReportOutcomeRequest {
                account_id,
                outcome,
                ..Default::default()
            })
        });
        let item = prop_oneof![3 => score().prop_map(Wire::Score), 1 => report];
        let item = (any::<u64>(), option::of(item))
            .prop_map(|(sequence, item)| pb::StreamPaymentsRequest { sequence, item });
        let batch = vec(score(), 0..4)
            .prop_map(|requests| pb::BatchScorePaymentsRequest { requests }.encode_to_vec());
        prop_oneof![item.prop_map(|item| item.encode_to_vec()), batch]
    }

    proptest! {
        #[test]
        fn one_message_after_the_other_says_what_they_say_together(
            messages in vec(message(), 1..4),
        ) {
            read_as_prost_does(&messages.concat());
        }

        #[test]
        fn cut_anywhere_they_say_as_much_as_to_prost(message in message()) {
            for length in 0..message.len() {
                read_as_prost_does(&message[..length]);
            }
        }

        #[test]
        fn with_any_byte_another_they_say_the_same_as_to_prost(
            message in message(), at in any::<prop::sample::Index>(), by in 1_u8..,
        ) {
            if !message.is_empty() {
                let mut other = message;
                let at = at.index(other.len());
                other[at] ^= by;
                read_as_prost_does(&other);
            }
        }

        #[test]
        fn so_do_bytes_of_any_kind(bytes in vec(any::<u8>(), 0..60)) {
            read_as_prost_does(&bytes);
        }

        #[test]
        fn so_do_fields_that_nobody_knows(
            fields in vec((0_u8..128, vec(any::<u8>(), 0..12)), 0..6), message in message(),
        ) {
            // Of any number and wire type, within a message and behind it.
            let unknown = fields.iter().flat_map(|(key, bytes)| [&[*key], &bytes[..]].concat());
            let unknown: Vec<u8> = unknown.collect();
            read_as_prost_does(&[&message, &unknown[..]].concat());
            let length = u8::try_from(unknown.len()).unwrap();
            read_as_prost_does(&[&[0x12, length], &unknown[..]].concat());
        }
    }
}
