//! A distribution of latencies in the text that HdrHistogram's tools read and plot.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use hdrhistogram::Histogram;

/// Steps in each halving of the distance to the last percentile.
const STEPS_PER_HALVING: u32 = 5;

const US_NS: f64 = 1_000.0;

/// Writes `histogram` (of ns) in µs to `file`.
pub(super) fn write_file(file: &File, histogram: &Histogram<u64>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out, histogram)?;
    out.flush()
}

fn write(out: &mut dyn Write, histogram: &Histogram<u64>) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in histogram.iter_quantiles(STEPS_PER_HALVING) {
        total += step.count_since_last_iteration();
        let value_us = step.value_iterated_to() as f64 / US_NS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value_us:12.3} {quantile:2.12} {total:10}")?;
        // The last percentile is reached, and has no distance.
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let us = |ns: f64| ns / US_NS;
    let (mean, deviation) = (us(histogram.mean()), us(histogram.stdev()));
    let (max, total) = (us(histogram.max() as f64), histogram.len());
    writeln!(
        out,
        "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]"
    )?;
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_rise_to_the_largest_value_and_the_last_count() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for us in 1..=1_000 {
            histogram.record(us * 1_000).unwrap();
        }
        let mut out = Vec::new();
        write(&mut out, &histogram).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                line.split_whitespace()
                    .map(|cell| cell.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(
            rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]),
            "{text}"
        );
        let last = rows.last().unwrap();
        assert!((last[0] - 1_000.0).abs() < 1.0, "{text}");
        assert_eq!((last[1], last[2]), (1.0, 1_000.0), "{text}");
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0, "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
