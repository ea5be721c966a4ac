//! Any bytes as images and as snapshots: they are refused, or they can be used and are written again as
//! they are.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use doublecheck::journal::snapshot::{Entry, Key, SnapshotReader, SnapshotWriter, State, snapshots, verify};
use doublecheck::scoring::account::Account;
use doublecheck::scoring::memory::{DeviceMemory, PayeeMemory};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::AccountId;
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::simulated::Simulated;
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

/// A snapshot of the account with this image.
fn snapshot(image: &[u8]) -> (String, Vec<u8>) {
    let disk = Simulated::new(1);
    let mut writer = SnapshotWriter::begin(Arc::new(disk.clone()), 7).expect("it begins");
    let state = State { key: Key::Account("a"), applied: 9, image };
    writer.put(&state).expect("it is put in");
    let file = writer.finish(11).expect("it is finished").file;
    let bytes = disk.bytes(&file).expect("it is there");
    (file, bytes)
}

fn check_account(bytes: &[u8]) {
    let Ok(mut account) = Account::from_image(bytes) else {
        return;
    };
    let mut image = Vec::new();
    account.put_image(&mut image);
    assert_eq!(Account::from_image(&image).as_ref(), Ok(&account));
    let id = AccountId::new("a").expect("an id");
    let records = account.window().newest_first();
    let records: Vec<_> = records.filter_map(|record| record.record(&id, |_| "v".into())).collect();
    assert_eq!(records.len(), account.window().len());
    let now = account.latest();
    for (nth, record) in records.iter().enumerate() {
        let outcome = Outcome::ALL[nth % Outcome::ALL.len()];
        account.report_outcome(&POLICY, &record.payment.payment_id, outcome, now);
    }
    account.advance(&POLICY, now.plus(Span::from_hours(2)));
    image.clear();
    account.put_image(&mut image);
    Account::from_image(&image).expect("what was used is written");
}

fn check_memories(bytes: &[u8]) {
    let mut image = Vec::new();
    if let Ok(payee) = PayeeMemory::from_image(bytes) {
        payee.put_image(&mut image);
        assert_eq!(PayeeMemory::from_image(&image).as_ref(), Ok(&payee));
        let _ = payee.facts(&POLICY, Timestamp::from_unix_ms(0));
    }
    image.clear();
    if let Ok(device) = DeviceMemory::from_image(bytes) {
        device.put_image(&mut image);
        assert_eq!(DeviceMemory::from_image(&image).as_ref(), Ok(&device));
    }
}

/// Whatever is said to be whole holds what was put in.
fn check_file(name: &str, file: Vec<u8>, image: &[u8]) {
    let disk = Simulated::new(2);
    disk.put(name, file);
    let _ = verify(&disk, name);
    let found = Mutex::new(Vec::new());
    let reader = SnapshotReader::open(&disk, name);
    let read = reader.and_then(|reader| {
        reader.read(1, |entry| {
            if let Entry::State(state) = entry {
                found.lock().expect("one thread").extend_from_slice(state.image);
            }
            Ok(())
        })
    });
    if read.is_ok() {
        assert_eq!(*found.lock().expect("one thread"), image);
    }
    assert_eq!(snapshots(&disk).expect("it is readable").len(), 1);
}

// The first byte says what the others are: an image, a snapshot's bytes, or edits of a snapshot.
fuzz_target!(|bytes: &[u8]| {
    let Some((what, rest)) = bytes.split_first() else {
        return;
    };
    match what % 4 {
        0 => check_account(rest),
        1 => check_memories(rest),
        2 => {
            let (name, _) = snapshot(&[]);
            // Made of nothing but these bytes, it is whole only where they say all that a snapshot says.
            let disk = Simulated::new(2);
            disk.put(&name, rest.to_vec());
            let _ = verify(&disk, &name);
        }
        _ => {
            let (name, mut file) = snapshot(rest);
            check_file(&name, file.clone(), rest);
            for edit in rest.chunks_exact(2) {
                let at = usize::from(edit[0]) % file.len();
                file[at] = edit[1];
            }
            check_file(&name, file, rest);
        }
    }
});
