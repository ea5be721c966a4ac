//! A snapshot is read back as it was written, or not at all; until it is whole the one before it stands.

use std::collections::BTreeMap;

use doublecheck::journal::event::{PolicyInForce, PolicyText};
use doublecheck::journal::snapshot::{
    Entry, Key, SnapshotReader, SnapshotSummary, SnapshotWriter, State, forget_older, snapshots,
    verify,
};
use doublecheck::journal::{JournalFault, SnapshotDamageKind};
use doublecheck::random::Random;
use doublecheck::scoring::account::Account;
use doublecheck::scoring::memory::{DeviceMemory, PayeeMemory};
use doublecheck::scoring::policy::{Policy, Preset};
use doublecheck::scoring::time::Timestamp;
use doublecheck::storage::Directory as _;
use doublecheck::storage::simulated::{Operation, Simulated};
use parking_lot::Mutex;

use crate::support::shared;

/// What a snapshot holds, by kind and key.
type Content = BTreeMap<(u8, String), (u64, Vec<u8>)>;

/// As much as `entries` asks for, told apart from that of every other seed.
fn content(seed: u64, entries: u64, bytes_max: u64) -> Content {
    let mut random = Random::new(seed);
    let entry = |nth: u64| {
        let kind = u8::try_from(nth % 3).unwrap();
        let length = random.below(bytes_max + 1);
        let image = (0..length).map(|_| random.next().to_le_bytes()[0]);
        ((kind, format!("key-{nth}")), (seed + nth, image.collect()))
    };
    (0..entries).map(entry).collect()
}

fn policies() -> [PolicyInForce; 2] {
    let text = |preset: Preset| PolicyText::of(&preset.policy());
    [(1, Preset::Cautious), (2, Preset::Lenient)].map(|(number, preset)| PolicyInForce {
        time: Timestamp::from_unix_ms(i64::from(number)),
        number,
        policy: text(preset),
        shadow: (number == 2).then(|| PolicyText::of(&Policy::default())),
    })
}

fn key((kind, key): &(u8, String)) -> Key<'_> {
    match kind {
        0 => Key::Account(key),
        1 => Key::Payee(key),
        _ => Key::Device(key),
    }
}

fn write(disk: &Simulated, from: u64, content: &Content) -> Result<SnapshotSummary, JournalFault> {
    let mut writer = SnapshotWriter::begin(shared(disk), from)?;
    for policy in policies() {
        writer.put_policy(policy)?;
    }
    for (name, (applied, image)) in content {
        writer.put(&State {
            key: key(name),
            applied: *applied,
            image,
        })?;
    }
    writer.finish(from + 100)
}

fn read(
    disk: &Simulated,
    name: &str,
    threads: usize,
) -> Result<(Content, SnapshotSummary), JournalFault> {
    let found = Mutex::new(Content::new());
    let expected = policies();
    let reader = SnapshotReader::open(disk, name)?;
    let summary = reader.read(threads, |entry| {
        match entry {
            Entry::State(state) => {
                let (kind, key) = match state.key {
                    Key::Account(key) => (0, key),
                    Key::Payee(key) => (1, key),
                    Key::Device(key) => (2, key),
                };
                let value = (state.applied, state.image.to_vec());
                let twice = found.lock().insert((kind, key.to_owned()), value);
                assert_eq!(twice, None, "{key}");
            }
            Entry::Policy(policy) => {
                assert_eq!(policy, expected[usize::from(policy.number) - 1]);
            }
        }
        Ok(())
    })?;
    Ok((found.into_inner(), summary))
}

fn newest(disk: &Simulated) -> Option<String> {
    let newest = snapshots(disk).unwrap().into_iter().next();
    newest.map(|newest| newest.name)
}

#[test]
fn what_was_written_is_read_on_any_number_of_threads() {
    for (entries, bytes_max) in [(0, 0), (1, 5), (40, 30), (3_000, 400), (40, 60_000)] {
        let disk = Simulated::new(1);
        let content = content(entries, entries, bytes_max);
        let written = write(&disk, 77, &content).unwrap();
        assert_eq!((written.journal_from, written.journal_to), (77, 177));
        let counts = written.counts;
        assert_eq!(counts.accounts + counts.payees + counts.devices, entries);
        assert_eq!(counts.policies, 2);
        let name = newest(&disk).unwrap();
        assert_eq!(disk.length(&name).unwrap(), written.bytes);
        for threads in [0, 1, 2, 5] {
            let (found, summary) = read(&disk, &name, threads).unwrap();
            assert_eq!(found, content);
            assert_eq!(summary, written);
        }
    }
}

/// Whatever is read of a harmed snapshot says so.
fn assert_refused(name: &str, bytes: Vec<u8>, what: &str) -> SnapshotDamageKind {
    let disk = Simulated::new(2);
    disk.put(name, bytes);
    match read(&disk, name, 1) {
        Err(JournalFault::Snapshot(damage)) => {
            assert_eq!(damage.file, name, "{what}");
            assert!(
                damage.offset <= disk.length(name).unwrap(),
                "{what}: {damage}"
            );
            damage.kind
        }
        Ok(_) => panic!("{what}: read"),
        Err(fault) => panic!("{what}: {fault}"),
    }
}

