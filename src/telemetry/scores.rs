//! What was decided and why, and what became of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{CONFIRMATIONS, DECISIONS, OUTCOMES, REASONS, RETRIES};
use super::page::Page;
use super::sharded::Sharded;
use crate::scoring::assessment::{Assessment, Decision, ReasonCode};
use crate::scoring::outcome::Outcome;
use crate::scoring::signal::Signal;

/// Each signal, and the payer's "yes" behind them.
const CODES: usize = Signal::ALL.len() + 1;

/// Counts of what was decided and why, and of what became of it.
#[derive(Debug, Default)]
pub struct ScoreCounters(Sharded<Counters>);

#[derive(Debug, Default)]
struct Counters {
    decisions: [AtomicU64; Decision::ALL.len()],
    reasons: [[AtomicU64; Decision::ALL.len()]; CODES],
    retries: AtomicU64,
    confirmed: AtomicU64,
    cancelled: AtomicU64,
    expired: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl ScoreCounters {
    /// Counts a payment that was decided.
    pub fn add(&self, assessment: &Assessment) {
        let counters = self.0.own();
        let decision = assessment.decision as usize;
        counters.decisions[decision].fetch_add(1, Ordering::Relaxed);
        for reason in &assessment.reasons {
            let code = &counters.reasons[place(reason.code)];
            code[decision].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a retry that got its stored answer again.
    pub fn add_retry(&self) {
        self.0.own().retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a question that was answered with yes.
    pub fn add_confirmed(&self) {
        self.0.own().confirmed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a question that was answered with no.
    pub fn add_cancelled(&self) {
        self.0.own().cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts questions that nobody answered in time.
    pub fn add_expired(&self, questions: u32) {
        if questions > 0 {
            let counter = &self.0.own().expired;
            counter.fetch_add(questions.into(), Ordering::Relaxed);
        }
    }

    /// Counts an outcome that was reported.
    pub fn add_outcome(&self, outcome: Outcome) {
        self.0.own().outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let sum = |counter: &dyn Fn(&Counters) -> &AtomicU64| {
            self.0
                .sum(|counters| counter(counters).load(Ordering::Relaxed))
        };
        let mut decisions = page.family(&DECISIONS);
        for decision in Decision::ALL {
            let count = sum(&|counters| &counters.decisions[*decision as usize]);
            decisions.put(&[decision.name()], count);
        }
        let mut reasons = page.family(&REASONS);
        let signals = Signal::ALL.iter().copied().map(ReasonCode::Signal);
        for code in signals.chain([ReasonCode::PayerConfirmed]) {
            for decision in Decision::ALL {
                let count = sum(&|counters| &counters.reasons[place(code)][*decision as usize]);
                reasons.put(&[code.name(), decision.name()], count);
            }
        }
        page.one(&RETRIES, sum(&|counters| &counters.retries));
        let asked = sum(&|counters| &counters.decisions[Decision::Confirm as usize]);
        let mut confirmations = page.family(&CONFIRMATIONS);
        confirmations.put(&["asked"], asked);
        confirmations.put(&["confirmed"], sum(&|counters| &counters.confirmed));
        confirmations.put(&["cancelled"], sum(&|counters| &counters.cancelled));
        confirmations.put(&["expired"], sum(&|counters| &counters.expired));
        let mut outcomes = page.family(&OUTCOMES);
        for outcome in Outcome::ALL {
            let count = sum(&|counters| &counters.outcomes[*outcome as usize]);
            outcomes.put(&[outcome.name()], count);
        }
    }
}

const fn place(code: ReasonCode) -> usize {
    match code {
        ReasonCode::Signal(signal) => signal as usize,
        ReasonCode::PayerConfirmed => CODES - 1,
    }
}
