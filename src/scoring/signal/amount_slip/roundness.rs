//! How round the sums are that an account pays: what share of them ends in so many zeros.
//!
//! Estimated from the sums paid to the payee, drawn towards those paid to all, and these towards chance, where few are
//! known.

use crate::scoring::expected::NATS_PER_DOUBLING;
use crate::scoring::profile::{Amounts, LogAmount};

/// How many amounts of the account chance is worth: that of amounts that end in so many zeros, one in ten ends in one
/// more.
const CHANCE_WORTH: f64 = 4.0;

/// How many amounts of the payee those of the whole account are worth. Fewer, as habit is soon known here: a person
/// who is sent round sums always is, whatever is paid at tills.
const ACCOUNT_WORTH: f64 = 2.0;

/// The share of amounts that end in one zero more, by chance.
const BY_CHANCE: f64 = 0.1;

/// How round most sums of an account are, and how rare the others: somebody who pays in fives mostly means fives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granularity {
    minor: i64,
    /// By how many nats any that is not as round is rarer than those that are.
    others_nats: f64,
}

impl Granularity {
    /// By the account's last amounts. The share of those that are not as round is taken as if one of two more were.
    pub(super) fn of(amounts: Amounts<'_>) -> Self {
        let minor = amounts.granularity_minor();
        let (mut others, mut all) = (1.0, 2.0);
        for amount in amounts.minor() {
            all += 1.0;
            others += f64::from(u8::from(amount.checked_rem(minor) != Some(0)));
        }
        Self {
            minor,
            others_nats: LogAmount::doublings_of(all / others) * NATS_PER_DOUBLING,
        }
    }

    /// How many nats speak against this amount as it is not as round as most; 0 for one that is.
    pub(super) fn against_nats(self, meant: i64) -> f64 {
        if meant.checked_rem(self.minor) == Some(0) {
            0.0
        } else {
            self.others_nats
        }
    }
}

/// How round the sums are that an account pays a payee, by the amounts known of both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roundness<OfAccount, OfPayee> {
    /// Amounts of the account in minor units, smallest first.
    pub(super) of_account: OfAccount,
    /// Amounts of the payee in minor units, smallest first.
    pub(super) of_payee: OfPayee,
}

impl<OfAccount, OfPayee> Roundness<OfAccount, OfPayee>
where
    OfAccount: Iterator<Item = i64> + Clone,
    OfPayee: Iterator<Item = i64> + Clone,
{
    /// The share of amounts that end in exactly so many zeros, between 0 and 1, drawn towards chance where few are
    /// known.
    pub(super) fn share_ending_in(&self, zeros: u32) -> f64 {
        let (mut unit, mut share) = (1_i64, 1.0);
        for _ in 0..zeros {
            unit = unit.saturating_mul(10);
            share = self.share_of_multiples(unit, share * BY_CHANCE);
        }
        let rounder = self.share_of_multiples(unit.saturating_mul(10), share * BY_CHANCE);
        share - rounder
    }

    /// The share of amounts that are multiples of `unit`.
    fn share_of_multiples(&self, unit: i64, by_chance: f64) -> f64 {
        let of_account = share_drawn_to(by_chance, CHANCE_WORTH, &self.of_account, unit);
        share_drawn_to(of_account, ACCOUNT_WORTH, &self.of_payee, unit)
    }
}

/// The share of different amounts that are multiples of `unit`, drawn towards `expected` as if that were the share
/// among `worth` more of them. An amount that is paid again and again is one price, and counts once.
fn share_drawn_to(
    expected: f64,
    worth: f64,
    sorted: &(impl Iterator<Item = i64> + Clone),
    unit: i64,
) -> f64 {
    let (mut multiples, mut all, mut last) = (expected * worth, worth, 0);
    for amount in sorted.clone() {
        if amount != last {
            all += 1.0;
            multiples += f64::from(u8::from(amount.checked_rem(unit) == Some(0)));
        }
        last = amount;
    }
    multiples / all
}

/// How many zeros an amount above zero ends in.
pub(super) fn zeros(amount: i64) -> u32 {
    let (mut zeros, mut left) = (0_u32, amount.max(1));
    while left.checked_rem(10) == Some(0) {
        zeros = zeros.saturating_add(1);
        left /= 10;
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(of_account: &[i64], of_payee: &[i64], zeros: u32) -> f64 {
        let roundness = Roundness {
            of_account: of_account.iter().copied(),
            of_payee: of_payee.iter().copied(),
        };
        roundness.share_ending_in(zeros)
    }

    #[test]
    fn where_nothing_is_known_each_zero_more_is_a_tenth_as_frequent() {
        for zeros in 0..6 {
            let ratio = share(&[], &[], zeros) / share(&[], &[], zeros + 1);
            assert!((ratio - 10.0).abs() < 1e-6, "{zeros}: {ratio}");
        }
    }

    #[test]
    fn round_sums_make_another_zero_less_surprising() {
        let hundreds: Vec<i64> = (1..20).map(|nth| nth * 100).collect();
        let ratio =
            |amounts: &[i64], payee: &[i64]| share(amounts, payee, 2) / share(amounts, payee, 3);
        assert!(ratio(&hundreds, &[]) > 8.0);
        let thousands = [1_000, 2_000, 3_000, 5_000];
        assert!(ratio(&hundreds, &thousands) < 1.0);
    }

    #[test]
    fn the_zeros_at_the_end_are_counted() {
        for (amount, count) in [(1, 0), (10, 1), (1_050, 1), (30_000, 4), (0, 0), (-5, 0)] {
            assert_eq!(zeros(amount), count, "{amount}");
        }
    }
}
