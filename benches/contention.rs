//! Do threads stand in each other's way? One engine, 1, 2 and 4 threads; accounts that pay alike, by
//! Zipf's law (few of them most of the time), and a single one that is flooded with one payment.
//!
//! `cargo bench --bench contention [-- ACCOUNTS]` (100 k unless said); `-- --test` runs it briefly. Figures
//! are medians (least–most) of rounds that alternate: nanoseconds on the core, which grow where threads
//! wait for each other's memory, and payments a second of all threads, which do not grow beyond the cores.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use common::{Random, Stopwatch, Town, median_of};
use doublecheck::engine::Engine;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::{Payment, PaymentId};
use doublecheck::scoring::time::Span;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [usize; 3] = [1, 2, 4];

/// Who pays.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spread {
    /// Every account as often as the others.
    Uniform,
    /// The account of rank k in proportion to 1/k.
    Zipf,
    /// One account, the same payment again and again: of all of them, one is allowed.
    Single,
}

const SPREADS: [(Spread, &str); 3] = [
    (Spread::Uniform, "uniform"),
    (Spread::Zipf, "Zipf 1.0"),
    (Spread::Single, "single"),
];

/// What came of one round.
#[derive(Debug, Clone, Copy)]
struct Round {
    allowed: usize,
    ns_each: f64,
    per_second: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let (accounts, rounds, payments) = match is_test {
        true => (2_000, 3, 4_000),
        false => (asked.unwrap_or(100_000), 7, 80_000),
    };
    let town = Town::new(accounts);
    let (clock, engine) = common::engine();
    common::fill(&engine, &clock, &town, 4);
    println!(
        "{:>10}  {:>7}  {:>22}  {:>26}  {:>7}",
        "accounts", "threads", "on the core, ns", "payments/s", "allowed"
    );
    // A flooded account is a new one each time, and no round falls into the windows of an earlier one.
    let mut stranger = accounts;
    for (spread, name) in SPREADS {
        let mut measured = THREADS.map(|_| Vec::new());
        for seed in 0..rounds {
            for (threads, measured) in THREADS.into_iter().zip(&mut measured) {
                stranger += 1;
                clock.advance(Span::from_hours(25));
                let calls = calls(&town, spread, stranger, seed, payments);
                let round = round(&engine, threads, &calls);
                let expected = match spread {
                    Spread::Single => 1..=1,
                    Spread::Uniform => payments * 9 / 10..=payments,
                    // The busiest accounts pay faster than people do, and are asked.
                    Spread::Zipf => payments / 4..=payments,
                };
                assert!(expected.contains(&round.allowed), "{spread:?} {round:?}");
                measured.push(round);
            }
        }
        for (threads, measured) in THREADS.iter().zip(measured) {
            print(name, *threads, &measured, payments);
        }
    }
    races(&engine, &town, stranger + 1, rounds * 100);
}

fn print(name: &str, threads: usize, rounds: &[Round], payments: usize) {
    let of = |figure: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        let (median, least, most) = median_of(&mut figures);
        format!("{median:.0} ({least:.0}–{most:.0})")
    };
    let allowed: usize = rounds.iter().map(|round| round.allowed).sum();
    println!(
        "{name:>10}  {threads:>7}  {:>22}  {:>26}  {:>5.1} %",
        of(|round| round.ns_each),
        of(|round| round.per_second),
        100.0 * allowed as f64 / (payments * rounds.len()) as f64
    );
}

/// The payments of one round, each with an id of its own.
fn calls(town: &Town, spread: Spread, stranger: u64, seed: u64, payments: usize) -> Vec<Payment> {
    let mut random = Random::new(0xc04e ^ seed << 8 ^ stranger << 32);
    let flood = town.payment(stranger, &mut random);
    (0..payments)
        .map(|_| match spread {
            Spread::Uniform => town.payment(random.below(town.accounts), &mut random),
            Spread::Zipf => town.payment(zipf(town.accounts, &mut random), &mut random),
            Spread::Single => Payment {
                payment_id: town.payment(stranger, &mut random).payment_id,
                ..flood.clone()
            },
        })
        .collect()
}

/// Draws from the continuous law of density 1/x, cut down to whole numbers: near enough to Zipf's.
fn zipf(accounts: u64, random: &mut Random) -> u64 {
    let unit = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let rank = (unit * (accounts as f64 + 1.0).ln()).exp();
    (rank as u64).clamp(1, accounts) - 1
}

/// Scores `calls`, dealt out to so many threads that start together.
fn round(engine: &Engine, threads: usize, calls: &[Payment]) -> Round {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = calls
            .chunks(calls.len().div_ceil(threads))
            .map(|calls| {
                scope.spawn(|| {
                    start.wait();
                    let watch = Stopwatch::start();
                    let allowed = calls.iter().filter(|call| is_allowed(engine, call)).count();
                    (allowed, watch.ns_each(1))
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        let took = started.elapsed();
        let ended = ended.into_iter().map(Result::unwrap);
        let (allowed, ns) = ended.fold((0, 0.0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
        Round {
            allowed,
            ns_each: ns / calls.len() as f64,
            per_second: calls.len() as f64 / took.as_secs_f64(),
        }
    })
}

fn is_allowed(engine: &Engine, payment: &Payment) -> bool {
    let scored = engine.score(payment, None).unwrap();
    assert!(!scored.replayed);
    scored.assessment.decision == Decision::Allow
}

/// As many threads as there may be pay the same on one account at the same moment: one is allowed. The
/// same under one id: one is decided, and the others get its answer.
fn races(engine: &Engine, town: &Town, stranger: u64, races: u64) {
    const RACERS: usize = 4;
    let start = Barrier::new(RACERS);
    let mut random = Random::new(stranger);
    let payments: Vec<Payment> = (0..races)
        .map(|race| town.payment(stranger + race, &mut random))
        .collect();
    let race = |racer: usize, payment: &Payment| {
        let mut other = payment.clone();
        other.payment_id = PaymentId::new(format!("racer-{racer}-{}", payment.payment_id)).unwrap();
        start.wait();
        let allowed = is_allowed(engine, &other);
        start.wait();
        let retried = engine.score(payment, None).unwrap();
        (allowed, !retried.replayed)
    };
    let raced: Vec<Vec<(bool, bool)>> = thread::scope(|scope| {
        let (race, payments) = (&race, &payments);
        #[allow(
            clippy::needless_collect,
            reason = "all start before one is waited for"
        )]
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| scope.spawn(move || payments.iter().map(|p| race(racer, p)).collect()))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    for nth in 0..payments.len() {
        let allowed = raced.iter().filter(|racer| racer[nth].0).count();
        let decided = raced.iter().filter(|racer| racer[nth].1).count();
        assert_eq!((allowed, decided), (1, 1), "race {nth}");
    }
    println!(
        "{races} races of {RACERS} threads: one allowed, and one decided under the same id, in each"
    );
}
