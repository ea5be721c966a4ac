//! What amount is to be expected of a payment, and how surprising another one is.

use super::context::Context;
use super::profile::{KnownPayee, LogAmount};

/// What is to be expected of a payment: the account's level, times what its payee is paid more than
/// others, both drawn towards the sums that this account paid this payee as far as these are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// In doublings above one minor unit.
    mean_doublings: f64,
    /// What the account usually pays this payee, or others where it does not know this one; in the
    /// middle of the logarithms.
    usual_doublings: f64,
    /// How sharply: the shape of a gamma distribution, one over its squared coefficient of variation.
    shape: f64,
}

impl Expected {
    pub(super) fn of(context: &Context<'_>) -> Option<Self> {
        let currency = context.payment.money.currency();
        let level = context.level()?;
        if !context.knows_the_account() {
            return None;
        }
        let sums = level.sums_in(currency);
        let prices = context.surroundings.payee.prices;
        let mut spread = level.variance();
        let unsure = spread / f64::from(sums) + spread / prices.worth();
        let middle = level.middle_doublings() + prices.above_doublings();
        let paid = context.comparable_payee().and_then(sums_paid);
        let paid = paid.filter(|paid| !paid.are_a_trial(middle));
        let (usual, middle, unsure) = match paid {
            Some(SumsPaid {
                sums: paid,
                middle: paid_middle,
                squares,
            }) => {
                // How far the account's sums spread is about how far those of one of its payees do; but where they
                // lie closer together than that can be by chance, it is another kind of payee.
                let is_tight =
                    paid >= TIGHT_SUMS_MIN && squares < (paid - 1.0) * spread * TIGHT_SHARE;
                let worth = if is_tight {
                    ACCOUNT_WORTH_TIGHT
                } else {
                    ACCOUNT_WORTH
                };
                spread = (worth * spread + squares) / (worth + paid - 1.0);
                let (prior, known) = (1.0 / unsure, paid / spread);
                let certain = prior + known;
                let drawn = (middle * prior + paid_middle * known) / certain;
                (drawn, drawn, 1.0 / certain)
            }
            None => (level.middle_doublings(), middle, unsure),
        };
        let shape = 1.0 / ((spread + unsure) * NATS_PER_DOUBLING * NATS_PER_DOUBLING);
        Some(Self {
            // The mean lies above the middle of the logarithms by one over twice the shape.
            mean_doublings: middle + 0.5 / shape / NATS_PER_DOUBLING,
            usual_doublings: usual,
            shape,
        })
    }

    pub(super) fn doublings_above(&self, amount_minor: i64) -> f64 {
        LogAmount::of(amount_minor).doublings() - self.mean_doublings
    }

    /// How many doublings above what the account usually pays. That others pay a stranger much is no
    /// reason to: those who collect stolen money are paid much by all.
    pub(super) fn doublings_above_usual(&self, amount_minor: i64) -> f64 {
        LogAmount::of(amount_minor).doublings() - self.usual_doublings
    }

    /// Whether it is so little that it may only be to see whether a number is right.
    pub(super) fn may_be_a_trial(&self, amount_minor: i64) -> bool {
        is_trial(self.doublings_above_usual(amount_minor))
    }

    /// How much less likely the amount is than the likeliest one. Sums that people pay are about
    /// gamma distributed: an amount `y` times the mean is `shape` times `y − 1 − ln y` nats less
    /// likely, the Itakura-Saito distance. Very small ones are rare, and very large ones rarer; but these not as
    /// rare as that, with many people, whose sums are nearer to a log-normal distribution.
    pub(super) fn surprise_nats(&self, amount_minor: i64) -> f64 {
        let above = self.doublings_above(amount_minor);
        let slant = if above > 0.0 { SLANT_ABOVE } else { 1.0 };
        let above = above * slant;
        self.shape / (slant * slant) * (LogAmount::ratio(above) - 1.0 - above * NATS_PER_DOUBLING)
    }

    /// The same of the likeliest amount up to this one.
    pub(super) fn surprise_nats_least(&self, amount_minor_max: i64) -> f64 {
        if self.doublings_above(amount_minor_max) >= 0.0 {
            return 0.0;
        }
        self.surprise_nats(amount_minor_max)
    }
}

