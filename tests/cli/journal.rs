//! `journal`: what is in one, whether it is whole, and its events as a replay file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io, thread};

use doublecheck::clock::{Clock as _, ManualClock, SystemClock};
use doublecheck::engine::{Engine, OutcomeReport};
use doublecheck::journal::event::{
    Event, OutcomeReported, PaymentScored, PolicyInForce, PolicyText, Taught,
};
use doublecheck::journal::snapshot::{Key, SnapshotWriter, State, forget_older, snapshots};
use doublecheck::journal::{Ack, Journal, Kept, Reader, Settings};
use doublecheck::scoring::account::Account;
use doublecheck::scoring::memory::Surroundings;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::Directory;
use doublecheck::storage::disk::Disk;
use doublecheck::token::TokenKey;
use serde_json::Value;

use crate::support::{Folder, Served, run, serve};

/// A journal of some traffic, with questions that were asked and answered. Returns what was decided:
/// payment, decision, score.
fn written(directory: &Path, payments: u64) -> Vec<(String, String, f64)> {
    written_from(
        Timestamp::from_unix_ms(1_767_225_600_000),
        directory,
        payments,
    )
}

/// The same, beginning at `start`.
fn written_from(start: Timestamp, directory: &Path, payments: u64) -> Vec<(String, String, f64)> {
    let directory = Arc::new(open(directory));
    let mut reader = Reader::whole(directory.clone()).unwrap();
    assert!(reader.next().is_none());
    let clock = Arc::new(ManualClock::at(start));
    let settings = Settings {
        segment_bytes_max: 4_000,
        ..Settings::with_ack(Ack::Written)
    };
    let ending = reader.ending().unwrap();
    let journal = Journal::start(
        directory,
        &ending,
        settings,
        clock.clone(),
        Box::new(|_| ()),
    );
    let journal = journal.unwrap();
    let in_force = Event::PolicyInForce(PolicyInForce {
        time: start,
        number: 0,
        policy: PolicyText::of(&Policy::default()),
        shadow: None,
    });
    journal.wait_until_committed(journal.append(&in_force));
    let key = TokenKey::from_bytes(&[9; 32]);
    let engine = Engine::new(Policy::default(), clock.clone(), key.clone());
    let mut traffic = Traffic {
        engine,
        key,
        journal,
        decided: Vec::new(),
    };
    for nth in 0..payments {
        clock.advance(Span::from_secs(7));
        traffic.pay(nth, &clock);
    }
    traffic.journal.close().unwrap();
    traffic.decided
}

#[test]
fn a_clock_that_was_set_back_goes_on_and_says_so() {
    const AHEAD: Span = Span::from_hours(1);
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let now = || SystemClock::start().now();
    let later = now().plus(AHEAD);
    written_from(later, Path::new(&data), 1);
    let served = Served::start_with_data(&data);
    let ahead_s = served.metric("doublecheck_time_seconds ") - now().unix_ms() as f64 / 1e3;
    assert!(ahead_s > AHEAD.secs() as f64 - 60.0, "{ahead_s}");
    let log = served.end();
    let told = "before what was written last";
    assert!(log.contains(told), "{log}");

    let served = Served::start_with_data(&folder.path("new"));
    let ahead_s = served.metric("doublecheck_time_seconds ") - now().unix_ms() as f64 / 1e3;
    assert!(ahead_s < 1.0, "{ahead_s}");
    assert!(!served.end().contains(told));
}

struct Traffic {
    engine: Engine,
    key: TokenKey,
    journal: Journal,
    decided: Vec<(String, String, f64)>,
}

