//! The amounts paid lately, to everybody or to one payee, and what is usual among them.
//!
//! They are kept sorted, eight bytes each, at the end of an entry of the profile's list, so that a median is found at
//! once. How far amounts lie apart is told by their logarithms to base 2, in *doublings*.

use std::mem;

use super::entry_list::EntryList;
use super::log_amount::LogAmount;
use crate::scoring::money::Money;

/// How many amounts of an account are kept per currency.
pub const AMOUNTS_KEPT: usize = 32;

/// The last amounts paid.
#[derive(Debug, Clone, Copy)]
pub struct Amounts<'a> {
    /// Smallest first; of equal ones the older first.
    sorted: &'a [[u8; KEPT_BYTES]],
}

/// The median of some amounts and how far they spread. Nearly half of the amounts may be arbitrarily wrong without
/// moving the median or the median deviation far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median, in minor units.
    pub median_minor: i64,
    /// Of how many amounts.
    pub amounts: u8,
    /// The logarithm of the median.
    pub median: LogAmount,
    /// The median distance from the median, in steps of a [`LogAmount`].
    absolute_deviation: u16,
    /// How far the amount that nine in ten are below lies above the median, in the same steps.
    ninetieth: u16,
}

impl Spread {
    /// The median absolute deviation from the median, in doublings.
    #[must_use]
    pub fn absolute_deviation_doublings(&self) -> f64 {
        f64::from(self.absolute_deviation) / LogAmount::STEPS_PER_DOUBLING
    }

    /// How far the 90th percentile lies above the median, in doublings. Where most payments are one daily coffee the
    /// median deviation is 0, and this still tells of the groceries.
    fn ninetieth_doublings(&self) -> f64 {
        f64::from(self.ninetieth) / LogAmount::STEPS_PER_DOUBLING
    }

    /// The standard deviation, in doublings, of a normal distribution that spreads as far upwards: 1.4826 median
    /// absolute deviations, or the distance to the 90th percentile divided by 1.2816, whichever is more. Source:
    /// Rousseeuw and Croux, "Alternatives to the median absolute deviation", 1993.
    #[must_use]
    pub fn deviation_doublings(&self) -> f64 {
        (self.absolute_deviation_doublings() * 1.4826).max(self.ninetieth_doublings() / 1.2816)
    }
}

