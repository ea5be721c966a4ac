//! Rounds summed up: what came of all of them, their medians and spread, and one twin by the other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::check::{Twin, Wrong};
use super::latency::quantile_us;
use super::measure::Round;
use super::mistakes::Mistake;
use super::tally::Tally;

/// A figure over several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of `figures`; none where there are none.
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Some(Self { median, min, max })
    }
}

/// The figures of one round, or of many: each by itself, with its spread, or as a ratio.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures<T> {
    pub(super) rate_per_second: T,
    /// None where the server's processor time is not known.
    pub(super) server_cpu_us_per_payment: Option<T>,
    /// Latencies: none where nothing was answered.
    pub(super) p50_us: Option<T>,
    pub(super) p90_us: Option<T>,
    pub(super) p99_us: Option<T>,
    pub(super) p99_9_us: Option<T>,
    pub(super) max_us: Option<T>,
    /// How late calls left, at the 99th percentile.
    pub(super) sent_late_p99_us: Option<T>,
}

impl Figures<f64> {
    fn of(round: &Round) -> Self {
        let answered = round.tally.answered as f64;
        let latencies = &round.tally.latencies;
        let is_timed = !latencies.answered().is_empty();
        let us_of = |histogram, quantile| is_timed.then(|| quantile_us(histogram, quantile));
        let us = |quantile| us_of(latencies.answered(), quantile);
        Self {
            rate_per_second: answered / round.took.as_secs_f64(),
            server_cpu_us_per_payment: round
                .cpu
                .filter(|_| round.tally.answered > 0)
                .map(|cpu| cpu.as_secs_f64() * 1e6 / answered),
            p50_us: us(0.5),
            p90_us: us(0.9),
            p99_us: us(0.99),
            p99_9_us: us(0.999),
            max_us: us(1.0),
            sent_late_p99_us: us_of(latencies.sent_late(), 0.99),
        }
    }

    /// This by `other`, figure by figure.
    fn by(&self, other: &Self) -> Option<Self> {
        Self::each(|figure| Some(figure(self)? / figure(other)?))
    }

    /// What `made` makes of each figure; none where it makes nothing of the rate, which every round has.
    fn each<T>(made: impl Fn(fn(&Self) -> Option<f64>) -> Option<T>) -> Option<Figures<T>> {
        Some(Figures {
            rate_per_second: made(|figures| Some(figures.rate_per_second))?,
            server_cpu_us_per_payment: made(|figures| figures.server_cpu_us_per_payment),
            p50_us: made(|figures| figures.p50_us),
            p90_us: made(|figures| figures.p90_us),
            p99_us: made(|figures| figures.p99_us),
            p99_9_us: made(|figures| figures.p99_9_us),
            max_us: made(|figures| figures.max_us),
            sent_late_p99_us: made(|figures| figures.sent_late_p99_us),
        })
    }
}

impl Figures<Spread> {
    fn spread(rounds: &[Figures<f64>]) -> Option<Self> {
        Figures::each(|figure| Spread::of(rounds.iter().filter_map(figure)))
    }
}

/// What came of all rounds of one twin.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) answered: u64,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) figures: Figures<Spread>,
    pub(super) decisions: Decisions,
    pub(super) replayed: u64,
    pub(super) mistakes: BTreeMap<&'static str, u64>,
    pub(super) errors: BTreeMap<&'static str, u64>,
    pub(super) wrong: BTreeMap<&'static str, u64>,
    pub(super) unanswered: u64,
    pub(super) unsent: u64,
    pub(super) rounds: Vec<Figures<f64>>,
    #[serde(skip)]
    pub(super) tally: Tally,
}

#[derive(Debug, Serialize)]
pub(super) struct Decisions {
    pub(super) allow: u64,
    pub(super) confirm: u64,
    pub(super) block: u64,
}

