//! Amounts on a logarithmic scale.

/// An amount on a logarithmic scale: 256 steps to a doubling.
///
/// Amounts people pay are skewed; their logarithms are not. The logarithm is taken in whole numbers,
/// so it is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogAmount(u16);

const STEPS: usize = 256;

/// How many steps a ratio is taken to have at most: 50 doublings.
const RATIO_STEPS: f64 = 12_800.0;

/// The smallest mantissa, as a fixed-point number in [2^31, 2^32), of each step within a doubling; the
/// compiler works them out.
const FIRST_OF_STEP: [u32; STEPS] = first_of_step();

/// The step that each 256th of the mantissas begins in.
const STEP_AT: [u8; STEPS] = step_at();

impl LogAmount {
    /// Steps to a doubling.
    pub const STEPS_PER_DOUBLING: f64 = STEPS as f64;

    /// The logarithm of an amount in minor units; amounts below 1 count as 1.
    #[must_use]
    pub fn of(amount_minor: i64) -> Self {
        let amount = amount_minor.max(1).cast_unsigned();
        let whole = amount.ilog2();
        let mantissa = amount.rotate_left(63_u32.saturating_sub(whole)) >> 32;
        let at = (mantissa >> 23 & 0xff) as usize;
        let mut step = STEP_AT.get(at).map_or(0, |step| usize::from(*step));
        // A 256th of the mantissas lies in at most three steps.
        while FIRST_OF_STEP
            .get(step.saturating_add(1))
            .is_some_and(|first| u64::from(*first) <= mantissa)
        {
            step = step.saturating_add(1);
        }
        let steps = (whole as usize).saturating_mul(STEPS).saturating_add(step);
        Self(u16::try_from(steps).unwrap_or(u16::MAX))
    }

    /// How many doublings this amount is above `other`; negative when it is below.
    #[must_use]
    pub fn doublings_above(self, other: Self) -> f64 {
        (f64::from(self.0) - f64::from(other.0)) / Self::STEPS_PER_DOUBLING
    }

    /// How many doublings this amount is above one minor unit.
    #[must_use]
    pub fn doublings(self) -> f64 {
        f64::from(self.0) / Self::STEPS_PER_DOUBLING
    }

    /// The ratio of two amounts that lie so many doublings apart, to a quarter of a percent.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "held to what an exponent may be"
    )]
    pub fn ratio(doublings: f64) -> f64 {
        let steps = (doublings * Self::STEPS_PER_DOUBLING).clamp(-RATIO_STEPS, RATIO_STEPS) as i32;
        let (whole, step) = (
            steps.div_euclid(STEPS as i32),
            steps.rem_euclid(STEPS as i32),
        );
        let mantissa = usize::try_from(step)
            .ok()
            .and_then(|step| FIRST_OF_STEP.get(step))
            .map_or(0.0, |first| f64::from(*first) / f64::from(1_u32 << 31));
        let power = (1_u64 << whole.unsigned_abs().min(63)) as f64;
        if whole < 0 {
            mantissa / power
        } else {
            mantissa * power
        }
    }

    /// How many steps lie between the two.
    #[must_use]
    pub const fn steps_from(self, other: Self) -> u16 {
        self.0.abs_diff(other.0)
    }
}

/// The step of a mantissa: squaring it eight times reads off eight binary digits of its logarithm.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "worked out by the compiler, which refuses what does not fit"
)]
const fn step_of(mantissa: u32) -> usize {
    let mut mantissa = mantissa as u64;
    let mut step = 0;
    let mut digits = 0;
    while digits < 8 {
        mantissa = (mantissa * mantissa) >> 31;
        let digit = mantissa >> 32;
        step = step << 1 | digit as usize;
        mantissa >>= digit;
        digits += 1;
    }
    step
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses what does not fit"
)]
const fn first_of_step() -> [u32; STEPS] {
    let mut first = [1 << 31; STEPS];
    let mut step = 1;
    while step < STEPS {
        let (mut below, mut from) = (1_u32 << 31, u32::MAX);
        while below + 1 < from {
            let middle = below + (from - below) / 2;
            if step_of(middle) < step {
                below = middle;
            } else {
                from = middle;
            }
        }
        first[step] = from;
        step += 1;
    }
    first
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "worked out by the compiler, which refuses what does not fit"
)]
const fn step_at() -> [u8; STEPS] {
    let mut steps = [0; STEPS];
    let mut at = 0;
    while at < STEPS {
        steps[at] = step_of((1 << 31) | ((at as u32) << 23)) as u8;
        at += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_follow_the_real_powers_of_two() {
        for hundredths in -2_000..2_000 {
            let doublings = f64::from(hundredths) / 100.0;
            let (exact, ours) = (doublings.exp2(), LogAmount::ratio(doublings));
            assert!(
                (exact / ours - 1.0).abs() < 0.003,
                "{doublings}: {exact} {ours}"
            );
        }
    }

    /// Digit by digit, without tables.
    fn slowly(amount: u64) -> usize {
        let whole = amount.ilog2();
        let mantissa = if whole >= 31 {
            amount >> whole.abs_diff(31)
        } else {
            amount << whole.abs_diff(31)
        };
        let step = step_of(u32::try_from(mantissa).unwrap());
        (whole as usize).saturating_mul(STEPS).saturating_add(step)
    }

    #[test]
    fn the_tables_say_what_the_digits_say() {
        let around = (0..63).flat_map(|bit| {
            let power = 1_i64 << bit;
            (-300..300).map(move |by| power.saturating_add(by * (power / 512).max(1)))
        });
        for amount in (1..100_000).chain(around.filter(|amount| *amount > 0)) {
            assert_eq!(
                usize::from(LogAmount::of(amount).0),
                slowly(amount.cast_unsigned()),
                "{amount}"
            );
        }
        assert_eq!(LogAmount::of(0), LogAmount::of(1));
    }

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
}