#[test]
fn no_flipped_bit_and_no_cut_goes_unnoticed() {
    let disk = Simulated::new(1);
    write(&disk, 5, &content(3, 9, 40)).unwrap();
    let name = newest(&disk).unwrap();
    let bytes = disk.bytes(&name).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&name, flipped, &format!("bit {bit}"));
    }
    for length in 0..bytes.len() {
        let cut = bytes[..length].to_vec();
        assert_refused(&name, cut, &format!("cut at {length}"));
    }
    let longer = [bytes.clone(), vec![0]].concat();
    assert_refused(&name, longer, "a byte more");
    // The name is part of it.
    let other = name.replace('5', "6");
    assert_refused(&other, bytes, "under another name");
}

#[test]
fn a_block_of_another_snapshot_or_in_another_place_is_noticed() {
    let written = |from: u64| {
        let disk = Simulated::new(1);
        write(&disk, from, &content(1, 9, 100_000)).unwrap();
        let name = newest(&disk).unwrap();
        (name.clone(), disk.bytes(&name).unwrap())
    };
    let ((name, bytes), (_, others)) = (written(5), written(6));
    assert_eq!(bytes.len(), others.len());
    let begins: Vec<_> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, found)| found == b"\xfeDE\xff" || found == b"\xfeDZ\xff")
        .map(|(at, _)| at)
        .collect();
    assert!(begins.len() >= 4);
    for at in &begins {
        let mixed = [&bytes[..*at], &others[*at..]].concat();
        assert_refused(&name, mixed, &format!("another's block at {at}"));
    }
    for block in begins.windows(2) {
        let without = [&bytes[..block[0]], &bytes[block[1]..]].concat();
        assert_refused(&name, without, "a block less");
        let twice = [&bytes[..block[1]], &bytes[block[0]..]].concat();
        assert_refused(&name, twice, "a block twice");
    }
    let kind = assert_refused(
        &name,
        bytes[..begins[begins.len() - 1]].to_vec(),
        "not closed",
    );
    assert_eq!(kind, SnapshotDamageKind::Missing);
}

#[test]
fn another_version_is_told_as_such() {
    let disk = Simulated::new(1);
    write(&disk, 5, &Content::new()).unwrap();
    let name = newest(&disk).unwrap();
    let mut newer = disk.bytes(&name).unwrap();
    newer[8] = 9;
    let checksum = crc32c::crc32c(&newer[..20]);
    newer[20..24].copy_from_slice(&checksum.to_le_bytes());
    disk.put(&name, newer);
    let fault = read(&disk, &name, 1).unwrap_err().to_string();
    assert!(fault.contains("is of format version 9"), "{fault}");
    assert!(fault.contains("which reads version 1"), "{fault}");
}

#[test]
fn images_are_looked_at_when_a_snapshot_is_verified() {
    let (mut account, mut payee, mut device) = (Vec::new(), Vec::new(), Vec::new());
    Account::default().put_image(&mut account);
    PayeeMemory::default().put_image(&mut payee);
    DeviceMemory::default().put_image(&mut device);
    let named = |kind| (kind, "key".to_owned());
    let mut content = Content::from([
        (named(0), (1, account)),
        (named(1), (2, payee)),
        (named(2), (3, device)),
    ]);
    let disk = Simulated::new(1);
    let written = write(&disk, 5, &content).unwrap();
    assert_eq!(verify(&disk, &written.file).unwrap(), written);
    content.get_mut(&named(1)).unwrap().1.pop();
    write(&disk, 6, &content).unwrap();
    let fault = verify(&disk, &newest(&disk).unwrap()).unwrap_err();
    let JournalFault::Snapshot(damage) = &fault else {
        panic!("{fault}");
    };
    assert!(matches!(damage.kind, SnapshotDamageKind::NoImage(_)));
    let told = fault.to_string();
    assert!(told.contains("not an image (last told at byte "), "{told}");
    assert!(
        told.ends_with("; nothing of this snapshot can be used"),
        "{told}"
    );
}

/// Every file that is called a snapshot is one, and the newest holds what one of these did.
fn assert_stands(disk: &Simulated, known: &[(u64, Content)], what: &str) -> u64 {
    let mut left = snapshots(disk).unwrap().into_iter().map(|snapshot| {
        let (content, summary) =
            read(disk, &snapshot.name, 2).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(summary.journal_from, snapshot.journal_from, "{what}");
        let holds = |(from, expected): &&(u64, Content)| {
            *from == snapshot.journal_from && *expected == content
        };
        assert!(known.iter().any(|known| holds(&known)), "{what}");
        snapshot.journal_from
    });
    let newest = left.next();
    left.for_each(drop);
    newest.unwrap_or_else(|| panic!("{what}: nothing is left"))
}

