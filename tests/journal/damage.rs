//! Every bit flipped and every length cut of a small journal of several segments.
//!
//! What comes of it is an error that says what is lost, or the events up to some point with the tail
//! reported: never a panic, and never a list that is wrong or shortened without a word.

use std::time::Duration;

use doublecheck::journal::{Ack, JournalFault, Reader, Settings, Tail};
use doublecheck::storage::Directory as _;
use doublecheck::storage::simulated::Simulated;

use crate::support::{
    Events, all_of, append_one_by_one, assert_prefix, event, fresh, read, settings, shared, start,
};

const EVENTS: u64 = 14;

struct Original {
    files: Vec<(String, Vec<u8>)>,
}

impl Original {
    /// A journal that was written in peace, and closed or killed.
    fn new(closed: bool) -> Self {
        let disk = Simulated::new(1);
        let kept = fresh(&disk, Ack::Synced);
        append_one_by_one(&kept.journal, 1..=EVENTS);
        if closed {
            kept.journal.close().unwrap();
        }
        let files: Vec<_> = disk
            .names()
            .unwrap()
            .into_iter()
            .map(|name| (name.clone(), disk.bytes(&name).unwrap()))
            .collect();
        assert!(files.len() >= 2, "several segments");
        Self { files }
    }

    /// The same with one file replaced, or gone.
    fn with(&self, nth: usize, bytes: Option<Vec<u8>>) -> Simulated {
        let disk = Simulated::new(2);
        for (at, (name, original)) in self.files.iter().enumerate() {
            match &bytes {
                Some(bytes) if at == nth => disk.put(name, bytes.clone()),
                None if at == nth => {}
                Some(_) | None => disk.put(name, original.clone()),
            }
        }
        disk
    }

    /// Every file with every bit flipped, and with every length less than its own.
    fn harmed(&self) -> impl Iterator<Item = (String, Simulated)> {
        self.files
            .iter()
            .enumerate()
            .flat_map(move |(nth, (name, bytes))| {
                let flipped = (0..bytes.len() * 8).map(move |bit| {
                    let mut flipped = bytes.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    (format!("{name}, bit {bit}"), self.with(nth, Some(flipped)))
                });
                let cut = (0..bytes.len()).map(move |length| {
                    let cut = bytes[..length].to_vec();
                    (
                        format!("{name}, cut at {length}"),
                        self.with(nth, Some(cut)),
                    )
                });
                let gone = (format!("{name}, gone"), self.with(nth, None));
                flipped.chain(cut).chain([gone])
            })
    }
}

/// Reads what is left, holds it to the promise, and starts on it where it can be started on.
fn check(what: &str, disk: &Simulated, closed: bool) -> &'static str {
    check_batches(what, disk);
    match read(disk, 1) {
        Ok((events, ending)) => {
            let left = assert_prefix(&events, what);
            assert_eq!(ending.next, left + 1, "{what}");
            let told = match (&ending.tail, closed) {
                // All there but a closing frame behind which another segment follows.
                (Tail::Closed, true) => left == EVENTS,
                (Tail::Open, true) => true,
                (Tail::Closed, false) => false,
                // Of a journal that was killed, whether more was written nobody can tell.
                (Tail::Open, false) => true,
                (Tail::Torn { bytes, .. }, _) => *bytes > 0 || left < EVENTS,
                (Tail::SetAside(_), _) => false,
            };
            assert!(told, "{what}: {left} events, {:?}", ending.tail);
            let kept = start(disk, &ending, settings(Ack::Synced));
            append_one_by_one(&kept.journal, left + 1..=left + 3);
            kept.journal.close().unwrap();
            let (events, ending) = read(disk, 1).unwrap();
            assert_eq!(
                (assert_prefix(&events, what), ending.tail),
                (left + 3, Tail::Closed)
            );
            "read"
        }
        Err(JournalFault::Damage(damage)) => {
            assert!(damage.lost_from <= EVENTS + 1, "{what}: {damage}");
            let told = damage.to_string();
            assert!(told.contains("--set-damage-aside"), "{told}");
            check_set_aside(what, disk, damage.lost_from);
            "damage"
        }
        Err(fault) => panic!("{what}: {fault}"),
    }
}

/// Read in batches, it is the same events, and behind them the same fault, once.
fn check_batches(what: &str, disk: &Simulated) {
    let begin = || Reader::from(shared(disk), 1).ok();
    let Some(reader) = begin() else { return };
    let one_by_one: Vec<_> = reader
        .map(|read| read.map_err(|fault| fault.to_string()))
        .collect();
    for enough in [5, usize::MAX] {
        let (mut reader, mut read) = (begin().unwrap(), Vec::new());
        loop {
            match reader.read_batch(enough) {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => read.extend(batch.into_iter().map(Ok)),
                Err(fault) => read.push(Err(fault.to_string())),
            }
        }
        assert_eq!(read, one_by_one, "{what}");
    }
}