/// How slanted logarithms of sums are above the likeliest one, 1 being as those of gamma distributed ones and 0 not at
/// all, as those of log-normal ones: halfway, for nobody knows beforehand which of them somebody's are. Source of the
/// family that both belong to, the generalized gamma distributions: Prentice, "A log gamma model and its maximum
/// likelihood estimation", 1974.
const SLANT_ABOVE: f64 = 0.5;

/// How many sums of one payee the account's spread is worth against their own: a bill that is always about
/// the same is soon known as one, and a few sums that happen to lie close together are not.
const ACCOUNT_WORTH: f64 = 20.0;

/// The same of a payee whose sums lie as close together as those of a bill that varies by little.
const ACCOUNT_WORTH_TIGHT: f64 = 5.0;

/// Below what share of the account's variance theirs is as small as that: of sums that spread as the account's do, four
/// lie so close together by chance one time in fifty, eight one time in three thousand.
const TIGHT_SHARE: f64 = 1.0 / 16.0;

/// From how many sums on that is judged.
const TIGHT_SUMS_MIN: f64 = 4.0;

/// The sums that the account paid a payee, on a logarithmic scale.
struct SumsPaid {
    /// How many are known.
    sums: f64,
    /// Their middle, in doublings.
    middle: f64,
    /// The squares of their distances from it, added up.
    squares: f64,
}

impl SumsPaid {
    /// Whether this is one small sum, sent to see whether the number is right, where so much is usual: it says
    /// nothing of what is to follow.
    fn are_a_trial(&self, usual_doublings: f64) -> bool {
        self.sums < 2.0 && is_trial(self.middle - usual_doublings)
    }
}

/// Whether what lies so far above what is usual is a trial at most: less than a tenth of it.
fn is_trial(doublings_above: f64) -> bool {
    doublings_above < -std::f64::consts::LOG2_10
}

fn sums_paid(known: &KnownPayee<'_>) -> Option<SumsPaid> {
    let (mut sums, mut total, mut squares) = (0.0, 0.0, 0.0);
    for amount in known.log_amounts() {
        let doublings = amount.doublings();
        sums += 1.0;
        total += doublings;
        squares += doublings * doublings;
    }
    (sums > 0.0).then(|| SumsPaid {
        sums,
        middle: total / sums,
        squares: (squares - total * total / sums).max(0.0),
    })
}

/// ln 2.
pub(super) const NATS_PER_DOUBLING: f64 = std::f64::consts::LN_2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums about 10.24 EUR, of so many deviations of their logarithms by as many nats.
    fn expected(deviation_nats: f64) -> Expected {
        Expected {
            mean_doublings: 10.0,
            usual_doublings: 10.0,
            shape: 1.0 / (deviation_nats * deviation_nats),
        }
    }

    #[test]
    fn large_sums_are_less_likely_than_log_normal_and_likelier_than_gamma_distributed() {
        for deviation in [0.3, 0.5, 0.8] {
            let expected = expected(deviation);
            for times in [2_i64, 4, 10, 30] {
                let nats = (times as f64).ln();
                let surprise = expected.surprise_nats(1_024 * times);
                let log_normal = (nats / deviation).powi(2) / 2.0;
                let gamma = expected.shape * (times as f64 - 1.0 - nats);
                assert!(
                    log_normal < surprise && surprise < gamma * 0.9,
                    "{deviation}, {times} times: {log_normal} < {surprise} < {gamma}"
                );
                let small = expected.surprise_nats(1_024 / times);
                assert!(small < log_normal, "{deviation}, a {times}th: {small}");
            }
        }
    }

    #[test]
    fn the_likeliest_sum_is_no_surprise_and_what_is_further_off_is_more_of_one() {
        let expected = expected(0.5);
        assert!(expected.surprise_nats(1_024).abs() < 1e-6);
        for pair in [[1_024_i64, 1_100], [1_100, 2_000], [1_024, 900], [900, 100]] {
            let [nearer, further] = pair.map(|sum| expected.surprise_nats(sum));
            assert!(nearer < further, "{pair:?}: {nearer}, {further}");
        }
    }
}
