//! The amounts paid lately, and what is usual among them.

/// How many amounts of an account are kept per currency.
pub const AMOUNTS_KEPT: usize = 32;

/// An amount on a logarithmic scale: 256 steps to a doubling.
///
/// Amounts people pay are skewed; their logarithms are not. The logarithm is taken in whole numbers,
/// so it is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogAmount(u16);

impl LogAmount {
    /// Steps to a doubling.
    pub const STEPS_PER_DOUBLING: f64 = 256.0;

    /// The logarithm of an amount in minor units; amounts below 1 count as 1.
    #[must_use]
    pub fn of(amount_minor: i64) -> Self {
        let amount = u64::try_from(amount_minor).unwrap_or(1).max(1);
        let whole = amount.ilog2();
        // The mantissa as a fixed-point number in [2^31, 2^32); squaring it eight times reads off
        // eight binary digits of the logarithm.
        let mut mantissa = if whole >= 31 {
            amount >> whole.saturating_sub(31)
        } else {
            amount << 31_u32.saturating_sub(whole)
        };
        let mut log = u64::from(whole);
        for _ in 0..8 {
            mantissa = mantissa.saturating_mul(mantissa) >> 31;
            let digit = mantissa >> 32;
            log = log << 1 | digit;
            mantissa >>= digit;
        }
        Self(u16::try_from(log).unwrap_or(u16::MAX))
    }

    /// How many doublings this amount is above `other`; negative when it is below.
    #[must_use]
    pub fn doublings_above(self, other: Self) -> f64 {
        (f64::from(self.0) - f64::from(other.0)) / Self::STEPS_PER_DOUBLING
    }
}

/// The last amounts paid, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Amounts {
    minor: Vec<i64>,
}

/// The middle of some amounts and how far they spread, both robust: half of the amounts may be
/// arbitrarily wrong without moving either far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Of how many amounts.
    pub amounts: u32,
    /// The median, in minor units.
    pub median_minor: i64,
    /// The logarithm of the median.
    pub median: LogAmount,
    /// The median absolute deviation from it, in doublings.
    pub absolute_deviation_doublings: f64,
    /// How far the ninetieth of a hundred lies above the median, in doublings. Where most payments are
    /// one daily coffee the median deviation is nothing, and this still tells of the groceries.
    pub ninetieth_doublings: f64,
}

impl Spread {
    /// The deviation upwards that a normal distribution of this spread would have: 1.4826 times its
    /// median absolute deviation, or the distance to its ninetieth hundredth divided by 1.2816,
    /// whichever is more. Source: Rousseeuw and Croux, "Alternatives to the median absolute
    /// deviation", 1993.
    #[must_use]
    pub fn deviation_doublings(&self) -> f64 {
        (self.absolute_deviation_doublings * 1.4826).max(self.ninetieth_doublings / 1.2816)
    }
}

impl Amounts {
    /// One amount.
    pub(super) fn of(amount_minor: i64) -> Self {
        Self {
            minor: vec![amount_minor],
        }
    }

    /// The amounts in minor units, oldest first.
    #[must_use]
    pub fn minor(&self) -> &[i64] {
        &self.minor
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.minor.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minor.is_empty()
    }

    /// Median and spread; `None` when there are none.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        let mut sorted = [0_i64; AMOUNTS_KEPT];
        let sorted = sorted.get_mut(..self.minor.len())?;
        sorted.copy_from_slice(&self.minor);
        sorted.sort_unstable();
        let middle = sorted.len() / 2;
        let median_minor = *sorted.get(middle)?;
        let median = LogAmount::of(median_minor);
        let ninetieth = *sorted.get(sorted.len().saturating_mul(9) / 10)?;
        let mut deviations = [0.0_f64; AMOUNTS_KEPT];
        let deviations = deviations.get_mut(..sorted.len())?;
        for (deviation, amount) in deviations.iter_mut().zip(sorted.iter()) {
            *deviation = LogAmount::of(*amount).doublings_above(median).abs();
        }
        deviations.sort_unstable_by(f64::total_cmp);
        Some(Spread {
            amounts: u32::try_from(sorted.len()).ok()?,
            median_minor,
            median,
            absolute_deviation_doublings: *deviations.get(middle)?,
            ninetieth_doublings: LogAmount::of(ninetieth).doublings_above(median),
        })
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

    pub(super) fn learn(&mut self, amount_minor: i64, kept: usize) {
        if self.minor.len() >= kept {
            self.minor.remove(0);
        }
        self.minor.push(amount_minor);
    }

    pub(super) fn unlearn(&mut self, amount_minor: i64) {
        if let Some(at) = self.minor.iter().rposition(|known| *known == amount_minor) {
            self.minor.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_number_logarithm_follows_the_real_one() {
        for amount_minor in (1..5_000).chain([99_999, 1_234_567, 10_i64.pow(15)]) {
            let exact = (amount_minor as f64).log2();
            let ours = LogAmount::of(amount_minor).doublings_above(LogAmount::of(1));
            assert!(
                (exact - ours).abs() <= 1.0 / 256.0,
                "{amount_minor}: {exact} {ours}"
            );
        }
    }

    #[test]
    fn half_of_the_amounts_may_be_wrong_without_moving_the_middle_far() {
        let mut amounts = Amounts::default();
        for amount in [1_000, 1_100, 900, 1_050, 950, 1_000_000, 5_000_000] {
            amounts.learn(amount, AMOUNTS_KEPT);
        }
        let spread = amounts.spread().unwrap();
        assert_eq!(spread.median_minor, 1_050);
        assert!(spread.absolute_deviation_doublings < 0.3);
    }
}
