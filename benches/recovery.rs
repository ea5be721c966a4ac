//! How fast is a journal written and read back, how long does a restart take, and whom does a snapshot
//! disturb?
//!
//! `append` and `read` are the CPU time of the thread that does it, on files in memory. All else has a
//! directory beside the build, and that disk's time is in it. `redo` is a whole restart from a journal
//! alone, `begin` one from a snapshot alone, on all cores, by the clock on the wall, each by a process of its
//! own: the median of five, the shortest and the longest. `pause` is the longest that a payment took that was
//! scored while a snapshot was being taken, `alone` while none was: in all, of that on a core, held up by
//! others in this process, without what it waited for a core, and stolen: where the thread never left its core
//! but the core was not there, as a hypervisor takes it away from who has used up their share.
//!
//! `cargo bench --bench recovery [-- EVENTS [ACCOUNTS]]` (1 M each unless said); `-- --test` runs a small one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Random, START, Stopwatch, Town, claim_memory, fill, has_taken_memory, median_of, memory_bytes,
    on_core, patient_policy,
};
use doublecheck::clock::{Clock as _, ManualClock};
use doublecheck::engine::{Durability, Engine, Progress};
use doublecheck::journal::event::{Event, PaymentScored};
use doublecheck::journal::{Ack, Journal, Kept, Reader, Settings};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::memory::{PayeeFacts, Surroundings};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::disk::Disk;
use doublecheck::storage::simulated::Simulated;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many restarts are timed.
const RESTARTS: usize = 5;

fn main() {
    if has_taken_memory() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [asked, path, now_ms] = &*arguments
        && asked == RESTART
    {
        return restarted(path, Timestamp::from_unix_ms(now_ms.parse().unwrap()));
    }
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let mut asked = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let usual = if is_test { 20_000 } else { 1_000_000 };
    let events: u64 = asked.next().unwrap_or(usual);
    let accounts: u64 = asked.next().unwrap_or(usual);
    journal(events);
    redo(events);
    begin_from_a_snapshot(accounts);
}

fn journal(events: u64) {
    let disk = Simulated::new(1);
    let journal = fresh(&disk);
    let made: Vec<Event<'_>> = traffic(events.min(10_000));
    let stopwatch = Stopwatch::start();
    let times = events.try_into().unwrap();
    let mut last = 0;
    for event in made.iter().cycle().take(times) {
        last = journal.append(event);
    }
    let appending = stopwatch.ns_each(times);
    assert_eq!(journal.wait_until_committed(last), Kept::Yes);
    let bytes = journal.counts().bytes;
    journal.close().unwrap();

    let stopwatch = Stopwatch::start();
    let read = Reader::whole(Arc::new(disk)).unwrap();
    let expected = made.iter().cycle();
    let mut count = 0;
    for (event, expected) in read.zip(expected) {
        assert_eq!(event.unwrap().1.time(), expected.time());
        count += 1;
    }
    let reading = stopwatch.ns_each(times);
    assert_eq!(count, events);

    println!(
        "{events} payments, {:.0} B each",
        bytes as f64 / events as f64
    );
    println!("append  {appending:>6.0} ns each");
    println!(
        "read    {reading:>6.0} ns each, {:.2} M events/s",
        1_000.0 / reading
    );
}

fn fresh(disk: &Simulated) -> Journal {
    let directory = Arc::new(disk.clone());
    let mut reader = Reader::whole(directory.clone()).unwrap();
    assert!(reader.next().is_none());
    Journal::start(
        directory,
        &reader.ending().unwrap(),
        Settings::with_ack(Ack::Written),
        Arc::new(ManualClock::at(START)),
        Box::new(|_| ()),
    )
    .unwrap()
}