impl Traffic {
    /// One payment; where it raises a question the payer says yes, with a payment of its own.
    fn pay(&mut self, nth: u64, clock: &ManualClock) {
        let mut payment = Payment {
            payment_id: PaymentId::new(format!("p{nth}")).unwrap(),
            account_id: AccountId::new(format!("payer-{}", nth % 3)).unwrap(),
            payee: Payee {
                id: PayeeId::new(format!("1380013800{}", nth * nth % 4)).unwrap(),
                payee_type: PayeeType::Phone,
            },
            money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
            kind: PaymentKind::TopUp,
            order_id: None,
            device_id: None,
            session_id: None,
            duplicate_window: nth.is_multiple_of(11).then_some(Span::from_secs(20)),
        };
        if let Some(token) = self.score(&payment, None) {
            clock.advance(Span::from_secs(1));
            payment.payment_id = PaymentId::new(format!("p{nth}-yes")).unwrap();
            self.score(&payment, Some(&token));
        }
        let report = OutcomeReport {
            account_id: payment.account_id.clone(),
            payment_id: payment.payment_id.clone(),
            outcome: if nth.is_multiple_of(5) {
                Outcome::Declined
            } else {
                Outcome::Succeeded
            },
            payee_id: None,
        };
        self.engine.report_outcome(&report).unwrap();
        self.append(&Event::OutcomeReported(OutcomeReported {
            time: doublecheck::clock::Clock::now(clock),
            account_id: std::borrow::Cow::Borrowed(&report.account_id),
            payment_id: std::borrow::Cow::Borrowed(&report.payment_id),
            outcome: report.outcome,
            payee_id: None,
            taught: Taught::Nothing,
        }));
    }

    /// Each event is a write of its own.
    fn append(&self, event: &Event<'_>) {
        let sequence = self.journal.append(event);
        assert_eq!(self.journal.wait_until_committed(sequence), Kept::Yes);
    }

    fn score(&mut self, payment: &Payment, token: Option<&str>) -> Option<String> {
        let scored = self.engine.score(payment, token).unwrap();
        let presented = token.map(|token| self.key.read(token).unwrap());
        let surroundings = Surroundings::default();
        let event = PaymentScored::new(payment, presented, &surroundings, 0, &scored);
        self.append(&Event::PaymentScored(event));
        let assessment = &scored.assessment;
        self.decided.push((
            payment.payment_id.to_string(),
            assessment.decision.to_string(),
            assessment.score,
        ));
        assessment.confirmation.map(|asked| asked.token.to_string())
    }
}

#[test]
fn what_is_exported_is_decided_again_as_it_was() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    let decided = written(Path::new(&directory), 400);
    let confirms = decided
        .iter()
        .filter(|(id, ..)| id.ends_with("-yes"))
        .count();
    assert!(confirms > 3, "{confirms} questions");
    let (events, out) = (folder.path("events.jsonl"), folder.path("decisions.jsonl"));
    run(&["journal", "export", &directory, "--out", &events]).succeeded_quietly();
    run(&["replay", &events, "--out", &out]).succeeded();
    let replayed = fs::read_to_string(&out).unwrap();
    let replayed: Vec<_> = replayed
        .lines()
        .map(|line| {
            // The standard library reads a float to the last bit, serde_json nearly.
            let (_, score) = line.split_once("\"score\":").unwrap();
            let score = score.split(',').next().unwrap().parse().unwrap();
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("payment_id"), text("decision"), score)
        })
        .collect();
    assert_eq!(replayed, decided);
}

#[test]
fn a_whole_journal_is_told_as_such() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    let decided = written(Path::new(&directory), 40).len();
    let ran = run(&["journal", "verify", &directory]).succeeded_quietly();
    assert!(
        ran.out.starts_with("ok\n") && ran.out.contains("closed\n"),
        "{ran:?}"
    );

    let ran = run(&["journal", "inspect", &directory]).succeeded();
    for part in [
        "00000000000000000001.journal".to_owned(),
        "2026-01-01T00:00:00Z".to_owned(),
        format!("\npayment_scored    {decided}\n"),
        "\npolicy_in_force   1\n".to_owned(),
        "\ntail              closed\n".to_owned(),
    ] {
        assert!(ran.out.contains(&part), "{part}: {}", ran.out);
    }
    let found = run(&["journal", "inspect", &directory, "--json"]).json();
    assert_eq!(found["events"]["payment_scored"], decided);
    assert_eq!(found["tail"]["state"], "closed");
    assert!(found["segments"].as_array().unwrap().len() > 1);
}

