//! Every bit flipped and every length cut of a small journal of several segments.
//!
//! What comes of it is an error that says what is lost, or the events up to some point with the tail
//! reported: never a panic, and never a list that is wrong or shortened without a word.

use doublecheck::journal::{Ack, JournalFault, Reader, Tail};
use doublecheck::storage::Directory as _;
use doublecheck::storage::simulated::Simulated;

use crate::support::{
    all_of, append_one_by_one, assert_prefix, event, fresh, read, settings, shared, start,
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