impl<'a> Amounts<'a> {
    /// Those written in `bytes`.
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        let (sorted, _) = bytes.as_chunks();
        Self { sorted }
    }

    /// Whether `bytes` are at most `kept_max` amounts as they are written: sorted, and their ages are 0, 1, 2 and so
    /// on, each once.
    pub(super) fn are_sound(bytes: &[u8], kept_max: usize) -> bool {
        let (sorted, rest) = bytes.as_chunks();
        let kept = || sorted.iter().map(Kept::read);
        // A bit for each age that there is.
        let ages = kept().fold(0_u32, |ages, kept| ages | 1 << kept.older());
        rest.is_empty()
            && sorted.len() <= kept_max
            && ages.trailing_ones() as usize == sorted.len()
            && kept().is_sorted()
            && kept().all(Kept::is_sound)
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.sorted.len()
    }

    /// The amounts in minor units, smallest first.
    pub fn minor(self) -> impl Iterator<Item = i64> + Clone + 'a {
        self.sorted
            .iter()
            .map(|kept| Kept::read(kept).amount_minor())
    }

    /// Their logarithms, smallest first.
    pub(super) fn logs(self) -> impl Iterator<Item = LogAmount> + 'a {
        self.sorted.iter().map(|kept| Kept::read(kept).log())
    }

    /// The amounts in minor units, newest first.
    pub fn newest_first(self) -> impl Iterator<Item = i64> {
        let mut oldest_first = [0; AMOUNTS_KEPT];
        for kept in self.sorted.iter().map(Kept::read) {
            if let Some(amount_minor) = oldest_first.get_mut(kept.older()) {
                *amount_minor = kept.amount_minor();
            }
        }
        oldest_first.into_iter().take(self.sorted.len()).rev()
    }

    /// Whether this amount is among the `count` newest.
    pub(super) fn newest_hold(self, count: usize, amount_minor: i64) -> bool {
        let newest_from = self.sorted.len().saturating_sub(count);
        let mut kept = self.sorted.iter().map(Kept::read);
        kept.any(|kept| kept.amount_minor() == amount_minor && kept.older() >= newest_from)
    }

    /// Median and spread; `None` when there are none.
    #[must_use]
    pub fn spread(self) -> Option<Spread> {
        let count = self.sorted.len();
        let (middle, ninetieth) = (
            self.nth(count / 2)?,
            self.nth(count.saturating_mul(9) / 10)?,
        );
        let median = middle.log();
        Some(Spread {
            median_minor: middle.amount_minor(),
            amounts: u8::try_from(count).ok()?,
            median,
            absolute_deviation: self.median_deviation(median)?,
            ninetieth: ninetieth.log().steps_from(median),
        })
    }

    /// How round the amounts are: the largest of 1, 5, 10, 50, 100 … that two in three of them are multiples of. One
    /// that is paid again and again, a coffee, is one price, and counts once. 1 where there are no amounts.
    #[must_use]
    pub fn granularity_minor(self) -> i64 {
        let mut granularity: i64 = 1;
        if self.sorted.is_empty() {
            return granularity;
        }
        let count = self.different_minor().count();
        let are_multiples_of = |unit: i64| {
            let is_other = |amount: &i64| amount.checked_rem(unit) != Some(0);
            let mut others = self.different_minor().filter(is_other);
            others.nth(count / 3).is_none()
        };
        for factor in [5, 2].into_iter().cycle() {
            match granularity.checked_mul(factor) {
                Some(coarser) if are_multiples_of(coarser) => granularity = coarser,
                _ => break,
            }
        }
        granularity
    }

    /// The amounts in minor units, smallest first, equal ones once.
    fn different_minor(self) -> impl Iterator<Item = i64> + 'a {
        let mut last = 0;
        let is_another = move |amount: &i64| mem::replace(&mut last, *amount) != *amount;
        self.minor().filter(is_another)
    }

    /// The amount with `nth` smaller ones before it.
    fn nth(self, nth: usize) -> Option<Kept> {
        self.sorted.get(nth).map(Kept::read)
    }

    /// The median distance from the median, in steps.
    ///
    /// Without sorting distances: the half of the amounts nearest to the median stands in one piece, as amounts are
    /// sorted. So slide a piece of half their number along them, and take the one whose farther end is nearest.
    fn median_deviation(self, median: LogAmount) -> Option<u16> {
        let half = self.sorted.get(self.sorted.len() / 2..)?;
        let mut nearest = u16::MAX;
        for (low, high) in self.sorted.iter().zip(half) {
            let below = Kept::read(low).log().steps_from(median);
            let above = Kept::read(high).log().steps_from(median);
            if below <= above {
                // From here on the upper end is the farther one, and only goes farther.
                return Some(nearest.min(above));
            }
            nearest = below;
        }
        Some(nearest)
    }
}

/// Where amounts are written: in the entry at position `at`, from byte `offset` of it to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) offset: usize,
}

/// The bytes of a single amount, the first one.
pub(super) fn single(amount_minor: i64) -> [u8; KEPT_BYTES] {
    Kept::new(amount_minor, 0).to_bytes()
}

/// Learns an amount; where `kept_max` are kept, the oldest makes room for it.
pub(super) fn learn(entries: &mut EntryList, place: Place, kept_max: usize, amount_minor: i64) {
    let Some(sorted) = sorted_mut(entries, place) else {
        return;
    };
    if sorted.len() < kept_max {
        let kept = Kept::new(amount_minor, sorted.len());
        let rank = sorted.partition_point(|other| Kept::read(other) < kept);
        let offset = rank.saturating_mul(KEPT_BYTES);
        let offset = place.offset.saturating_add(offset);
        entries.insert(place.at, offset, kept.to_bytes());
    } else {
        replace_oldest(sorted, amount_minor);
    }
}

/// Puts an amount, as the newest, in place of the oldest.
fn replace_oldest(sorted: &mut [[u8; KEPT_BYTES]], amount_minor: i64) {
    let is_oldest = |kept: &[u8; KEPT_BYTES]| Kept::read(kept).older() == 0;
    let oldest = sorted.iter().position(is_oldest).unwrap_or(0);
    close_gap(sorted, oldest);
    let Some((_, others)) = sorted.split_last_mut() else {
        return;
    };
    for other in others.iter_mut() {
        *other = Kept::read(other).one_less_older().to_bytes();
    }
    let kept = Kept::new(amount_minor, others.len());
    let rank = others.partition_point(|other| Kept::read(other) < kept);
    if let Some(larger) = sorted.get_mut(rank..) {
        larger.copy_within(..larger.len().saturating_sub(1), 1);
        if let Some(first) = larger.first_mut() {
            *first = kept.to_bytes();
        }
    }
}

