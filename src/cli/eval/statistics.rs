//! The arithmetic of evaluation: shares with their uncertainty, and how well a score ranks.

use serde::Serialize;

/// A number to so many digits; a dash where there was nothing to tell it from.
pub(in crate::cli) fn shown(value: f64, digits: usize) -> String {
    if value.is_nan() {
        "-".to_owned()
    } else {
        format!("{value:.digits$}")
    }
}

/// How often something happened among how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Share {
    pub(in crate::cli) hits: usize,
    pub(in crate::cli) of: usize,
}

impl Share {
    /// Counts one more.
    pub(super) fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            of: self.of + other.of,
        }
    }

    /// As a number; not a number where there was nothing to count.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(in crate::cli) fn value(self) -> f64 {
        self.hits as f64 / self.of as f64
    }

    /// Wilson's interval, which holds the true share with 95 % confidence and, unlike the textbook one,
    /// is right for shares near 0 and 1 too.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(in crate::cli) fn interval(self) -> (f64, f64) {
        const Z: f64 = 1.96;
        let (share, count) = (self.value(), self.of as f64);
        let shrink = 1.0 + Z * Z / count;
        let centre = (share + Z * Z / 2.0 / count) / shrink;
        let variance = share * (1.0 - share) / count + Z * Z / 4.0 / count / count;
        let half = Z * variance.sqrt() / shrink;
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}

/// How well a score tells two kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ranking {
    /// The chance that one to be stopped scores higher than one that is not (ties count half).
    pub(super) auc: f64,
    /// The precision at each one to be stopped, averaged; equal scores are taken together.
    pub(super) average_precision: f64,
}

impl Ranking {
    /// Of these scores, each with whether it should be high. Not a number where one kind is missing.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn of(mut scores: Vec<(f64, bool)>) -> Self {
        scores.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let positives = scores.iter().filter(|(_, should)| *should).count() as f64;
        let negatives = scores.len() as f64 - positives;
        let (mut seen, mut found) = (0.0, 0.0);
        let (mut area, mut precision) = (0.0, 0.0);
        for tied in scores.chunk_by(|(a, _), (b, _)| a == b) {
            let hits = tied.iter().filter(|(_, should)| *should).count() as f64;
            let misses = tied.len() as f64 - hits;
            area += misses * (found + hits / 2.0);
            found += hits;
            seen += tied.len() as f64;
            precision += hits / positives * found / seen;
        }
        Self {
            auc: area / positives / negatives,
            average_precision: if positives > 0.0 { precision } else { f64::NAN },
        }
    }
}

/// The value below which a share `at` of the ascending `values` lies, between two of them if need be.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
pub(super) fn quantile(values: &[f64], at: f64) -> Option<f64> {
    let place = values.len().checked_sub(1)? as f64 * at;
    let below = values.get(place as usize)?;
    let above = values.get(place as usize + 1).unwrap_or(below);
    Some(below + (above - below) * place.fract())
}

/// The mean, and the deviation from it.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn wilsons_interval_is_that_of_the_literature() {
        // Newcombe (1998), table I: 81 of 263, 0 of 20.
        let (low, high) = Share { hits: 81, of: 263 }.interval();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        let (low, high) = Share { hits: 0, of: 20 }.interval();
        assert!(low.abs() < 1e-12 && (high - 0.1611).abs() < 5e-5);
    }

    #[test]
    fn ties_are_taken_together() {
        let ranking = Ranking::of(vec![(1.0, false), (9.0, true), (5.0, true), (5.0, false)]);
        // 9: 1 of 1; 5: 2 of 3.
        assert!(close(ranking.average_precision, 0.5 + 0.5 * 2.0 / 3.0));
        // Pairs: 9 beats both, 5 beats 1 and ties with 5.
        assert!(close(ranking.auc, 3.5 / 4.0));
        assert!(Ranking::of(vec![(1.0, false)]).auc.is_nan());
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert!(close(quantile(&[1.0, 2.0, 4.0], 0.75).unwrap(), 3.0));
        assert!(close(quantile(&[1.0, 2.0, 4.0], 1.0).unwrap(), 4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
