//! Numbers and texts as bytes, and back. What is read back is checked; nothing is trusted to be as it was
//! written, and no length is believed before there are so many bytes.

use std::fmt;

pub(super) use crate::scoring::packing::{put_float, put_signed, put_varint};
use crate::scoring::payment::InvalidId;

/// Why bytes are no record: where, reading what, and what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// Where it was met, in bytes from the beginning of what was read.
    pub offset: usize,
    /// What was being read.
    pub field: &'static str,
    /// What is wrong.
    pub fault: DecodeFault,
}

/// What is wrong with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeFault {
    /// They end too early.
    Ended,
    /// They go on beyond their end.
    TooMany,
    /// A number that is written with more bytes than it takes, or is larger than it may be.
    OutOfRange,
    /// A code that stands for nothing.
    UnknownCode,
    /// A text that is not UTF-8.
    NotText,
    /// A text that is no id.
    Id(InvalidId),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            field,
            fault,
        } = self;
        write!(f, "{field} at byte {offset}: ")?;
        match fault {
            DecodeFault::Ended => f.write_str("the bytes end in it"),
            DecodeFault::TooMany => f.write_str("there are more bytes"),
            DecodeFault::OutOfRange => f.write_str("out of range"),
            DecodeFault::UnknownCode => f.write_str("a code that stands for nothing"),
            DecodeFault::NotText => f.write_str("not UTF-8"),
            DecodeFault::Id(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What reading something comes to.
pub(super) type Decoded<T> = Result<T, DecodeError>;

/// How many bytes a number takes at most.
const VARINT_BYTES_MAX: usize = 10;

/// The bit of every byte that says that the number goes on behind it.
const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// The number in eight bytes of seven bits each: gaps of one bit are closed, then of two, then of four.
const fn without_gaps(word: u64) -> u64 {
    let word = word & !CONTINUES;
    let word = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = word & 0x0000_3fff_0000_3fff | (word & 0x3fff_0000_3fff_0000) >> 2;
    word & 0x0000_0000_0fff_ffff | (word & 0x0fff_ffff_0000_0000) >> 4
}

/// Writes a text and its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Bytes that are read from front to back.
#[derive(Debug, Clone)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn fault(&self, field: &'static str, fault: DecodeFault) -> DecodeError {
        DecodeError {
            offset: self.at,
            field,
            fault,
        }
    }

    /// How far it has been read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    /// That nothing is left.
    pub(super) const fn end(&self, field: &'static str) -> Decoded<()> {
        if self.at < self.bytes.len() {
            return Err(self.fault(field, DecodeFault::TooMany));
        }
        Ok(())
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Decoded<u8> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or_else(|| self.fault(field, DecodeFault::Ended))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize, field: &'static str) -> Decoded<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length);
        let taken = taken.ok_or_else(|| self.fault(field, DecodeFault::Ended))?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const BYTES: usize>(
        &mut self,
        field: &'static str,
    ) -> Decoded<[u8; BYTES]> {
        let taken = self.take(BYTES, field)?;
        let array = taken.try_into();
        array.map_err(|_| self.fault(field, DecodeFault::Ended))
    }

    #[inline]
    pub(super) fn varint(&mut self, field: &'static str) -> Decoded<u64> {
        match self.bytes.get(self.at) {
            // Most numbers are as small as that.
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(field),
        }
    }

    fn long_varint(&mut self, field: &'static str) -> Decoded<u64> {
        let from = self.at;
        let (mut number, mut read) = (0, 0);
        // So far from the end, eight bytes are taken in one step.
        if let Some(eight) = self.bytes.get(from..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*eight);
            let length = (!word & CONTINUES).trailing_zeros() / 8 + 1;
            if length <= 8 {
                let word = word & (u64::MAX >> (64 - 8 * length));
                if word.leading_zeros() < 72 - 8 * length {
                    self.at += length as usize;
                    return Ok(without_gaps(word));
                }
                return Err(self.fault(field, DecodeFault::OutOfRange));
            }
            (number, read) = (without_gaps(word), 8);
            self.at += 8;
        }
        for nth in read..VARINT_BYTES_MAX {
            let byte = self.byte(field)?;
            // The tenth byte has room for one bit, and no number ends with a byte that says nothing.
            if (nth == 9 && byte > 1) || (byte == 0 && nth > 0) {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * nth);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        self.at = from;
        Err(self.fault(field, DecodeFault::OutOfRange))
    }

    pub(super) fn narrow<T: TryFrom<u64>>(&mut self, field: &'static str) -> Decoded<T> {
        let from = self.at;
        let number = self.varint(field)?;
        T::try_from(number).map_err(|_| DecodeError {
            offset: from,
            field,
            fault: DecodeFault::OutOfRange,
        })
    }

    pub(super) fn signed(&mut self, field: &'static str) -> Decoded<i64> {
        let number = self.varint(field)?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(super) fn float(&mut self, field: &'static str) -> Decoded<f64> {
        Ok(f64::from_bits(self.varint(field)?.swap_bytes()))
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, bytes_max: usize, field: &'static str) -> Decoded<&'a str> {
        let from = self.at;
        let fault = |fault| DecodeError {
            offset: from,
            field,
            fault,
        };
        let length: usize = self.narrow(field)?;
        if length > bytes_max {
            return Err(fault(DecodeFault::OutOfRange));
        }
        let bytes = self.take(length, field)?;
        std::str::from_utf8(bytes).map_err(|_| fault(DecodeFault::NotText))
    }

    /// A number that stands for something.
    pub(super) fn code<T>(
        &mut self,
        meaning: impl Fn(u8) -> Option<T>,
        field: &'static str,
    ) -> Decoded<T> {
        let from = self.at;
        let code = self.byte(field)?;
        meaning(code).ok_or(DecodeError {
            offset: from,
            field,
            fault: DecodeFault::UnknownCode,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_texts_are_read_back_to_the_last_bit(
            number: u64, signed: i64, bits: u64, text in ".{0,40}",
        ) {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            put_signed(&mut out, signed);
            put_float(&mut out, f64::from_bits(bits));
            put_text(&mut out, &text);
            let mut decoder = Decoder::new(&out);
            prop_assert_eq!(decoder.varint("number"), Ok(number));
            prop_assert_eq!(decoder.signed("signed"), Ok(signed));
            prop_assert_eq!(decoder.float("float").unwrap().to_bits(), bits);
            prop_assert_eq!(decoder.text(1_000, "text"), Ok(text.as_str()));
            prop_assert_eq!(decoder.end("end"), Ok(()));
        }

        /// Only the shortest way to write a number is one, wherever it stands.
        #[test]
        fn any_bytes_are_the_number_that_is_written_so_or_none(
            going_on in vec(0x80..=0xff_u8, 0..12), end: u8, behind in vec(any::<u8>(), 0..12),
        ) {
            let bytes = [going_on, vec![end], behind].concat();
            let last = bytes.iter().position(|byte| *byte < 0x80);
            let written = &bytes[..last.map_or(bytes.len(), |last| last + 1)];
            let sevens = written.iter().rev();
            let number = sevens.fold(0_u64, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
            let mut shortest = Vec::new();
            put_varint(&mut shortest, number);
            let mut decoder = Decoder::new(&bytes);
            let read = decoder.varint("number");
            if shortest == written {
                prop_assert_eq!(read, Ok(number));
                prop_assert_eq!(decoder.offset(), written.len());
            } else {
                let fault = read.unwrap_err().fault;
                let ended = last.is_none() && bytes.len() < VARINT_BYTES_MAX;
                let expected = if ended { DecodeFault::Ended } else { DecodeFault::OutOfRange };
                prop_assert_eq!(fault, expected);
            }
        }
    }

    #[test]
    fn small_numbers_and_round_floats_are_short() {
        let length = |put: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            put(&mut out);
            out.len()
        };
        assert_eq!(length(&|out| put_varint(out, 127)), 1);
        assert_eq!(length(&|out| put_signed(out, -64)), 1);
        assert_eq!(length(&|out| put_float(out, 0.0)), 1);
        assert_eq!(length(&|out| put_float(out, 100.0)), 3);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        let told = |bytes: &[u8]| {
            let mut decoder = Decoder::new(bytes);
            decoder.byte("first").and_then(|_| decoder.varint("second"))
        };
        for (bytes, offset, fault) in [
            (&[0, 0x80][..], 2, DecodeFault::Ended),
            (&[0, 0x80, 0], 1, DecodeFault::OutOfRange),
            (
                &[0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                1,
                DecodeFault::OutOfRange,
            ),
            (
                &[0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 129],
                1,
                DecodeFault::OutOfRange,
            ),
        ] {
            let field = "second";
            let expected = DecodeError {
                offset,
                field,
                fault,
            };
            assert_eq!(told(bytes), Err(expected), "{bytes:?}");
        }
        let mut decoder = Decoder::new(&[5, b'a']);
        assert_eq!(
            decoder.clone().text(9, "t").unwrap_err().fault,
            DecodeFault::Ended
        );
        assert_eq!(
            decoder.text(4, "t").unwrap_err().fault,
            DecodeFault::OutOfRange
        );
        let not_text = Decoder::new(&[1, 0xff]).text(4, "t").unwrap_err();
        assert_eq!(not_text.to_string(), "t at byte 0: not UTF-8");
    }
}
