//! Amounts on a logarithmic scale to base 2. Distances on it are in *doublings*: 3 doublings above is eight times as
//! much.

/// An amount on a logarithmic scale: 256 steps to a doubling.
///
/// Amounts people pay are skewed; their logarithms are not. The logarithm is taken in whole numbers,
/// so it is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogAmount(u16);

const STEPS: usize = 256;

/// How many bits of a ratio below one are looked at.
const RATIO_BITS: u32 = 20;

/// How many steps a ratio is taken to have at most: 50 doublings.
const RATIO_STEPS: f64 = 12_800.0;

/// The largest mantissa, as a fixed-point number in [2^31, 2^32), of each step within a doubling; the
/// compiler works them out.
const LAST_OF_STEP: [u32; STEPS] = last_of_step();

/// How many equal pieces the mantissas are cut into: so many that no more than two steps share a piece.
const PIECES: usize = 512;

/// The step that each piece of the mantissas begins in.
const STEP_AT: [u8; PIECES] = step_at();

impl LogAmount {
    /// Steps to a doubling.
    pub const STEPS_PER_DOUBLING: f64 = STEPS as f64;

    /// The logarithm of an amount in minor units; amounts below 1 count as 1.
    #[must_use]
    pub fn of(amount_minor: i64) -> Self {
        let amount = amount_minor.max(1).cast_unsigned();
        let mantissa = (amount << amount.leading_zeros()) >> 32;
        let piece = (mantissa >> 22 & 0x1ff) as usize;
        let first = STEP_AT.get(piece).copied().unwrap_or(0);
        let last = LAST_OF_STEP.get(usize::from(first)).copied().unwrap_or(0);
        let is_next = u64::from(last) < mantissa;
        Self::of_step(amount.ilog2(), first.saturating_add(is_next.into()))
    }

    /// So many doublings and steps above an amount of 1.
    pub(super) fn of_step(doublings: u32, step: u8) -> Self {
        let [doublings, ..] = doublings.to_le_bytes();
        Self(u16::from_be_bytes([doublings, step]))
    }

    /// How many steps it is above the last doubling.
    pub(super) const fn step(self) -> u8 {
        let [step, _] = self.0.to_le_bytes();
        step
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
        // A step begins where the one before it ends.
        let before = usize::try_from(step)
            .ok()
            .and_then(|step| LAST_OF_STEP.get(step.checked_sub(1)?));
        let mantissa = before.map_or(1.0, |last| f64::from(*last) / f64::from(1_u32 << 31));
        let power = (1_u64 << whole.unsigned_abs().min(63)) as f64;
        if whole < 0 {
            mantissa / power
        } else {
            mantissa * power
        }
    }

    /// How many doublings make this ratio, from a millionth on: [`ratio`](Self::ratio) the other way round.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as far as whole numbers go"
    )]
    pub fn doublings_of(ratio: f64) -> f64 {
        let amount = (ratio * (1_u64 << RATIO_BITS) as f64) as i64;
        Self::of(amount).doublings() - f64::from(RATIO_BITS)
    }

    /// The largest amount, in minor units, that lies no more than so many doublings above one: what
    /// [`doublings`](Self::doublings) says of it, asked the other way round. 0 where none does.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held to what an amount may be"
    )]
    pub fn minor_max(doublings: f64) -> i64 {
        if doublings < 0.0 {
            return 0;
        }
        let steps = (doublings * Self::STEPS_PER_DOUBLING).min(RATIO_STEPS) as usize;
        let whole = steps.checked_div(STEPS).unwrap_or(0);
        let last = LAST_OF_STEP.get(steps % STEPS).copied().unwrap_or(0);
        // Of an amount that has more bits than these, any may follow.
        let amount =
            (u64::from(last) << 32 | u64::from(u32::MAX)) >> 63_usize.saturating_sub(whole);
        amount.cast_signed()
    }

    /// About the amount, in minor units, that lies so many doublings above one: to two digits.
    #[must_use]
    pub fn about_minor(doublings: f64) -> i64 {
        let amount = Self::minor_max(doublings).max(1);
        let mut place = 1_i64;
        while amount
            .checked_div(place)
            .is_some_and(|digits| digits >= 100)
        {
            place = place.saturating_mul(10);
        }
        let digits = amount.saturating_add(place / 2).checked_div(place);
        digits.map_or(amount, |digits| digits.saturating_mul(place))
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
const fn last_of_step() -> [u32; STEPS] {
    let mut last = [u32::MAX; STEPS];
    let mut step = 0;
    while step + 1 < STEPS {
        let (mut within, mut beyond) = (1_u32 << 31, u32::MAX);
        while within + 1 < beyond {
            let middle = within + (beyond - within) / 2;
            if step_of(middle) <= step {
                within = middle;
            } else {
                beyond = middle;
            }
        }
        last[step] = within;
        step += 1;
    }
    last
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "worked out by the compiler, which refuses what does not fit"
)]
const fn step_at() -> [u8; PIECES] {
    let mut steps = [0; PIECES];
    let mut piece = 0;
    while piece < PIECES {
        let mantissa = (1 << 31) | ((piece as u32) << 22);
        steps[piece] = step_of(mantissa) as u8;
        piece += 1;
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

    #[test]
    fn doublings_follow_the_real_logarithms() {
        for tenths in -100..400 {
            let doublings = f64::from(tenths) / 10.0;
            let ours = LogAmount::doublings_of(doublings.exp2());
            assert!((doublings - ours).abs() < 0.01, "{doublings}: {ours}");
        }
        assert_eq!(LogAmount::doublings_of(0.0), -f64::from(RATIO_BITS));
    }

    #[test]
    fn about_an_amount_is_the_amount_to_two_digits() {
        for (exact, about) in [
            (1, 1),
            (99, 99),
            (5_000, 5_000),
            (4_960, 5_000),
            (123_456_789, 120_000_000),
        ] {
            let doublings = LogAmount::of(exact).doublings();
            assert_eq!(LogAmount::about_minor(doublings), about, "{exact}");
        }
        assert_eq!(LogAmount::about_minor(-3.0), 1);
        assert!(LogAmount::about_minor(1e9) > 0);
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
    fn the_largest_amount_of_each_step_is_its_last() {
        for steps in 0..=12_800_u32 {
            let doublings = f64::from(steps) / LogAmount::STEPS_PER_DOUBLING;
            for doublings in [doublings, doublings + 0.003] {
                let max = LogAmount::minor_max(doublings);
                assert!(LogAmount::of(max).doublings() <= doublings, "{steps}");
                assert!(LogAmount::of(max + 1).doublings() > doublings, "{steps}");
            }
        }
        assert_eq!(LogAmount::minor_max(-0.001), 0);
        assert_eq!(LogAmount::minor_max(f64::MAX), LogAmount::minor_max(50.0));
    }

    #[test]
    fn no_more_than_two_steps_share_a_piece() {
        for (piece, first) in (0_u32..).zip(STEP_AT) {
            let last = (1 << 31) | (piece << 22) | 0x3f_ffff;
            assert!(step_of(last) - usize::from(first) <= 1, "{piece}");
        }
    }

    #[test]
    fn it_comes_back_from_its_parts() {
        for amount in [1_i64, 2, 3, 99, 100, 12_345, 10_i64.pow(15)] {
            let log = LogAmount::of(amount);
            assert_eq!(LogAmount::of_step(amount.ilog2(), log.step()), log);
        }
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
