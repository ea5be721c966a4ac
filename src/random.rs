//! Numbers that look random and are the same for a seed, everywhere and for ever: nothing for secrets.
//!
//! Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).

/// What each number's state is ahead of the one before.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream numbered `stream` of those that `seed` gives.
    #[must_use]
    pub const fn stream(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream)))
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A whole number below `bound`, which is at least 1; each as likely as the others, to within 2⁻³².
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// The same for lengths and places.
    pub fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// A number from 0 to just below 1.
    pub const fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 * STEP
    }

    /// Every second time, on average.
    pub const fn is_heads(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// The `nth` number of seed 0: for those who count on their own.
#[must_use]
pub const fn nth(nth: u64) -> u64 {
    mix(nth.wrapping_mul(GAMMA))
}

/// Scatters numbers: close ones come out far apart.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_stream_gives_others() {
        let draw = |seed, stream| {
            let mut random = Random::stream(seed, stream);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn numbers_below_a_bound_come_equally_often() {
        let mut random = Random::stream(7, 0);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[usize::try_from(random.below(10)).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn units_fill_the_unit_interval() {
        let mut random = Random::stream(7, 0);
        let units: Vec<f64> = (0..100_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }

    #[test]
    fn counting_on_ones_own_gives_the_numbers_of_seed_0() {
        let mut random = Random::new(0);
        for count in 1..100 {
            assert_eq!(random.next(), nth(count));
        }
    }
}
