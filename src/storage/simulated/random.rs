//! Random numbers from a seed.

/// A small generator of pseudo-random numbers. Source: Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014 (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed, the same everywhere for ever.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`; zero where there is none.
    #[expect(clippy::cast_possible_truncation, reason = "less than a usize")]
    pub const fn below(&mut self, limit: usize) -> usize {
        match self.next().checked_rem(limit as u64) {
            Some(number) => number as usize,
            None => 0,
        }
    }

    /// Every second time, on average.
    pub const fn is_heads(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
