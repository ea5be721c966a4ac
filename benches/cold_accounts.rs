//! What does a payment cost when its account is not in the cache, one by one and in chunks: by how many
//! accounts there are, and by how much each of them pays? All signals on; a payee and a device besides
//! the account.
//!
//! `cargo bench --bench cold_accounts [-- ACCOUNTS…]` (10 k, 100 k and 1 M unless said); `-- --test` runs
//! a small one. Figures are nanoseconds on the core, median (least–most) of rounds that alternate; bars are
//! medians, one by one above and in chunks below.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use common::{Random, Stopwatch, Town, claim_memory, has_taken_memory, median_of, resident_bytes};
use doublecheck::clock::ManualClock;
use doublecheck::engine::{CHUNK_CALLS_MAX, Engine};
use doublecheck::scoring::account::{Refusal, Scored};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::Payment;
use doublecheck::scoring::time::Span;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: u64 = 7;
const DAY_US: u64 = 86_400_000_000;

/// By how much the state grows in a round at most.
const GROWTH_BYTES: u64 = 256 << 20;

/// What the accounts of the second table make, each.
const PAYMENTS_A_DAY: [u64; 4] = [1, 10, 100, 1_000];

/// For how many days they have done so before.
const DAYS_BEFORE: u64 = 4;

fn main() {
    if has_taken_memory() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = match (is_test, asked.is_empty()) {
        (true, _) => vec![2_000],
        (false, true) => vec![10_000, 100_000, 1_000_000],
        (false, false) => asked,
    };
    by_accounts(&sizes, if is_test { 2_000 } else { 64_000 });
    match is_test {
        true => by_payments_a_day(300, 1_000),
        false => by_payments_a_day(10_000, 64_000),
    }
}

/// Four payments a day each.
fn by_accounts(sizes: &[u64], payments: usize) {
    println!(
        "{:>10}  {:>22}  {:>22}  {:>9}",
        "accounts", "one by one, ns", "chunks of 64, ns", "B/account"
    );
    let mut bars = Vec::new();
    for &accounts in sizes {
        let before = resident_bytes();
        let (clock, engine) = common::engine();
        let town = Town::new(accounts);
        common::fill(&engine, &clock, &town, 4);
        let bytes = resident_bytes().saturating_sub(before) / accounts;
        let pace = Pace {
            clock: &clock,
            gap_us: DAY_US / 4 / accounts,
        };
        let costs = cost(&engine, pace, &town, payments);
        let [single, chunked] = costs.map(shown);
        println!("{accounts:>10}  {single:>22}  {chunked:>22}  {bytes:>9}");
        bars.push((accounts, costs));
    }
    plot("accounts", &bars);
}

/// So many accounts, from those that rarely pay to those that pay more than is remembered of them.
fn by_payments_a_day(accounts: u64, payments: usize) {
    println!(
        "\n{:>10}  {:>22}  {:>6}  {:>22}  {:>6}  {accounts} accounts",
        "a day each", "one by one, ns", "ratio", "chunks of 64, ns", "ratio"
    );
    let mut rarely = None;
    let mut bars = Vec::new();
    for a_day in PAYMENTS_A_DAY {
        // Nothing here is about pace, and nobody is to be asked for it.
        let (clock, engine) = common::engine_under(common::patient_policy());
        let town = Town::new(accounts);
        let gap = Span::from_ms(i64::try_from(DAY_US / 1_000 / a_day).unwrap());
        // The first few are those of a stranger; and what is usual of a busy account takes days to learn.
        let before = (a_day * DAYS_BEFORE).max(4);
        common::fill_every(&engine, &clock, &town, before, gap);
        let pace = Pace {
            clock: &clock,
            gap_us: DAY_US / a_day / accounts,
        };
        let costs = cost(&engine, pace, &town, payments);
        let medians = costs.map(|(median, _, _)| median);
        let base = *rarely.get_or_insert(medians);
        let [single, chunked] = costs.map(shown);
        println!(
            "{a_day:>10}  {single:>22}  {:>6.2}  {chunked:>22}  {:>6.2}",
            medians[0] / base[0],
            medians[1] / base[1]
        );
        bars.push((a_day, costs));
    }
    plot("a day each", &bars);
}

/// Median, least and most.
type Spread = (f64, f64, f64);

/// Bars of medians, against the longest of them.
fn plot(of: &str, costs: &[(u64, [Spread; 2])]) {
    const LONGEST: f64 = 60.0;
    let medians = costs.iter().flat_map(|(_, costs)| costs);
    let most = medians.fold(0.0, |most: f64, (median, _, _)| most.max(*median));
    println!("\n{of:>10}");
    for (nth, costs) in costs {
        let [single, chunked] = costs.map(|(median, _, _)| {
            // Not negative, and at most as long as the longest.
            let length = (median / most * LONGEST).round() as usize;
            format!("{} {median:.0} ns", "█".repeat(length))
        });
        println!("{nth:>10}  {single}\n{:>10}  {chunked}", "");
    }
}

fn shown((median, least, most): Spread) -> String {
    format!("{median:.0} ({least:.0}–{most:.0})")
}

/// What a payment costs one by one and in chunks: median, least and most.
fn cost(engine: &Engine, pace: Pace<'_>, town: &Town, payments: usize) -> [Spread; 2] {
    let (mut single, mut chunked) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let calls = |nth| calls(town, 2 * round + nth, payments);
        let (first, second) = (calls(0), calls(1));
        claim_memory(GROWTH_BYTES);
        single.push(one_by_one(engine, pace, &first));
        claim_memory(GROWTH_BYTES);
        chunked.push(in_chunks(engine, pace, &second));
    }
    [median_of(&mut single), median_of(&mut chunked)]
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
    timed(pace, payments, |payments| {
        let scored = payments.iter().map(|payment| engine.score(payment, None));
        allowed(scored)
    })
}

fn in_chunks(engine: &Engine, pace: Pace<'_>, payments: &[Payment]) -> f64 {
    timed(pace, payments, |payments| {
        let mut chunk = engine.chunk(payments);
        let scored = payments.iter().map(|payment| chunk.score(payment, None));
        allowed(scored)
    })
}

fn allowed(scored: impl Iterator<Item = Result<Scored, Refusal>>) -> usize {
    let decisions = scored.map(|scored| scored.unwrap().assessment.decision);
    decisions
        .filter(|decision| *decision == Decision::Allow)
        .count()
}

/// Nanoseconds a payment, where `score` scores some that come together and says how many it allowed.
fn timed(pace: Pace<'_>, payments: &[Payment], score: impl Fn(&[Payment]) -> usize) -> f64 {
    let watch = Stopwatch::start();
    let mut allowed = 0;
    for payments in payments.chunks(CHUNK_CALLS_MAX) {
        pace.after(payments.len());
        allowed += score(payments);
    }
    let ns = watch.ns_each(payments.len());
    // Whoever pays a thousand times a day repeats an amount now and then, and is asked.
    assert!(
        allowed * 4 > payments.len() * 3,
        "{allowed} of {}",
        payments.len()
    );
    ns
}