/// Takes back the newest of all equal to this amount, if there is one.
pub(super) fn unlearn(entries: &mut EntryList, place: Place, amount_minor: i64) {
    let Some(sorted) = sorted_mut(entries, place) else {
        return;
    };
    let is_it = |kept: &[u8; KEPT_BYTES]| Kept::read(kept).amount_minor() == amount_minor;
    let Some(rank) = sorted.iter().rposition(is_it) else {
        return;
    };
    let older = sorted.get(rank).map_or(0, |kept| Kept::read(kept).older());
    close_gap(sorted, rank);
    let left = sorted.len().saturating_sub(1);
    for other in sorted.iter_mut().take(left) {
        let kept = Kept::read(other);
        if kept.older() > older {
            *other = kept.one_less_older().to_bytes();
        }
    }
    let left_bytes = left.saturating_mul(KEPT_BYTES);
    entries.truncate(place.at, place.offset.saturating_add(left_bytes));
}

fn sorted_mut(entries: &mut EntryList, place: Place) -> Option<&mut [[u8; KEPT_BYTES]]> {
    let bytes = entries.entry_mut(place.at)?.get_mut(place.offset..)?;
    Some(bytes.as_chunks_mut().0)
}

/// Moves those behind `rank` up by one, over the one at `rank`. The last one then stands there twice.
fn close_gap(sorted: &mut [[u8; KEPT_BYTES]], rank: usize) {
    if let Some(from) = sorted.get_mut(rank..) {
        from.copy_within(1.min(from.len()).., 0);
    }
}

/// An amount that is kept, in 64 bits. From the lowest bit on: how many older ones are kept (5 bits); how many steps
/// its logarithm lies above the last whole doubling, so that it need not be worked out again (8 bits); and the amount
/// in minor units. Compared as numbers they are in the order of amounts, and equal amounts in that of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept(u64);

const KEPT_BYTES: usize = 8;
const OLDER_BITS: u32 = 5;
const OLDER_MAX: u64 = (1 << OLDER_BITS) - 1;
/// An amount is at most 10^15, which takes 50 bits.
const AMOUNT_FROM: u32 = OLDER_BITS + u8::BITS;

const _: () = assert!(AMOUNTS_KEPT <= 1 << OLDER_BITS);

impl Kept {
    fn new(amount_minor: i64, older: usize) -> Self {
        let amount_minor = amount_minor.max(1);
        let step = LogAmount::of(amount_minor).step();
        let older = (older as u64).min(OLDER_MAX);
        Self(amount_minor.cast_unsigned() << AMOUNT_FROM | u64::from(step) << OLDER_BITS | older)
    }

    fn is_sound(self) -> bool {
        let amount_minor = self.amount_minor();
        Money::check_amount(amount_minor).is_ok() && self == Self::new(amount_minor, self.older())
    }

    const fn read(bytes: &[u8; KEPT_BYTES]) -> Self {
        Self(u64::from_le_bytes(*bytes))
    }

    const fn to_bytes(self) -> [u8; KEPT_BYTES] {
        self.0.to_le_bytes()
    }

    const fn amount_minor(self) -> i64 {
        (self.0 >> AMOUNT_FROM).cast_signed()
    }

    fn log(self) -> LogAmount {
        let [step, ..] = (self.0 >> OLDER_BITS).to_le_bytes();
        LogAmount::of_step((self.0 >> AMOUNT_FROM | 1).ilog2(), step)
    }

    const fn older(self) -> usize {
        (self.0 & OLDER_MAX) as usize
    }

    /// The same once an older one is gone.
    const fn one_less_older(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_list::{HEAD, Kind};
    use super::*;
    use crate::scoring::money::AMOUNT_MINOR_MAX;

    const PLACE: Place = Place {
        at: 0,
        offset: HEAD,
    };

    fn nothing() -> EntryList {
        let mut entries = EntryList::default();
        entries.push(Kind::Amounts, 1, 0, |_| {});
        // Another one behind it, which must stay as it is.
        entries.push(Kind::Payee, 2, 0, |out| out.extend_from_slice(b"behind"));
        entries
    }

    fn amounts(entries: &EntryList) -> Amounts<'_> {
        let (_, entry) = entries.of_kind(Kind::Amounts).next().unwrap();
        Amounts::of(&entry[HEAD..])
    }

