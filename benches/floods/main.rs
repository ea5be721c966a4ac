//! What does an honest client notice of a flood, and what does the server's memory do?
//!
//! For each flood a server of its own, a process of its own; beside it the honest client, `doublecheck
//! load`, a process too: 1,000 payments a second over 8 connections, and latency counts from when each was
//! due. Rounds without and with the flood take turns. The flood is a thread of this process: what it does
//! it does as fast as others leave it a core, over 8 connections, with 32 calls under way on each where it
//! calls. On two cores that takes its share all the same, and so does the thread of the server that it keeps
//! busy: the first row is two threads that do nothing but use a core.
//!
//! `cargo bench --bench floods [-- FLOOD...]`; `-- --test` runs it briefly. Figures are medians of rounds.
//! Read ratios: machines are noisy.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod attacks;
#[path = "../common.rs"]
mod common;
#[path = "../loads.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod loads;
#[path = "../../tests/cli/support.rs"]
#[allow(dead_code, reason = "the tests take the rest")]
mod support;
#[path = "../../tests/behaviour/wire.rs"]
#[allow(dead_code, reason = "the tests take the rest")]
mod wire;

use std::fs;
use std::time::Instant;

use attacks::{Attack, Attacker};
use common::{median_of, memory_bytes};
use support::Served;

/// How many times slower the slowest percent may be.
const GOAL: f64 = 2.0;

const MIB: u64 = 1 << 20;
const BUDGET_MIB: u64 = 512;

/// What of the files that a process may open is not for connections of a flood.
const OTHER_FILES: usize = 200;

const OPEN: &str = "doublecheck_connections_open";
const HELD: [&str; 2] = [
    "doublecheck_connections_held_total{reason=\"waste\"}",
    "doublecheck_connections_held_total{reason=\"address\"}",
];

struct Flood {
    name: &'static str,
    attack: Attack,
    /// What the server is told besides.
    arguments: [&'static str; 2],
    /// As what it counts the connections that it ends, if it ends them before it reads so slowly from them that
    /// they do not get so far.
    closed: Option<&'static str>,
}

/// How long it is looked at.
struct Lengths {
    rounds: usize,
    round: &'static str,
    warm_up: &'static str,
    idle_connections: usize,
    slow_connections: usize,
    /// What the server is told where they are slow: 5,000 unless told, and so they come back sooner.
    handshake_ms: &'static str,
    /// What the server is told so that a machine that is busy with other things decides nothing.
    patience: &'static [&'static str],
}

const BRIEF: Lengths = Lengths {
    rounds: 1,
    round: "200ms",
    warm_up: "0s",
    idle_connections: 1_000,
    slow_connections: 100,
    handshake_ms: "50",
    patience: &["--admission-queue-ms", "60000"],
};

const AT_LENGTH: Lengths = Lengths {
    rounds: 5,
    round: "2s",
    warm_up: "300ms",
    idle_connections: 10_000,
    slow_connections: 1_000,
    handshake_ms: "500",
    patience: &[],
};

/// What the honest client saw in a round.
#[derive(Debug, Clone, Copy)]
struct Seen {
    p50_us: f64,
    p99_us: f64,
    /// How many cores the server used.
    cores: f64,
}

/// One round without the flood and one with it.
#[derive(Debug, Clone, Copy)]
struct Round {
    calm: Seen,
    flooded: Seen,
    done_per_second: f64,
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let is_brief = given.iter().any(|argument| argument == "--test");
    let lengths = if is_brief { BRIEF } else { AT_LENGTH };
    let asked: Vec<_> = given
        .iter()
        .filter(|name| !name.starts_with("--"))
        .collect();
    println!(
        "{:20} {:>10} {:>13} {:>15} {:>20} {:>16} {:>11} {:>18}  connections closed",
        "medians", "done/s", "p50 µs", "p99 µs", "p99 ratio", "goal < 2", "server cores", "RSS MiB"
    );
    for flood in floods(&lengths) {
        if asked.is_empty() || asked.iter().any(|name| flood.name.contains(*name)) {
            suffer(&flood, &lengths);
        }
    }
}

fn floods(lengths: &Lengths) -> Vec<Flood> {
    let files_max = files_max();
    let idle = lengths
        .idle_connections
        .min(files_max.saturating_sub(OTHER_FILES));
    if idle < lengths.idle_connections {
        println!("{idle} idle connections only, for a process may open {files_max} files here");
    }
    let flood = |name, attack, closed| Flood {
        name,
        attack,
        // As it does unless told.
        arguments: ["--limits-connections", "10000"],
        closed,
    };
    vec![
        flood("threads that spin", Attack::Spin, None),
        flood("rapid reset", Attack::RapidReset, Some("flood")),
        flood("CONTINUATION", Attack::Continuation, Some("broken")),
        flood("PING", Attack::Ping, Some("flood")),
        flood("SETTINGS", Attack::Settings, Some("flood")),
        Flood {
            // The honest client must have room beside those that the server takes unless told otherwise.
            arguments: ["--limits-connections", "10100"],
            ..flood("idle connections", Attack::Idle(idle), None)
        },
        Flood {
            arguments: ["--limits-handshake-ms", lengths.handshake_ms],
            ..flood(
                "slow first byte",
                Attack::SlowGreeting(lengths.slow_connections),
                Some("handshake"),
            )
        },
        flood("gzip bomb", Attack::Bomb, None),
        flood("oversized message", Attack::LongMessage, None),
        flood("unfinished message", Attack::UnfinishedMessage, None),
        flood("empty payments", Attack::EmptyPayments, None),
        flood("oversized metadata", Attack::LongMetadata, None),
    ]
}