/// Goes on with what stands before the damage; nothing is destroyed.
fn check_set_aside(what: &str, disk: &Simulated, lost_from: u64) {
    let Ok(reader) = Reader::from(shared(disk), 1) else {
        assert_eq!(lost_from, 1, "{what}");
        return;
    };
    let bytes_before = bytes_of(disk);
    let (events, ending) = all_of(reader.setting_damage_aside()).unwrap();
    assert_eq!(assert_prefix(&events, what) + 1, lost_from, "{what}");
    assert!(matches!(ending.tail, Tail::SetAside(_)), "{what}");
    let kept = start(disk, &ending, settings(Ack::Synced));
    append_one_by_one(&kept.journal, lost_from..=lost_from);
    kept.journal.close().unwrap();
    let (events, _) = read(disk, 1).unwrap();
    assert_eq!(assert_prefix(&events, what), lost_from, "{what}");
    assert!(bytes_of(disk) >= bytes_before, "{what}");
}

fn bytes_of(disk: &Simulated) -> usize {
    let names = disk.names().unwrap();
    names
        .iter()
        .map(|name| disk.bytes(name).unwrap().len())
        .sum()
}

#[test]
fn no_flipped_bit_and_no_cut_goes_unnoticed_in_a_closed_journal() {
    let original = Original::new(true);
    let (events, ending) = read(&original.with(usize::MAX, None), 1).unwrap();
    assert_eq!(
        (assert_prefix(&events, "unharmed"), ending.tail),
        (EVENTS, Tail::Closed)
    );
    let mut ended = [0, 0];
    for (what, disk) in original.harmed() {
        ended[usize::from(check(&what, &disk, true) == "damage")] += 1;
    }
    assert!(ended[0] > 100 && ended[1] > 5_000, "{ended:?}");
}

#[test]
fn nor_in_one_whose_process_was_killed() {
    let original = Original::new(false);
    let (events, ending) = read(&original.with(usize::MAX, None), 1).unwrap();
    assert_eq!(
        (assert_prefix(&events, "unharmed"), ending.tail),
        (EVENTS, Tail::Open)
    );
    for (what, disk) in original.harmed() {
        check(&what, &disk, false);
    }
}

/// In which file, and at which byte, the frame of this event begins.
fn place_of(original: &Original, nth: u64) -> (usize, usize) {
    let begins =
        |bytes: &[u8]| bytes.starts_with(b"\xfeDR\xff") && bytes[8..16] == nth.to_le_bytes();
    let places = original.files.iter().enumerate();
    let mut found = places.filter_map(|(file, (_, bytes))| {
        let at = bytes.windows(32).position(begins)?;
        Some((file, at))
    });
    found.next().unwrap()
}

/// Reads from an event on, of a journal that is damaged before it, and starts on it.
fn check_behind(what: &str, disk: &Simulated, from: u64) {
    let numbers = |events: &Events| events.iter().map(|(nth, _)| *nth).collect::<Vec<_>>();
    let (events, ending) = read(disk, from).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_eq!(
        numbers(&events),
        (from..=EVENTS).collect::<Vec<_>>(),
        "{what}"
    );
    assert_eq!(ending.next, EVENTS + 1, "{what}");
    let kept = start(disk, &ending, settings(Ack::Synced));
    append_one_by_one(&kept.journal, EVENTS + 1..=EVENTS + 3);
    kept.journal.close().unwrap();
    let (events, ending) = read(disk, from).unwrap();
    assert_eq!(
        numbers(&events),
        (from..=EVENTS + 3).collect::<Vec<_>>(),
        "{what}"
    );
    assert_eq!(ending.tail, Tail::Closed, "{what}");
}

#[test]
fn damage_before_what_a_snapshot_needs_hides_nothing_behind_it() {
    for closed in [true, false] {
        let original = Original::new(closed);
        for from in 1..=EVENTS {
            let (file, place) = place_of(&original, from);
            let (name, bytes) = &original.files[file];
            let first = name.strip_suffix(".journal").unwrap();
            if first.parse() == Ok(from) {
                continue;
            }
            for at in 0..place {
                let mut harmed = bytes.clone();
                harmed[at] ^= 1 << (at % 8);
                let what = format!("from {from}, {name}, byte {at}");
                check_behind(&what, &original.with(file, Some(harmed)), from);
            }
            let mut harmed = bytes.clone();
            harmed[..place].fill(0);
            let what = format!("from {from}, {name}, nothing before it");
            check_behind(&what, &original.with(file, Some(harmed)), from);
        }
    }
}

