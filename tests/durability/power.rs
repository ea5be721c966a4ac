//! The power is cut while payments are answered: what of the answers is known afterwards.

use std::collections::HashMap;

use doublecheck::clock::Clock as _;
use doublecheck::journal::Ack;
use doublecheck::random::Random;
use doublecheck::scoring::payment::{Payment, PaymentId};
use doublecheck::scoring::time::Span;
use doublecheck::storage::simulated::Simulated;

use crate::support::{Answer, Life, Plan, Town, assert_remembered, is_kept};

/// How many power cuts each promise has to stand. `DOUBLECHECK_POWER_CUTS` asks for more.
fn seeds() -> u64 {
    let asked = std::env::var("DOUBLECHECK_POWER_CUTS").ok();
    asked.map_or(300, |asked| asked.parse().expect("a number of power cuts"))
}

/// Lives until the power is cut, and some steps beyond, and notes the answers that left.
fn live_until_dark(
    town: &mut Town,
    life: &Life,
    random: &mut Random,
    left: &mut HashMap<PaymentId, Answer>,
) {
    for _ in 0..random.below(25) {
        let Some(answer) = town.step(life) else {
            continue;
        };
        let payment_id = answer.payment.payment_id.clone();
        if is_kept(&life.engine, answer.receipt) {
            left.insert(payment_id, answer);
        } else {
            // It may have got to the disk all the same: nobody can say.
            left.remove(&payment_id);
        }
    }
}

/// That every answer that left is known in the next life, unless it is too old to be.
fn assert_all_remembered(life: &Life, left: &HashMap<PaymentId, Answer>, what: &str) {
    let now = life.clock.now();
    let remembered = |answer: &&Answer| now.since(answer.scored.score_time) < Span::from_hours(24);
    for answer in left.values().filter(remembered) {
        assert_remembered(life, answer, what);
    }
}

#[test]
fn what_is_synced_survives() {
    let (mut answers, mut cuts) = (0, 0);
    for seed in 0..seeds() {
        let mut disk = Simulated::new(seed);
        let mut random = Random::stream(seed, 1);
        let plan = Plan::new(Ack::Synced);
        let mut town = Town::new(seed, "town");
        let mut left = HashMap::new();
        for nth in 0..3 {
            let what = format!("seed {seed}, life {nth}");
            let life = plan.start(&disk);
            assert_eq!(life.found.disagreements, 0, "{what}");
            assert_all_remembered(&life, &left, &what);
            if let Some(answer) = left.values().next() {
                town.assert_duplicate_caught(&life, answer, &what);
            }
            // The question just asked was no part of the town's life.
            life.engine.close().unwrap();
            let life = plan.start(&disk);
            disk.cut_power_after(random.index(40).try_into().unwrap());
            live_until_dark(&mut town, &life, &mut random, &mut left);
            answers += left.len();
            drop(life);
            disk = disk.after_power_cut();
            cuts += 1;
        }
    }
    assert!(answers > cuts, "{answers} answers, {cuts} cuts");
}

#[test]
fn of_what_is_only_written_an_end_is_lost_and_nothing_before() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..seeds() {
        let what = format!("seed {seed}");
        let disk = Simulated::new(seed);
        let plan = Plan::new(Ack::Written);
        let life = plan.start(&disk);
        let mut town = Town::new(seed, "town");
        let mut random = Random::stream(seed, 1);
        let mut left = Vec::new();
        for _ in 0..=random.below(40) {
            let Some(answer) = town.step(&life) else {
                continue;
            };
            // A payment that is made once more is no other.
            if !left
                .iter()
                .any(|other: &Answer| other.payment.payment_id == answer.payment.payment_id)
            {
                left.push(answer);
            }
        }
        if let Some(last) = left.last() {
            assert!(is_kept(&life.engine, last.receipt), "{what}");
        }
        let life = plan.start(&disk.after_power_cut());
        assert_eq!(life.found.disagreements, 0, "{what}");
        let is_known = |answer: &Answer| {
            let Payment {
                account_id,
                payment_id,
                ..
            } = &answer.payment;
            life.engine.payment(account_id, payment_id).is_some()
        };
        let now = life.clock.now();
        left.retain(|answer| now.since(answer.scored.score_time) < Span::from_hours(24));
        let known = left.iter().take_while(|answer| is_known(answer)).count();
        assert!(!left.iter().skip(known).any(is_known), "{what}: a gap");
        kept += known;
        lost += left.len() - known;
    }
    assert!(lost > 0 && kept > 0, "{lost} lost, {kept} kept");
}
