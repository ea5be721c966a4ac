//! How many bytes does an account take, resident? And is what the engine counts what the system sees?
//!
//! `cargo bench --bench memory_per_account [-- ACCOUNTS…]` (100 k and 1 M unless said); `-- --test` runs a
//! small one. Each account remembers 4 or 10 payments with ids of 36 characters; payees and devices are
//! counted with it. Fails where the count is more than a tenth beside what the process has grown by.
//!
//! There all accounts grow in step. Then, of a fifth as many, they come and go as they like: four days of 4
//! payments a day each, and of 30 a day, each by an account drawn at random. What one has outgrown is not at
//! once of the size that another needs, so more is resident than is counted; fails where that is more than
//! a third of it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use common::{Random, Town, engine, fill, resident_bytes};
use doublecheck::engine::{Engine, MemoryUse};
use doublecheck::scoring::time::Span;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each is measured in a process of its own: what one has freed is not resident anew for the next.
const ONE: &str = "--one";
const AT_RANDOM: &str = "--at-random";

/// How many days accounts pay as they like.
const DAYS: u64 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    if let (true, [accounts, payments]) = (arguments.iter().any(|a| a == ONE), &asked[..]) {
        return measure(*accounts, *payments);
    }
    if let (true, [accounts, a_day]) = (arguments.iter().any(|a| a == AT_RANDOM), &asked[..]) {
        return measure_at_random(*accounts, *a_day);
    }
    let sizes = match (is_test, asked.is_empty()) {
        (true, _) => vec![50_000],
        (false, true) => vec![100_000, 1_000_000],
        (false, false) => asked,
    };
    println!(
        "{:>9} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "accounts", "payments", "accounts", "payees", "devices", "counted", "resident", "count is"
    );
    println!(
        "{:>9} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "each", "B/account", "B/account", "B/account", "B/account", "B/account"
    );
    for accounts in &sizes {
        for payments in [4, 10] {
            by_itself(ONE, *accounts, payments);
        }
    }
    println!("{DAYS} days at random, payments a day:");
    for accounts in &sizes {
        for a_day in [4, 30] {
            by_itself(AT_RANDOM, accounts / 5, a_day);
        }
    }
}

fn by_itself(what: &str, accounts: u64, payments: u64) {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([what, &accounts.to_string(), &payments.to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn measure(accounts: u64, payments: u64) {
    let town = Town::new(accounts);
    let (clock, engine) = engine();
    let resident_before = resident_bytes();
    fill(&engine, &clock, &town, payments);
    let share = told(&engine, resident_before, accounts, payments);
    if resident_before > 0 {
        // With few accounts what the process holds in reserve weighs more.
        let off_max = if accounts < 100_000 { 0.25 } else { 0.1 };
        assert!((share - 1.0).abs() <= off_max, "the count is {share} of it");
    }
}

fn measure_at_random(accounts: u64, a_day: u64) {
    let town = Town::new(accounts);
    let (clock, engine) = engine();
    let resident_before = resident_bytes();
    let mut random = Random::new(9);
    let a_minute = (accounts * a_day).div_ceil(24 * 60);
    for minute in 1..=DAYS * 24 * 60 {
        for _ in 0..a_minute {
            let payment = town.payment(random.below(accounts), &mut random);
            engine.score(&payment, None).unwrap();
        }
        clock.advance(Span::from_minutes(1));
        if minute % (6 * 60) == 0 {
            engine.sweep();
        }
    }
    let share = told(&engine, resident_before, accounts, a_day);
    if resident_before > 0 {
        assert!(share >= 0.66, "the count is {share} of it");
    }
}

/// Prints what is remembered by now; returns what share of what the process has grown by is counted.
fn told(engine: &Engine, resident_before: u64, accounts: u64, payments: u64) -> f64 {
    let counted = engine.memory_use();
    let resident = resident_bytes() - resident_before;
    let MemoryUse {
        accounts_bytes,
        payees_bytes,
        devices_bytes,
    } = counted;
    let counted = counted.bytes();
    let each = |bytes: u64| bytes / accounts;
    let share = counted as f64 / resident as f64;
    println!(
        "{accounts:>9} {payments:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6.1} %",
        each(accounts_bytes),
        each(payees_bytes),
        each(devices_bytes),
        each(counted),
        each(resident),
        100.0 * share
    );
    share
}
