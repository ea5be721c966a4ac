//! What does a payment cost when its account is not in the cache: one by one and in chunks, by how many
//! accounts there are? All signals on; a payee and a device besides the account.
//!
//! `cargo bench --bench cold_accounts [-- ACCOUNTS…]` (10 k, 100 k and 1 M unless said); `-- --test` runs
//! a small one. Figures are nanoseconds on the core, median (least–most) of rounds that alternate.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use common::{Random, Stopwatch, Town, engine, fill, median_of, resident_bytes};
use doublecheck::clock::ManualClock;
use doublecheck::engine::{CHUNK_CALLS_MAX, Engine};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::Payment;
use doublecheck::scoring::time::Span;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = match (is_test, asked.is_empty()) {
        (true, _) => vec![2_000],
        (false, true) => vec![10_000, 100_000, 1_000_000],
        (false, false) => asked,
    };
    println!(
        "{:>10}  {:>22}  {:>22}  {:>9}",
        "accounts", "one by one, ns", "chunks of 64, ns", "B/account"
    );
    for accounts in sizes {
        let before = resident_bytes();
        let (clock, engine) = engine();
        let town = Town::new(accounts);
        fill(&engine, &clock, &town, 4);
        let bytes = resident_bytes().saturating_sub(before) / accounts;
        let (mut single, mut chunked) = (Vec::new(), Vec::new());
        let payments = if is_test { 2_000 } else { 64_000 };
        for round in 0..ROUNDS as u64 {
            // Four payments a day each, as before.
            let gap_us = 86_400_000_000 / 4 / accounts;
            let pace = Pace {
                clock: &clock,
                gap_us,
            };
            single.push(one_by_one(
                &engine,
                pace,
                &calls(&town, 2 * round, payments),
            ));
            chunked.push(in_chunks(
                &engine,
                pace,
                &calls(&town, 2 * round + 1, payments),
            ));
        }
        let told = |values: &mut Vec<f64>| {
            let (median, least, most) = median_of(values);
            format!("{median:.0} ({least:.0}–{most:.0})")
        };
        println!(
            "{accounts:>10}  {:>22}  {:>22}  {bytes:>9}",
            told(&mut single),
            told(&mut chunked)
        );
    }
}

fn calls(town: &Town, seed: u64, payments: usize) -> Vec<Payment> {
    let mut random = Random::new(0xc01d ^ seed);
    (0..payments)
        .map(|_| {
            let nth = random.below(town.accounts);
            town.payment(nth, &mut random)
        })
        .collect()
}

/// How fast time goes by.
#[derive(Clone, Copy)]
struct Pace<'a> {
    clock: &'a ManualClock,
    gap_us: u64,
}

impl Pace<'_> {
    fn after(self, payments: usize) {
        let gap_ms = self.gap_us * payments as u64 / 1_000;
        self.clock
            .advance(Span::from_ms(i64::try_from(gap_ms).unwrap()));
    }
}

fn one_by_one(engine: &Engine, pace: Pace<'_>, payments: &[Payment]) -> f64 {
    let watch = Stopwatch::start();
    let mut allowed = 0;
    for payments in payments.chunks(CHUNK_CALLS_MAX) {
        pace.after(payments.len());
        for payment in payments {
            let scored = engine.score(payment, None).unwrap();
            allowed += usize::from(scored.assessment.decision == Decision::Allow);
        }
    }
    let ns = watch.ns_each(payments.len());
    assert!(
        allowed * 10 > payments.len() * 9,
        "{allowed} of {}",
        payments.len()
    );
    ns
}

fn in_chunks(engine: &Engine, pace: Pace<'_>, payments: &[Payment]) -> f64 {
    let watch = Stopwatch::start();
    let mut allowed = 0;
    for payments in payments.chunks(CHUNK_CALLS_MAX) {
        pace.after(payments.len());
        let chunk = engine.chunk(payments);
        for payment in payments {
            let scored = chunk.score(payment, None).unwrap();
            allowed += usize::from(scored.assessment.decision == Decision::Allow);
        }
    }
    let ns = watch.ns_each(payments.len());
    assert!(
        allowed * 10 > payments.len() * 9,
        "{allowed} of {}",
        payments.len()
    );
    ns
}
