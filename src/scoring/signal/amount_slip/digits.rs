//! The digits of amounts, and the slips that make one amount of another, by arithmetic: no text is allocated.

use std::iter;

use crate::scoring::assessment::AmountSlip;

/// Whether `typed` is `meant` with its first digit typed twice, given that it is `meant` with some digit typed twice.
pub(super) fn is_first_doubled(meant: i64, typed: i64) -> bool {
    let first = digits(typed).last();
    first.is_some_and(|first| first.after == meant)
}

/// The slip that makes `typed` of `meant`, if one does. Any digit may be the one that slipped.
pub(super) fn slip_between(meant: i64, typed: i64) -> Option<AmountSlip> {
    if typed == meant {
        return None;
    }
    match zeros_too_many(meant, typed) {
        Some(1) => return Some(AmountSlip::ExtraDigit),
        Some(_) => return Some(AmountSlip::DecimalShift),
        None if zeros_too_many(typed, meant) == Some(2) => return Some(AmountSlip::DecimalShift),
        None => {}
    }
    // No amount begins with a zero.
    let may_be_lost = |at: &Digit| at.before > 0 || at.after >= at.place / 10;
    if digits(typed).any(|at| at.equals_the_one_before() && at.amount_without() == meant) {
        Some(AmountSlip::DoubledDigit)
    } else if digits(meant).any(|at| may_be_lost(&at) && at.amount_without() == typed) {
        Some(AmountSlip::LostDigit)
    } else if digits(meant)
        .zip(digits(typed))
        .any(|(a, b)| a.is_beside(b))
    {
        Some(AmountSlip::NeighbourKey)
    } else {
        None
    }
}

/// How many zeros appended to `meant` make it `typed`; `None` where no number of them does.
fn zeros_too_many(meant: i64, typed: i64) -> Option<usize> {
    iter::successors(Some(meant), |longer| longer.checked_mul(10))
        .take_while(|longer| *longer <= typed)
        .position(|longer| longer == typed)
}

/// The amounts that may have been meant, each once, with the slip that makes `typed` of it.
///
/// A zero typed twice is a zero too many. Of a run of equal digits only one is left out, as the result is the same. Of
/// lost digits and neighbouring keys only the first digit is looked at: a change of any other moves the amount by too
/// little to be told from one that was meant.
pub(super) fn candidates(typed: i64) -> impl Iterator<Item = (AmountSlip, i64)> {
    let is_doubled =
        |at: &Digit| at.digit != 0 && at.equals_the_one_before() && at.is_last_of_its_run();
    let doubled = digits(typed).filter(is_doubled);
    let first = digits(typed).last();
    [
        (typed % 10 == 0).then_some((AmountSlip::ExtraDigit, typed / 10)),
        (typed % 100 == 0).then_some((AmountSlip::DecimalShift, typed / 100)),
    ]
    .into_iter()
    .flatten()
    .chain(doubled.map(|at| (AmountSlip::DoubledDigit, at.amount_without())))
    .chain(first.into_iter().flat_map(Digit::with_a_lost_digit_before))
    .chain(first.into_iter().flat_map(Digit::with_the_keys_beside))
}

/// One digit of an amount and what stands around it: of 7,523 the 5 has 7 before it, 23 after it, and place 100. None
/// of these is more than the amount, so nothing here overflows.
#[derive(Debug, Clone, Copy)]
struct Digit {
    digit: i64,
    /// The number that the digits before it make.
    before: i64,
    /// The number that the digits after it make.
    after: i64,
    /// 1 for the last digit, 10 for the one before that, and so on.
    place: i64,
}

/// The digits of an amount above zero, last first.
fn digits(amount: i64) -> impl Iterator<Item = Digit> {
    let last = Digit {
        digit: amount % 10,
        before: amount / 10,
        after: 0,
        place: 1,
    };
    iter::successors(Some(last), |at| {
        (at.before > 0).then(|| at.the_digit_before())
    })
}

