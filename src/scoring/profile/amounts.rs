//! The amounts paid lately, and what is usual among them.

use super::log_amount::LogAmount;
use crate::scoring::heap;

/// How many amounts of an account are kept per currency.
pub const AMOUNTS_KEPT: usize = 32;

/// The last amounts paid, and what is usual among them, worked out when one is learnt: it is asked for
/// with every payment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Amounts {
    /// In the order of learning, from `oldest` on and around.
    minor: Vec<i64>,
    oldest: u8,
    /// Places in `minor`, smallest amount first.
    ranks: [u8; AMOUNTS_KEPT],
    spread: Option<Spread>,
}

/// The middle of some amounts and how far they spread, both robust: half of the amounts may be
/// arbitrarily wrong without moving either far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median, in minor units.
    pub median_minor: i64,
    /// Of how many amounts.
    pub amounts: u8,
    /// The logarithm of the median.
    pub median: LogAmount,
    absolute_deviation: u16,
    ninetieth: u16,
}

impl Spread {
    /// The spread of `count` amounts, of which `sorted` gives the `n`th smallest.
    pub(super) fn of_sorted(count: usize, sorted: impl Fn(usize) -> Option<i64>) -> Option<Self> {
        let middle = count / 2;
        let median_minor = sorted(middle)?;
        let median = LogAmount::of(median_minor);
        let ninetieth = sorted(count.saturating_mul(9) / 10)?;
        Some(Self {
            median_minor,
            amounts: u8::try_from(count).ok()?,
            median,
            absolute_deviation: median_deviation(count, median, sorted)?,
            ninetieth: LogAmount::of(ninetieth).steps_from(median),
        })
    }

    /// The median absolute deviation from the median, in doublings.
    #[must_use]
    pub fn absolute_deviation_doublings(&self) -> f64 {
        f64::from(self.absolute_deviation) / LogAmount::STEPS_PER_DOUBLING
    }

    /// How far the ninetieth of a hundred lies above the median, in doublings. Where most payments are
    /// one daily coffee the median deviation is nothing, and this still tells of the groceries.
    #[must_use]
    pub fn ninetieth_doublings(&self) -> f64 {
        f64::from(self.ninetieth) / LogAmount::STEPS_PER_DOUBLING
    }

    /// The deviation upwards that a normal distribution of this spread would have: 1.4826 times its
    /// median absolute deviation, or the distance to its ninetieth hundredth divided by 1.2816,
    /// whichever is more. Source: Rousseeuw and Croux, "Alternatives to the median absolute
    /// deviation", 1993.
    #[must_use]
    pub fn deviation_doublings(&self) -> f64 {
        (self.absolute_deviation_doublings() * 1.4826).max(self.ninetieth_doublings() / 1.2816)
    }
}

/// The middle one of the distances from the median. Below and above it they grow outwards, so it is
/// found by walking outwards from the middle, always to the nearer side.
fn median_deviation(
    count: usize,
    median: LogAmount,
    sorted: impl Fn(usize) -> Option<i64>,
) -> Option<u16> {
    let middle = count / 2;
    let distance = |at: Option<usize>| {
        let amount = at.filter(|at| *at < count).and_then(&sorted)?;
        Some(LogAmount::of(amount).steps_from(median))
    };
    let (mut below, mut above) = (middle.checked_sub(1), middle.checked_add(1));
    let (mut to_below, mut to_above) = (distance(below), distance(above));
    // The median itself is the nearest, at no distance.
    let mut nearest = 0;
    for _ in 0..middle {
        if to_above.is_none_or(|above| to_below.is_some_and(|below| below <= above)) {
            nearest = to_below?;
            below = below.and_then(|at| at.checked_sub(1));
            to_below = distance(below);
        } else {
            nearest = to_above?;
            above = above.and_then(|at| at.checked_add(1));
            to_above = distance(above);
        }
    }
    Some(nearest)
}

impl Amounts {
    /// The amounts in minor units, in no particular order.
    #[must_use]
    pub fn minor(&self) -> &[i64] {
        &self.minor
    }

    pub(super) fn warm(&self) -> u64 {
        let lines = self.minor.chunks(8);
        lines.fold(0, |sum, line| {
            sum ^ line.first().map_or(0, |amount| amount.cast_unsigned())
        })
    }

