//! The power is cut at any moment, thousands of times, and nothing that was promised is lost.

use std::time::Duration;

use doublecheck::journal::{Ack, Journal, Kept, Settings, Tail};
use doublecheck::random::Random;
use doublecheck::storage::simulated::Simulated;

use crate::support::{append_one_by_one, assert_prefix, event, read, settings, start, try_start};

/// How many power cuts: `DOUBLECHECK_POWER_CUTS` raises it.
fn cuts() -> u64 {
    let asked = std::env::var("DOUBLECHECK_POWER_CUTS");
    asked
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_500)
}

/// Appends for a while, waiting now and then as callers do, until the power is cut; then goes on with
/// what is left, and cuts again. Returns how many records were lost, and how many tails torn.
fn lives(seed: u64, ack: Ack) -> (u64, u64) {
    let mut random = Random::new(seed);
    let mut disk = Simulated::new(seed);
    let (mut lost, mut torn, mut last) = (0, 0, 0);
    for life in 0..4 {
        let what = format!("seed {seed}, life {life}, {ack}");
        let (events, ending) = read(&disk, 1).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(assert_prefix(&events, &what), last, "{what}");
        disk.cut_power_after(random.index(40).try_into().unwrap());
        let mut promised = last;
        // The power may be cut while the journal is mended: then nothing was promised.
        if let Ok(kept) = try_start(&disk, &ending, settings(ack)) {
            last = append_until_dark(&kept.journal, last, &mut random);
            let counts = kept.journal.counts();
            promised = match ack {
                Ack::Synced => counts.kept_to,
                Ack::Written => promised.max(counts.synced_to),
            };
        }
        disk = disk.after_power_cut();
        let (events, ending) = read(&disk, 1).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        let found = assert_prefix(&events, &what);
        assert!(found >= promised, "{what}: {found} of {promised}");
        lost += last - found.min(last);
        torn += u64::from(matches!(ending.tail, Tail::Torn { .. }));
        last = found;
    }
    (lost, torn)
}

/// Returns the last that was appended.
fn append_until_dark(journal: &Journal, mut last: u64, random: &mut Random) -> u64 {
    for _ in 0..=random.index(12) {
        for _ in 0..=random.index(5) {
            last += 1;
            assert_eq!(journal.append(&event(last)), last);
        }
        if random.is_heads() && journal.wait_until_committed(last) == Kept::No {
            break;
        }
    }
    last
}

fn check(ack: Ack) -> (u64, u64) {
    (0..cuts())
        .map(|seed| lives(seed, ack))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    let (lost, torn) = check(Ack::Synced);
    // The control: cuts did tear, and did lose what was not promised.
    assert!(lost > 0 && torn > 0, "{lost} lost, {torn} torn");
}

#[test]
fn of_what_was_written_only_an_end_is_lost() {
    let (lost, torn) = check(Ack::Written);
    assert!(lost > 0 && torn > 0, "{lost} lost, {torn} torn");
}

#[test]
fn what_a_killed_process_wrote_is_on_the_disk_once_the_next_has_started() {
    for seed in 0..200 {
        let disk = Simulated::new(seed);
        let never = Settings {
            sync_interval: Duration::from_secs(3_600),
            ..settings(Ack::Written)
        };
        let (_, ending) = read(&disk, 1).unwrap();
        let killed = start(&disk, &ending, never);
        append_one_by_one(&killed.journal, 1..=20);
        // Nobody closes the journal of a process that was killed.
        std::mem::forget(killed);
        let (events, ending) = read(&disk, 1).unwrap();
        assert_eq!((events.len(), &ending.tail), (20, &Tail::Open));
        let next = start(&disk, &ending, never);
        let left = disk.after_power_cut();
        let (events, _) = read(&left, 1).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(assert_prefix(&events, &format!("seed {seed}")), 20);
        drop(next);
    }
}
