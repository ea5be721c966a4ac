//! The disk fails: nobody waits, nothing is promised that is not kept, and it comes back.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use doublecheck::journal::{Ack, Condition, Journal, JournalFault, Kept, Settings, Tail};
use doublecheck::random::Random;
use doublecheck::scoring::time::Timestamp;
use doublecheck::storage::Directory;
use doublecheck::storage::disk::Disk;
use doublecheck::storage::simulated::{Operation, Simulated};

use crate::support::{self, append_one_by_one, assert_prefix, event, fresh, read, settings, start};

/// Where answers wait for a disk that hangs.
const WAYS_TO_HANG: [(Ack, Operation); 3] = [
    (Ack::Written, Operation::Write),
    (Ack::Synced, Operation::Write),
    (Ack::Synced, Operation::Sync),
];

/// Begins anew, once a disk that hung has let go.
fn recover(journal: &Journal) -> u64 {
    loop {
        match journal.recover() {
            Err(JournalFault::Storage { error, .. }) if error.kind() == io::ErrorKind::TimedOut => {
                thread::yield_now();
            }
            recovered => return recovered.unwrap().unwrap().get(),
        }
    }
}

/// Lets the disk fail by `fail` and heal by `heal`, and follows a journal through both.
fn check(ack: Ack, fail: impl Fn(&Simulated), heal: impl Fn(&Simulated)) {
    let disk = Simulated::new(5);
    let kept = fresh(&disk, ack);
    let journal = &kept.journal;
    append_one_by_one(journal, 1..=10);
    fail(&disk);
    for nth in 11..=30 {
        journal.append(&event(nth));
    }
    assert_eq!(journal.wait_until_committed(30), Kept::No);
    let condition = journal.condition();
    let Condition::Degraded { since, .. } = &condition else {
        panic!("{condition:?}");
    };
    assert_eq!(*since, Timestamp::from_unix_ms(77));
    assert_eq!(
        kept.told.lock().as_slice(),
        std::slice::from_ref(&condition)
    );

    // Nothing is tried again by itself, and what was kept stays kept.
    assert_eq!(journal.wait_until_committed(10), Kept::Yes);
    assert_eq!(
        journal.wait_until_committed(journal.append(&event(31))),
        Kept::No
    );
    let counts = journal.counts();
    assert!(counts.dropped >= 1 && counts.faults == 1, "{counts:?}");

    heal(&disk);
    let first = recover(journal);
    assert!(first > 32, "{first}");
    assert_eq!(journal.append(&event(first)), first);
    // It is written, but stands on nothing before a snapshot.
    assert_eq!(journal.wait_until_committed(first), Kept::No);
    assert_eq!(journal.recover().unwrap().unwrap().get(), first);
    let before_snapshot = read(&disk, 1).unwrap().0;
    let found = assert_prefix(
        &before_snapshot,
        "without a snapshot, all after the failure is void",
    );
    assert!((10..=30).contains(&found), "{found}");
    assert!(!journal.snapshot_taken(first - 1));
    assert!(journal.snapshot_taken(first));
    assert_eq!(journal.condition(), Condition::Sound);
    assert_eq!(kept.told.lock().last(), Some(&Condition::Sound));

    append_one_by_one(journal, first + 1..=first + 20);
    assert_eq!(journal.wait_until_committed(first), Kept::Yes);
    assert_eq!(journal.recover().unwrap(), None);
    journal.close().unwrap();
    let (events, ending) = read(&disk, first).unwrap();
    assert!(
        events
            .iter()
            .map(|(sequence, _)| *sequence)
            .eq(first..=first + 20)
    );
    assert_eq!(ending.tail, Tail::Closed);
    // Who has no such snapshot must not take the rest for all there was.
    match read(&disk, 1) {
        Err(JournalFault::Damage(damage)) => assert_eq!(damage.lost_to, Some(first - 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_degrades_and_space_brings_it_back() {
    for ack in [Ack::Written, Ack::Synced] {
        check(
            ack,
            |disk| disk.set_bytes_max(1_700),
            |disk| disk.set_bytes_max(usize::MAX),
        );
    }
}

#[test]
fn a_read_only_disk_does_too() {
    for ack in [Ack::Written, Ack::Synced] {
        check(
            ack,
            |disk| disk.set_read_only(true),
            |disk| disk.set_read_only(false),
        );
    }
}

#[test]
fn so_does_one_failed_write_or_new_file() {
    for ack in [Ack::Written, Ack::Synced] {
        for operation in [Operation::Write, Operation::Change] {
            check(ack, |disk| disk.fail_after(0, operation), |_| ());
        }
    }
}

#[test]
fn a_disk_that_hangs_is_waited_for_no_longer_than_patience_lasts() {
    for (ack, operation) in WAYS_TO_HANG {
        check(
            ack,
            |disk| disk.hang(Some(operation)),
            |disk| disk.hang(None),
        );
    }
}

#[test]
fn however_often_it_hangs_what_was_promised_is_there() {
    let (mut hung, mut promised) = (0, 0);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let disk = Simulated::new(seed);
        let (ack, operation) = WAYS_TO_HANG[random.index(3)];
        let settings = Settings {
            patience: Duration::from_millis(1),
            ..settings(ack)
        };
        let (_, ending) = read(&disk, 1).unwrap();
        let journal = start(&disk, &ending, settings).journal;
        // From where on, and up to where, everything must be there.
        let (mut from, mut kept_to) = (1, 0);
        for nth in 1..=40 {
            match random.index(8) {
                0 => disk.hang(Some(operation)),
                1 | 2 => disk.hang(None),
                _ => {}
            }
            let sequence = journal.append(&event(nth));
            if random.is_heads() && journal.wait_until_committed(sequence) == Kept::Yes {
                kept_to = sequence;
                promised += 1;
            }
            if journal.condition() != Condition::Sound && random.is_heads() {
                hung += 1;
                disk.hang(None);
                let first = recover(&journal);
                if journal.snapshot_taken(first) {
                    (from, kept_to) = (first, first - 1);
                }
            }
        }
        let (events, _) = read(&disk, from).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        let found: Vec<u64> = events.iter().map(|(sequence, _)| *sequence).collect();
        let there = from..from + found.len() as u64;
        assert!(found.iter().copied().eq(there.clone()), "seed {seed}");
        assert!(there.end > kept_to, "seed {seed}: {there:?}, {kept_to}");
        disk.hang(None);
    }
    assert!(
        hung > 300 && promised > 1_000,
        "{hung} hung, {promised} kept"
    );
}

#[test]
fn neither_is_the_end_held_up_by_it() {
    let disk = Simulated::new(6);
    let kept = fresh(&disk, Ack::Written);
    append_one_by_one(&kept.journal, 1..=10);
    disk.hang(Some(Operation::Write));
    let sequence = kept.journal.append(&event(11));
    assert_eq!(kept.journal.wait_until_committed(sequence), Kept::No);
    for tried in [kept.journal.recover().map(|_| ()), kept.journal.close()] {
        match tried {
            Err(JournalFault::Storage { error, .. }) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            }
            other => panic!("{other:?}"),
        }
    }
    drop(kept);
    let (events, _) = read(&disk, 1).unwrap();
    assert_eq!(assert_prefix(&events, "what was promised is there"), 10);
    disk.hang(None);
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    check(
        Ack::Synced,
        |disk| disk.fail_after(0, Operation::Sync),
        |_| (),
    );
}

#[test]
fn whatever_fails_whenever_nothing_synced_is_lost() {
    let (mut failed, mut kept_after) = (0, 0);
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let disk = Simulated::new(seed);
        let kept = fresh(&disk, Ack::Synced);
        let operation = [Operation::Sync, Operation::Write, Operation::Change][random.index(3)];
        let successes = random.index(12).try_into().unwrap();
        disk.fail_after(successes, operation);
        let mut acknowledged = 0;
        for nth in 1..=20 {
            let sequence = kept.journal.append(&event(nth));
            if random.is_heads() && kept.journal.wait_until_committed(sequence) == Kept::Yes {
                acknowledged = sequence;
            }
        }
        failed += u32::from(kept.journal.condition() != Condition::Sound);
        let left = disk.after_power_cut();
        let (events, _) = read(&left, 1).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        let found = assert_prefix(&events, &format!("seed {seed}"));
        assert!(
            found >= acknowledged,
            "seed {seed}: {found} of {acknowledged}"
        );
        kept_after += acknowledged;
    }
    assert!(
        failed > 500 && kept_after > 5_000,
        "{failed} failed, {kept_after} kept"
    );
}

#[test]
fn a_failed_sync_behind_the_writer_degrades_it_too() {
    let disk = Simulated::new(9);
    let kept = fresh(&disk, Ack::Written);
    disk.fail_after(0, Operation::Sync);
    let mut nth = 0;
    while kept.journal.condition() == Condition::Sound {
        nth += 1;
        kept.journal
            .wait_until_committed(kept.journal.append(&event(nth)));
    }
    let condition = kept.journal.condition();
    assert!(
        matches!(condition, Condition::Degraded { .. }),
        "{condition:?}"
    );
}

#[test]
fn a_journal_whose_file_is_gone_keeps_no_promise_and_says_so() {
    for ack in [Ack::Written, Ack::Synced] {
        let disk = Simulated::new(9);
        let (_, ending) = read(&disk, 1).unwrap();
        let one_segment = Settings {
            segment_bytes_max: 1 << 20,
            ..settings(ack)
        };
        let kept = start(&disk, &ending, one_segment);
        append_one_by_one(&kept.journal, 1..=10);
        // Writing to it still works, and so does syncing it.
        for name in disk.names().unwrap() {
            disk.remove(&name).unwrap();
        }
        let mut nth = 10;
        while kept.journal.condition() == Condition::Sound {
            nth += 1;
            let sequence = kept.journal.append(&event(nth));
            let is_kept = kept.journal.wait_until_committed(sequence);
            assert!(ack == Ack::Written || is_kept == Kept::No);
        }
        let first = recover(&kept.journal);
        assert!(kept.journal.snapshot_taken(first));
        append_one_by_one(&kept.journal, first..=first + 5);
        assert_eq!(read(&disk, first).unwrap().0.len(), 6);
    }
}

#[test]
fn what_cannot_be_read_or_begun_is_an_error() {
    let disk = Simulated::new(1);
    append_one_by_one(&fresh(&disk, Ack::Written).journal, 1..=3);
    disk.fail_after(1, Operation::Read);
    let fault = read(&disk, 1).unwrap_err().to_string();
    assert_eq!(
        fault,
        "reading 00000000000000000001.journal: the simulated disk failed"
    );
    let (_, ending) = read(&disk, 1).unwrap();
    disk.set_read_only(true);
    let clock = std::sync::Arc::new(doublecheck::clock::ManualClock::at(Timestamp::default()));
    let started = Journal::start(
        support::shared(&disk),
        &ending,
        settings(Ack::Written),
        clock,
        Box::new(|_| ()),
    );
    assert!(
        matches!(started, Err(JournalFault::Storage { .. })),
        "{started:?}"
    );
}

#[test]
fn a_closed_journal_keeps_nothing_and_lets_nobody_wait() {
    let disk = Simulated::new(1);
    let kept = fresh(&disk, Ack::Synced);
    append_one_by_one(&kept.journal, 1..=3);
    kept.journal.close().unwrap();
    kept.journal.close().unwrap();
    assert_eq!(kept.journal.condition(), Condition::Closed);
    let sequence = kept.journal.append(&event(4));
    assert_eq!(kept.journal.wait_until_committed(sequence), Kept::No);
    assert!(!kept.journal.snapshot_taken(9));
    assert_eq!(kept.journal.recover().unwrap(), None);
    let (events, ending) = read(&disk, 1).unwrap();
    assert_eq!((events.len(), &ending.tail), (3, &Tail::Closed));
    drop(start(&disk, &ending, settings(Ack::Synced)));
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let path = std::env::temp_dir().join(format!("doublecheck-lock-{}", std::process::id()));
    let held = Disk::open(&path).unwrap();
    let refused = Disk::open(&path).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(refused.to_string(), "another process has it open");
    let file = held.create("a").unwrap();
    file.write(b"text").unwrap();
    file.sync().unwrap();
    held.sync().unwrap();
    // Who only looks may.
    let looked = Disk::look_at(&path).unwrap();
    assert_eq!(looked.names().unwrap(), ["a"]);
    assert_eq!(
        doublecheck::storage::read_whole(&looked, "a", 9).unwrap(),
        b"text"
    );
    drop(held);
    Disk::open(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
}

/// What comes of work that waits for the disk; where that takes too long, the disk is let go on, and nothing
/// comes of it.
fn in_time<T: Send>(disk: &Simulated, work: impl FnOnce() -> T + Send) -> Option<T> {
    let (done, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || done.send(work()));
        let result = told.recv_timeout(Duration::from_secs(20)).ok();
        if result.is_none() {
            disk.hang(None);
        }
        result
    })
}

