//! Policies that change while payments race: every payment is done again under the one that decided it.

use doublecheck::engine::{PolicyChange, PolicyRefusal};
use doublecheck::journal::Ack;
use doublecheck::scoring::policy::{Policies, Policy, Preset, Value};
use doublecheck::storage::simulated::Simulated;

use crate::support::{
    Life, Plan, Town, assert_goes_on, assert_remembered, end, live, live_together,
};

/// Policies that ask about different payments.
fn in_turn() -> [Policies; 3] {
    let harsh = [("decision.confirm_from", Value::Number(20.0))];
    let harsh = Policy::from_preset(Preset::Balanced, "harsh", harsh).unwrap();
    let deaf = [
        ("decision.confirm_from", Value::Number(99.0)),
        ("decision.block_from", Value::Number(100.0)),
    ];
    let deaf = Policy::from_preset(Preset::Balanced, "deaf", deaf).unwrap();
    [
        Policies::new(harsh.clone(), Some(Policy::default())),
        Policies::from(deaf),
        Policies::new(Policy::default(), Some(harsh)),
    ]
}

#[test]
fn the_state_is_the_same_to_the_last_bit_where_policies_changed_under_payments() {
    let (mut changes, mut snapshots) = (0, 0);
    for seed in 0..20 {
        let disk = Simulated::new(seed);
        let plan = Plan::new(Ack::Synced);
        let mut last = None;
        for nth in 0..3 {
            let what = format!("seed {seed}, life {nth}");
            let life = plan.start(&disk);
            if let Some(ended) = last {
                assert_goes_on(&life, ended, &what);
            }
            let in_turn = in_turn();
            let mut in_turn = in_turn.iter().cycle();
            live_together(&life, seed + 100 * nth, || {
                let made = life.engine.change_policies(in_turn.next().unwrap());
                assert_eq!(made, Ok(PolicyChange::Made), "{what}");
                changes += 1;
                if seed % 2 == 0 && changes % 16 == 0 {
                    let taken = life.engine.take_snapshot(|| true).unwrap();
                    snapshots += u64::from(taken.is_some());
                }
            });
            last = Some(end(&life));
        }
    }
    assert!(changes > 500 && snapshots > 20, "{changes} {snapshots}");
}

#[test]
fn answers_tell_the_policy_that_made_them_after_it_has_changed_too() {
    let disk = Simulated::new(1);
    let plan = Plan::new(Ack::Written);
    let life = plan.start(&disk);
    let mut town = Town::calm(1, "town");
    let mut answers = Vec::new();
    for policies in in_turn() {
        life.engine.change_policies(&policies).unwrap();
        let more = live(&mut town, &life, 20);
        let version = policies.primary().version();
        let answer = more.into_iter().rfind(|answer| !answer.scored.replayed);
        let answer = answer.unwrap();
        assert_eq!(answer.scored.assessment.policy_version, *version);
        answers.push(answer);
    }
    let check = |life: &Life, what| {
        for answer in &answers {
            assert_remembered(life, answer, what);
        }
    };
    check(&life, "before");
    let ended = end(&life);
    let life = plan.start(&disk);
    assert_goes_on(&life, ended, "after");
    check(&life, "after");
}

#[test]
fn what_accounts_remember_by_takes_a_restart() {
    let life = Plan::new(Ack::Written).start(&Simulated::new(1));
    let before = life.engine.policies();
    let settings = [
        ("memory.payees_max", Value::Integer(9)),
        ("hour_unusual.utc_offset_min", Value::Integer(480)),
        ("decision.confirm_from", Value::Number(50.0)),
    ];
    let other = Policy::from_settings("other", settings).unwrap();
    let refused = life.engine.change_policies(&other.into()).unwrap_err();
    let named = ["memory.payees_max", "hour_unusual.utc_offset_min"].map(str::to_owned);
    assert_eq!(refused, PolicyRefusal::NeedsRestart(named.to_vec()));
    assert_eq!(life.engine.policies(), before);
    let same = life.engine.change_policies(&before);
    assert_eq!(same, Ok(PolicyChange::None));
}