    /// The amounts in minor units, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = i64> {
        let (from_oldest, around) = self
            .minor
            .split_at_checked(usize::from(self.oldest))
            .unwrap_or_default();
        around.iter().chain(from_oldest).rev().copied()
    }

    /// How many bytes they have allocated.
    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<i64>(self.minor.capacity())
    }

    /// Median and spread; `None` when there are none.
    #[must_use]
    pub const fn spread(&self) -> Option<Spread> {
        self.spread
    }

    /// How round the amounts are: the largest of 1, 5, 10, 50, 100 … that divides two in three.
    #[must_use]
    pub fn granularity_minor(&self) -> i64 {
        let divides = |unit: i64| {
            let divided = self
                .minor
                .iter()
                .filter(|amount| amount.checked_rem(unit) == Some(0));
            divided.count().saturating_mul(3) >= self.minor.len().saturating_mul(2)
        };
        let mut granularity = 1;
        let mut factors = [5, 2].into_iter().cycle();
        while let Some(coarser) = factors
            .next()
            .and_then(|by| i64::checked_mul(granularity, by))
            && !self.minor.is_empty()
            && divides(coarser)
        {
            granularity = coarser;
        }
        granularity
    }

    pub(super) fn learn(&mut self, amount_minor: i64) {
        let place = if self.minor.len() < AMOUNTS_KEPT {
            if self.minor.len() == self.minor.capacity() {
                self.minor.reserve_exact(4);
            }
            self.minor.push(amount_minor);
            self.minor.len().saturating_sub(1)
        } else {
            let place = usize::from(self.oldest);
            self.unrank(place);
            if let Some(slot) = self.minor.get_mut(place) {
                *slot = amount_minor;
            }
            let next = place.saturating_add(1) % AMOUNTS_KEPT;
            self.oldest = u8::try_from(next).unwrap_or(0);
            place
        };
        self.rank(place, amount_minor);
        self.spread = self.spread_now();
    }

    /// Takes back the newest of this amount.
    pub(super) fn unlearn(&mut self, amount_minor: i64) {
        let oldest = usize::from(self.oldest);
        let mut in_order = self.minor.clone();
        in_order.rotate_left(oldest.min(self.minor.len()));
        if let Some(at) = in_order.iter().rposition(|known| *known == amount_minor) {
            in_order.remove(at);
            *self = Self::default();
            for amount_minor in in_order {
                self.learn(amount_minor);
            }
        }
    }

    fn spread_now(&self) -> Option<Spread> {
        Spread::of_sorted(self.minor.len(), |rank| self.ranked(rank))
    }

    /// The `rank`th smallest amount.
    fn ranked(&self, rank: usize) -> Option<i64> {
        let place = self.ranks.get(rank)?;
        self.minor.get(usize::from(*place)).copied()
    }

    /// Puts the amount that was just written to `place` among the ranks, which hold all others.
    fn rank(&mut self, place: usize, amount_minor: i64) {
        let others = self.minor.len().saturating_sub(1);
        let ranks = self.ranks.get(..others).unwrap_or_default();
        let smaller = ranks.partition_point(|place| {
            let amount = self.minor.get(usize::from(*place));
            amount.is_some_and(|amount| *amount <= amount_minor)
        });
        if let Some(from) = self.ranks.get_mut(smaller..=others) {
            from.rotate_right(1);
            if let Some(first) = from.first_mut() {
                *first = u8::try_from(place).unwrap_or(0);
            }
        }
    }

    /// Takes `place` out of the ranks.
    fn unrank(&mut self, place: usize) {
        let ranks = self.ranks.get_mut(..self.minor.len()).unwrap_or_default();
        let is_place = |rank: &u8| usize::from(*rank) == place;
        if let Some(at) = ranks.iter().position(is_place) {
            ranks.get_mut(at..).unwrap_or_default().rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_amounts_may_be_wrong_without_moving_the_middle_far() {
        let mut amounts = Amounts::default();
        for amount in [1_000, 1_100, 900, 1_050, 950, 1_000_000, 5_000_000] {
            amounts.learn(amount);
        }
        let spread = amounts.spread().unwrap();
        assert_eq!(spread.median_minor, 1_050);
        assert!(spread.absolute_deviation_doublings() < 0.3);
    }

    #[test]
    fn of_two_amounts_the_smaller_deviates_whichever_came_first() {
        for paid in [[50, 4_800], [4_800, 50]] {
            let mut amounts = Amounts::default();
            for amount in paid {
                amounts.learn(amount);
            }
            let spread = amounts.spread().unwrap();
            let expected = LogAmount::of(4_800).steps_from(LogAmount::of(50));
            assert_eq!(spread.absolute_deviation, expected);
        }
    }

    #[test]
    fn the_spread_is_that_of_the_last_amounts_sorted_naively() {
        let mut amounts = Amounts::default();
        let mut kept: Vec<i64> = Vec::new();
        let mut state = 1_u64;
        for round in 0..2_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let amount =
                1 + i64::try_from(state >> 54).unwrap() * i64::try_from(state >> 60).unwrap();
            if round % 7 == 3 && !kept.is_empty() {
                let taken = kept[usize::try_from(state >> 33).unwrap() % kept.len()];
                let at = kept.iter().rposition(|known| *known == taken).unwrap();
                kept.remove(at);
                amounts.unlearn(taken);
            } else {
                kept.push(amount);
                if kept.len() > AMOUNTS_KEPT {
                    kept.remove(0);
                }
                amounts.learn(amount);
            }
            let mut sorted = kept.clone();
            sorted.sort_unstable();
            assert!(amounts.newest_first().eq(kept.iter().rev().copied()));
            let Some(spread) = amounts.spread() else {
                assert!(kept.is_empty());
                continue;
            };
            let median = sorted[sorted.len() / 2];
            assert_eq!(spread.median_minor, median);
            let mut deviations: Vec<u16> = sorted
                .iter()
                .map(|amount| LogAmount::of(*amount).steps_from(LogAmount::of(median)))
                .collect();
            let ninetieth = deviations[sorted.len() * 9 / 10];
            deviations.sort_unstable();
            assert_eq!(spread.absolute_deviation, deviations[sorted.len() / 2]);
            assert_eq!(spread.ninetieth, ninetieth);
        }
    }
}
