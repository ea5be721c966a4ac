//! Images: the state of a key as bytes, and back.
//!
//! What is packed already is copied; the rest is written as numbers of few bytes. Reading gives back exactly
//! the same state, and equal states have equal images. What can be recomputed (counts, hashes) is left out.
//! Everything is checked when it is read: a fault is reported with its position, and whatever is accepted can
//! be used.
//!
//! # Format
//! Images carry no version; who writes them to a file does. Their layout, the numbers of every closed set
//! and the order of the currencies belong to it: what changes one of these must go on reading what was
//! written before, or have it refused under another version. The tests hold a few images to their bytes.

use std::fmt;
use std::ops::RangeInclusive;

use super::money::Currency;
use super::packing::{Reader, put_signed};
use super::time::Timestamp;

/// Why these bytes are no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFault {
    /// What was being read.
    pub part: &'static str,
    /// Where reading stopped, in bytes from the beginning of the image.
    pub offset: usize,
}

impl fmt::Display for ImageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, offset } = self;
        write!(
            f,
            "{part} at byte {offset} of an image: not as it is written"
        )
    }
}

impl std::error::Error for ImageFault {}

/// An image, read from front to back.
#[derive(Debug)]
pub(super) struct Image<'a> {
    bytes: usize,
    rest: Reader<'a>,
}

impl<'a> Image<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.len(),
            rest: Reader::new(bytes),
        }
    }

    /// Reads the next part.
    pub(super) fn part<T>(
        &mut self,
        part: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<T, ImageFault> {
        read(&mut self.rest).ok_or_else(|| ImageFault {
            part,
            offset: self.bytes.saturating_sub(self.rest.len()),
        })
    }

    /// Checks that nothing is left.
    pub(super) fn end(mut self) -> Result<(), ImageFault> {
        self.part("end", |rest| (rest.len() == 0).then_some(()))
    }
}

pub(super) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    put_signed(out, time.unix_ms());
}

pub(super) fn time(rest: &mut Reader<'_>) -> Option<Timestamp> {
    rest.signed().map(Timestamp::from_unix_ms)
}

/// Appends an optional value, and whether it is there.
pub(super) fn put_optional<T>(
    out: &mut Vec<u8>,
    value: Option<T>,
    put: impl FnOnce(&mut Vec<u8>, T),
) {
    out.push(value.is_some().into());
    if let Some(value) = value {
        put(out, value);
    }
}

pub(super) fn optional<'a, T>(
    rest: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match rest.byte()? {
        0 => Some(None),
        1 => read(rest).map(Some),
        _ => None,
    }
}

pub(super) fn put_currency(out: &mut Vec<u8>, currency: Currency) {
    out.push(currency.number());
}

pub(super) fn currency(rest: &mut Reader<'_>) -> Option<Currency> {
    Currency::from_number(rest.byte()?)
}

/// A whole number that fits the type.
pub(super) fn narrow<T: TryFrom<u64>>(rest: &mut Reader<'_>) -> Option<T> {
    T::try_from(rest.varint()?).ok()
}

/// The valid range of numbers of payments or accounts, and of sums in minor units.
pub(super) const QUANTITY: RangeInclusive<f64> = 0.0..=1e20;

/// The valid range of distances between amounts, in doublings: far from overflow when squared.
pub(super) const DOUBLINGS: RangeInclusive<f64> = -1e3..=1e3;

/// A number within this range, as required of all that are calculated with.
pub(super) fn number(rest: &mut Reader<'_>, range: RangeInclusive<f64>) -> Option<f64> {
    rest.float().filter(|number| range.contains(number))
}

/// A number that is kept in 32 bits, rounded: habits and rates need no more than its 24 bits of precision.
#[expect(clippy::cast_possible_truncation, reason = "rounded, as said")]
pub(super) const fn rounded_f32(value: f64) -> f32 {
    value as f32
}

/// The same as [`number`] for one of 32 bits.
pub(super) fn number_f32(rest: &mut Reader<'_>, range: RangeInclusive<f64>) -> Option<f32> {
    let wide = number(rest, range)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what does not fit differs from what was cast"
    )]
    let number = wide as f32;
    (f64::from(number).to_bits() == wide.to_bits()).then_some(number)
}
