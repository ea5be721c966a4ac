//! Images: what is remembered under one key as bytes, and back.
//!
//! An image is what was packed already, copied, and the rest as numbers of few bytes. It gives back
//! exactly the state, and equal states have equal images. What can be counted or hashed again is not in
//! it. What is read is checked: a fault is told with its place, and whatever is accepted can be used.
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

/// Why bytes are no image.
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

/// An image that is read from front to back.
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

    /// That nothing is left.
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

/// Appends what there may be, and whether it is there.
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

/// A whole number that fits.
pub(super) fn narrow<T: TryFrom<u64>>(rest: &mut Reader<'_>) -> Option<T> {
    T::try_from(rest.varint()?).ok()
}

/// What a number of payments or of accounts, or a sum in minor units, may be.
pub(super) const QUANTITY: RangeInclusive<f64> = 0.0..=1e20;

/// How far amounts may lie apart, in doublings: squares of it are far from what a number holds.
pub(super) const DOUBLINGS: RangeInclusive<f64> = -1e3..=1e3;

/// A number of this range, as all have to be that are calculated with.
pub(super) fn number(rest: &mut Reader<'_>, range: RangeInclusive<f64>) -> Option<f64> {
    rest.float().filter(|number| range.contains(number))
}

/// The same, written from fewer bits.
pub(super) fn number_f32(rest: &mut Reader<'_>, range: RangeInclusive<f64>) -> Option<f32> {
    let wide = number(rest, range)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what does not fit differs from what was cast"
    )]
    let number = wide as f32;
    (f64::from(number).to_bits() == wide.to_bits()).then_some(number)
}
