//! Puts the stream through the engine, and counts what came of each class of payments.

use std::collections::BTreeMap;
use std::sync::Arc;

use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::scoring::account::Scored;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::Payment;
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::Timestamp;
use doublecheck::token::TokenKey;

use crate::stream::{Event, Truth};

/// What came of one class, and those of it that went wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) stopped: usize,
    pub(crate) blocked: usize,
    pub(crate) count: usize,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.stopped += other.stopped;
        self.blocked += other.blocked;
        self.count += other.count;
        self.wrong.extend_from_slice(&other.wrong);
    }

    pub(crate) fn share_blocked(&self) -> f64 {
        self.blocked as f64 / self.count.max(1) as f64
    }

    pub(crate) fn share(&self) -> f64 {
        self.stopped as f64 / self.count.max(1) as f64
    }
}

/// Plays the events under `policy`. A retry is stopped by its stored answer.
pub(crate) fn judge(
    policy: Policy,
    events: &[(Timestamp, Event)],
) -> BTreeMap<&'static str, Tally> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
    let token_key = TokenKey::from_bytes(&[0; 32]);
    let engine = Engine::new(policy, clock.clone(), token_key);
    let mut classes: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for (time, event) in events {
        clock.set(*time);
        match event {
            Event::Outcome(report) => {
                engine.report_outcome(report).unwrap();
            }
            Event::Payment(payment, truth) => {
                let scored = engine.score(payment, None).unwrap();
                let (class, should_stop) = match truth {
                    Truth::Mistake(class) => (*class, true),
                    Truth::Meant(class) => (*class, false),
                    Truth::Unmeasured => continue,
                };
                let decision = scored.assessment.decision;
                let stopped = scored.replayed || decision != Decision::Allow;
                let tally = classes.entry(class).or_default();
                tally.count += 1;
                tally.stopped += usize::from(stopped);
                tally.blocked += usize::from(!scored.replayed && decision == Decision::Block);
                if stopped != should_stop {
                    tally.wrong.push(told(payment, &scored));
                }
            }
        }
    }
    classes
}

fn told(payment: &Payment, scored: &Scored) -> String {
    let assessment = &scored.assessment;
    let reasons: Vec<String> = assessment
        .reasons
        .iter()
        .map(|reason| {
            format!(
                "{} {:.0} {:?}",
                reason.code, reason.strength, reason.evidence
            )
        })
        .collect();
    format!(
        "{} {} {} to {} at {:?}: {} {:.1} [{}]",
        payment.account_id,
        payment.kind,
        payment.money,
        payment.payee.id,
        scored.score_time,
        assessment.decision,
        assessment.score,
        reasons.join("; ")
    )
}