#[test]
fn damage_and_torn_tails_exit_with_1_and_say_where() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    written(Path::new(&directory), 40);
    let first = Path::new(&directory).join("00000000000000000001.journal");
    let whole = fs::read(&first).unwrap();
    let mut harmed = whole.clone();
    harmed[100] ^= 1;
    fs::write(&first, &harmed).unwrap();
    let ran = run(&["journal", "verify", &directory]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    let place = "00000000000000000001.journal: byte 93: damaged; record 2 is lost. ";
    assert!(ran.err.contains(place), "{ran:?}");
    let ran = run(&["journal", "export", &directory, "--out", "-"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let found = run(&["journal", "inspect", &directory, "--json"]).json();
    assert_eq!(found["tail"]["state"], "damaged");
    assert_eq!(found["tail"]["offset"], 93);

    fs::write(&first, &whole).unwrap();
    let mut names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|suffix| suffix == "journal"));
    names.sort();
    let last = names.last().unwrap();
    let whole = fs::read(last).unwrap();
    fs::write(last, &whole[..whole.len() - 5]).unwrap();
    run(&["journal", "verify", &directory]).complained(1, "a torn tail of 27 bytes, never synced");

    run(&["journal", "verify", &folder.path("nowhere")]).complained(1, "nowhere");
}

