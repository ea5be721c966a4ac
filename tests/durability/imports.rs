//! A state that was imported: it stands in one snapshot, in no journal, and nothing is started without it.

use std::mem;
use std::sync::Arc;

use doublecheck::clock::{Clock, ManualClock};
use doublecheck::engine::{Durability, Engine};
use doublecheck::journal::snapshot::{Key, SnapshotWriter, State};
use doublecheck::journal::{Ack, DamageKind, JournalFault, Settings};
use doublecheck::scoring::account::Account;
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::Timestamp;
use doublecheck::storage::Directory;
use doublecheck::storage::simulated::Simulated;
use doublecheck::token::{KEY_FILE, TokenKey};

use crate::support::{Plan, START, Town, assert_remembered, is_kept, live};

const ACCOUNTS: usize = 50;

fn shared(disk: &Simulated) -> Arc<dyn Directory> {
    Arc::new(disk.clone())
}

fn imported() -> Simulated {
    let disk = Simulated::new(1);
    let clock = Arc::new(ManualClock::at(START));
    let engine = Engine::new(Policy::default(), clock, TokenKey::from_bytes(&[0; 32]));
    let mut town = Town::calm(1, "past");
    for nth in 0..ACCOUNTS as u64 {
        engine.import(&town.of_stranger(nth)).unwrap();
    }
    engine.write_first_snapshot(&shared(&disk)).unwrap();
    disk
}

/// As an older version left it: as if the journal's first event came on top of it.
fn imported_before() -> Simulated {
    let disk = Simulated::new(1);
    let mut image = Vec::new();
    Account::default().put_image(&mut image);
    let mut writer = SnapshotWriter::begin(shared(&disk), 1).unwrap();
    let key = Key::Account("alice");
    let (applied, image) = (0, image.as_slice());
    writer
        .put(&State {
            key,
            applied,
            image,
        })
        .unwrap();
    writer.finish(1).unwrap();
    disk
}

fn damage_snapshots(disk: &Simulated) {
    for name in disk.names().unwrap() {
        if name.starts_with("snapshot-") {
            let mut bytes = disk.bytes(&name).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            disk.put(&name, bytes);
        }
    }
}

/// Starts, whatever is passed over.
fn start(disk: &Simulated, sets_damage_aside: bool) -> Result<Engine, JournalFault> {
    let durability = Durability {
        directory: shared(disk),
        settings: Settings::with_ack(Ack::Synced),
        sets_damage_aside,
    };
    let clock = |latest: Timestamp| Arc::new(ManualClock::at(latest.max(START))) as Arc<dyn Clock>;
    Engine::recover(Policy::default().into(), durability, clock, |_| {})
}

/// Serves for a while, and is killed.
fn serve(disk: &Simulated) {
    let life = Plan::new(Ack::Synced).start(disk);
    let answer = live(&mut Town::calm(2, "town"), &life, 20).pop().unwrap();
    assert!(is_kept(&life.engine, answer.receipt));
    mem::forget(life);
}

#[test]
fn nothing_is_started_without_what_was_imported_and_is_damaged() {
    for import in [imported, imported_before] {
        for has_served in [false, true] {
            let disk = import();
            if has_served {
                serve(&disk);
            }
            damage_snapshots(&disk);
            for _ in 0..3 {
                match start(&disk, false) {
                    Err(JournalFault::Damage(damage)) => {
                        assert_eq!(damage.kind, DamageKind::OnlySnapshot);
                        let told = damage.to_string();
                        assert!(told.contains("--set-damage-aside"), "{told}");
                    }
                    other => panic!("has served: {has_served}: {other:?}"),
                }
            }
            let engine = start(&disk, true).unwrap();
            assert!(engine.accounts() < ACCOUNTS);
            mem::forget(engine);
            start(&disk, false).unwrap();
        }
    }
}

#[test]
fn nor_where_its_file_is_gone() {
    let disk = imported();
    serve(&disk);
    let names = disk.names().unwrap();
    let snapshot = names.iter().find(|name| name.starts_with("snapshot-"));
    disk.remove(snapshot.unwrap()).unwrap();
    let fault = start(&disk, false).unwrap_err();
    assert!(matches!(fault, JournalFault::Damage(_)), "{fault}");
}

#[test]
fn what_was_imported_is_gone_on_from() {
    let disk = imported();
    assert_eq!(start(&disk, false).unwrap().accounts(), ACCOUNTS);
    serve(&disk);
    let engine = start(&disk, false).unwrap();
    assert!(engine.accounts() > ACCOUNTS);
}

#[test]
fn a_damaged_snapshot_costs_nothing_where_the_journal_has_everything() {
    let disk = Simulated::new(1);
    let plan = Plan::new(Ack::Synced);
    let life = plan.start(&disk);
    let mut town = Town::calm(3, "town");
    // Several segments of it, of which the first snapshot takes the place of none.
    live(&mut town, &life, 300);
    life.engine.take_snapshot(|| true).unwrap().unwrap();
    let last = live(&mut town, &life, 20).pop().unwrap();
    assert!(is_kept(&life.engine, last.receipt));
    let then = life.clock.now();
    mem::forget(life);
    damage_snapshots(&disk);
    let engine = start(&disk, false).unwrap();
    let clock = Arc::new(ManualClock::at(then));
    let life = crate::support::Life {
        engine,
        clock,
        found: doublecheck::engine::Recovered::default(),
    };
    assert_remembered(&life, &last, "without the snapshot");
}

#[test]
fn a_failed_import_leaves_nothing_in_the_way_of_the_next() {
    let disk = Simulated::new(1);
    disk.set_bytes_max(50);
    let clock = Arc::new(ManualClock::at(START));
    let engine = Engine::new(Policy::default(), clock, TokenKey::from_bytes(&[0; 32]));
    engine.write_first_snapshot(&shared(&disk)).unwrap_err();
    assert!(disk.names().unwrap().is_empty());
}

#[test]
fn a_damaged_key_is_told_with_a_remedy_and_set_aside_where_that_is_asked_for() {
    let disk = Simulated::new(1);
    serve(&disk);
    let accounts = start(&disk, false).unwrap().accounts();
    for damaged in [&b""[..], b"short", &[7; 33]] {
        disk.put(KEY_FILE, damaged.to_vec());
        let fault = start(&disk, false).unwrap_err().to_string();
        assert!(fault.contains("--set-damage-aside"), "{fault}");
        assert_eq!(disk.bytes(KEY_FILE).unwrap(), damaged, "nothing is changed");
        assert_eq!(start(&disk, true).unwrap().accounts(), accounts);
        assert_eq!(disk.bytes(KEY_FILE).unwrap().len(), 32);
    }
    assert_eq!(
        disk.bytes(&format!("{KEY_FILE}.damaged.2")).unwrap(),
        b"short"
    );
}
