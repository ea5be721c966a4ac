//! What a report is made of: counts of everything, and a few payments as examples.

use std::array;
use std::collections::{BTreeMap, HashMap};

use crate::cli::eval::{Labelled, Labels};
use crate::cli::replay::Decided;
use crate::scoring::assessment::{Assessment, Decision, ReasonCode};
use crate::scoring::payment::{AccountId, Payment, PaymentKind};
use crate::scoring::time::Timestamp;

/// How many examples are kept of a kind.
const EXAMPLES_MAX: usize = 3;

/// How wide a bar of the histogram of scores is.
pub(super) const SCORE_STEP: usize = 5;

pub(super) const HOUR_MS: i64 = 3_600_000;

/// The bands that amounts fall into, by their upper end in whole units of their currency.
pub(super) const BANDS: [(i64, &str); 6] = [
    (1, "below 1"),
    (10, "1 to 10"),
    (100, "10 to 100"),
    (1_000, "100 to 1,000"),
    (10_000, "1,000 to 10,000"),
    (i64::MAX, "10,000 and more"),
];

/// How many payments were decided how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; Decision::ALL.len()]);

impl Counts {
    const fn add(&mut self, decision: Decision) {
        self.0[decision as usize] += 1;
    }

    pub(super) const fn of(&self, decision: Decision) -> u64 {
        self.0[decision as usize]
    }

    pub(super) const fn disturbed(&self) -> u64 {
        self.of(Decision::Confirm) + self.of(Decision::Block)
    }

    pub(super) const fn all(&self) -> u64 {
        self.of(Decision::Allow) + self.disturbed()
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(array::from_fn(|nth| self.0[nth] + other.0[nth]))
    }
}

/// Why a payment is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// It is of this class, should have been stopped, and was not.
    Missed(String),
    /// It is of this class, should have been left alone, and was not.
    DisturbedForNothing(String),
    /// It was stopped, first of all for this reason.
    StoppedFor(ReasonCode),
}

/// A payment to look at.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) line: u64,
    pub(super) payment: Payment,
    pub(super) assessment: Assessment,
    pub(super) score_time: Timestamp,
    /// What the labels say that it was.
    pub(super) labelled: Option<Labelled>,
}

/// Everything that a report tells. Answers given again are counted, and else left out.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) decided: Counts,
    pub(super) replayed: u64,
    /// The first and the last moment.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// By hour since 1970.
    pub(super) by_hour: BTreeMap<i64, Counts>,
    pub(super) by_reason: BTreeMap<ReasonCode, Counts>,
    pub(super) by_score: [Counts; 100 / SCORE_STEP],
    pub(super) by_kind: BTreeMap<PaymentKind, [Counts; BANDS.len()]>,
    pub(super) by_account: HashMap<AccountId, Counts>,
    pub(super) examples: BTreeMap<Shown, Vec<Example>>,
}

impl Gathered {
    /// Counts the answer in line `line`.
    pub(super) fn add(&mut self, line: u64, decided: &Decided, labels: Option<&Labels>) {
        let scored = &decided.scored;
        if scored.replayed {
            self.replayed += 1;
            return;
        }
        let decision = scored.assessment.decision;
        self.decided.add(decision);
        let now = scored.score_time;
        let (first, _) = *self.span.get_or_insert((now, now));
        self.span = Some((first, now));
        let hour = now.unix_ms().div_euclid(HOUR_MS);
        self.by_hour.entry(hour).or_default().add(decision);
        for reason in &scored.assessment.reasons {
            self.by_reason.entry(reason.code).or_default().add(decision);
        }
        if let Some(bar) = self.by_score.get_mut(score_bar(scored.assessment.score)) {
            bar.add(decision);
        }
        let payment = &decided.payment;
        let bands = self.by_kind.entry(payment.kind).or_default();
        if let Some(counts) = bands.get_mut(band(payment)) {
            counts.add(decision);
        }
        let account_id = payment.account_id.clone();
        self.by_account.entry(account_id).or_default().add(decision);
        self.keep_example(line, decided, labels.and_then(|labels| labels.told(line)));
    }

    fn keep_example(&mut self, line: u64, decided: &Decided, labelled: Option<Labelled>) {
        let assessment = &decided.scored.assessment;
        let is_stopped = assessment.decision != Decision::Allow;
        let truth = labelled
            .as_ref()
            .and_then(|labelled| Some((labelled.should_stop?, labelled.class.clone())));
        let shown = match (is_stopped, truth, assessment.reasons.first()) {
            (false, Some((true, class)), _) => Shown::Missed(class),
            (true, Some((false, class)), _) => Shown::DisturbedForNothing(class),
            (true, _, Some(reason)) => Shown::StoppedFor(reason.code),
            (true, _, None) | (false, _, _) => return,
        };
        let examples = self.examples.entry(shown).or_default();
        if examples.len() < EXAMPLES_MAX {
            examples.push(Example {
                line,
                payment: decided.payment.clone(),
                assessment: assessment.clone(),
                score_time: decided.scored.score_time,
                labelled,
            });
        }
    }

    /// The accounts with the most disturbed payments, at most `count`.
    pub(super) fn most_disturbed(&self, count: usize) -> Vec<(&AccountId, &Counts)> {
        let disturbed = self.by_account.iter();
        let mut disturbed: Vec<_> = disturbed.filter(|(_, c)| c.disturbed() > 0).collect();
        disturbed.sort_by_key(|(id, counts)| (u64::MAX - counts.disturbed(), *id));
        disturbed.truncate(count);
        disturbed
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scores are 0 to 100"
)]
fn score_bar(score: f64) -> usize {
    (score as usize / SCORE_STEP).min(100 / SCORE_STEP - 1)
}

fn band(payment: &Payment) -> usize {
    let unit = 10_i64.pow(u32::from(payment.money.currency().exponent()));
    let units = payment.money.amount_minor() / unit;
    let below = |(end, _): &(i64, &str)| units < *end;
    BANDS.iter().position(below).unwrap_or(BANDS.len() - 1)
}