/// Opens a directory. A process that another test starts has a copy of every open file for a moment, and
/// with it of the lock.
fn open(directory: &Path) -> Disk {
    let is_locked = |opened: &io::Result<Disk>| {
        let error = opened.as_ref().err();
        error.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    let tries = std::iter::repeat_with(|| {
        thread::yield_now();
        Disk::open(directory)
    });
    let opened = tries.take(1_000_000).find(|opened| !is_locked(opened));
    opened.expect("nobody else has it open").unwrap()
}

/// Takes a snapshot that the journal has to be read from the record `from` on for. Its name.
fn snapshot(directory: &str, from: u64) -> String {
    let mut image = Vec::new();
    Account::default().put_image(&mut image);
    let disk = Arc::new(open(Path::new(directory)));
    let mut writer = SnapshotWriter::begin(disk, from).unwrap();
    let state = State {
        key: Key::Account("payer-1"),
        applied: from - 1,
        image: &image,
    };
    writer.put(&state).unwrap();
    writer.finish(from + 2).unwrap().file
}

#[test]
fn damage_that_a_snapshot_stands_for_loses_nothing_and_is_told_as_such() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    written(Path::new(&directory), 80);
    let whole = run(&["journal", "inspect", &directory, "--json"]).json();
    let name = snapshot(&directory, 60);
    let harm = |nth: usize, byte: usize| {
        let file = whole["segments"][nth]["file"].as_str().unwrap();
        let path = Path::new(&directory).join(file);
        let mut harmed = fs::read(&path).unwrap();
        harmed[byte] ^= 1;
        fs::write(&path, harmed).unwrap();
    };
    harm(0, 100);
    let told = format!(
        "00000000000000000001.journal: byte 93: damaged, but nothing is lost: {name} holds what stood there, and a \
         start goes on behind it"
    );
    let ran = run(&["journal", "verify", &directory]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert_eq!(ran.err, format!("error: {directory}: {told}\n"));
    let ran = run(&["journal", "inspect", &directory]);
    assert!(
        ran.out.contains(&format!("\ntail              {told}\n")),
        "{ran:?}"
    );
    let found = run(&["journal", "inspect", &directory, "--json"]).json();
    let tail = &found["tail"];
    assert_eq!(tail["covered_by"], name, "{tail}");
    assert_eq!(tail["lost_from"], Value::Null, "{tail}");
    assert_eq!(found["next"], whole["next"]);

    // Damage behind it is what a start stops at, and what is told then.
    let segments = whole["segments"].as_array().unwrap().len();
    harm(segments - 2, 100);
    let ran = run(&["journal", "verify", &directory]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!ran.err.contains("00000000000000000001.journal"), "{ran:?}");
    for part in ["lost. ", "--set-damage-aside"] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn snapshots_are_read_and_told() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    written(Path::new(&directory), 40);
    let name = snapshot(&directory, 3);
    let ran = run(&["journal", "verify", &directory]).succeeded_quietly();
    let told = format!("\nsnapshot  {name}: 1 accounts, 0 payees, 0 devices, 0 policies\n");
    assert!(ran.out.contains(&told), "{ran:?}");
    let ran = run(&["journal", "inspect", &directory]);
    assert!(ran.out.contains(&format!("\n{name}  3 ")), "{ran:?}");
    let head = "\nSNAPSHOT                       FROM RECORD  TO RECORD  ";
    assert!(ran.out.contains(head), "{ran:?}");

    // The journal goes back far enough for the newest one, or its beginning is lost.
    let first = Path::new(&directory).join("00000000000000000001.journal");
    let segment = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    run(&["journal", "verify", &directory]).complained(1, "records 3 to ");
    fs::write(&first, segment).unwrap();

    let path = Path::new(&directory).join(&name);
    let mut harmed = fs::read(&path).unwrap();
    harmed[30] ^= 1;
    fs::write(&path, &harmed).unwrap();
    let ran = run(&["journal", "verify", &directory]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    let told = format!("{name}: byte 24: damaged; nothing of this snapshot can be used");
    assert!(ran.err.contains(&told), "{ran:?}");
    let found = run(&["journal", "inspect", &directory, "--json"]).json();
    assert_eq!(found["snapshots"][0]["state"], "unreadable");
    assert_eq!(found["snapshots"][0]["message"], told);
}

/// A service takes a snapshot and removes the older ones again and again, meanwhile.
#[test]
fn what_goes_away_while_it_is_looked_for_is_no_damage() {
    let folder = Folder::with(&[]);
    let directory = folder.path("data");
    written(Path::new(&directory), 400);
    let mut image = Vec::new();
    Account::default().put_image(&mut image);
    let disk = Arc::new(open(Path::new(&directory)));
    let going_on = AtomicBool::new(true);
    let look = |command: &str| run(&["journal", command, &directory]);
    thread::scope(|scope| {
        scope.spawn(|| {
            for from in (1..400).cycle() {
                if !going_on.load(Ordering::Relaxed) {
                    break;
                }
                // From the beginning again, with all names new to who has listed them.
                if from == 1 {
                    for old in snapshots(&*disk).unwrap() {
                        disk.remove(&old.name).unwrap();
                    }
                }
                let mut writer = SnapshotWriter::begin(disk.clone(), from).unwrap();
                for nth in 0..200 {
                    let state = State {
                        key: Key::Account(&format!("payer-{nth}")),
                        applied: from - 1,
                        image: &image,
                    };
                    writer.put(&state).unwrap();
                }
                writer.finish(from).unwrap();
                forget_older(&*disk, 2, |_| Some(true)).unwrap();
            }
        });
        let mut whole = 0;
        for _ in 0..60 {
            for command in ["verify", "inspect"] {
                let ran = look(command);
                let is_whole = ran.code == Some(0) && !ran.out.contains("reading");
                let has_given_up = ran.err.contains("again and again");
                if !is_whole && !has_given_up {
                    going_on.store(false, Ordering::Relaxed);
                    panic!("{ran:?}");
                }
                whole += u32::from(is_whole);
            }
        }
        going_on.store(false, Ordering::Relaxed);
        assert!(whole > 60, "{whole}");
    });
}

#[test]
fn a_journal_that_ends_before_its_snapshot_is_neither_ok_nor_started_on() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let disk: Arc<dyn Directory> = Arc::new(Disk::open(Path::new(&data)).unwrap());
    let writer = SnapshotWriter::begin(Arc::clone(&disk), 1).unwrap();
    writer.finish(10).unwrap();
    drop(disk);
    let told = "records are missing; records 1 to 9 are lost";
    let verify = ["journal", "verify", &data];
    let serve = [
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--data-dir",
        &data,
    ];
    for command in [&verify[..], &serve] {
        run(command).complained(1, told);
    }
}

/// What `gzip` makes of no bytes.
const GZIP_OF_NOTHING: [u8; 20] = [
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn payment_line(payment: &str, time: &str) -> String {
    format!(
        "{{\"type\":\"payment\",\"time\":\"{time}\",\"payment_id\":\"{payment}\",\
         \"account_id\":\"alice\",\"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\
         \"amount_minor\":5000,\"currency_code\":\"CNY\",\"kind\":\"top_up\"}}\n"
    )
}

fn outcome_line(payment: &str, time: &str) -> String {
    format!(
        "{{\"type\":\"outcome\",\"time\":\"{time}\",\"payment_id\":\"{payment}\",\
         \"account_id\":\"alice\",\"outcome\":\"succeeded\"}}\n"
    )
}

#[test]
fn what_comes_later_than_now_is_not_imported() {
    let lines = [
        payment_line("p1", "2026-01-01T09:00:00Z"),
        payment_line("p2", "2999-01-01T09:00:00Z"),
        payment_line("p3", "2026-01-02T09:00:00Z"),
    ];
    let folder = Folder::with(&[("past.jsonl", &lines.concat())]);
    let (file, data) = (folder.path("past.jsonl"), folder.path("data"));
    let told = format!("{file}:2: time: is later than now");
    let import = ["import", &file, "--data-dir", &data];
    run(&import).complained(1, &told);
    let ran = run(&[&import[..], &["--skip-bad"]].concat()).succeeded();
    assert!(
        ran.err.contains(&told) && !ran.err.contains(":3:"),
        "{ran:?}"
    );
}

#[test]
fn a_file_with_nothing_in_it_is_no_past_and_leaves_the_directory_to_the_next() {
    let lines = [
        payment_line("p1", "2026-01-01T09:00:00Z"),
        outcome_line("p9", "2026-01-01T09:01:00Z"),
    ];
    let folder = Folder::with(&[
        ("empty.jsonl", ""),
        // As `gzip` makes it of nothing.
        ("empty.jsonl.gz", ""),
        ("bad.jsonl", "\n{}\n"),
        ("unknown.jsonl", &lines[1]),
        ("past.jsonl", &lines.concat()),
    ]);
    fs::write(folder.path("empty.jsonl.gz"), GZIP_OF_NOTHING).unwrap();
    let data = folder.path("data");
    let import = |file: &str| {
        let file = folder.path(file);
        let ran = run(&["import", &file, "--data-dir", &data, "--skip-bad"]);
        (ran, format!("{file}: there is nothing to import in it"))
    };
    for file in ["empty.jsonl", "empty.jsonl.gz"] {
        let (refused, told) = import(file);
        assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{refused:?}");
        assert!(refused.err.contains(&told), "{refused:?}");
        assert!(!fs::exists(&data).unwrap(), "{file}");
    }
    for file in ["bad.jsonl", "unknown.jsonl"] {
        let (refused, told) = import(file);
        assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{refused:?}");
        assert!(refused.err.contains(&told), "{refused:?}");
    }
    let (imported, _) = import("past.jsonl");
    assert_eq!(imported.code, Some(0), "{imported:?}");
}

#[test]
fn what_is_imported_is_known_to_the_first_start() {
    let time = |day| format!("2026-01-{day:02}T09:00:00Z");
    let lines: String = (1..=30)
        .map(|day| payment_line(&format!("p{day}"), &time(day)))
        .collect();
    let folder = Folder::with(&[("past.jsonl", &lines)]);
    let (file, data) = (folder.path("past.jsonl"), folder.path("data"));
    let ran = run(&["import", &file, "--data-dir", &data]).succeeded_quietly();
    assert!(
        ran.out
            .contains("holds           1 accounts, 1 payees, 0 devices"),
        "{ran:?}"
    );

    run(&["import", &file, "--data-dir", &data]).complained(1, "data is not empty");

    let served = Served::start_with_data(&data);
    let known = served.score_json("p-now", &[]);
    assert_eq!(known["history"], "HISTORY_FULL", "{known}");
    let blind = serve().score_json("p-now", &[]);
    assert_eq!(blind["history"], "HISTORY_NONE", "{blind}");
}

#[test]
fn a_key_that_is_gone_from_beside_a_journal_is_missed() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let missed = "the key beside the journal is gone";
    let first = Served::start_with_data(&data).end();
    assert!(!first.contains(missed), "{first}");
    fs::remove_file(folder.path("data/token.key")).unwrap();
    let second = Served::start_with_data(&data).end();
    assert!(second.contains(missed), "{second}");
    let third = Served::start_with_data(&data).end();
    assert!(!third.contains(missed), "{third}");
}

#[test]
fn a_key_that_is_damaged_is_told_before_the_start_that_refuses_it() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    Served::start_with_data(&data).end();
    let key = folder.path("data/token.key");
    let whole = fs::read(&key).unwrap();
    assert_eq!(run(&["journal", "verify", &data]).code, Some(0));
    let cut = [0, 7, 31, 33].map(|length| {
        let damaged: Vec<u8> = whole.iter().copied().cycle().take(length).collect();
        (damaged, format!("token.key: has {length} bytes, not 32"))
    });
    let never_written = (
        vec![0; 32],
        "token.key: has nothing but zero bytes".to_owned(),
    );
    for (damaged, told) in cut.into_iter().chain([never_written]) {
        fs::write(&key, damaged).unwrap();
        let verified = run(&["journal", "verify", &data]);
        verified.complained(1, &told);
        run(&[
            "serve",
            "--grpc-address",
            "127.0.0.1:0",
            "--data-dir",
            &data,
        ])
        .complained(1, &told);
    }
    // One that is gone stops no start, which makes a new one.
    fs::remove_file(&key).unwrap();
    assert_eq!(run(&["journal", "verify", &data]).code, Some(0));
}

