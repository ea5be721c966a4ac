//! A statistical model of what amount is to be expected of a payment, and how surprising another one is.
//!
//! Three things are known, each the surer the more payments it comes from: what the account usually pays (its
//! [`Level`]), how much more or less this payee is paid than others, by everybody
//! ([`PriceLevel`](super::memory::PriceLevel)), and what this account paid this payee. The first two add up, on a
//! logarithmic scale, to what is expected before anything was paid; what was paid is then averaged with that, each
//! weighted by one over its variance, as Bayes' rule has it for normal distributions.

use super::context::Context;
use super::profile::{KnownPayee, Level, LogAmount};

/// The amount that is to be expected of a payment, as a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// The mean amount, in doublings above one minor unit.
    mean_doublings: f64,
    /// What the account usually pays this payee, or anybody where it does not know this one, in doublings above one
    /// minor unit. The middle of the logarithms, which lies below the mean.
    usual_doublings: f64,
    /// How closely amounts lie around the mean: the shape of a gamma distribution, one over its squared coefficient
    /// of variation.
    shape: f64,
}

/// The middle of the logarithms of amounts, how far they spread about it, and how sure the middle is. In doublings and
/// their squares.
struct Estimate {
    middle: f64,
    /// The variance of single amounts.
    spread: f64,
    /// The variance of `middle` itself.
    unsure: f64,
}

impl Expected {
    /// `None` where too little is known of the account.
    pub(super) fn of(context: &Context<'_>) -> Option<Self> {
        let level = context.level()?;
        if !context.knows_the_account() {
            return None;
        }
        let before = Estimate::before_any_paid(context, level);
        let paid = context.comparable_payee().and_then(sums_paid);
        let paid = paid.filter(|paid| !paid.are_a_trial(before.middle));
        let (usual_doublings, estimate) = match paid {
            Some(paid) => {
                let estimate = before.with(&paid);
                (estimate.middle, estimate)
            }
            None => (level.middle_doublings(), before),
        };
        let Estimate {
            middle,
            spread,
            unsure,
        } = estimate;
        let shape = 1.0 / ((spread + unsure) * NATS_PER_DOUBLING * NATS_PER_DOUBLING);
        Some(Self {
            // The mean of a gamma distribution lies above the middle of the logarithms by about one over twice the
            // shape, in nats.
            mean_doublings: middle + 0.5 / shape / NATS_PER_DOUBLING,
            usual_doublings,
            shape,
        })
    }

    /// How many doublings the amount lies above the mean.
    fn doublings_above_mean(&self, amount_minor: i64) -> f64 {
        LogAmount::of(amount_minor).doublings() - self.mean_doublings
    }

    /// How many doublings the amount lies above what the account usually pays. What others pay a payee that it does
    /// not know is left out: those who collect stolen money are paid much by everybody.
    pub(super) fn doublings_above_usual(&self, amount_minor: i64) -> f64 {
        LogAmount::of(amount_minor).doublings() - self.usual_doublings
    }

    /// Whether the amount is so small that it may only try out whether the payee's number is right.
    pub(super) fn may_be_a_trial(&self, amount_minor: i64) -> bool {
        is_trial(self.doublings_above_usual(amount_minor))
    }

    /// How much less likely the amount is than the likeliest one, in nats; 0 or more.
    ///
    /// Sums that people pay are about gamma distributed: an amount `y` times the mean is `shape` times
    /// `y − 1 − ln y` nats less likely (the Itakura-Saito distance). Very small amounts are rare then, and very large
    /// ones rarer still. Many people's sums are nearer to a log-normal distribution, where large ones are not as rare,
    /// so above the mean something between the two is taken: see `SLANT_ABOVE`.
    pub(super) fn surprise_nats(&self, amount_minor: i64) -> f64 {
        self.surprise_nats_at(self.doublings_above_mean(amount_minor))
    }

    /// The same of an amount that lies so many doublings above the mean.
    fn surprise_nats_at(&self, above: f64) -> f64 {
        let slant = if above > 0.0 { SLANT_ABOVE } else { 1.0 };
        let above = above * slant;
        self.shape / (slant * slant) * (LogAmount::ratio(above) - 1.0 - above * NATS_PER_DOUBLING)
    }

