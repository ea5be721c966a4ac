//! What a person at a terminal sees meanwhile: the rate and the latencies so far.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::latency::{Latencies, quantile_us};
use super::tally::Tally;

/// A line on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix}  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self(ProgressBar::new_spinner().with_style(style))
    }

    /// What is under way from now on is called `label`.
    pub(super) fn begin(&self, label: String) {
        self.0.set_prefix(label);
    }

    /// Shows what has come of it after `elapsed`.
    pub(super) fn show(&self, elapsed: Duration, tallies: &[Arc<Mutex<Tally>>]) {
        if self.0.is_hidden() {
            return;
        }
        let (mut answered, mut errors, mut wrong) = (0, 0, 0);
        let mut latencies = Latencies::new();
        for tally in tallies {
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            answered += tally.answered;
            errors += tally.errors.values().sum::<u64>();
            wrong += tally.wrongs();
            latencies.add(&tally.latencies);
        }
        let rate = answered as f64 / elapsed.as_secs_f64();
        let us = |quantile| quantile_us(latencies.answered(), quantile);
        let (p50, p99, p999) = (us(0.5), us(0.99), us(0.999));
        self.0.set_message(format!(
            "{rate:.0}/s  p50 {p50:.0} µs  p99 {p99:.0} µs  p99.9 {p999:.0} µs  \
             {errors} errors  {wrong} wrong"
        ));
        self.0.tick();
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