impl Side {
    /// Those of `rounds` that are `twin`'s; none where there are none.
    fn of(twin: Twin, rounds: &[Round]) -> Option<Self> {
        let mut tally = Tally::new(twin);
        let mut seconds = 0.0;
        let mut figures = Vec::new();
        for round in rounds.iter().filter(|round| round.twin == twin) {
            tally.add(&round.tally);
            seconds += round.took.as_secs_f64();
            figures.push(Figures::of(round));
        }
        let mistakes = Mistake::ALL.map(Mistake::name).into_iter();
        let wrong = Wrong::ALL.map(Wrong::name).into_iter().zip(tally.wrong);
        Some(Self {
            answered: tally.answered,
            seconds,
            figures: Figures::spread(&figures)?,
            decisions: Decisions {
                allow: tally.allowed,
                confirm: tally.confirmed,
                block: tally.blocked,
            },
            replayed: tally.replayed,
            mistakes: mistakes.zip(tally.mistakes).collect(),
            errors: tally.errors.clone(),
            wrong: wrong.filter(|(_, count)| *count > 0).collect(),
            unanswered: tally.unanswered,
            unsent: tally.unsent,
            rounds: figures,
            tally,
        })
    }
}

/// What came of everything.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) score: Side,
    pub(super) echo: Option<Side>,
    /// The service's figures by those of its echo twin, round by round.
    pub(super) ratios: Option<Figures<Spread>>,
}

impl Summary {
    /// None where nothing was measured.
    pub(super) fn of(rounds: &[Round]) -> Option<Self> {
        let score = Side::of(Twin::Score, rounds)?;
        let echo = Side::of(Twin::Echo, rounds);
        let ratios = echo.as_ref().and_then(|echo| {
            let pairs = score.rounds.iter().zip(&echo.rounds);
            let ratios: Vec<_> = pairs.filter_map(|(score, echo)| score.by(echo)).collect();
            Figures::spread(&ratios)
        });
        Some(Self {
            score,
            echo,
            ratios,
        })
    }

    pub(super) fn sides(&self) -> impl Iterator<Item = &Side> {
        [Some(&self.score), self.echo.as_ref()]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle_of_the_spread() {
        let of = |figures: &[f64]| Spread::of(figures.iter().copied()).map(|spread| spread.median);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some(3.0));
        assert_eq!(of(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    fn round(twin: Twin, answered: u64, cpu_us: u64) -> Round {
        let mut tally = Tally::new(twin);
        tally.answered = answered;
        Round {
            twin,
            tally,
            took: Duration::from_secs(2),
            cpu: Some(Duration::from_micros(cpu_us)),
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        use Twin::{Echo, Score};
        // The machine slows down from round to round; one twin by the other stays the same.
        let rounds = [
            round(Score, 900, 1_800),
            round(Echo, 1_000, 1_000),
            round(Score, 450, 1_800),
            round(Echo, 500, 1_000),
            round(Score, 90, 1_800),
            round(Echo, 100, 1_000),
        ];
        let summary = Summary::of(&rounds).unwrap();
        assert_eq!(summary.score.answered, 1_440);
        assert_eq!(summary.score.figures.rate_per_second.median, 225.0);
        let ratios = summary.ratios.unwrap();
        assert_eq!(ratios.rate_per_second.median, 0.9);
        assert_eq!(ratios.rate_per_second.min, ratios.rate_per_second.max);
        assert_eq!(ratios.server_cpu_us_per_payment.unwrap().median, 2.0);
    }

    #[test]
    fn nothing_answered_has_no_cost_and_took_no_time() {
        let summary = Summary::of(&[round(Twin::Score, 0, 10)]).unwrap();
        let figures = summary.score.figures;
        assert_eq!(figures.server_cpu_us_per_payment, None);
        assert_eq!(figures.rate_per_second.median, 0.0);
        assert_eq!((figures.p50_us, figures.max_us), (None, None));
        assert_eq!(figures.sent_late_p99_us, None);
        let mut answered = round(Twin::Score, 1, 10);
        let (due, took) = (Duration::ZERO, Duration::from_micros(300));
        answered.tally.time(due, due, took);
        // A round in which nothing was answered says nothing of the others.
        let rounds = [answered, round(Twin::Score, 0, 10)];
        let p50_us = Summary::of(&rounds).unwrap().score.figures.p50_us.unwrap();
        assert!((p50_us.median - 300.0).abs() < 1.0, "{p50_us:?}");
    }

    #[test]
    fn without_rounds_of_the_echo_twin_there_are_no_ratios() {
        let summary = Summary::of(&[round(Twin::Score, 10, 10)]).unwrap();
        assert!(summary.echo.is_none() && summary.ratios.is_none());
        assert!(Summary::of(&[]).is_none());
    }
}