#[test]
fn damage_in_what_a_snapshot_needs_is_told_as_what_it_is() {
    let original = Original::new(true);
    let (file, place) = place_of(&original, 3);
    let mut harmed = original.files[file].1.clone();
    harmed[place - 1] ^= 1;
    harmed[place + 40] ^= 1;
    let fault = read(&original.with(file, Some(harmed)), 3).unwrap_err();
    let fault = fault.to_string();
    assert!(fault.contains("damaged; record 3 is lost. "), "{fault}");
}

/// The journal was closed, and all that is left of it is that.
#[test]
fn a_snapshot_of_all_that_is_damaged_is_gone_on_from() {
    let original = Original::new(true);
    let (name, bytes) = original.files.last().unwrap();
    let mut harmed = bytes.clone();
    let end = harmed.len() - 32;
    harmed[32..end].fill(0);
    let disk = original.with(original.files.len() - 1, Some(harmed));
    let (events, ending) = read(&disk, EVENTS + 1).unwrap();
    assert_eq!((events.len(), &ending.tail), (0, &Tail::Closed));
    let kept = start(&disk, &ending, settings(Ack::Synced));
    append_one_by_one(&kept.journal, EVENTS + 1..=EVENTS + 3);
    kept.journal.close().unwrap();
    assert!(
        disk.bytes(name).is_some(),
        "what cannot be read is not removed"
    );
    assert_eq!(read(&disk, EVENTS + 1).unwrap().0.len(), 3);
}

/// The bit flips in what is not known to have been synced: it may have been torn, and may not.
#[test]
fn what_can_be_read_behind_a_torn_place_is_kept_as_a_copy() {
    let disk = Simulated::new(1);
    let (_, ending) = read(&disk, 1).unwrap();
    let unsynced = Settings {
        sync_interval: Duration::from_secs(3_600),
        segment_bytes_max: 1 << 20,
        ..settings(Ack::Written)
    };
    let kept = start(&disk, &ending, unsynced);
    append_one_by_one(&kept.journal, 1..=10);
    let name = disk.names().unwrap().remove(0);
    let mut harmed = disk.bytes(&name).unwrap();
    drop(kept);
    let original = Original {
        files: vec![(name.clone(), harmed.clone())],
    };
    let (_, place) = place_of(&original, 4);
    harmed[place + 40] ^= 1;
    let disk = original.with(0, Some(harmed.clone()));
    let (events, ending) = read(&disk, 1).unwrap();
    assert_eq!(assert_prefix(&events, "before it"), 3);
    let Tail::Torn {
        readable_behind, ..
    } = ending.tail
    else {
        panic!("{:?}", ending.tail);
    };
    assert_eq!(readable_behind, 6);
    let kept = start(&disk, &ending, settings(Ack::Synced));
    append_one_by_one(&kept.journal, 4..=6);
    kept.journal.close().unwrap();
    assert_eq!(
        disk.bytes(&format!("{name}.damaged")),
        Some(harmed),
        "the copy"
    );
    assert_eq!(
        assert_prefix(&read(&disk, 1).unwrap().0, "with what followed"),
        6
    );
}

#[test]
fn damage_is_told_with_file_byte_and_what_is_lost() {
    let original = Original::new(true);
    let (name, bytes) = &original.files[0];
    let mut harmed = bytes.clone();
    let payment = harmed.windows(10).position(|found| {
        found == b"payment-5\n" || found == b"payment-5\t" || found.starts_with(b"payment-5")
    });
    harmed[payment.unwrap()] ^= 1;
    let fault = read(&original.with(0, Some(harmed)), 1)
        .unwrap_err()
        .to_string();
    assert!(fault.starts_with(&format!("{name}: byte ")), "{fault}");
    assert!(fault.contains(": damaged; record 5 is lost. "), "{fault}");
    assert!(
        fault.contains("the 9 readable records behind it"),
        "{fault}"
    );
}

#[test]
fn a_journal_of_another_version_is_told_as_such() {
    let original = Original::new(true);
    let mut newer = original.files[0].1.clone();
    newer[8] = 9;
    let checksum = crc32c::crc32c(&newer[..28]);
    newer[28..32].copy_from_slice(&checksum.to_le_bytes());
    let fault = read(&original.with(0, Some(newer)), 1)
        .unwrap_err()
        .to_string();
    assert!(fault.contains("is of format version 9"), "{fault}");
    assert!(fault.contains("which reads version 1"), "{fault}");
    assert_eq!(event(1), event(1));
}
