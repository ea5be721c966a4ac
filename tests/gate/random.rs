//! Random numbers that can be repeated: the stream draws them from a seed.

/// A sequence of draws that its seed alone decides.
pub(crate) struct Random(doublecheck::random::Random);

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(doublecheck::random::Random::new(seed))
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: i64, high: i64) -> i64 {
        let numbers = (high - low + 1) as u64;
        low + (self.0.next() % numbers) as i64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.unit()
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.unit() < share
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.whole(0, among.len() as i64 - 1) as usize]
    }

    /// About `middle`, skewed as sums are: `spread` is the deviation of its logarithm.
    pub(crate) fn around(&mut self, middle: f64, spread: f64) -> f64 {
        // Twelve uniform numbers sum up to what is normal enough, without tails beyond six deviations.
        let normal: f64 = (0..12).map(|_| self.0.unit()).sum::<f64>() - 6.0;
        middle * (spread * normal).exp()
    }

    /// How many times something happens that happens `mean` times on average.
    pub(crate) fn times(&mut self, mean: f64) -> u32 {
        let (mut times, mut left) = (0, (-mean).exp());
        let chance = self.0.unit();
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
