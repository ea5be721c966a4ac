//! A compact encoding for what is remembered.
//!
//! Numbers take as many bytes as they need, and ids are written in the shortest of three forms. The same code
//! reads what was written, in the same order, so there are no field names or versions here; files and the wire
//! have formats of their own.

use super::hash::tag_of;
use super::payment::{ID_BYTES_MAX, is_id};

/// Form bytes of an id: up to [`ID_BYTES_MAX`] is a text of that many bytes as it is; the others follow.
const UUID: u8 = 0x81;
/// This and the number of digits, at most twice [`SHORT_BYTES`], is a text of hexadecimal digits in lower
/// case, or of decimal ones, two to a byte.
const HEX: u8 = 0xc0;

/// How many bytes the forms that are shorter than their text take at most.
const SHORT_BYTES: usize = 16;

const UUID_CHARS: usize = 36;
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Where the halves of each eight digits stand.
const UUID_DIGITS: [[usize; 2]; 4] = [[0, 4], [9, 14], [19, 24], [28, 32]];

/// Appends a whole number, seven bits per byte, lowest first (LEB128).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Appends a signed number; small ones of either sign are short (ZigZag).
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value << 1 ^ value >> 63).cast_unsigned());
}

/// Appends a number to its last bit. Those with few digits take few bytes: the last bits of a float,
/// zeros then, are written as the first of a whole number.
pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    put_varint(out, value.to_bits().swap_bytes());
}

/// Appends a number to its last bit, in eight bytes.
pub(super) fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends an id.
pub(super) fn put_id(out: &mut Vec<u8>, text: &str) {
    Packed::of(text).put(out);
}

/// An id, packed. The same text always gives the same bytes, so ids are compared by these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    /// The form, and what is of that form where that is shorter than the text; zeros follow.
    head: [u8; 1 + SHORT_BYTES],
    text: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Packs a text of at most [`ID_BYTES_MAX`] bytes; what is longer is cut off.
    #[must_use]
    pub(super) fn of(text: &'a str) -> Self {
        let text = text.as_bytes();
        let text = text.get(..ID_BYTES_MAX).unwrap_or(text);
        let [len, ..] = text.len().to_le_bytes();
        let short = if text.len() == UUID_CHARS {
            uuid_bytes(text).map(|short| (UUID, short))
        } else {
            hex_text_bytes(text).map(|short| (HEX | len, short))
        };
        let mut head = [0; 1 + SHORT_BYTES];
        let [form, rest @ ..] = &mut head;
        (*form, *rest) = short.unwrap_or((len, [0; SHORT_BYTES]));
        Self { head, text }
    }

    /// The same id, borrowed.
    #[must_use]
    pub(super) fn id(&self) -> PackedId<'_> {
        let [form, short @ ..] = &self.head;
        let bytes = if is_short(*form) {
            short.get(..bytes_after(*form)).unwrap_or_default()
        } else {
            self.text
        };
        PackedId { form: *form, bytes }
    }

    /// Its [tag](tag_of).
    #[must_use]
    pub(super) fn tag(&self) -> u16 {
        let [form, short @ ..] = &self.head;
        if is_short(*form) {
            tag_of(*form, short)
        } else {
            tag_of(*form, self.text)
        }
    }

    /// How many bytes it takes.
    pub(super) const fn packed_bytes(&self) -> usize {
        let [form, ..] = self.head;
        bytes_after(form).saturating_add(1)
    }

    /// Appends it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let [form, ..] = self.head;
        if is_short(form) {
            // All of it and back is quicker than a part of any length.
            let end = out.len().saturating_add(self.packed_bytes());
            out.extend_from_slice(&self.head);
            out.truncate(end);
        } else {
            out.push(form);
            out.extend_from_slice(self.text);
        }
    }
}

/// Whether this form is shorter than its text.
const fn is_short(form: u8) -> bool {
    form >= UUID
}

/// How many bytes follow this form byte.
const fn bytes_after(form: u8) -> usize {
    match form {
        UUID => SHORT_BYTES,
        form if form >= HEX => (form & !HEX).div_ceil(2) as usize,
        form => form as usize,
    }
}

/// The bytes of a text of at most 32 hexadecimal digits in lower case; a last single one stands high.
fn hex_text_bytes(text: &[u8]) -> Option<[u8; SHORT_BYTES]> {
    let mut bytes = [0; SHORT_BYTES];
    let mut to = bytes.as_chunks_mut::<4>().0.iter_mut();
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        *to.next()? = hex_bytes(u64::from_le_bytes(*word))?;
    }
    if !rest.is_empty() {
        let digits = rest.iter().rev();
        let word = digits.fold(EIGHT_ZEROS, |word, digit| word << 8 | u64::from(*digit));
        *to.next()? = hex_bytes(word)?;
    }
    Some(bytes)
}

/// The bytes of a UUID as it is usually written: lower case, with hyphens.
fn uuid_bytes(text: &[u8]) -> Option<[u8; SHORT_BYTES]> {
    let text: &[u8; UUID_CHARS] = text.try_into().ok()?;
    if !UUID_HYPHENS.iter().all(|at| text.get(*at) == Some(&b'-')) {
        return None;
    }
    let four = |at: usize| {
        let digits = text.get(at..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*digits)))
    };
    let eight = |[left, right]: [usize; 2]| Some(four(left)? | four(right)? << 32);
    let [a, b, c, d] = UUID_DIGITS;
    let words = [eight(a)?, eight(b)?, eight(c)?, eight(d)?];
    let mut bytes = [0; SHORT_BYTES];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = hex_bytes(word)?;
    }
    Some(bytes)
}

