//! What a start makes of a journal is what was lost, to the last bit.

use std::thread;

use doublecheck::journal::Ack;
use doublecheck::scoring::policy::{Policies, Policy, Preset, Value};
use doublecheck::storage::simulated::Simulated;

use crate::support::{Plan, Town, assert_goes_on, assert_remembered, end, live, live_together};

/// How much memory lets a few dozen accounts of these tests be remembered and no more.
const TIGHT_BYTES: u64 = 270_000;

#[test]
fn the_state_is_the_same_to_the_last_bit() {
    for seed in 0..40 {
        let disk = Simulated::new(seed);
        let plan = Plan::new(Ack::Written);
        let mut town = Town::new(seed, "town");
        let mut last = None;
        for nth in 0..3 {
            let what = format!("seed {seed}, life {nth}");
            let life = plan.start(&disk);
            if let Some((ended, answer)) = &last {
                assert_goes_on(&life, *ended, &what);
                assert_remembered(&life, answer, &what);
            }
            let answers = live(&mut town, &life, 400);
            last = Some((end(&life), answers.last().unwrap().clone()));
        }
    }
}

#[test]
fn so_it_is_where_threads_raced_for_the_same_payees_and_devices() {
    for seed in 0..20 {
        let disk = Simulated::new(seed);
        let plan = Plan::new(Ack::Written);
        let mut last = None;
        for nth in 0..2 {
            let what = format!("seed {seed}, life {nth}");
            let life = plan.start(&disk);
            if let Some(ended) = last {
                assert_goes_on(&life, ended, &what);
            }
            thread::scope(|scope| {
                for name in ["north", "east", "south", "westside"] {
                    let life = &life;
                    scope.spawn(move || live(&mut Town::calm(seed + 100 * nth, name), life, 300));
                }
            });
            last = Some(end(&life));
        }
    }
}

#[test]
fn so_it_is_where_snapshots_were_taken_meanwhile() {
    let (mut snapshots, mut begun_from) = (0, 0);
    for seed in 0..20 {
        let disk = Simulated::new(seed);
        let plan = Plan {
            memory_budget_bytes: (seed % 3 == 0).then_some(TIGHT_BYTES),
            ..Plan::new(Ack::Synced)
        };
        let unlimited = Plan::new(Ack::Synced);
        let mut last = None;
        for nth in 0..3 {
            let what = format!("seed {seed}, life {nth}");
            if let Some(ended) = last {
                let life = unlimited.start(&disk);
                begun_from += u64::from(life.found.snapshot_accounts > 0);
                assert_goes_on(&life, ended, &what);
                life.engine.close().unwrap();
            }
            let life = plan.start(&disk);
            live_together(&life, seed + 100 * nth, || {
                snapshots += u64::from(life.engine.take_snapshot(|| true).unwrap().is_some());
            });
            last = Some(end(&life));
            if nth == 1 {
                life.engine.take_snapshot(|| true).unwrap();
            }
        }
    }
    assert!(
        snapshots > 60 && begun_from > 10,
        "{snapshots}, {begun_from}"
    );
}

#[test]
fn so_it_is_where_memory_was_tight() {
    let mut forgotten = 0;
    for seed in 0..10 {
        let disk = Simulated::new(seed);
        let plan = Plan {
            memory_budget_bytes: Some(TIGHT_BYTES),
            ..Plan::new(Ack::Written)
        };
        let unlimited = Plan::new(Ack::Written);
        let mut town = Town::new(seed, "town");
        for nth in 0..3 {
            let what = format!("seed {seed}, life {nth}");
            let life = plan.start(&disk);
            live(&mut town, &life, 600);
            let evicted = life.engine.bounds_counts();
            forgotten += evicted.accounts_evicted + evicted.payees_evicted;
            let ended = end(&life);
            let life = unlimited.start(&disk);
            assert_goes_on(&life, ended, &what);
            life.engine.close().unwrap();
        }
    }
    assert!(forgotten > 500, "{forgotten}");
}

#[test]
fn so_it_is_where_less_memory_is_allowed_than_before() {
    // The emptiest engine takes some hundred thousand.
    const NARROW_BYTES: u64 = 2_000_000;
    for seed in 0..3 {
        let disk = Simulated::new(seed);
        let ample = Plan::new(Ack::Written);
        let narrow = Plan {
            memory_budget_bytes: Some(NARROW_BYTES),
            ..ample.clone()
        };
        let life = ample.start(&disk);
        let mut town = Town::new(seed, "town");
        live(&mut town, &life, 200);
        for nth in 0..10_000 {
            let payment = town.of_stranger(nth);
            life.engine.score(&payment, None).unwrap();
        }
        let before = life.engine.accounts();
        life.engine.close().unwrap();

        let life = narrow.start(&disk);
        let (kept, bytes) = (life.engine.accounts(), life.engine.memory_bytes());
        let evicted = life.engine.bounds_counts().accounts_evicted;
        assert_eq!(kept as u64 + evicted, before as u64, "seed {seed}");
        assert!(evicted > 0 && kept > 500, "seed {seed}: {kept} of {before}");
        assert!(bytes <= NARROW_BYTES, "seed {seed}: {bytes}");
        live(&mut town, &life, 200);
        let ended = end(&life);
        // What was forgotten is so for good, however much memory there is.
        let life = ample.start(&disk);
        assert_goes_on(&life, ended, &format!("seed {seed}"));
        life.engine.close().unwrap();
    }
}

#[test]
fn so_it_is_where_policies_changed() {
    let harsh = [("decision.confirm_from", Value::Number(20.0))];
    let harsh = Policy::from_preset(Preset::Cautious, "harsh", harsh).unwrap();
    let lives = [
        Policies::from(Policy::default()),
        Policies::new(harsh.clone(), Some(Policy::default())),
        Policies::new(harsh.clone(), Some(Policy::default())),
        Policies::new(harsh, Some(Preset::Lenient.policy())),
        Policies::from(Policy::default()),
    ];
    let disk = Simulated::new(1);
    let mut town = Town::new(1, "town");
    let mut last = None;
    for (nth, policies) in lives.into_iter().enumerate() {
        let plan = Plan {
            policies,
            ..Plan::new(Ack::Written)
        };
        let life = plan.start(&disk);
        if let Some((ended, answer)) = &last {
            assert_goes_on(&life, *ended, &format!("life {nth}"));
            // The version that answered it is told, not the one in force now.
            assert_remembered(&life, answer, &format!("life {nth}"));
        }
        let answers = live(&mut town, &life, 300);
        last = Some((end(&life), answers.last().unwrap().clone()));
    }
}
