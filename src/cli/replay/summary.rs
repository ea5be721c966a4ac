//! What a replay came to, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::engine::Engine;
use crate::scoring::account::Scored;
use crate::scoring::assessment::{Decision, History, ReasonCode};
use crate::telemetry::BoundsCounts;

/// Counts of everything that a replay met.
#[derive(Debug, Default)]
pub(in crate::cli) struct Summary {
    payments: u64,
    replayed: u64,
    decisions: BTreeMap<Decision, u64>,
    histories: BTreeMap<History, u64>,
    reasons: BTreeMap<ReasonCode, Reasoned>,
    outcomes: u64,
    outcomes_unknown: u64,
    bad_lines: u64,
    confirmations_not_taken: u64,
    accounts: usize,
    bounds: BoundsCounts,
    elapsed: Duration,
}

#[derive(Debug, Default, Clone, Copy)]
struct Reasoned {
    all: u64,
    disturbing: u64,
}

impl Summary {
    /// Counts an answer.
    pub(super) fn add_payment(&mut self, scored: &Scored) {
        self.payments += 1;
        if scored.replayed {
            self.replayed += 1;
            return;
        }
        let assessment = &scored.assessment;
        *self.decisions.entry(assessment.decision).or_default() += 1;
        *self.histories.entry(assessment.history).or_default() += 1;
        for reason in &assessment.reasons {
            let reasoned = self.reasons.entry(reason.code).or_default();
            reasoned.all += 1;
            reasoned.disturbing += u64::from(assessment.decision != Decision::Allow);
        }
    }

    /// Counts an outcome.
    pub(super) const fn add_outcome(&mut self) {
        self.outcomes += 1;
    }

    /// Counts an outcome of a payment that nobody remembers.
    pub(super) const fn add_unknown_outcome(&mut self) {
        self.outcomes += 1;
        self.outcomes_unknown += 1;
    }

    /// Counts a line that was passed over.
    pub(super) const fn add_bad_line(&mut self) {
        self.bad_lines += 1;
    }

    /// Counts an answer of a payer that this policy takes for none: the payment was scored without it.
    pub(super) const fn add_confirmation_not_taken(&mut self) {
        self.confirmations_not_taken += 1;
    }

    /// Whether nothing was learnt from all of it.
    pub(in crate::cli) const fn is_of_nothing(&self) -> bool {
        self.payments == 0 && self.outcomes == self.outcomes_unknown
    }

    /// Takes down what is known at the end only.
    pub(super) fn finish(&mut self, engine: &Engine, elapsed: Duration) {
        self.accounts = engine.accounts();
        self.bounds = engine.bounds_counts();
        self.elapsed = elapsed;
    }
}

impl fmt::Display for Summary {
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let decided = self.payments - self.replayed;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, count: u64, whole: u64| {
            writeln!(f, "  {name:<22} {count:>10} {:>9.4} %", of(count, whole))
        };
        writeln!(f, "payments {:>25}", self.payments)?;
        row(f, "replayed", self.replayed, self.payments)?;
        for decision in Decision::ALL {
            let count = self.decisions.get(decision).copied().unwrap_or(0);
            row(f, decision.name(), count, decided)?;
        }
        writeln!(f, "history")?;
        for history in History::ALL {
            let count = self.histories.get(history).copied().unwrap_or(0);
            row(f, history.name(), count, decided)?;
        }
        writeln!(
            f,
            "{:<24} {:>10} {:>11} {:>10}",
            "reasons", "payments", "", "disturbed"
        )?;
        for (code, reasoned) in &self.reasons {
            writeln!(
                f,
                "  {:<22} {:>10} {:>9.4} % {:>10}",
                code.name(),
                reasoned.all,
                of(reasoned.all, decided),
                reasoned.disturbing
            )?;
        }
        writeln!(f, "outcomes {:>25}", self.outcomes)?;
        row(
            f,
            "of unknown payments",
            self.outcomes_unknown,
            self.outcomes,
        )?;
        writeln!(f, "accounts {:>25}", self.accounts)?;
        writeln!(
            f,
            "forgotten by bounds      payments {}, payees {}, devices {}",
            self.bounds.payments_dropped,
            self.bounds.payees_forgotten,
            self.bounds.devices_forgotten
        )?;
        write_evicted(f, &self.bounds)?;
        if self.confirmations_not_taken > 0 {
            let count = self.confirmations_not_taken;
            writeln!(f, "confirmations not taken {count:>10}")?;
        }
        writeln!(f, "bad lines passed over {:>12}", self.bad_lines)?;
        let events = self.payments + self.outcomes;
        let seconds = self.elapsed.as_secs_f64();
        write!(
            f,
            "{events} events in {seconds:.3} s: {:.0} events/s",
            events as f64 / seconds.max(1e-9)
        )
    }
}

/// What the memory budget cost; nothing where it cost nothing.
fn write_evicted(f: &mut fmt::Formatter<'_>, bounds: &BoundsCounts) -> fmt::Result {
    let BoundsCounts {
        accounts_evicted,
        guards_evicted,
        payees_evicted,
        devices_evicted,
        ..
    } = *bounds;
    if accounts_evicted + payees_evicted + devices_evicted == 0 {
        return Ok(());
    }
    writeln!(
        f,
        "forgotten by budget      accounts {accounts_evicted} ({guards_evicted} guarded), \
         payees {payees_evicted}, devices {devices_evicted}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_memory_budget_cost_is_told_where_it_cost_anything() {
        let mut summary = Summary::default();
        assert!(!summary.to_string().contains("by budget"));
        summary.bounds.accounts_evicted = 7;
        summary.bounds.guards_evicted = 2;
        summary.bounds.payees_evicted = 5;
        let line = "forgotten by budget      accounts 7 (2 guarded), payees 5, devices 0\n";
        assert!(summary.to_string().contains(line));
    }
}
