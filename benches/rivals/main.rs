//! What would somebody build instead, and what does it cost? The same payments scored by Redis (one
//! script per payment), by a gRPC service that calls Redis, by the first draft that everybody writes, and
//! by ours. The rivals do less: a duplicate check, counts and sums; ours does that and the other signals.
//!
//! `cargo bench --bench rivals [-- ACCOUNTS]` (1 M in process unless said, a tenth of it at the servers);
//! `-- --test` runs it briefly. Needs redis-server. All by turns on one machine, each server loaded over
//! one connection, with 1 or 64 payments under way; medians of rounds. Read ratios: machines are noisy.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

#[path = "../common.rs"]
mod common;
mod composed;
mod direct;
mod draft;
mod ours;

use std::time::Duration;

use common::median_of;
use direct::Redis;
use draft::Draft;
use ours::{Ours, load};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Refused or not, then count and sum of each window.
type Answer = [i64; 9];

const DUPLICATE_WITHIN_MS: i64 = 120_000;
const WINDOWS_MS: [i64; 4] = [60_000, 600_000, 3_600_000, 86_400_000];
/// More payments than anybody makes here in any window.
const LIMIT: i64 = 1_000;

/// What each account has paid before.
const EARLIER: i64 = 8;

/// What one round of one way came to.
#[derive(Debug, Clone, Copy)]
struct Figures {
    p50_us: f64,
    per_second: f64,
    /// On the server's side.
    cpu_us: f64,
}

/// The ways, in the order of a round.
const WAYS: [&str; 8] = [
    "Redis, 1 in flight",
    "Redis, 64 pipelined",
    "gRPC + Redis, 1 in flight",
    "gRPC + Redis, 64 in flight",
    "ours, unary, 1 in flight",
    "ours, unary, 64 in flight",
    "ours, stream, 64 in flight",
    "ours, batch of 64",
];
const REDIS_1: usize = 0;
const REDIS_64: usize = 1;
const COMPOSED_1: usize = 2;
const COMPOSED_64: usize = 3;
const OURS_1: usize = 4;
const OURS_64: usize = 5;
const STREAM: usize = 6;
const BATCH: usize = 7;

fn main() {
    if common::has_taken_memory() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let accounts = if is_test {
        2_000
    } else {
        asked.unwrap_or(1_000_000)
    };
    match is_test {
        true => draft::compare(accounts, 1, 2_000),
        false => draft::compare(accounts, 7, 64_000),
    }
    let Some(redis) = Redis::start() else {
        println!("rivals: Redis is not compared, for redis-server is not installed");
        return;
    };
    redis.agrees_with(&Draft::default());
    match is_test {
        true => servers(&redis, accounts, 1, 1_000),
        false => servers(&redis, (accounts / 10).max(1_000), 5, 40_000),
    }
}

/// Every way by turns; `payments` of each a round, or a multiple of it for those that are quick.
fn servers(redis: &Redis, accounts: u64, rounds: u64, payments: usize) {
    redis.fill(accounts, EARLIER);
    let composed = composed::serve(&redis.url, &redis.script);
    let composed_pids = [std::process::id(), redis.pid()];
    let ours = Ours::start();
    ours.fill(accounts, EARLIER);
    let few = payments / 8;
    let mut figures: Vec<[Figures; 8]> = Vec::new();
    for round in 0..rounds {
        let composed =
            |unary: &[&str], payments| load(&composed, &composed_pids, accounts, payments, unary);
        let ours =
            |how: &[&str], payments| load(&ours.address, &[ours.pid()], accounts, payments, how);
        figures.push([
            redis.load(accounts, 2 * round, few, 1),
            redis.load(accounts, 2 * round + 1, payments, 64),
            composed(&["--in-flight", "1"], few),
            composed(&["--in-flight", "64"], payments),
            ours(&["--in-flight", "1"], few),
            ours(&["--in-flight", "64"], 2 * payments),
            ours(&["--mode", "stream", "--in-flight", "64"], 4 * payments),
            ours(&["--mode", "batch", "--in-flight", "1"], 4 * payments),
        ]);
    }
    print(&figures, accounts);
}

fn print(figures: &[[Figures; 8]], accounts: u64) {
    println!(
        "\nServers, {accounts} accounts with {EARLIER} earlier payments each, one connection:"
    );
    println!(
        "  {:28} {:>10} {:>12} {:>24}",
        "", "p50 µs", "payments/s", "server CPU µs/payment"
    );
    for (way, name) in WAYS.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64| {
            let mut of: Vec<f64> = figures.iter().map(|round| figure(&round[way])).collect();
            median_of(&mut of)
        };
        let (cpu, least, most) = of(|way| way.cpu_us);
        println!(
            "  {name:28} {:>10.0} {:>12.0} {:>24}",
            of(|way| way.p50_us).0,
            of(|way| way.per_second).0,
            format!("{cpu:.2} ({least:.2}–{most:.2})")
        );
    }
    println!(
        "  (with 64 pipelined or in a batch, p50 is that of all 64; gRPC + Redis: CPU of both)"
    );
    let ratio = |name: &str, goal: f64, of: fn(&[Figures; 8]) -> f64| {
        let mut ratios: Vec<f64> = figures.iter().map(of).collect();
        print_ratio(name, &mut ratios, goal);
    };
    ratio("p50, gRPC + Redis / ours, 1 in flight", 2.0, |r| {
        r[COMPOSED_1].p50_us / r[OURS_1].p50_us
    });
    ratio("CPU, gRPC + Redis / ours, 64 in flight", 4.0, |r| {
        r[COMPOSED_64].cpu_us / r[OURS_64].cpu_us
    });
    ratio("CPU, Redis 64 / ours, unary 64", 3.0, |r| {
        r[REDIS_64].cpu_us / r[OURS_64].cpu_us
    });
    ratio("CPU, Redis 64 / ours, stream", 12.0, |r| {
        r[REDIS_64].cpu_us / r[STREAM].cpu_us
    });
    ratio("CPU, Redis 64 / ours, batch of 64", 25.0, |r| {
        r[REDIS_64].cpu_us / r[BATCH].cpu_us
    });
    ratio("p50, Redis 1 / ours, 1 in flight", 1.0, |r| {
        r[REDIS_1].p50_us / r[OURS_1].p50_us
    });
}

fn print_ratio(name: &str, ratios: &mut [f64], goal: f64) {
    let (median, least, most) = median_of(ratios);
    let met = if median >= goal { "reached" } else { "missed" };
    println!("  {name:40} {median:>6.2} ({least:.2}–{most:.2})  goal {goal}: {met}");
}

/// The processor time that a process has used so far, over all of its threads.
fn process_cpu(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let ns_of = |task: std::io::Result<std::fs::DirEntry>| {
        let statistics = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        statistics.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.filter_map(ns_of).sum())
}