/// Runs one flood, prints what came of it, and holds it against what must be.
fn suffer(flood: &Flood, lengths: &Lengths) {
    let budget = format!("{BUDGET_MIB}MiB");
    let usual = [
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--journal-ack",
        "none",
    ];
    let budget = ["--memory-budget", &budget];
    let server = Served::start(&[&usual, &budget[..], &flood.arguments, lengths.patience].concat());
    let pid = server.child.id().to_string();
    let memory = |line| memory_bytes(&pid, line).unwrap();
    let empty = memory("VmRSS:");
    let mut rounds = Vec::new();
    let mut before = 0;
    for nth in 0..lengths.rounds {
        let calm = honest(&server, lengths);
        if nth == 0 {
            before = memory("VmRSS:");
        }
        let attacker = Attacker::start(flood.attack, server.address.parse().unwrap());
        let (started, done) = (Instant::now(), attacker.done());
        let flooded = honest(&server, lengths);
        let done = attacker.done() - done;
        if let Attack::Idle(count) = flood.attack {
            let open = server.metric(OPEN);
            assert!(open >= count as f64, "{open} connections of {count}");
        }
        let done_per_second = done as f64 / started.elapsed().as_secs_f64();
        attacker.stop();
        rounds.push(Round {
            calm,
            flooded,
            done_per_second,
        });
    }
    let highest = memory("VmHWM:");
    let closed = closed(&server);
    print(flood, &rounds, [before, highest], &closed);
    if let Some(why) = flood.closed {
        let times = closed.iter().find(|(reason, _)| reason == why);
        let is_held = HELD.iter().any(|held| server.metric(held) > 0.0);
        assert!(times.is_some() || is_held, "{closed:?}");
    }
    assert!(
        highest <= empty + BUDGET_MIB * MIB,
        "{} MiB at the highest, {} MiB empty",
        highest / MIB,
        empty / MIB
    );
}

/// Lets the honest client pay for a round: every payment is answered, and rightly.
fn honest(server: &Served, lengths: &Lengths) -> Seen {
    let pid = server.child.id().to_string();
    let client = [
        "--address",
        &server.address,
        "--pid",
        &pid,
        "--rate",
        "1000",
    ];
    let length = ["--duration", lengths.round, "--warm-up", lengths.warm_up];
    let loaded = loads::load(&[&client[..], &length].concat(), &["score"]);
    let of = |figure: &str| loaded["score"][figure]["median"].as_f64().unwrap();
    Seen {
        p50_us: of("p50_us"),
        p99_us: of("p99_us"),
        cores: of("server_cpu_us_per_payment") * of("rate_per_second") / 1e6,
    }
}

fn print(flood: &Flood, rounds: &[Round], rss: [u64; 2], closed: &[(String, f64)]) {
    let median = |of: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(of).collect();
        median_of(&mut figures)
    };
    let (ratio, least, most) = median(|round| round.flooded.p99_us / round.calm.p99_us);
    let reached = if ratio < GOAL { "reached" } else { "missed" };
    let pair = |calm: f64, flooded: f64| format!("{calm:.0} → {flooded:.0}");
    let closed: Vec<String> = closed
        .iter()
        .map(|(why, times)| format!("{why} {times}"))
        .collect();
    println!(
        "{:20} {:>10.0} {:>13} {:>15} {:>20} {reached:>8} {:>11} {:>18}  {}",
        flood.name,
        median(|round| round.done_per_second).0,
        pair(
            median(|round| round.calm.p50_us).0,
            median(|round| round.flooded.p50_us).0
        ),
        pair(
            median(|round| round.calm.p99_us).0,
            median(|round| round.flooded.p99_us).0
        ),
        format!("{ratio:.2} ({least:.2}–{most:.2})"),
        format!(
            "{:.2} → {:.2}",
            median(|round| round.calm.cores).0,
            median(|round| round.flooded.cores).0
        ),
        format!("{} → {}", rss[0] / MIB, rss[1] / MIB),
        closed.join(", ")
    );
}

/// How many connections ended, and why.
fn closed(server: &Served) -> Vec<(String, f64)> {
    let page = server.get("/metrics");
    let each = page.lines().filter_map(|line| {
        let rest = line.strip_prefix("doublecheck_connections_closed_total{reason=\"")?;
        let (why, times) = rest.split_once("\"} ")?;
        Some((why.to_owned(), times.parse().unwrap()))
    });
    each.filter(|(_, times)| *times > 0.0).collect()
}

fn files_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(usize::MAX)
}