    /// The least surprise of any amount up to this one, in nats.
    pub(super) fn surprise_nats_least(&self, amount_minor_max: i64) -> f64 {
        let above = self.doublings_above_mean(amount_minor_max);
        if above >= 0.0 {
            return 0.0;
        }
        self.surprise_nats_at(above)
    }
}

impl Estimate {
    /// What is to be expected before the account paid this payee anything: its level, and what the payee is paid more
    /// or less than others.
    fn before_any_paid(context: &Context<'_>, level: &Level) -> Self {
        let sums = level.sums_in(context.payment.money.currency());
        let prices = context.surroundings.payee.prices;
        let spread = level.variance();
        Self {
            middle: level.middle_doublings() + prices.above_doublings(),
            spread,
            unsure: spread / f64::from(sums) + spread / prices.worth(),
        }
    }

    /// The same, knowing what the account paid this payee.
    fn with(&self, paid: &SumsPaid) -> Self {
        // The sums of one payee spread about as the account's do; but where they lie closer together than can be by
        // chance, it is another kind of payee.
        let (count, squares) = (paid.count, paid.squares);
        let is_tight =
            count >= TIGHT_SUMS_MIN && squares < (count - 1.0) * self.spread * TIGHT_SHARE;
        let worth = if is_tight {
            ACCOUNT_WORTH_TIGHT
        } else {
            ACCOUNT_WORTH
        };
        let spread = (worth * self.spread + squares) / (worth + count - 1.0);
        let (prior, known) = (1.0 / self.unsure, count / spread);
        let certain = prior + known;
        Self {
            middle: (self.middle * prior + paid.middle * known) / certain,
            spread,
            unsure: 1.0 / certain,
        }
    }
}

/// How skewed the logarithms of sums above the mean are taken to be: 1 is a gamma distribution, 0 a log-normal one,
/// whose logarithms are not skewed at all. Halfway, as nobody knows beforehand which of the two somebody's sums
/// follow. Both are generalized gamma distributions. Source: Prentice, "A log gamma model and its maximum likelihood
/// estimation", 1974.
const SLANT_ABOVE: f64 = 0.5;

/// How many sums of one payee the account's spread is worth against their own: a bill that is always about
/// the same is soon known as one, and a few sums that happen to lie close together are not.
const ACCOUNT_WORTH: f64 = 20.0;

/// The same for a payee whose sums lie very close together, as those of a monthly bill.
const ACCOUNT_WORTH_TIGHT: f64 = 5.0;

/// Sums lie very close together if their variance is less than this share of the account's. Of sums that spread as the
/// account's do, four lie so close together by chance one time in fifty, eight one time in three thousand.
const TIGHT_SHARE: f64 = 1.0 / 16.0;

/// From how many sums on this is judged.
const TIGHT_SUMS_MIN: f64 = 4.0;

/// The sums that the account paid a payee, by their logarithms.
struct SumsPaid {
    /// How many are known.
    count: f64,
    /// Their mean, in doublings above one minor unit.
    middle: f64,
    /// The squares of their distances from it, added up.
    squares: f64,
}

impl SumsPaid {
    /// Whether this is a single sum that is small against what is usual: sent to see whether the payee's number is
    /// right, it says nothing of what is to follow.
    fn are_a_trial(&self, usual_doublings: f64) -> bool {
        self.count < 2.0 && is_trial(self.middle - usual_doublings)
    }
}

/// Whether an amount that lies so far above what is usual is less than a tenth of it.
fn is_trial(doublings_above: f64) -> bool {
    doublings_above < -std::f64::consts::LOG2_10
}

fn sums_paid(known: &KnownPayee<'_>) -> Option<SumsPaid> {
    let (mut count, mut total, mut squares) = (0.0, 0.0, 0.0);
    for amount in known.log_amounts() {
        let doublings = amount.doublings();
        count += 1.0;
        total += doublings;
        squares += doublings * doublings;
    }
    (count > 0.0).then(|| SumsPaid {
        count,
        middle: total / count,
        squares: (squares - total * total / count).max(0.0),
    })
}

/// ln 2: one doubling, in nats (natural logarithms).
pub(super) const NATS_PER_DOUBLING: f64 = std::f64::consts::LN_2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums about 10.24 EUR whose logarithms have this standard deviation.
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
