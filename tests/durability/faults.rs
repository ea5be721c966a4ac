//! The disk fails while payments are answered: scoring goes on, says so, and the state is whole again once
//! the disk is.

use std::io;
use std::thread;

use doublecheck::clock::Clock as _;
use doublecheck::journal::{Ack, JournalFault};
use doublecheck::scoring::time::Span;
use doublecheck::storage::Directory as _;
use doublecheck::storage::simulated::{Operation, Simulated};

use crate::support::{Life, Plan, Town, assert_goes_on, assert_remembered, end, is_kept, live};

/// Whether the journal is whole again, once a disk that hung has let go.
fn mend(life: &Life) -> bool {
    loop {
        match life.engine.restart_journal(|| true) {
            Err(JournalFault::Storage { error, .. }) if error.kind() == io::ErrorKind::TimedOut => {
                thread::yield_now();
            }
            mended => return mended.unwrap(),
        }
    }
}

/// Lets the disk fail by `fail` and heal by `heal` in the midst of a life, and looks at the next one.
fn check(ack: Ack, fail: impl Fn(&Simulated), heal: impl Fn(&Simulated)) {
    let disk = Simulated::new(3);
    let plan = Plan::new(ack);
    let life = plan.start(&disk);
    let mut town = Town::calm(3, "town");
    let mut answers = Vec::new();
    let mut live = |life: &Life, steps| {
        let stepped = (0..steps).filter_map(|_| town.step(life));
        let before = answers.len();
        answers.extend(stepped);
        answers.get(before..).unwrap_or_default().last().cloned()
    };
    let last = live(&life, 100).unwrap();
    assert!(is_kept(&life.engine, last.receipt));
    fail(&disk);
    let last = live(&life, 100).unwrap();
    assert!(!is_kept(&life.engine, last.receipt), "{ack}");
    assert!(!life.engine.keeps_its_promise());
    // It still fails, or no snapshot can be taken; and scoring goes on.
    assert!(
        !life.engine.restart_journal(|| true).unwrap_or(false),
        "{ack}"
    );
    let last = live(&life, 100).unwrap();
    assert!(!is_kept(&life.engine, last.receipt), "{ack}");

    heal(&disk);
    assert!(mend(&life), "{ack}");
    assert!(life.engine.keeps_its_promise());
    let last = live(&life, 100).unwrap();
    assert!(is_kept(&life.engine, last.receipt), "{ack}");
    life.engine.close().unwrap();
    let (now, hash) = (life.clock.now(), life.engine.state_hash());

    // What was answered while nothing could be kept is in the snapshot.
    let life = plan.start(&disk);
    assert_eq!(life.found.disagreements, 0, "{ack}");
    life.clock.set(now);
    assert_eq!(life.engine.state_hash(), hash, "{ack}");
    let recent = answers.iter().rev().take(40);
    for answer in recent.filter(|answer| now.since(answer.scored.score_time) < Span::from_hours(24))
    {
        let is_last = |other: &&_| same_payment(other, answer);
        let newest = answers.iter().rev().find(is_last).unwrap();
        assert_remembered(&life, newest, "after the failure");
    }
}

fn same_payment(one: &crate::support::Answer, other: &crate::support::Answer) -> bool {
    one.payment.payment_id == other.payment.payment_id
}

#[test]
fn a_full_disk_degrades_and_comes_back() {
    for &ack in Ack::ALL {
        check(
            ack,
            |disk| disk.set_bytes_max(0),
            |disk| disk.set_bytes_max(usize::MAX),
        );
    }
}

#[test]
fn so_does_one_that_can_only_be_read() {
    for &ack in Ack::ALL {
        check(
            ack,
            |disk| disk.set_read_only(true),
            |disk| disk.set_read_only(false),
        );
    }
}

#[test]
fn so_does_one_that_hangs() {
    for &ack in Ack::ALL {
        check(
            ack,
            |disk| disk.hang(Some(Operation::Write)),
            |disk| disk.hang(None),
        );
    }
}

#[test]
fn a_journal_that_ends_before_its_snapshot_is_told() {
    let disk = Simulated::new(2);
    let plan = Plan::new(Ack::Synced);
    let life = plan.start(&disk);
    let mut town = Town::calm(2, "town");
    for _ in 0..30 {
        town.step(&life);
    }
    // Events come while the snapshot is taken: it holds some of them, and the journal has to have all.
    let snapshot = life.engine.take_snapshot(|| {
        town.step(&life);
        true
    });
    let snapshot = snapshot.unwrap().unwrap();
    assert!(snapshot.journal_to > snapshot.journal_from);
    life.engine.close().unwrap();
    for name in disk.names().unwrap() {
        if name.ends_with(".journal") {
            disk.remove(&name).unwrap();
        }
    }
    let fault = plan.try_start(&disk).err().unwrap();
    assert!(matches!(fault, JournalFault::Damage(_)), "{fault}");
}