#[test]
fn through_every_power_cut_the_old_snapshot_stands_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..1_500 {
        let what = format!("seed {seed}");
        let mut random = Random::new(seed);
        let disk = Simulated::new(seed);
        let sizes = [(4, 30), (9, 60_000)][usize::from(seed % 10 == 0)];
        // Taken at a moment when nothing had come since, the new one has the name of the old one.
        let from = [3, 8][usize::from(seed % 3 > 0)];
        let contents = [
            (3, content(seed, 5, 30)),
            (from, content(seed + 1, sizes.0, sizes.1)),
        ];
        write(&disk, 3, &contents[0].1).unwrap();
        disk.cut_power_after(random.index(14).try_into().unwrap());
        let finished = write(&disk, from, &contents[1].1);
        if finished.is_ok() {
            let _ = forget_older(&disk, 1, |_| Some(true));
        }
        let disk = disk.after_power_cut();
        let stands = assert_stands(&disk, &contents, &what);
        assert!(finished.is_err() || stands == from, "{what}");
        *(if stands == 3 { &mut old } else { &mut new }) += 1;
        // What was left of it is in nobody's way.
        let third = (9, content(seed + 2, 3, 30));
        write(&disk, 9, &third.1).unwrap();
        forget_older(&disk, 1, |_| Some(true)).unwrap();
        assert_eq!(assert_stands(&disk, &[third], &what), 9);
        assert_eq!(disk.names().unwrap().len(), 1, "{what}");
    }
    assert!(old > 100 && new > 100, "{old} {new}");
}

#[test]
fn a_failing_disk_costs_the_new_snapshot_only() {
    let contents = [(3, content(1, 5, 30)), (8, content(2, 9, 60_000))];
    for operation in [
        Operation::Change,
        Operation::Write,
        Operation::Sync,
        Operation::Read,
    ] {
        for successes in 0..20 {
            let what = format!("{operation:?} after {successes}");
            let disk = Simulated::new(1);
            write(&disk, 3, &contents[0].1).unwrap();
            disk.fail_after(successes, operation);
            let finished = write(&disk, 8, &contents[1].1);
            let disk = disk.after_power_cut();
            let stands = assert_stands(&disk, &contents, &what);
            assert!(finished.is_err() || stands == 8, "{what}");
        }
    }
    let disk = Simulated::new(1);
    write(&disk, 3, &contents[0].1).unwrap();
    disk.set_bytes_max(20_000);
    write(&disk, 8, &contents[1].1).unwrap_err();
    assert_eq!(assert_stands(&disk, &contents, "a full disk"), 3);
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let disk = Simulated::new(1);
    write(&disk, 3, &content(1, 5, 30)).unwrap();
    let before = disk.names().unwrap();
    // The most that is read, and a byte more than the entry may then have.
    for (bytes, is_written) in [((1 << 26) - 100, true), (1 << 26, false)] {
        let mut writer = SnapshotWriter::begin(shared(&disk), 8).unwrap();
        let put = writer.put(&State {
            key: Key::Account("alice"),
            applied: 1,
            image: &vec![7; bytes],
        });
        assert_eq!(put.is_ok(), is_written, "{put:?}");
        if is_written {
            let summary = writer.finish(9).unwrap();
            let reader = SnapshotReader::open(&disk, &summary.file).unwrap();
            assert_eq!(reader.read(1, |_| Ok(())).unwrap(), summary);
            disk.remove(&summary.file).unwrap();
        }
    }
    assert_eq!(disk.names().unwrap(), before);
}

#[test]
fn the_newest_are_kept_and_an_unfinished_one_is_none() {
    let disk = Simulated::new(1);
    assert_eq!(snapshots(&disk).unwrap(), []);
    for from in [99, 5, 100] {
        write(&disk, from, &Content::new()).unwrap();
    }
    // One that was given up leaves nothing, one of a process that was killed stays behind.
    drop(SnapshotWriter::begin(shared(&disk), 100).unwrap());
    std::mem::forget(SnapshotWriter::begin(shared(&disk), 200).unwrap());
    disk.put("snapshot-7", vec![0]);
    disk.put("00000000000000000001.journal", vec![0]);
    let listed = snapshots(&disk).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|snapshot| snapshot.journal_from)
        .collect();
    assert_eq!(listed, [100, 99, 5]);
    let forget = |keep, damaged: u64| {
        let damaged = format!("snapshot-{damaged:020}");
        let kept = forget_older(&disk, keep, |name| Some(name != damaged));
        let left = snapshots(&disk).unwrap();
        let left: Vec<_> = left.iter().map(|file| file.journal_from).collect();
        (kept.unwrap().map(|oldest| oldest.journal_from), left)
    };
    assert_eq!(forget(3, 99), (None, vec![100, 99, 5]), "one is damaged");
    assert_eq!(forget(2, 99), (Some(5), vec![100, 99, 5]));
    assert_eq!(forget_older(&disk, 2, |_| None).unwrap(), None);
    assert_eq!(forget(2, 0), (Some(99), vec![100, 99]));
    assert_eq!(forget(0, 100), (Some(99), vec![100, 99]));
    assert_eq!(forget(0, 0), (Some(100), vec![100]));
    let left = disk.names().unwrap();
    assert!(left.contains(&"snapshot-00000000000000000200.unfinished".to_owned()));
    assert_eq!(left.len(), 4);
}
