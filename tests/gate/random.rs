//! Chance that can be repeated: SplitMix64 (Steele, Lea, Flood 2014), and what the stream draws of it.

/// A sequence of numbers that its seed alone decides.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: i64, high: i64) -> i64 {
        let numbers = (high - low + 1) as u64;
        low + (self.next() % numbers) as i64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.whole(0, among.len() as i64 - 1) as usize]
    }

    /// About `middle`, skewed as sums are: `spread` is the deviation of its logarithm.
    pub(crate) fn around(&mut self, middle: f64, spread: f64) -> f64 {
        // Twelve uniform numbers sum up to what is normal enough, without tails beyond six deviations.
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        middle * (spread * normal).exp()
    }

    /// How many times something happens that happens `mean` times on average.
    pub(crate) fn times(&mut self, mean: f64) -> u32 {
        let (mut times, mut left) = (0, (-mean).exp());
        let chance = self.unit();
        let mut term = left;
        while left < chance {
            times += 1;
            term *= mean / f64::from(times);
            left += term;
        }
        times
    }

    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.whole(0, 9) as u8))
            .collect()
    }
}
