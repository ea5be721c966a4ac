//! A Poisson process: calls that come independently of each other.

use std::time::Duration;

use crate::random::Random;

/// The times at which calls are due, counted from the start, without end.
#[derive(Debug)]
pub(super) struct PoissonArrivals {
    random: Random,
    gap_seconds_mean: f64,
    at_seconds: f64,
}

impl PoissonArrivals {
    pub(super) const fn new(random: Random, rate_per_second: f64) -> Self {
        Self {
            random,
            gap_seconds_mean: 1.0 / rate_per_second,
            at_seconds: 0.0,
        }
    }
}

impl Iterator for PoissonArrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gap = -(1.0 - self.random.unit()).ln();
        self.at_seconds += gap * self.gap_seconds_mean;
        Some(Duration::try_from_secs_f64(self.at_seconds).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_exponential_and_counts_are_poisson() {
        let arrivals: Vec<f64> = PoissonArrivals::new(Random::stream(11, 0), 1_000.0)
            .take(100_000)
            .map(|at| at.as_secs_f64())
            .collect();
        let mean_ms = arrivals.last().unwrap() * 1_000.0 / 100_000.0;
        assert!((mean_ms - 1.0).abs() < 0.02, "{mean_ms}");
        // Of exponential gaps, e⁻¹ are above the mean.
        let gaps = arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        let long = gaps.filter(|gap| *gap > 0.001).count();
        assert!((36_000..37_600).contains(&long), "{long}");
        // Of Poisson counts, the variance is the mean.
        let before = |tenth: u32| arrivals.partition_point(|at| *at < f64::from(tenth) / 10.0);
        let counts: Vec<f64> = (0..900)
            .map(|tenth| (before(tenth + 1) - before(tenth)) as f64)
            .collect();
        let mean = counts.iter().sum::<f64>() / 900.0;
        let variance = counts
            .iter()
            .map(|count| (count - mean).powi(2))
            .sum::<f64>()
            / 900.0;
        assert!(
            (0.85..1.15).contains(&(variance / mean)),
            "{variance} of {mean}"
        );
    }

    #[test]
    fn time_never_goes_back() {
        let arrivals: Vec<Duration> = PoissonArrivals::new(Random::stream(2, 0), 1e6)
            .take(10_000)
            .collect();
        assert!(arrivals.is_sorted());
    }
}