impl Digit {
    const fn the_digit_before(self) -> Self {
        Self {
            digit: self.before % 10,
            before: self.before / 10,
            after: self.digit.wrapping_mul(self.place).wrapping_add(self.after),
            place: self.place.wrapping_mul(10),
        }
    }

    /// Whether the digit before it is the same: one of the two may be typed twice.
    const fn equals_the_one_before(self) -> bool {
        self.before % 10 == self.digit
    }

    /// Whether the digit after it is another one, or there is none.
    fn is_last_of_its_run(self) -> bool {
        self.after.checked_div(self.place / 10) != Some(self.digit)
    }

    /// The amount without this digit.
    const fn amount_without(self) -> i64 {
        self.before
            .wrapping_mul(self.place)
            .wrapping_add(self.after)
    }

    /// Whether two amounts differ in this digit only, which is the key beside the other's.
    const fn is_beside(self, other: Self) -> bool {
        keys_apart(self.digit, other.digit) == 1
            && self.before == other.before
            && self.after == other.after
    }

    /// For the first digit of an amount: the amounts with one more digit, 1 to 9, before it.
    fn with_a_lost_digit_before(self) -> impl Iterator<Item = (AmountSlip, i64)> {
        let typed = self.digit.wrapping_mul(self.place).wrapping_add(self.after);
        (1..=9).filter_map(move |lost: i64| {
            let above = self.place.checked_mul(10)?.checked_mul(lost)?;
            Some((AmountSlip::LostDigit, above.checked_add(typed)?))
        })
    }

    /// For the first digit of an amount: the amounts with a neighbouring key, but 0, in its place.
    fn with_the_keys_beside(self) -> impl Iterator<Item = (AmountSlip, i64)> {
        let beside = (1..=9).filter(move |meant| keys_apart(*meant, self.digit) == 1);
        beside.filter_map(move |meant: i64| {
            let first = self.place.checked_mul(meant)?;
            Some((AmountSlip::NeighbourKey, first.checked_add(self.after)?))
        })
    }
}

/// How many keys two digits lie apart on a keypad, counting steps up, down or to the side.
const fn keys_apart(a: i64, b: i64) -> u64 {
    let ((row, column), (other_row, other_column)) = (key_of(a), key_of(b));
    row.abs_diff(other_row)
        .saturating_add(column.abs_diff(other_column))
}

