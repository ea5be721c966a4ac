//! How long answers take, counted from when the call was **due**.
//!
//! A payer does not wait to be asked. When the server stalls, the calls that come due meanwhile are
//! late before they leave, and counting from when they left would hide just the moments that matter
//! (coordinated omission). In a closed loop a call is due when it leaves.

use std::time::Duration;

use hdrhistogram::Histogram;

/// What takes longer is counted as this.
const LONGEST: Duration = Duration::from_secs(600);

const SIGNIFICANT_DIGITS: u8 = 3;

#[derive(Debug, Clone)]
pub(super) struct Latencies {
    /// From due to answered, in ns.
    answered: Histogram<u64>,
    /// From due to sent, in ns: how late the load itself was.
    sent_late: Histogram<u64>,
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self {
            answered: histogram(),
            sent_late: histogram(),
        }
    }

    /// One call. All moments are counted from the start of the load.
    pub(super) fn record(&mut self, due: Duration, sent: Duration, answered: Duration) {
        record(&mut self.answered, answered.saturating_sub(due));
        record(&mut self.sent_late, sent.saturating_sub(due));
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Bounds are the same, so everything fits.
        let _ = self.answered.add(&other.answered);
        let _ = self.sent_late.add(&other.sent_late);
    }

    pub(super) const fn answered(&self) -> &Histogram<u64> {
        &self.answered
    }

    pub(super) const fn sent_late(&self) -> &Histogram<u64> {
        &self.sent_late
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, ns(LONGEST), SIGNIFICANT_DIGITS).expect("bounds are in order")
}

fn record(histogram: &mut Histogram<u64>, span: Duration) {
    histogram.saturating_record(ns(span).max(1));
}

fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `quantile` of `histogram` (of ns) in µs.
pub(super) fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn about(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 0.002,
            "{found} for {expected}"
        );
    }

    #[test]
    fn a_stall_counts_against_every_call_that_came_due_in_it() {
        // One call each ms, answered in 100 µs; but at 50 ms the server stalls for 20 ms, and whatever
        // comes due meanwhile leaves only at its end.
        let (mut corrected, mut naive) = (Latencies::new(), Latencies::new());
        for nth in 0..100 {
            let due = us(nth * 1_000);
            let stalled = (50..70).contains(&nth);
            let sent = if stalled { us(70_000) } else { due };
            corrected.record(due, sent, sent + us(100));
            naive.record(sent, sent, sent + us(100));
        }
        about(quantile_us(naive.answered(), 0.99), 100.0);
        about(quantile_us(corrected.answered(), 0.5), 100.0);
        // Twenty of a hundred waited, evenly from 1 to 20 ms.
        about(quantile_us(corrected.answered(), 0.9), 10_100.0);
        about(quantile_us(corrected.answered(), 1.0), 20_100.0);
        about(quantile_us(corrected.sent_late(), 1.0), 20_000.0);
        assert_eq!(quantile_us(naive.sent_late(), 1.0), 0.001);
    }

    #[test]
    fn a_call_that_leaves_early_or_lasts_for_ever_still_counts() {
        let mut latencies = Latencies::new();
        latencies.record(us(10), us(5), us(5));
        latencies.record(us(0), us(0), Duration::from_secs(10_000));
        assert_eq!(latencies.answered().len(), 2);
        about(quantile_us(latencies.answered(), 1.0), 6e8);
    }

    #[test]
    fn what_two_threads_saw_adds_up() {
        let (mut one, mut other) = (Latencies::new(), Latencies::new());
        one.record(us(0), us(0), us(100));
        other.record(us(0), us(0), us(300));
        one.add(&other);
        assert_eq!(one.answered().len(), 2);
        about(quantile_us(one.answered(), 0.5), 100.0);
        about(quantile_us(one.answered(), 1.0), 300.0);
    }
}