/// Payments with ids of usual lengths, to payees of whom something is known.
fn traffic(events: u64) -> Vec<Event<'static>> {
    let town = Town::new(100_000);
    let mut random = Random::new(7);
    let scored = |nth: u64| {
        let payment = town.payment(random.below(100_000), &mut random);
        let time = START.plus(Span::from_ms(nth.cast_signed()));
        Event::PaymentScored(PaymentScored {
            time,
            payment: Cow::Owned(payment),
            presented: None,
            surroundings: Surroundings {
                payee: PayeeFacts {
                    payers: 50,
                    payers_recent: 12,
                    payers_usual: random.below(1_000) as f64 / 7.0,
                    first_seen: Some(START),
                    ..PayeeFacts::default()
                },
                ..Surroundings::default()
            },
            policy_number: 0,
            decision: Decision::Allow,
            score: random.below(1_000) as f64 / 13.0,
            shadow_decision: None,
            minted: None,
            above_doublings: None,
        })
    };
    (0..events).map(scored).collect()
}

/// A data directory, empty at first and gone at the end.
struct DataDirectory(PathBuf);

impl DataDirectory {
    fn empty() -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("recovery");
        // What a run that was cut short left behind.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    /// The engine that it remembers, and its clock.
    fn recover(&self) -> (Arc<ManualClock>, Engine) {
        let clock = Arc::new(ManualClock::at(START));
        let durability = Durability {
            directory: Arc::new(Disk::open(&self.0).unwrap()),
            settings: Settings {
                // Nobody is to be refused here, however far the writer is behind.
                queue_bytes_max: usize::MAX,
                ..Settings::with_ack(Ack::Written)
            },
            sets_damage_aside: false,
        };
        let clock_from = |earliest| {
            clock.set(START.max(earliest));
            clock.clone() as _
        };
        let agrees = |progress| {
            if let Progress::Ended(recovered, _) = progress {
                assert_eq!(recovered.disagreements, 0);
            }
        };
        let policies = patient_policy().into();
        let engine = Engine::recover(policies, durability, clock_from, agrees).unwrap();
        (clock, engine)
    }

    /// Closes the engine and lets other processes recover it, to the last bit; how many seconds they took.
    fn restart(&self, clock: &ManualClock, engine: Engine) -> [f64; RESTARTS] {
        engine.close().unwrap();
        let (expected, now) = (engine.state_hash(), clock.now());
        drop(engine);
        let bytes = memory_bytes("self", "VmHWM:").unwrap_or(0);
        std::array::from_fn(|_| {
            // More than it needs, for some of it is taken back meanwhile.
            claim_memory(2 * bytes);
            let output = Command::new(std::env::current_exe().unwrap())
                .arg(RESTART)
                .arg(&self.0)
                .arg(now.unix_ms().to_string())
                .stderr(Stdio::inherit())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", output.status);
            let told = String::from_utf8(output.stdout).unwrap();
            let (seconds, hash) = told.trim().split_once(' ').unwrap();
            assert_eq!(hash, expected.to_string());
            seconds.parse().unwrap()
        })
    }
}

/// The argument that asks for nothing but a restart: from which directory, and when.
const RESTART: &str = "--restart";

