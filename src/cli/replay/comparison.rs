//! Two policies over the same recorded payments, side by side: A in force, B in its shadow.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::Engine;
use crate::scoring::account::Scored;
use crate::scoring::assessment::{Assessment, Decision, ReasonCode};
use crate::scoring::payment::{AccountId, Payment};
use crate::telemetry::ShadowCounts;

/// How many examples each change shows.
const EXAMPLES_MAX: usize = 5;

/// What B would change: decided by A, decided by B, and what that is called.
const CHANGES: [(Decision, Decision, &str); 6] = [
    (Decision::Allow, Decision::Confirm, "newly asked, A allows"),
    (Decision::Block, Decision::Confirm, "newly asked, A blocks"),
    (Decision::Allow, Decision::Block, "newly blocked, A allows"),
    (Decision::Confirm, Decision::Block, "newly blocked, A asks"),
    (
        Decision::Confirm,
        Decision::Allow,
        "newly let through, A asks",
    ),
    (
        Decision::Block,
        Decision::Allow,
        "newly let through, A blocks",
    ),
];

/// What B would change, as replay meets it.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    versions: [String; 2],
    counts: ShadowCounts,
    changes: BTreeMap<(Decision, Decision), Change>,
}

/// The payments that A and B decide in one pair of ways.
#[derive(Debug, Default)]
struct Change {
    /// How many have a reason under A, and how many under B.
    reasons: BTreeMap<ReasonCode, [u64; 2]>,
    /// One per account at most: what happens to an account once often happens again.
    examples: BTreeMap<AccountId, Example>,
}

#[derive(Debug)]
struct Example {
    line: u64,
    text: String,
}

impl Comparison {
    /// Takes an answer down, if B has one of its own.
    pub(super) fn add(&mut self, line: u64, payment: &Payment, scored: &Scored) {
        let (a, Some(b)) = (&scored.assessment, &scored.shadow) else {
            return;
        };
        if a.decision == b.decision {
            return;
        }
        let change = self.changes.entry((a.decision, b.decision)).or_default();
        for (nth, assessment) in [a, b].into_iter().enumerate() {
            for reason in &assessment.reasons {
                change.reasons.entry(reason.code).or_default()[nth] += 1;
            }
        }
        let account = &payment.account_id;
        if change.examples.len() < EXAMPLES_MAX && !change.examples.contains_key(account) {
            let Payment {
                payment_id, money, ..
            } = payment;
            let what = format!("line {line}: {payment_id} of {account}, {money}");
            let text = format!("{what}\n      A {}\n      B {}", told(a), told(b));
            let example = Example { line, text };
            change.examples.insert(account.clone(), example);
        }
    }

    /// Takes down what is known at the end only; `None` if the engine has no shadow policy.
    pub(super) fn finish(mut self, engine: &Engine) -> Option<Self> {
        let policies = engine.policies();
        let both = [policies.primary(), policies.shadow()?];
        self.versions = both.map(|policy| policy.version().to_string());
        self.counts = engine.shadow_counts();
        Some(self)
    }
}

/// An answer in one line: score and reasons.
fn told(assessment: &Assessment) -> String {
    let reasons = assessment.reasons.iter();
    let reasons: Vec<String> = reasons
        .map(|reason| format!("{} {:.0}", reason.code, reason.strength))
        .collect();
    let (decision, score) = (assessment.decision, assessment.score);
    format!(
        "{:<7} {score:>5.1}  {}",
        decision.name(),
        reasons.join(", ")
    )
}

impl Comparison {
    /// How many payments were decided in one of the pairs that are meant.
    fn count(&self, is_meant: impl Fn(Decision, Decision) -> bool) -> u64 {
        let pairs = Decision::ALL.iter();
        pairs
            .flat_map(|a| Decision::ALL.iter().map(move |b| (*a, *b)))
            .filter(|(a, b)| is_meant(*a, *b))
            .map(|(a, b)| self.counts.of(a, b))
            .sum()
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decided = self.count(|_, _| true);
        let row = |f: &mut fmt::Formatter<'_>, name, a, b| {
            let (a, b) = (share(a, decided), share(b, decided));
            writeln!(f, "  {name:<10} {a} {b}")
        };
        writeln!(f, "decisions {:>13} {:>21}", "A", "B")?;
        for decision in Decision::ALL {
            let by_a = self.count(|a, _| a == *decision);
            let by_b = self.count(|_, b| b == *decision);
            row(f, decision.name(), by_a, by_b)?;
        }
        writeln!(f)?;
        write!(f, "{:<12}", "A \\ B")?;
        for b in Decision::ALL {
            write!(f, " {:>10}", b.name())?;
        }
        writeln!(f)?;
        for a in Decision::ALL {
            write!(f, "  {:<10}", a.name())?;
            for b in Decision::ALL {
                write!(f, " {:>10}", self.counts.of(*a, *b))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A number and its share of the whole, in one width.
#[expect(clippy::cast_precision_loss, reason = "shares for people")]
fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    format!("{part:>10} {percent:>8.4} %")
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.versions;
        writeln!(f, "A  {a}")?;
        writeln!(f, "B  {b} (asked about what A remembers)\n")?;
        self.write_counts(f)?;
        for (a, b, name) in CHANGES {
            let Some(change) = self.changes.get(&(a, b)) else {
                continue;
            };
            let all = self.count(|_, _| true);
            let count = share(self.counts.of(a, b), all);
            writeln!(f, "\n{name:<30} {count}")?;
            let mut reasons: Vec<_> = change.reasons.iter().collect();
            reasons.sort_by_key(|(_, [_, by_b])| std::cmp::Reverse(*by_b));
            writeln!(f, "  {:<22} {:>10} {:>10}", "reasons", "A", "B")?;
            for (code, [by_a, by_b]) in reasons {
                writeln!(f, "    {:<20} {by_a:>10} {by_b:>10}", code.name())?;
            }
            writeln!(f, "  examples")?;
            let mut examples: Vec<&Example> = change.examples.values().collect();
            examples.sort_by_key(|example| example.line);
            for Example { text, .. } in examples {
                writeln!(f, "    {text}")?;
            }
        }
        Ok(())
    }
}