#[test]
fn a_journal_that_is_not_read_is_told_where_none_is_kept() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let none = [
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--journal-ack",
        "none",
    ];
    let told = "holds a journal that is not read";
    let beside_nothing = Served::start_on(&data, &none).end();
    assert!(!beside_nothing.contains(told), "{beside_nothing}");
    Served::start_with_data(&data).end();
    let before = fs::read_dir(&data).unwrap().count();
    let log = Served::start_on(&data, &none).end();
    let mut lines = log.lines().filter(|line| line.contains(told));
    let line = lines.next().unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains(&data), "{line}");
    assert_eq!(lines.next(), None, "{log}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), before);
}

#[test]
fn a_process_that_was_ended_goes_on_where_it_was() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let served = Served::start_with_data(&data);
    let asked = served.score_json("p-1", &[]);
    run(&[
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--data-dir",
        &data,
    ])
    .complained(1, "another process has it open");
    served.end();
    let names = fs::read_dir(&data).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_snapshot = |name: String| name.starts_with("snapshot-") && !name.contains('.');
    assert!(names.into_iter().any(is_snapshot));

    let served = Served::start_with_data(&data);
    let again = served.score_json("p-1", &[]);
    assert_eq!(again["replayed"], true, "{again}");
    assert_eq!(again["decision"], asked["decision"], "{again}");
    let duplicate = served.score_json("p-2", &[]);
    assert_eq!(duplicate["decision"], "DECISION_BLOCK", "{duplicate}");
}
