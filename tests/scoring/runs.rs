//! `SMALL_PAYMENT_BURST` against a naive count of runs, which compares every pair of payments.

use std::collections::BTreeSet;

use doublecheck::random::Random;
use doublecheck::scoring::assessment::{Evidence, ReasonCode};
use doublecheck::scoring::policy::Value;
use doublecheck::scoring::signal::Signal;

use crate::timeline::Stage;

/// How many payees the account knows before the run. Whom it pays for the first time it gets to know while
/// it does, but what was paid before the run tells errands from strangers.
const KNOWN: u64 = 4;

/// From how many payments on a run is a burst.
const BURST: u32 = 5;

/// From how many payments on a run is noted by those that are of it.
const NOTED: u32 = 3;

/// A small payment of a run.
#[derive(Clone, Copy)]
struct Small {
    payee: u64,
    amount_minor: i64,
}

impl Small {
    /// Whether it goes to a payee that was known and whom no other of `run` pays.
    fn is_errand(self, run: &[Self]) -> bool {
        self.payee < KNOWN && self.is_alone(run)
    }

    fn is_alone(self, run: &[Self]) -> bool {
        let paid = run.iter().filter(|other| other.payee == self.payee);
        paid.count() == 1
    }
}

/// How many of `run` are no errands, and what they come to.
fn counted(run: &[Small]) -> (u32, i64) {
    let others = run.iter().filter(|small| !small.is_errand(run));
    others.fold((0, 0), |(count, sum_minor), small| {
        (count + 1, sum_minor + small.amount_minor)
    })
}

/// A stage where only bursts are looked for and nobody is asked, on which the account knows its payees. What
/// is small is said by `small_share`.
fn quiet_stage(small_share: f64) -> Stage {
    let weights: Vec<String> = Signal::ALL
        .iter()
        .map(|signal| format!("{}.weight", signal.section()))
        .collect();
    let weight_of = |path: &str| match path {
        "small_payment_burst.weight" => 0.01,
        _ => 0.0,
    };
    let mut settings: Vec<(&str, Value)> = weights
        .iter()
        .map(|path| (path.as_str(), Value::Number(weight_of(path))))
        .collect();
    settings.push((
        "small_payment_burst.small_share",
        Value::Number(small_share),
    ));
    // None but small ones count.
    settings.push(("small_payment_burst.strangers_novelty", Value::Number(0.0)));
    let mut stage = Stage::new(&settings);
    for payee in 0..KNOWN {
        stage.play(&format!("{payee}d 6 times every 7d pays 50.00 to P{payee}"));
    }
    stage
}

/// What is said of payment `id`: how many, and what they come to.
fn said(stage: &Stage, id: &str) -> Option<(u32, i64)> {
    let reasons = &stage.answers[id].as_ref().unwrap().assessment.reasons;
    let burst = ReasonCode::Signal(Signal::SmallPaymentBurst);
    let reason = reasons.iter().find(|reason| reason.code == burst)?;
    match reason.evidence {
        Evidence::Velocity {
            count, sum_minor, ..
        } => Some((count, sum_minor)),
        _ => panic!("{reason:?}"),
    }
}

#[test]
fn a_run_is_what_looking_at_each_pair_of_it_says() {
    let mut random = Random::new(1);
    let (mut bursts, mut errands) = (0, 0);
    for life in 0..60 {
        let mut stage = quiet_stage(0.75);
        let payees = 2 + random.next() % 7;
        let (mut known, mut run): (BTreeSet<u64>, Vec<Small>) = ((0..KNOWN).collect(), Vec::new());
        for nth in 0..18 {
            let payee = random.next() % payees;
            let is_small = !random.next().is_multiple_of(4);
            let amount_minor = if is_small { 100 } else { 60_000 } + nth;
            let is_known = !known.insert(payee);
            if is_small {
                run.push(Small {
                    payee,
                    amount_minor,
                });
            }
            let id = format!("{life}-{nth}");
            let (secs, units, cents) = (nth * 20, amount_minor / 100, amount_minor % 100);
            stage.play(&format!(
                "50d{secs}s {id} pays {units}.{cents:02} to P{payee}"
            ));

            let is_errand =
                is_small && is_known && run.last().is_some_and(|last| last.is_alone(&run));
            let least = if is_small { NOTED } else { BURST };
            let expected = Some(counted(&run)).filter(|(count, _)| !is_errand && *count >= least);
            assert_eq!(said(&stage, &id), expected, "{id}");
            bursts += u32::from(expected.is_some());
            errands += u32::from(is_errand);
        }
    }
    // Both happen often.
    assert!(bursts > 200 && errands > 50, "{bursts} {errands}");
}

#[test]
fn with_a_share_of_0_nothing_is_small() {
    let bursts_at = |small_share| {
        let mut stage = quiet_stage(small_share);
        for nth in 0..8 {
            stage.play(&format!("50d{}s {nth} pays 0.01 to S{nth}", nth * 20));
        }
        (0..8)
            .filter(|nth| said(&stage, &nth.to_string()).is_some())
            .count()
    };
    assert_eq!(bursts_at(0.0), 0);
    // However little that is, it is a share.
    assert_eq!(bursts_at(0.001), 6);
}
