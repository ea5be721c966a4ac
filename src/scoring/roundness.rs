//! How round the sums are that somebody pays: how likely it is that one ends in so many zeros.

/// How many amounts of the account it is worth that nothing was known of it: that one amount in ten ends
/// in one zero more, as digits do that fall by chance.
const CHANCE_WORTH: f64 = 4.0;

/// How many amounts of the payee it is worth what the account pays others. Fewer: who is sent round
/// sums is sent them always, whatever the tills ask for.
const ACCOUNT_WORTH: f64 = 2.0;

/// The share of amounts that end in one zero more, by chance.
const BY_CHANCE: f64 = 0.1;

/// Amounts that end in at least so many zeros make this share of what an account pays a payee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roundness<OfAccount, OfPayee> {
    /// Amounts of the account, smallest first.
    pub(super) of_account: OfAccount,
    /// Amounts of the payee, smallest first.
    pub(super) of_payee: OfPayee,
}

impl<OfAccount, OfPayee> Roundness<OfAccount, OfPayee>
where
    OfAccount: Iterator<Item = i64> + Clone,
    OfPayee: Iterator<Item = i64> + Clone,
{
    /// The share of amounts that end in exactly so many zeros, drawn towards chance where few are known.
    pub(super) fn share_ending_in(&self, zeros: u32) -> f64 {
        let (mut unit, mut share) = (1_i64, 1.0);
        for _ in 0..zeros {
            unit = unit.saturating_mul(10);
            share = self.share_dividing(unit, share * BY_CHANCE);
        }
        let rounder = self.share_dividing(unit.saturating_mul(10), share * BY_CHANCE);
        share - rounder
    }

    fn share_dividing(&self, unit: i64, by_chance: f64) -> f64 {
        let of_account = drawn(&self.of_account, unit, by_chance, CHANCE_WORTH);
        drawn(&self.of_payee, unit, of_account, ACCOUNT_WORTH)
    }
}

/// The share of different amounts that `unit` divides, drawn towards `expected` as if that were known
/// from so many of them. One that is paid again and again is one price, and counts once.
fn drawn(
    sorted: &(impl Iterator<Item = i64> + Clone),
    unit: i64,
    expected: f64,
    worth: f64,
) -> f64 {
    let (mut round, mut all, mut last) = (expected * worth, worth, 0);
    for amount in sorted.clone() {
        if amount != last {
            all += 1.0;
            round += f64::from(u8::from(amount.checked_rem(unit) == Some(0)));
        }
        last = amount;
    }
    round / all
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
