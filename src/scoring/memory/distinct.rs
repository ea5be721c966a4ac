//! About how many different accounts paid a payee, or from a device: counted in sketches of fixed size, which cannot
//! be asked which accounts they were.

use crate::scoring::image::{put_time, time};
use crate::scoring::packing::{Reader, put_varint};
use crate::scoring::time::{Span, Timestamp};

/// The approximate number of different accounts, by linear counting: each account sets the bit that the hash of its id
/// points to, and how many bits are set tells how many accounts there were.
///
/// Of m bits, n ≈ −m·ln(zero bits ÷ m). Within a few per cent up to twice as many accounts as bits; all bits are set
/// at about six times as many. Source: Whang, Vander-Zanden and Taylor, "A linear-time probabilistic counting
/// algorithm for database applications", 1990.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Distinct<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Distinct<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

/// The most bits a sketch may have.
const BITS_MAX: u32 = 256;

impl<const WORDS: usize> Distinct<WORDS> {
    /// The estimate for each number of set bits, computed by the compiler: every payment that is scored asks for some.
    const ESTIMATES: [u32; BITS_MAX as usize + 1] = estimates(WORDS);

    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|bits| put_varint(out, *bits));
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let mut words = [0; WORDS];
        for bits in &mut words {
            *bits = rest.varint()?;
        }
        Some(Self(words))
    }

    /// Notes an account, by the hash of its id.
    pub(super) fn insert(&mut self, hash: u64) {
        let word = usize::try_from(hash >> 6).unwrap_or(0).checked_rem(WORDS);
        if let Some(bits) = word.and_then(|word| self.0.get_mut(word)) {
            *bits |= 1 << (hash & 63);
        }
    }

    /// The sketch of the accounts in either.
    fn union(self, other: Self) -> Self {
        let mut both = self;
        for (bits, others) in both.0.iter_mut().zip(other.0) {
            *bits |= others;
        }
        both
    }

    /// How many different accounts there were, about.
    pub(super) fn estimate(self) -> u32 {
        Self::estimate_of(self.0.iter().map(|word| word.count_ones()).sum())
    }

    /// The same by the number of bits that are set.
    pub(super) fn estimate_of(set: u32) -> u32 {
        Self::ESTIMATES
            .get(set as usize)
            .copied()
            .unwrap_or(u32::MAX)
    }
}

impl Distinct<2> {
    /// The number of the bit that stands for an account, by the hash of its id.
    pub(super) const fn bit_of(hash: u64) -> u8 {
        let [low, ..] = hash.to_le_bytes();
        low % 128
    }

    /// All bits, the lowest word's first.
    pub(super) fn bits(self) -> u128 {
        let Self([low, high]) = self;
        u128::from(low) | u128::from(high) << u64::BITS
    }

    /// The sketch with these bits.
    #[expect(clippy::cast_possible_truncation, reason = "one word and the other")]
    pub(super) const fn of_bits(bits: u128) -> Self {
        Self([bits as u64, (bits >> u64::BITS) as u64])
    }
}

/// The estimates for a bitmap of this size. The logarithm is replaced by the harmonic sum that it approximates:
/// with k of m bits set, the expected number is Σ m ÷ (m − i) for i below k. Only divisions, so the same on
/// every machine.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses what does not fit"
)]
const fn estimates(words: usize) -> [u32; BITS_MAX as usize + 1] {
    let bits = words as u32 * u64::BITS;
    let mut estimates = [u32::MAX; BITS_MAX as usize + 1];
    let mut seen = 0.0;
    let mut set = 0;
    while set <= bits {
        estimates[set as usize] = (seen + 0.5) as u32;
        if set < bits {
            seen += bits as f64 / (bits - set) as f64;
        }
        set += 1;
    }
    estimates
}

/// The different accounts of two periods, the current one and the one before: of the last one to two periods.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct RecentAccounts {
    /// When the current period began.
    pub(super) since: Timestamp,
    pub(super) current: Distinct<2>,
    pub(super) previous: Distinct<2>,
}

impl RecentAccounts {
    pub(super) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            since,
            current,
            previous,
        } = self;
        put_time(out, *since);
        current.put_image(out);
        previous.put_image(out);
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            since: time(rest)?,
            current: Distinct::read_image(rest)?,
            previous: Distinct::read_image(rest)?,
        })
    }

    /// Begins a new period if the current one is over at `now`. Returns how many accounts that one had, about, and how
    /// long ago it began; `None` if it goes on, or had none.
    pub(super) fn advance(&mut self, period: Span, now: Timestamp) -> Option<(u32, Span)> {
        let lasted = now.since(self.since);
        if lasted < period {
            return None;
        }
        let finished = self.current.estimate();
        self.previous = if lasted < twice(period) {
            self.current
        } else {
            Distinct::default()
        };
        self.current = Distinct::default();
        self.since = now;
        (finished > 0).then_some((finished, lasted))
    }

    /// Notes an account, by the hash of its id.
    pub(super) fn insert(&mut self, hash: u64) {
        self.current.insert(hash);
    }

    /// How many accounts there were in the current period and the one before, about, as of `now`.
    pub(super) fn estimate(&self, period: Span, now: Timestamp) -> u32 {
        let lasted = now.since(self.since);
        if lasted < period {
            self.current.union(self.previous).estimate()
        } else if lasted < twice(period) {
            self.current.estimate()
        } else {
            0
        }
    }
}

/// Twice as long.
pub(super) const fn twice(span: Span) -> Span {
    Span::from_ms(span.ms().saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::hash::hash_of;

    #[test]
    fn the_sketch_counts_different_accounts_within_a_fifth() {
        for many in [1_u32, 5, 30, 100, 250] {
            let mut sketch = Distinct::<2>::default();
            for _ in 0..3 {
                (0..many).for_each(|n| sketch.insert(hash_of(format!("account-{n}").as_bytes())));
            }
            let (seen, many) = (f64::from(sketch.estimate()), f64::from(many));
            assert!(
                (seen - many).abs() <= (many * 0.2).max(1.0),
                "{many}: {seen}"
            );
        }
    }
}