    /// The spread as it is defined, from deviations sorted.
    fn naive_spread(kept: &[i64]) -> Option<Spread> {
        let mut sorted = kept.to_vec();
        sorted.sort_unstable();
        let median_minor = *sorted.get(sorted.len() / 2)?;
        let median = LogAmount::of(median_minor);
        let mut deviations: Vec<u16> = sorted
            .iter()
            .map(|amount| LogAmount::of(*amount).steps_from(median))
            .collect();
        let ninetieth = *deviations.get(sorted.len().saturating_mul(9) / 10)?;
        deviations.sort_unstable();
        Some(Spread {
            median_minor,
            amounts: u8::try_from(sorted.len()).unwrap(),
            median,
            absolute_deviation: deviations[sorted.len() / 2],
            ninetieth,
        })
    }

    #[test]
    fn half_of_the_amounts_may_be_wrong_without_moving_the_middle_far() {
        let mut entries = nothing();
        for amount in [1_000, 1_100, 900, 1_050, 950, 1_000_000, 5_000_000] {
            learn(&mut entries, PLACE, AMOUNTS_KEPT, amount);
        }
        let spread = amounts(&entries).spread().unwrap();
        assert_eq!(spread.median_minor, 1_050);
        assert!(spread.absolute_deviation_doublings() < 0.3);
    }

    #[test]
    fn of_two_amounts_the_smaller_deviates_whichever_came_first() {
        for paid in [[50, 4_800], [4_800, 50]] {
            let mut entries = nothing();
            for amount in paid {
                learn(&mut entries, PLACE, AMOUNTS_KEPT, amount);
            }
            let spread = amounts(&entries).spread().unwrap();
            let expected = LogAmount::of(4_800).steps_from(LogAmount::of(50));
            assert_eq!(spread.absolute_deviation, expected);
        }
    }

    #[test]
    fn the_spread_is_that_of_the_last_amounts_sorted_naively() {
        for kept_max in [1, 2, 3, 8, AMOUNTS_KEPT] {
            follow(kept_max);
        }
    }

    /// Learns and takes back at random, beside a plain list.
    fn follow(kept_max: usize) {
        let mut entries = nothing();
        let mut kept: Vec<i64> = Vec::new();
        let mut state = 1_u64;
        for round in 0..4_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let factor = 10_i64.pow(u32::try_from(state >> 50 & 0xf).unwrap() % 13);
            let amount = factor.saturating_mul(i64::try_from(state >> 58 | 1).unwrap());
            if round % 7 == 3 && !kept.is_empty() {
                let nth = usize::try_from(state >> 33).unwrap();
                let taken = *kept.iter().cycle().nth(nth & 0xff).unwrap();
                let at = kept.iter().rposition(|known| *known == taken).unwrap();
                kept.remove(at);
                unlearn(&mut entries, PLACE, taken);
                unlearn(&mut entries, PLACE, 7_777_777);
            } else {
                kept.push(amount);
                if kept.len() > kept_max {
                    kept.remove(0);
                }
                learn(&mut entries, PLACE, kept_max, amount);
            }
            let amounts = amounts(&entries);
            let mut sorted = kept.clone();
            sorted.sort_unstable();
            assert!(amounts.minor().eq(sorted));
            assert!(amounts.newest_first().eq(kept.iter().rev().copied()));
            assert_eq!(amounts.spread(), naive_spread(&kept));
            let behind = entries.of_kind(Kind::Payee).next();
            assert!(behind.is_some_and(|(_, entry)| &entry[HEAD..] == b"behind"));
        }
    }

    #[test]
    fn the_granularity_is_what_divides_two_in_three() {
        for (paid, granularity) in [
            (&[7, 1_003][..], 1),
            (&[10, 20, 3], 10),
            (&[10, 20, 3, 4], 1),
            (&[5_000, 1_500, 777], 500),
            (&[300, 300, 300, 300, 1_253, 2_087], 1),
            (&[AMOUNT_MINOR_MAX], AMOUNT_MINOR_MAX),
            (&[], 1),
        ] {
            let mut entries = nothing();
            for amount in paid {
                learn(&mut entries, PLACE, AMOUNTS_KEPT, *amount);
            }
            assert_eq!(amounts(&entries).granularity_minor(), granularity);
        }
    }

    #[test]
    fn the_smallest_and_the_largest_amount_are_kept_as_they_are() {
        for amount in [1, 2, 3, AMOUNT_MINOR_MAX - 1, AMOUNT_MINOR_MAX] {
            let kept = Kept::new(amount, AMOUNTS_KEPT - 1);
            assert_eq!(kept.amount_minor(), amount);
            assert_eq!(kept.log(), LogAmount::of(amount));
            assert_eq!(kept.older(), AMOUNTS_KEPT - 1);
        }
    }
}
