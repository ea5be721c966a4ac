//! Damage is set aside, the service answers on, and is killed: nothing that it answered since is forgotten.

use std::{iter, mem};

use doublecheck::clock::Clock as _;
use doublecheck::journal::{Ack, JournalFault};
use doublecheck::scoring::account::Refusal;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::confirmation::TokenFault;
use doublecheck::storage::Directory as _;
use doublecheck::storage::simulated::{Operation, Simulated};
use doublecheck::token::KEY_FILE;

use crate::support::{
    Answer, Life, Plan, Town, assert_goes_on, assert_remembered, end, is_kept, live,
};

/// The files of a service that was killed soon after a snapshot while which much happened.
struct Killed {
    plan: Plan,
    files: Vec<(String, Vec<u8>)>,
    /// Where the segments begin that the newest snapshot needs.
    needed: Vec<String>,
}

impl Killed {
    fn new() -> Self {
        let disk = Simulated::new(2);
        let plan = Plan::new(Ack::Synced);
        let life = plan.start(&disk);
        let mut town = Town::calm(2, "town");
        live(&mut town, &life, 30);
        let taken = life.engine.take_snapshot(|| {
            live(&mut town, &life, 15);
            true
        });
        let taken = taken.unwrap().unwrap();
        let last = live(&mut town, &life, 150).pop().unwrap();
        assert!(is_kept(&life.engine, last.receipt));
        let names = disk.names().unwrap();
        let files: Vec<_> = names
            .into_iter()
            .map(|name| (name.clone(), disk.bytes(&name).unwrap()))
            .collect();
        mem::forget(life);
        let segments = files.iter().map(|(name, _)| name.clone());
        let segments: Vec<_> = segments.filter(|name| name.ends_with(".journal")).collect();
        let before = |name: &&String| {
            let first = name.strip_suffix(".journal").unwrap();
            first.parse::<u64>().unwrap() <= taken.journal_from
        };
        let unneeded = segments.iter().filter(before).count() - 1;
        let needed: Vec<_> = segments.into_iter().skip(unneeded).collect();
        assert!(needed.len() > 1, "{needed:?}");
        Self {
            plan,
            files,
            needed,
        }
    }

    /// The disk, with files changed by `harm`.
    fn harmed(&self, harm: impl Fn(&str, &mut Vec<u8>)) -> Simulated {
        let disk = Simulated::new(3);
        for (name, bytes) in &self.files {
            let mut bytes = bytes.clone();
            harm(name, &mut bytes);
            if !bytes.is_empty() {
                disk.put(name, bytes);
            }
        }
        disk
    }

    /// The disk with one flipped bit where the snapshot ends: nothing is started on it.
    fn damaged(&self) -> Simulated {
        let harmed = |tenths| {
            self.harmed(|file, bytes| {
                if *file == self.needed[0] {
                    flip(bytes, tenths);
                }
            })
        };
        let mut disks = (0..10).map(harmed);
        disks
            .find(|disk| self.plan.try_start(disk).is_err())
            .unwrap()
    }

    /// The disk without the segment that the snapshot ends in.
    fn without_needed(&self) -> Simulated {
        let disk = self.harmed(|file, bytes| {
            if *file == self.needed[0] {
                bytes.clear();
            }
        });
        assert!(self.plan.try_start(&disk).is_err());
        disk
    }

    /// Goes on in spite of the damage, is killed, and goes on.
    fn check(&self, disk: &Simulated, what: &str) {
        let life = self.plan.setting_damage_aside().start(disk);
        let mut town = Town::calm(4, "later");
        live(&mut town, &life, 40);
        // With it all that happened before it is kept: what became of others too.
        let last = iter::repeat_with(|| town.step(&life)).flatten().next();
        let last = &last.unwrap();
        assert!(is_kept(&life.engine, last.receipt), "{what}");
        let (then, hash) = (life.clock.now(), life.engine.state_hash());
        mem::forget(life);
        let life = self.plan.try_start(disk);
        let life = life.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_remembered(&life, last, what);
        life.clock.set(then);
        assert_eq!(life.engine.state_hash(), hash, "{what}");
    }
}

/// Flips one bit so many tenths behind the middle of the header.
fn flip(bytes: &mut [u8], tenths: usize) {
    let at = 20 + bytes.len() * tenths / 10;
    let last = bytes.len() - 1;
    bytes[at.min(last)] ^= 1;
}

#[test]
fn one_flipped_bit_in_what_a_snapshot_needs() {
    let killed = Killed::new();
    let mut set_aside = 0;
    for name in &killed.needed {
        for tenths in 0..10 {
            let what = format!("{name}, {tenths} tenths");
            let disk = killed.harmed(|file, bytes| {
                if file == name {
                    flip(bytes, tenths);
                }
            });
            if matches!(killed.plan.try_start(&disk), Err(JournalFault::Damage(_))) {
                set_aside += 1;
                killed.check(&disk, &what);
            }
        }
    }
    assert!(set_aside > 5, "{set_aside}");
}