#[test]
fn a_disk_that_hangs_while_the_journal_begins_anew_is_given_up_and_nothing_piles_up() {
    for ack in [Ack::Written, Ack::Synced] {
        let disk = Simulated::new(7);
        let (_, ending) = read(&disk, 1).unwrap();
        let settings = Settings {
            patience: Duration::from_millis(200),
            queue_bytes_max: 2_000,
            ..settings(ack)
        };
        let kept = start(&disk, &ending, settings);
        let journal = &kept.journal;
        append_one_by_one(journal, 1..=10);
        disk.fail_after(0, Operation::Write);
        let sequence = journal.append(&event(11));
        assert_eq!(journal.wait_until_committed(sequence), Kept::No);

        disk.hang(Some(Operation::Sync));
        let begun = in_time(&disk, || journal.recover());
        let Some(Err(JournalFault::Storage { error, .. })) = begun else {
            panic!("{ack}: {begun:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        for nth in 12..=100 {
            journal.append(&event(nth));
        }
        assert!(journal.has_room(), "{ack}: what comes meanwhile is dropped");

        disk.hang(None);
        let first = recover(journal);
        assert!(journal.snapshot_taken(first));
        append_one_by_one(journal, first..=first + 5);
        journal.close().unwrap();
        let (events, _) = read(&disk, first).unwrap();
        assert!(
            events
                .iter()
                .map(|(sequence, _)| *sequence)
                .eq(first..=first + 5)
        );
    }
}