/// Row and column of a digit on the keypad of phones and payment terminals: 123 / 456 / 789 / 0.
const fn key_of(digit: i64) -> (i64, i64) {
    match digit {
        0 => (3, 1),
        digit => (digit.saturating_sub(1) / 3, digit.saturating_sub(1) % 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_on_the_digits_is_told_from_the_others() {
        let check = |meant, typed, slip| {
            assert_eq!(slip_between(meant, typed), slip, "{meant} → {typed}");
        };
        check(5_000, 50_000, Some(AmountSlip::ExtraDigit));
        check(1_234, 123_400, Some(AmountSlip::DecimalShift));
        check(123_400, 1_234, Some(AmountSlip::DecimalShift));
        check(5_000, 5_000_000, Some(AmountSlip::DecimalShift));
        check(5_000, 50_000_000, Some(AmountSlip::DecimalShift));
        check(5_000_000, 5_000, None);
        check(7_500, 77_500, Some(AmountSlip::DoubledDigit));
        check(7_500, 500, Some(AmountSlip::LostDigit));
        check(7_500, 8_500, Some(AmountSlip::NeighbourKey));
        check(7_500, 4_500, Some(AmountSlip::NeighbourKey));
        check(8_800, 8_000, Some(AmountSlip::NeighbourKey));
        check(7_500, 7_500, None);
        check(7_500, 2_500, None);
        check(7_500, 9_600, None);
        check(i64::MAX, 1, None);
    }

    /// The slips of digits as texts show them.
    fn spelt(meant: i64, typed: i64) -> Option<AmountSlip> {
        let (meant, typed) = (meant.to_string(), typed.to_string());
        let without = |text: &str, at: usize| {
            let mut left = text.to_owned();
            left.remove(at);
            left
        };
        let mut neighbours = typed.as_bytes().windows(2).enumerate();
        let is_doubled =
            |(at, pair): (usize, &[u8])| pair[0] == pair[1] && without(&typed, at) == meant;
        let key = |digit: u8| "123456789*0".bytes().position(|key| key == digit).unwrap();
        let are_beside = |a: usize, b: usize| {
            let apart = ((a / 3).abs_diff(b / 3), (a % 3).abs_diff(b % 3));
            matches!(apart, (0, 1) | (1, 0))
        };
        let zeros = |long: &str, short: &str| {
            let rest = long.strip_prefix(short)?;
            rest.bytes()
                .all(|digit| digit == b'0')
                .then_some(rest.len())
        };
        let pairs = meant.bytes().zip(typed.bytes());
        let different: Vec<_> = pairs.filter(|(a, b)| a != b).collect();
        if meant == typed {
            None
        } else if typed == format!("{meant}0") {
            Some(AmountSlip::ExtraDigit)
        } else if zeros(&typed, &meant) >= Some(2) || zeros(&meant, &typed) == Some(2) {
            Some(AmountSlip::DecimalShift)
        } else if neighbours.any(is_doubled) {
            Some(AmountSlip::DoubledDigit)
        } else if (0..meant.len()).any(|at| without(&meant, at) == typed) {
            Some(AmountSlip::LostDigit)
        } else if meant.len() == typed.len()
            && matches!(different[..], [(a, b)] if are_beside(key(a), key(b)))
        {
            Some(AmountSlip::NeighbourKey)
        } else {
            None
        }
    }

    #[test]
    fn digits_by_arithmetic_are_those_of_the_text() {
        for meant in (1..120).chain([770, 1_005, 8_800, 9_099]) {
            for typed in (1..2_500).chain([7_700, 10_005, 88_000, 99_099]) {
                assert_eq!(
                    slip_between(meant, typed),
                    spelt(meant, typed),
                    "{meant} → {typed}"
                );
            }
        }
    }

    #[test]
    fn the_first_digit_typed_twice_is_told_from_another() {
        for (meant, typed, is_first) in [
            (7_500, 77_500, true),
            (7_755, 77_755, true),
            (1_233, 12_333, false),
            (1_250, 12_550, false),
        ] {
            assert_eq!(is_first_doubled(meant, typed), is_first, "{typed}");
        }
    }

    #[test]
    fn undone_are_the_slips_that_can_be_told() {
        let zeros = |amount: i64| amount.to_string().matches('0').count();
        let without_first = |amount: i64| amount.to_string()[1..].to_owned();
        for typed in (1..700).chain([1_000, 1_100, 7_700]) {
            let candidates: Vec<_> = candidates(typed).collect();
            let mut once = candidates.clone();
            once.sort_unstable_by_key(|(_, meant)| *meant);
            once.dedup();
            assert_eq!(once.len(), candidates.len(), "{typed}");
            for meant in 1..10_000 {
                let slip = spelt(meant, typed).filter(|slip| match slip {
                    AmountSlip::ExtraDigit => true,
                    AmountSlip::DecimalShift => meant * 100 == typed,
                    AmountSlip::DoubledDigit => zeros(meant) == zeros(typed),
                    AmountSlip::LostDigit => without_first(meant) == typed.to_string(),
                    AmountSlip::NeighbourKey => without_first(meant) == without_first(typed),
                });
                let known = candidates.iter().find(|(_, known)| *known == meant);
                assert_eq!(known.map(|(slip, _)| *slip), slip, "{meant} → {typed}");
            }
        }
    }
}