#[test]
fn a_journal_that_does_not_begin_where_the_snapshot_ends() {
    let killed = Killed::new();
    killed.check(&killed.without_needed(), "without its beginning");
}

#[test]
fn no_snapshot_is_left_of_a_journal_whose_beginning_was_forgotten() {
    let killed = Killed::new();
    let first = &killed.files[0].0;
    let disk = killed.harmed(|file, bytes| {
        if file == first || file.starts_with("snapshot-") {
            bytes.clear();
        }
    });
    assert!(killed.plan.try_start(&disk).is_err());
    killed.check(&disk, "without a snapshot");
}

#[test]
fn a_damaged_snapshot_beyond_what_is_left_of_the_journal() {
    let killed = Killed::new();
    let first = &killed.files[0].0;
    let disk = killed.harmed(|file, bytes| {
        if file == first || file.starts_with("snapshot-") {
            flip(bytes, 5);
        }
    });
    let life = killed.plan.setting_damage_aside().start(&disk);
    mem::forget(life);
    let names = disk.names().unwrap();
    let snapshots = names.iter().filter(|name| name.starts_with("snapshot-"));
    assert_eq!(snapshots.count(), 1, "the damaged one is of no use");
    killed.check(&disk, "without a whole snapshot");
}

#[test]
fn a_start_that_cannot_stand_on_a_snapshot_fails_and_the_next_one_goes_on() {
    let killed = Killed::new();
    for operation in [Operation::Change, Operation::Write, Operation::Sync] {
        for harm in [Killed::damaged, Killed::without_needed] {
            let mut failed = 0;
            for successes in 0..60 {
                let disk = harm(&killed);
                disk.fail_after(successes, operation);
                if let Ok(life) = killed.plan.setting_damage_aside().try_start(&disk) {
                    mem::forget(life);
                    break;
                }
                failed += 1;
                killed.check(&disk, &format!("{operation:?} {successes}"));
            }
            assert!(failed > 2, "{operation:?}: {failed}");
        }
    }
}

#[test]
fn what_was_set_aside_before_stays() {
    let killed = Killed::new();
    let disk = killed.damaged();
    let earlier = format!("{}.damaged", killed.needed[0]);
    disk.put(&earlier, b"earlier".to_vec());
    let life = killed.plan.setting_damage_aside().start(&disk);
    mem::forget(life);
    assert_eq!(disk.bytes(&earlier).unwrap(), b"earlier");
    assert!(disk.bytes(&format!("{earlier}.2")).is_some());
}

#[test]
fn a_question_under_a_key_that_is_lost_is_asked_again() {
    for is_damaged in [true, false] {
        let disk = Simulated::new(5);
        let plan = Plan::new(Ack::Synced);
        let first = plan.start(&disk);
        let mut town = Town::calm(5, "town");
        let asked = iter::repeat_with(|| town.step(&first))
            .flatten()
            .find(|answer| answer.scored.assessment.confirmation.is_some());
        let Answer {
            payment, scored, ..
        } = asked.unwrap();
        let lost = scored.assessment.confirmation.unwrap().token;
        let (then, _) = end(&first);
        drop(first);
        let plan = match is_damaged {
            true => {
                disk.put(KEY_FILE, vec![0; 32]);
                let Err(refused) = plan.try_start(&disk) else {
                    panic!("a key that everybody knows");
                };
                assert!(refused.to_string().contains("zero bytes"), "{refused}");
                plan.setting_damage_aside()
            }
            false => {
                disk.remove(KEY_FILE).unwrap();
                plan
            }
        };
        let second = plan.start(&disk);
        second.clock.set(then);
        let answered = |life: &Life, token: Option<String>| {
            let scored = life.engine.score(&payment, token.as_deref());
            scored.map(|scored| (scored.replayed, scored.assessment))
        };
        let wrong = Err(Refusal::Token(TokenFault::Wrong));
        assert_eq!(answered(&second, Some(lost.to_string())), wrong);
        let (replayed, asked) = answered(&second, None).unwrap();
        let token = asked.confirmation.unwrap().token;
        assert!(!replayed && token != lost);
        // Once, and not for ever.
        assert_eq!(answered(&second, None), Ok((true, asked.clone())));
        let ended = end(&second);
        drop(second);
        let third = plan.start(&disk);
        assert_goes_on(&third, ended, "after a question that was asked again");
        assert_eq!(answered(&third, None), Ok((true, asked)));
        let (replayed, meant) = answered(&third, Some(token.to_string())).unwrap();
        assert!(!replayed);
        assert_eq!(meant.decision, Decision::Allow);
    }
}
