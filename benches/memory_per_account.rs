//! How many bytes does an account take, resident? And is what the engine counts what the system sees?
//!
//! `cargo bench --bench memory_per_account [-- ACCOUNTS…]` (100 k and 1 M unless said); `-- --test` runs a
//! small one. Each account remembers 4 or 10 payments with ids of 36 characters; payees and devices are
//! counted with it. Fails where the count is more than a tenth beside what the process has grown by.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use common::{Town, engine, fill, resident_bytes};
use doublecheck::engine::MemoryUse;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each is measured in a process of its own: what one has freed is not resident anew for the next.
const ONE: &str = "--one";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    if let (true, [accounts, payments]) = (arguments.iter().any(|a| a == ONE), &asked[..]) {
        return measure(*accounts, *payments);
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
    for accounts in sizes {
        for payments in [4, 10] {
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args([ONE, &accounts.to_string(), &payments.to_string()])
                .status();
            assert!(status.unwrap().success());
        }
    }
}

fn measure(accounts: u64, payments: u64) {
    let town = Town::new(accounts);
    let (clock, engine) = engine();
    let (resident_before, counted_before) = (resident_bytes(), engine.memory_bytes());
    fill(&engine, &clock, &town, payments);
    let counted = engine.memory_use();
    let resident = resident_bytes() - resident_before;
    let MemoryUse {
        accounts_bytes,
        payees_bytes,
        devices_bytes,
    } = counted;
    let counted = counted.bytes() - counted_before;
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
    if resident_before > 0 {
        // With few accounts what the process holds in reserve weighs more.
        let off_max = if accounts < 100_000 { 0.25 } else { 0.1 };
        assert!((share - 1.0).abs() <= off_max, "the count is {share} of it");
    }
}