/// The text of eight zeros.
const EIGHT_ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// The bytes that eight lower-case hexadecimal digits stand for, all eight worked on at once: the text
/// in the bytes of a word, its first digit lowest.
fn hex_bytes(text: u64) -> Option<[u8; 4]> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Letters have bit 6 set, and stand nine above the value of their low four bits.
    let letters = text >> 6 & ONES;
    let values = (text & (0x0f * ONES)).wrapping_add(letters.wrapping_mul(9));
    // Whatever is not such a digit does not come back from its value.
    let above_nine = values.wrapping_add(6 * ONES) >> 4 & ONES;
    let back = values
        .wrapping_add(EIGHT_ZEROS)
        .wrapping_add(above_nine.wrapping_mul(39));
    if back != text || values & (0xf0 * ONES) != 0 {
        return None;
    }
    // The first digit of a pair stands high.
    let pairs = values << 4 | values >> 8;
    let [a, _, b, _, c, _, d, _] = pairs.to_le_bytes();
    Some([a, b, c, d])
}

const fn hex_digit(value: u8) -> u8 {
    match value & 0xf {
        low @ 0..=9 => b'0'.wrapping_add(low),
        high => b'a'.wrapping_sub(10).wrapping_add(high),
    }
}

/// A packed id, borrowed.
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

    /// Whether it is one that may be laid down.
    pub(super) fn is_sound(self) -> bool {
        match self.form {
            UUID => true,
            form if form > HEX => self.text_bytes() <= 2 * SHORT_BYTES,
            _ => is_id(self.bytes),
        }
    }

    /// Its [tag](tag_of).
    pub(super) fn tag(self) -> u16 {
        if !is_short(self.form) {
            return tag_of(self.form, self.bytes);
        }
        let mut short = [0; SHORT_BYTES];
        if let Some(place) = short.get_mut(..self.bytes.len()) {
            place.copy_from_slice(self.bytes);
        }
        tag_of(self.form, &short)
    }

    /// How many bytes its text has.
    #[must_use]
    pub const fn text_bytes(self) -> usize {
        match self.form {
            UUID => UUID_CHARS,
            form if form >= HEX => (form & !HEX) as usize,
            form => form as usize,
        }
    }

    /// Its text, written into `room`.
    #[must_use]
    pub fn text(self, room: &mut [u8; ID_BYTES_MAX]) -> &str {
        let len = self.text_bytes();
        match self.form {
            UUID => self.write_uuid(room),
            form if form >= HEX => {
                for ([high, low], byte) in room.as_chunks_mut().0.iter_mut().zip(self.bytes) {
                    (*high, *low) = (hex_digit(byte >> 4), hex_digit(*byte));
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

/// Reads what was written, in the same order. `None` where the bytes end too soon, which what this file wrote
/// never does.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
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

    pub(super) fn float(&mut self) -> Option<f64> {
        self.varint().map(|bits| f64::from_bits(bits.swap_bytes()))
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    pub(super) fn id(&mut self) -> Option<PackedId<'a>> {
        let form = self.byte()?;
        let bytes = self.bytes(bytes_after(form))?;
        Some(PackedId { form, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_form_come_back_and_are_told_apart() {
        let long = "x".repeat(ID_BYTES_MAX);
        let digits = "7".repeat(2 * SHORT_BYTES + 1);
        let texts = [
            "x",
            "0",
            "00",
            "000",
            "13812345678",
            "1381234567",
            "138123456780",
            "1381234567f",
            "1381234567F",
            "1381234567:",
            "9b2e6c1f5d7a4a8eb1c30123456789ab",
            "9b2e6c1f5d7a4a8eb1c30123456789abc",
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
            assert!(id.is_sound());
            assert_eq!(id.tag(), Packed::of(text).tag());
            for other in texts {
                assert_eq!(
                    id == Packed::of(other).id(),
                    text == other,
                    "{text} {other}"
                );
            }
            for cut in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..cut]).id(), None);
            }
        }
    }

    #[test]
    fn eight_digits_are_read_at_once_and_nothing_else_is() {
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0189abef";
                text[at] = byte;
                let read = hex_bytes(u64::from_le_bytes(text));
                let is_hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let expected = is_hex.then(|| {
                    let text = std::str::from_utf8(&text).unwrap();
                    u32::from_str_radix(text, 16).unwrap().to_be_bytes()
                });
                assert_eq!(read, expected, "{text:?}");
            }
        }
    }

    #[test]
    fn texts_that_differ_in_one_place_have_different_tags() {
        let of_len = |len: usize, filler: &str| {
            let plain = filler.repeat(len);
            let changed = (0..len).map(move |at| {
                let mut text = plain.clone();
                text.replace_range(at..=at, "1");
                text
            });
            changed.chain([filler.repeat(len)])
        };
        let texts: Vec<String> = (1..40)
            .flat_map(|len| {
                ["0", "x"]
                    .into_iter()
                    .flat_map(move |filler| of_len(len, filler))
            })
            .collect();
        let distinct = |of: &dyn Fn(&str) -> String| {
            let all = texts.iter().map(|text| of(text));
            all.collect::<std::collections::BTreeSet<_>>().len()
        };
        let tags = distinct(&|text| Packed::of(text).tag().to_string());
        // By chance about 20 of 1,600 fall together.
        assert!(distinct(&str::to_owned) - tags < 40, "{tags}");
        assert!(texts.iter().all(|text| Packed::of(text).tag() != 0));
    }

    #[test]
    fn a_uuid_takes_17_bytes_and_a_phone_number_7() {
        let packed = |text| {
            let mut bytes = Vec::new();
            put_id(&mut bytes, text);
            bytes.len()
        };
        assert_eq!(packed("9b2e6c1f-5d7a-4a8e-b1c3-0123456789ab"), 17);
        assert_eq!(packed("9b2e6c1f5d7a4a8eb1c30123456789ab"), 17);
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
