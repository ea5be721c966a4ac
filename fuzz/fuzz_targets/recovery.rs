//! Any bytes as the segments of a journal: they are read to some end or refused, and what can be read can
//! be gone on with.
#![no_main]

use std::sync::Arc;

use doublecheck::clock::ManualClock;
use doublecheck::journal::{Ack, Journal, Reader, Settings};
use doublecheck::scoring::time::Timestamp;
use doublecheck::storage::Directory;
use doublecheck::storage::simulated::Simulated;
use libfuzzer_sys::fuzz_target;

/// A journal of two segments, written in peace, for the fuzzer to harm.
fn original() -> Vec<(String, Vec<u8>)> {
    let disk = Simulated::new(1);
    for _ in 0..2 {
        let mut reader = Reader::whole(Arc::new(disk.clone())).expect("it is readable");
        reader.by_ref().for_each(drop);
        let ending = reader.ending().expect("it is whole");
        let journal = start(&disk, &ending);
        for key in ["one", "two", "three"] {
            let account = doublecheck::scoring::payment::AccountId::new(key).expect("an id");
            let what = doublecheck::journal::event::EvictedKey::Account(std::borrow::Cow::Owned(account));
            let time = Timestamp::from_unix_ms(1);
            let evicted = doublecheck::journal::event::Evicted { time, what };
            let event = doublecheck::journal::event::Event::Evicted(evicted);
            journal.wait_until_committed(journal.append(&event));
        }
        journal.close().expect("it closes");
    }
    let names = disk.names().expect("it is readable");
    let file = |name: String| disk.bytes(&name).map(|bytes| (name, bytes));
    names.into_iter().filter_map(file).collect()
}

fn start(disk: &Simulated, ending: &doublecheck::journal::Ending) -> Journal {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
    let settings = Settings::with_ack(Ack::Synced);
    let directory = Arc::new(disk.clone());
    Journal::start(directory, ending, settings, clock, Box::new(|_| ())).expect("it goes on")
}

// The first two bytes say how: whole files of bytes, or edits of the original at places they name.
fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    let disk = Simulated::new(2);
    for (nth, (name, mut file)) in original().into_iter().enumerate() {
        match how % 3 {
            0 if nth == 0 => file = rest.to_vec(),
            1 => file.extend_from_slice(rest),
            _ => {
                for edit in rest.chunks_exact(3).filter(|edit| usize::from(edit[0]) % 2 == nth) {
                    let at = usize::from(edit[0] / 2) + 128 * usize::from(edit[1] % 4);
                    if let Some(byte) = file.get_mut(at) {
                        *byte = edit[2];
                    }
                }
            }
        }
        disk.put(&name, file);
    }
    let reader = Reader::whole(Arc::new(disk.clone())).expect("the directory can be read");
    let mut reader = reader.setting_damage_aside();
    let mut next = None;
    for event in reader.by_ref() {
        let Ok((sequence, _)) = event else {
            return;
        };
        assert!(next.is_none_or(|next| next == sequence), "a gap before {sequence}");
        next = Some(sequence + 1);
    }
    let ending = reader.ending().expect("without an error there is an end");
    start(&disk, &ending).close().expect("it closes");
    let again = Reader::from(Arc::new(disk), ending.next).expect("it was gone on with");
    assert_eq!(again.count(), 0);
});