/// Recovers what is in the directory, and tells how long that took and what came of it.
fn restarted(path: &str, now: Timestamp) {
    let kept = ManuallyDrop::new(DataDirectory(path.into()));
    let started = Instant::now();
    let (clock, engine) = kept.recover();
    let elapsed = started.elapsed();
    engine.close().unwrap();
    clock.set(now);
    println!("{} {}", elapsed.as_secs_f64(), engine.state_hash());
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Whatever is left is removed by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn redo(events: u64) {
    let kept = DataDirectory::empty();
    let (clock, engine) = kept.recover();
    fill(&engine, &clock, &Town::new(events / 8), 8);
    let mut each = kept
        .restart(&clock, engine)
        .map(|s| s * 1e9 / events as f64);
    let (each, least, most) = median_of(&mut each);
    println!(
        "redo    {each:>6.0} ns each ({least:.0}–{most:.0}), {:.2} M events/s",
        1_000.0 / each
    );
}

fn begin_from_a_snapshot(accounts: u64) {
    let kept = DataDirectory::empty();
    let (clock, engine) = kept.recover();
    let town = Town::new(accounts);
    fill(&engine, &clock, &town, 4);
    claim_memory(GROWTH_BYTES);
    let (_, longest_alone) = longest_payments(&engine, &town, || thread::sleep(ALONE));
    let mut bytes = 0;
    claim_memory(GROWTH_BYTES);
    let started = Instant::now();
    let (payments, longest) = longest_payments(&engine, &town, || {
        let snapshot = engine.take_snapshot(|| true).unwrap();
        bytes = snapshot.unwrap().bytes;
    });
    let taking = started.elapsed();
    // One that holds what was paid meanwhile, so that no journal is left to be done again.
    engine.take_snapshot(|| true).unwrap();
    assert_eq!(engine.accounts() as u64, accounts);
    let a_million = |seconds: f64| seconds / (accounts as f64 / 1e6);
    let mut beginning = kept.restart(&clock, engine).map(a_million);
    let (beginning, least, most) = median_of(&mut beginning);
    let each = bytes as f64 / accounts as f64;
    println!("{accounts} accounts of 4, with payees and devices {each:.0} B each");
    println!(
        "take    {:>6.2} s a million",
        a_million(taking.as_secs_f64())
    );
    println!("begin   {beginning:>6.2} s a million ({least:.2}–{most:.2})");
    println!("longest that only one payment in 10,000 took, and longest of all, in µs:");
    println!("pause   {longest}, of {payments} payments");
    println!("alone   {longest_alone}, without a snapshot");
}

/// By how much the state grows at most while the longest payment is looked for.
const GROWTH_BYTES: u64 = 1 << 30;

/// For how long payments are scored without a snapshot, to compare with.
const ALONE: Duration = Duration::from_secs(1);

/// The longest times that payments took: all of it; on a core; neither on one nor waiting for one, which is
/// what they were held up by others in this process; and stolen from them while on one.
struct Longest([[f64; 2]; 4]);

impl Longest {
    fn of(took: &[[f64; 4]]) -> Self {
        Self([0, 1, 2, 3].map(|part| {
            let mut took: Vec<f64> = took.iter().map(|took| took[part]).collect();
            took.sort_by(f64::total_cmp);
            let last = took.len() - 1;
            [took[last - took.len() / 10_000], took[last]]
        }))
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["in all", "on a core", "held up", "stolen"];
        for (name, [rare, longest]) in names.iter().zip(self.0) {
            write!(f, "{name} {rare:.0} {longest:.0}  ")?;
        }
        Ok(())
    }
}

/// Where the time of a thread goes.
struct Ledger(File);

impl Ledger {
    fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").unwrap())
    }

    /// How long `work` took, in µs: all of it, on a core, held up and stolen. Of what is told by the ledger
    /// more is taken than of the time, lest a wait between two readings count as held up.
    fn times(&self, work: impl FnOnce()) -> [f64; 4] {
        let (before, on_core_before) = (self.read(), on_core());
        let began = Instant::now();
        work();
        let all = began.elapsed().as_secs_f64() * 1e6;
        let on_core = (on_core() - on_core_before).as_secs_f64() * 1e6;
        let after = self.read();
        let missing = (all - on_core - (after.waited_us - before.waited_us)).max(0.0);
        if after.runs == before.runs {
            [all, on_core, 0.0, missing]
        } else {
            [all, on_core, missing, 0.0]
        }
    }

    fn read(&self) -> Reading {
        let mut stat = [0; 64];
        let length = self.0.read_at(&mut stat, 0).unwrap();
        let stat = std::str::from_utf8(&stat[..length]).unwrap();
        let mut numbers = stat.split_whitespace().skip(1);
        let mut number = || numbers.next().unwrap().parse::<u64>().unwrap();
        Reading {
            waited_us: number() as f64 / 1e3,
            runs: number(),
        }
    }
}

/// What a ledger says.
struct Reading {
    /// For how long the thread has waited for a core.
    waited_us: f64,
    /// How often it has come to one.
    runs: u64,
}

/// How many payments were scored during `meanwhile`, and the longest times that any took.
fn longest_payments(engine: &Engine, town: &Town, meanwhile: impl FnOnce()) -> (usize, Longest) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let scoring = scope.spawn(|| {
            let mut random = Random::new(3);
            let mut took = Vec::new();
            let ledger = Ledger::of_this_thread();
            while !over.load(Ordering::Relaxed) {
                let payment = town.payment(random.below(town.accounts), &mut random);
                took.push(ledger.times(|| {
                    engine.score(&payment, None).unwrap();
                }));
            }
            (took.len(), Longest::of(&took))
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        scoring.join().unwrap()
    })
}