#[test]
fn a_snapshot_does_not_wait_for_a_journal_that_was_closed_while_it_failed() {
    let disk = Simulated::new(2);
    let life = Plan::new(Ack::Synced).start(&disk);
    let mut town = Town::calm(2, "town");
    disk.set_bytes_max(0);
    let last = live(&mut town, &life, 10).pop().unwrap();
    assert!(!is_kept(&life.engine, last.receipt));
    life.engine.close().unwrap();
    disk.set_bytes_max(usize::MAX);
    let mut looks = 0;
    let taken = life.engine.take_snapshot(|| {
        looks += 1;
        looks < 200
    });
    assert!(taken.unwrap().is_none());
    assert!(looks < 100, "{looks}");
}

#[test]
fn a_snapshot_that_cannot_be_read_replaces_nothing() {
    let disk = Simulated::new(6);
    let plan = Plan::new(Ack::Synced);
    let life = plan.start(&disk);
    let mut town = Town::calm(6, "town");
    for _ in 0..2 {
        live(&mut town, &life, 30);
        life.engine.take_snapshot(|| true).unwrap().unwrap();
    }
    for _ in 0..3 {
        live(&mut town, &life, 30);
        let before = disk.names().unwrap();
        // The directory is read when it is begun; what is read next is the snapshot itself.
        disk.fail_after(1, Operation::Read);
        life.engine.take_snapshot(|| true).unwrap_err();
        let after = disk.names().unwrap();
        assert_eq!(after, before);
    }
    life.engine.close().unwrap();
    let (now, hash) = (life.clock.now(), life.engine.state_hash());
    let life = plan.start(&disk);
    life.clock.set(now);
    assert_eq!(life.engine.state_hash(), hash);
}

/// A snapshot with one bit of it turned.
fn harm(disk: &Simulated, snapshot: &str) {
    let mut bytes = disk.bytes(snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.put(snapshot, bytes);
}

fn snapshots_in(disk: &Simulated) -> Vec<String> {
    let names = disk.names().unwrap().into_iter();
    names.filter(|name| name.starts_with("snapshot-")).collect()
}

#[test]
fn a_snapshot_that_was_damaged_since_takes_no_place_of_a_whole_one() {
    let disk = Simulated::new(8);
    let plan = Plan::new(Ack::Synced);
    let life = plan.start(&disk);
    let mut town = Town::calm(8, "town");
    let snapshot = |town: &mut Town| {
        live(town, &life, 30);
        let taken = life.engine.take_snapshot(|| true);
        taken.unwrap().unwrap().file
    };
    let first = snapshot(&mut town);
    let second = snapshot(&mut town);
    harm(&disk, &second);
    let third = snapshot(&mut town);
    assert_eq!(snapshots_in(&disk), [&*first, &*second, &*third]);
    // The newest is damaged too: what the first and the journal behind it hold is all that was answered.
    live(&mut town, &life, 10);
    life.engine.close().unwrap();
    let end = end(&life);
    let left = disk.after_power_cut();
    harm(&left, &third);
    let next = plan.setting_damage_aside().start(&left);
    assert_goes_on(&next, end, "from the first");
    // What is damaged goes once so many whole ones are newer.
    live(&mut town, &next, 30);
    next.engine.take_snapshot(|| true).unwrap().unwrap();
    live(&mut town, &next, 30);
    next.engine.take_snapshot(|| true).unwrap().unwrap();
    assert_eq!(snapshots_in(&left).len(), 2);
}

#[test]
fn so_does_one_that_fails_whatever_is_done() {
    for operation in [Operation::Write, Operation::Sync, Operation::Change] {
        let disk = Simulated::new(4);
        let plan = Plan::new(Ack::Synced);
        let mut town = Town::calm(4, "town");
        let life = plan.start(&disk);
        for successes in 0..40 {
            disk.fail_after(successes, operation);
            for _ in 0..10 {
                town.step(&life);
            }
            // Whatever of it fails, the next try goes on from there.
            while !matches!(life.engine.restart_journal(|| true), Ok(true)) {}
            let taken = life.engine.take_snapshot(|| true);
            if taken.is_err() {
                assert!(life.engine.take_snapshot(|| true).is_ok(), "{operation:?}");
            }
        }
        life.engine.close().unwrap();
        let (now, hash) = (life.clock.now(), life.engine.state_hash());
        let life = plan.start(&disk);
        life.clock.set(now);
        assert_eq!(life.engine.state_hash(), hash, "{operation:?}");
    }
}
