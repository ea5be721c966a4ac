//! Which account pays next: every account as often as the others, or few of them most of the time.

use crate::random::Random;

/// How payments are spread over the accounts, which are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spread {
    /// Evenly.
    Uniform {
        /// How many accounts there are.
        accounts: u64,
    },
    /// By Zipf's law.
    Zipf(Zipf),
    /// One after the other, from `first` in steps of `step`, round and round.
    InTurn {
        accounts: u64,
        first: u64,
        step: u64,
    },
}

impl Spread {
    /// The account of the payment numbered `nth`, counted from 0.
    pub(super) fn draw(&self, random: &mut Random, nth: u64) -> u64 {
        match self {
            Self::Uniform { accounts } => random.below(*accounts) + 1,
            Self::Zipf(zipf) => zipf.draw(random),
            Self::InTurn {
                accounts,
                first,
                step,
            } => (first + nth * step) % accounts + 1,
        }
    }

    /// What the thread numbered `nth` draws from, out of `threads`: in turn, each draws what is left to it.
    pub(super) fn share(self, nth: u64, threads: u64) -> Self {
        match self {
            Self::InTurn { accounts, .. } => Self::InTurn {
                accounts,
                first: nth,
                step: threads,
            },
            Self::Uniform { .. } | Self::Zipf(_) => self,
        }
    }

    /// The first account from which on none makes more than `share` of the payments; none where even
    /// the last does.
    pub(super) fn first_below(&self, share: f64) -> Option<u64> {
        match self {
            Self::Uniform { accounts } | Self::InTurn { accounts, .. } => {
                (1.0 / *accounts as f64 <= share).then_some(1)
            }
            Self::Zipf(zipf) => zipf.first_below(share),
        }
    }
}

/// Zipf's law: the account of rank k pays in proportion to k⁻ˢ. Drawn by inversion of the integral and
/// rejection of what lies above the steps (Hörmann and Derflinger, 1996): no table, whatever the number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Zipf {
    accounts: u64,
    exponent: f64,
    /// The integral at the far ends of the first and of the last rank.
    first: f64,
    last: f64,
    /// Closer than this to its rank, a point is below the step for sure.
    sure_within: f64,
}

impl Zipf {
    /// Over the ranks 1 to `accounts`, which is at least 1, with an `exponent` above 0.
    pub(super) fn new(accounts: u64, exponent: f64) -> Self {
        let mut zipf = Self {
            accounts,
            exponent,
            first: 0.0,
            last: 0.0,
            sure_within: 0.0,
        };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.last = zipf.integral(accounts as f64 + 0.5);
        zipf.sure_within = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rounded number from 1 to the number of accounts"
    )]
    fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.last + random.unit() * (self.first - self.last);
            let point = self.inverse(area);
            let rank = point.round().clamp(1.0, self.accounts as f64);
            if rank - point <= self.sure_within
                || area >= self.integral(rank + 0.5) - self.weight(rank)
            {
                return rank as u64;
            }
        }
    }

    fn first_below(&self, share: f64) -> Option<u64> {
        let most = share * self.weights();
        // Shares fall with the rank, so the first is found by halving.
        let (mut low, mut high) = (1, self.accounts + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.weight(middle as f64) <= most {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        (low <= self.accounts).then_some(low)
    }

    /// All weights together: those of the first ranks one by one, the rest by the integral.
    fn weights(&self) -> f64 {
        const ONE_BY_ONE: u64 = 1_000;
        let head = self.accounts.min(ONE_BY_ONE);
        let sum: f64 = (1..=head).map(|rank| self.weight(rank as f64)).sum();
        sum + self.last - self.integral(head as f64 + 0.5)
    }

    fn weight(&self, rank: f64) -> f64 {
        rank.powf(-self.exponent)
    }

    /// The integral of the weight, up to a constant: (x¹⁻ˢ − 1) / (1 − s), which is ln x where s is 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let power = (1.0 - self.exponent) * log;
        if power.abs() < NEAR_ZERO {
            log * (1.0 + power / 2.0)
        } else {
            log * power.exp_m1() / power
        }
    }

    fn inverse(&self, area: f64) -> f64 {
        // Below -1 there is no point; rounding may ask for it.
        let power = (area * (1.0 - self.exponent)).max(-1.0);
        let log = if power.abs() < NEAR_ZERO {
            area * (1.0 - power / 2.0)
        } else {
            area * power.ln_1p() / power
        };
        log.exp()
    }
}

/// Below this, two terms of a series are exact and a quotient is not.
const NEAR_ZERO: f64 = 1e-8;

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    fn counts(spread: &Spread, accounts: usize) -> Vec<u32> {
        let mut random = Random::stream(3, 0);
        let mut counts = vec![0; accounts + 1];
        for nth in 0..u64::from(DRAWS) {
            counts[usize::try_from(spread.draw(&mut random, nth)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn zipf_draws_every_rank_as_often_as_its_law_says() {
        for exponent in [0.5, 1.0, 1.3, 3.0] {
            let zipf = Zipf::new(50, exponent);
            let counts = counts(&Spread::Zipf(zipf), 50);
            assert_eq!(counts[0], 0);
            let weights: f64 = (1..=50).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for rank in 1..=50_u32 {
                let share = f64::from(rank).powf(-exponent) / weights;
                let expected = f64::from(DRAWS) * share;
                let found = f64::from(counts[usize::try_from(rank).unwrap()]);
                let deviations = (found - expected).abs() / expected.sqrt();
                assert!(
                    deviations < 5.0,
                    "{exponent} {rank}: {found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn zipf_over_many_accounts_stays_within_them() {
        let zipf = Zipf::new(10_000_000, 1.0);
        let mut random = Random::stream(5, 0);
        let draws: Vec<u64> = (0..DRAWS).map(|_| zipf.draw(&mut random)).collect();
        assert!(draws.iter().all(|rank| (1..=10_000_000).contains(rank)));
        // ln 10⁷ + 0.577 is 16.7: one in 16.7 is the first.
        let first = draws.iter().filter(|rank| **rank == 1).count();
        assert!((11_000..13_000).contains(&first), "{first}");
        assert_eq!(Zipf::new(1, 1.0).draw(&mut random), 1);
    }

    #[test]
    fn uniform_draws_every_account_alike_and_in_turn_each_once() {
        let uniform = counts(&Spread::Uniform { accounts: 20 }, 20);
        assert!(
            uniform[1..]
                .iter()
                .all(|count| (9_500..10_500).contains(count))
        );
        let turns = |first| {
            let in_turn = Spread::InTurn {
                accounts: 6,
                first,
                step: 2,
            };
            let mut random = Random::stream(1, 0);
            [0, 1, 2, 3].map(|nth| in_turn.draw(&mut random, nth))
        };
        assert_eq!(turns(0), [1, 3, 5, 1]);
        assert_eq!(turns(1), [2, 4, 6, 2]);
    }

    #[test]
    fn the_accounts_below_a_share_are_told() {
        let uniform = Spread::Uniform { accounts: 100 };
        assert_eq!(uniform.first_below(0.01), Some(1));
        assert_eq!(uniform.first_below(0.009), None);
        // 1, 1/2, 1/3 and 1/4 of 25/12.
        let zipf = Spread::Zipf(Zipf::new(4, 1.0));
        assert_eq!(zipf.first_below(0.5), Some(1));
        assert_eq!(zipf.first_below(0.25), Some(2));
        assert_eq!(zipf.first_below(0.13), Some(4));
        assert_eq!(zipf.first_below(0.1), None);
    }
}
