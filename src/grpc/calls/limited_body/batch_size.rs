//! Counts the payments of a batch before it is decoded: an empty one is two bytes on the wire, and decoded a
//! hundred times as much.

/// The field number of the payments.
const REQUESTS: u64 = 1;

/// The number of payments in the bytes so far. Source of the format: the Protocol Buffers encoding.
#[derive(Debug, Default)]
pub(super) struct BatchSize {
    count: usize,
    next: Next,
    /// A varint that has not ended yet, and how many bits of it have come.
    number: u64,
    bits: u32,
}

/// What the next byte belongs to.
#[derive(Debug, Default, Clone, Copy)]
enum Next {
    /// A field's number and wire type.
    #[default]
    Key,
    Number,
    Length,
    /// This many bytes to skip.
    Within(u64),
}

impl BatchSize {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Counts on. Bytes that are no message are left for the decoder to find out.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = match self.next {
                Next::Within(left) => {
                    let passed = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.next = match left - passed as u64 {
                        0 => Next::Key,
                        left => Next::Within(left),
                    };
                    &bytes[passed..]
                }
                Next::Key | Next::Number | Next::Length => {
                    if let Some(number) = self.number(*byte) {
                        self.next = self.after(number);
                    }
                    rest
                }
            };
        }
    }

    /// What follows this varint.
    const fn after(&mut self, number: u64) -> Next {
        match (self.next, number & 7) {
            (Next::Key, 0) => Next::Number,
            (Next::Key, 1) => Next::Within(8),
            (Next::Key, 2) => {
                if number >> 3 == REQUESTS {
                    self.count += 1;
                }
                Next::Length
            }
            (Next::Key, 5) => Next::Within(4),
            (Next::Length, _) => Next::Within(number),
            (Next::Key | Next::Number | Next::Within(_), _) => Next::Key,
        }
    }

    /// The varint, once this is its last byte.
    fn number(&mut self, byte: u8) -> Option<u64> {
        self.number |= u64::from(byte & 0x7f) << self.bits.min(63);
        self.bits += 7;
        (byte < 0x80).then(|| {
            self.bits = 0;
            std::mem::take(&mut self.number)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::grpc::pb;

    fn counted(bytes: &[u8], cut: usize) -> usize {
        let mut batch_size = BatchSize::default();
        bytes.chunks(cut).for_each(|bytes| batch_size.follow(bytes));
        batch_size.count()
    }

    proptest! {
        #[test]
        fn they_are_as_many_as_are_read_however_they_are_cut(
            tokens in proptest::collection::vec(".{0,200}", 0..20), cut in 1..50_usize,
        ) {
            let requests = tokens.iter().map(|token| pb::ScorePaymentRequest {
                confirmation_token: token.clone(),
                ..Default::default()
            });
            let batch = pb::BatchScorePaymentsRequest { requests: requests.collect() };
            prop_assert_eq!(counted(&batch.encode_to_vec(), cut), tokens.len());
        }

        #[test]
        fn of_any_message_no_fewer_are_counted_than_are_read(
            fields in proptest::collection::vec(
                prop_oneof![
                    Just(vec![0x0a, 0]),
                    Just(vec![0x0a, 2, 0x12, 0]),
                    Just(vec![0x10, 0xff, 0x01]),
                    Just(vec![0x19, 1, 2, 3, 4, 5, 6, 7, 8]),
                    Just(vec![0x25, 1, 2, 3, 4]),
                    Just(vec![0x12, 3, 0x0a, 0, 0]),
                    Just(vec![0x1b, 0x0a, 0, 0x1c]),
                    proptest::collection::vec(any::<u8>(), 0..4),
                ],
                0..30,
            ),
            cut in 1..9_usize,
        ) {
            let bytes = fields.concat();
            if let Ok(batch) = pb::BatchScorePaymentsRequest::decode(&*bytes) {
                prop_assert!(counted(&bytes, cut) >= batch.requests.len());
            }
        }
    }
}
