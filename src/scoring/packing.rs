//! Bytes in and out: how what is remembered is laid down in little room.
//!
//! Numbers take as many bytes as they need, ids are written in the shortest of three forms. What was
//! written is read back by the same code in the same order, so nothing here carries names or versions;
//! files and wires have formats of their own.

use super::payment::ID_BYTES_MAX;

/// Form bytes of an id: up to [`ID_BYTES_MAX`] is a text of that many bytes as it is; the others follow.
const UUID: u8 = 0x81;
/// This and the number of digits, 1 to [`DIGITS_MAX`], is a text of decimal digits, two to a byte.
const DIGITS: u8 = 0xc0;
const DIGITS_MAX: usize = 0x3f;

const UUID_CHARS: usize = 36;
const UUID_BYTES: usize = 16;
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Appends a whole number, seven bits to a byte, lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Appends a whole number that may be negative: small ones of either sign are short.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value << 1 ^ value >> 63).cast_unsigned());
}

/// Appends a number to its last bit.
pub(super) fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends an id.
pub(super) fn put_id(out: &mut Vec<u8>, text: &str) {
    if let Some(uuid) = uuid_bytes(text) {
        out.push(UUID);
        out.extend_from_slice(&uuid);
    } else if text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let [len, ..] = text.len().to_le_bytes();
        out.push(DIGITS | len);
        out.extend(text.as_bytes().chunks(2).map(nibbles));
    } else {
        let [len, ..] = text.len().to_le_bytes();
        out.push(len);
        out.extend_from_slice(text.as_bytes());
    }
}

/// Two digits in one byte; a last single one stands high.
fn nibbles(pair: &[u8]) -> u8 {
    let digit = |at| pair.get(at).map_or(0, |byte: &u8| byte & 0xf);
    digit(0) << 4 | digit(1)
}

/// The bytes of a UUID as it is usually written: lower case, with hyphens.
fn uuid_bytes(text: &str) -> Option<[u8; UUID_BYTES]> {
    let text: &[u8; UUID_CHARS] = text.as_bytes().try_into().ok()?;
    if !UUID_HYPHENS.iter().all(|at| text.get(*at) == Some(&b'-')) {
        return None;
    }
    let mut bytes = [0; UUID_BYTES];
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut bytes {
        *byte = hex_value(*digits.next()?)? << 4 | hex_value(*digits.next()?)?;
    }
    digits.next().is_none().then_some(bytes)
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

const fn hex_digit(value: u8) -> u8 {
    match value & 0xf {
        low @ 0..=9 => b'0'.wrapping_add(low),
        high => b'a'.wrapping_sub(10).wrapping_add(high),
    }
}

/// An id as it was laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedId<'a> {
    form: u8,
    bytes: &'a [u8],
}

impl PackedId<'_> {
    /// Appends it as it was laid down.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.push(self.form);
        out.extend_from_slice(self.bytes);
    }

    /// How many bytes it takes.
    pub(super) const fn packed_bytes(self) -> usize {
        self.bytes.len().saturating_add(1)
    }

    /// Whether it is this text.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        match self.form {
            UUID => uuid_bytes(text).is_some_and(|uuid| uuid == self.bytes),
            form if form >= DIGITS => {
                text.len() == self.text_bytes()
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && text
                        .as_bytes()
                        .chunks(2)
                        .map(nibbles)
                        .eq(self.bytes.iter().copied())
            }
            _ => self.bytes == text.as_bytes(),
        }
    }

    /// How many bytes its text has.
    #[must_use]
    pub const fn text_bytes(self) -> usize {
        match self.form {
            UUID => UUID_CHARS,
            form if form >= DIGITS => (form & !DIGITS) as usize,
            form => form as usize,
        }
    }

    /// Its text, written into `room`.
    #[must_use]
    pub fn text(self, room: &mut [u8; ID_BYTES_MAX]) -> &str {
        let len = self.text_bytes();
        match self.form {
            UUID => self.write_uuid(room),
            form if form >= DIGITS => {
                for (pair, byte) in room.chunks_mut(2).zip(self.bytes) {
                    let digits = [byte >> 4, byte & 0xf];
                    for (to, digit) in pair.iter_mut().zip(digits) {
                        *to = b'0' | digit;
                    }
                }
            }
            _ => {
                for (to, byte) in room.iter_mut().zip(self.bytes) {
                    *to = *byte;
                }
            }
        }
        let text = room.get(..len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    fn write_uuid(self, room: &mut [u8; ID_BYTES_MAX]) {
        let mut digits = self
            .bytes
            .iter()
            .flat_map(|byte| [hex_digit(byte >> 4), hex_digit(*byte)]);
        for (at, to) in room.iter_mut().take(UUID_CHARS).enumerate() {
            *to = if UUID_HYPHENS.contains(&at) {
                b'-'
            } else {
                digits.next().unwrap_or(b'0')
            };
        }
    }
}

/// Reads what was laid down, in the order in which it was. `None` where the bytes end too soon, which
/// what this file wrote never does.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg())
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    pub(super) fn id(&mut self) -> Option<PackedId<'a>> {
        let form = self.byte()?;
        let count = match form {
            UUID => UUID_BYTES,
            form if form >= DIGITS => usize::from(form & !DIGITS).div_ceil(2),
            form => usize::from(form),
        };
        let bytes = self.bytes(count)?;
        Some(PackedId { form, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_form_come_back_and_are_told_apart() {
        let long = "x".repeat(ID_BYTES_MAX);
        let digits = "7".repeat(DIGITS_MAX + 1);
        let texts = [
            "x",
            "0",
            "00",
            "000",
            "13812345678",
            "1381234567",
            "138123456780",
            "9b2e6c1f-5d7a-4a8e-b1c3-0123456789ab",
            "9B2E6C1F-5D7A-4A8E-B1C3-0123456789AB",
            "9b2e6c1f-5d7a-4a8e-b1c3-0123456789ag",
            "9b2e6c1f-5d7a-4a8e-b1c30-123456789ab",
            "9b2e6c1f+5d7a-4a8e-b1c3-0123456789ab",
            "------------------------------------",
            "中国移动",
            &long,
            &digits,
            &digits[1..],
        ];
        for text in texts {
            let mut bytes = Vec::new();
            put_id(&mut bytes, text);
            let mut reader = Reader::new(&bytes);
            let id = reader.id().unwrap();
            assert!(reader.0.is_empty());
            assert_eq!(id.text(&mut [0; ID_BYTES_MAX]), text);
            assert_eq!(id.text_bytes(), text.len());
            for other in texts {
                assert_eq!(id.is(other), text == other, "{text} {other}");
            }
            for cut in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..cut]).id(), None);
            }
        }
    }

    #[test]
    fn a_uuid_takes_17_bytes_and_a_phone_number_7() {
        let packed = |text| {
            let mut bytes = Vec::new();
            put_id(&mut bytes, text);
            bytes.len()
        };
        assert_eq!(packed("9b2e6c1f-5d7a-4a8e-b1c3-0123456789ab"), 17);
        assert_eq!(packed("13812345678"), 7);
    }

    #[test]
    fn numbers_come_back_from_both_ends_of_their_range() {
        for value in [0, 1, 127, 128, 300, u64::MAX / 2, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Reader::new(&bytes).varint(), Some(value));
        }
        for value in [0, -1, 1, 63, -64, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(Reader::new(&bytes).signed(), Some(value));
        }
        assert_eq!(Reader::new(&[0xff; 11]).varint(), None);
    }
}
