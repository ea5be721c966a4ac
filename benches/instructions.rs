//! How many instructions does one score take? Unlike time, that is the same on a busy machine: what makes
//! a payment dearer fails here, whoever else is at work.
//!
//! `cargo bench --bench instructions` counts them under valgrind and holds them to
//! `benches/instructions.txt`, give or take a little; `DOUBLECHECK_BLESS=1` before it writes the file anew.
//! An account is scored by itself, outside of the engine; and once all of it is counted, from the hashes of
//! the keys to what payees and devices are told. Hashes differ from run to run, and that count by one in
//! a hundred.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};

use common::{Random, START, Town, engine_under, fill_every, patient_policy};
use doublecheck::scoring::account::{Account, Scored};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::confirmation::ConfirmationToken;
use doublecheck::scoring::memory::Surroundings;
use doublecheck::scoring::payment::Payment;
use doublecheck::scoring::policy::Policies;
use doublecheck::scoring::time::{Span, Timestamp};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is counted: an account by itself, by how many payments of the last 24 hours it remembers; and the
/// whole engine.
const COUNTED: [&str; 4] = ["1", "10", "250", ENGINE];
const ENGINE: &str = "engine";

const CEILINGS: &str = "benches/instructions.txt";

const HEADING: &str = "\
# Instructions of one score, by how many payments the account remembers; and of one through the engine.
# Written by: DOUBLECHECK_BLESS=1 cargo bench --bench instructions
";

/// How far above and below the file a count may be.
const SLACK_PERCENT: u64 = 10;

const ACCOUNTS: usize = 400;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, what, scored] = arguments.as_slice()
        && command == "--run"
    {
        let scored = scored.parse().unwrap();
        match what.as_str() {
            ENGINE => run_engine(scored),
            remembered => run_account(remembered.parse().unwrap(), scored),
        }
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: not counted, for valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    let counted = COUNTED.map(|what| (what, count(what)));
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        fs::write(CEILINGS, written(&counted)).unwrap();
    }
    held(&counted, &fs::read_to_string(CEILINGS).unwrap())
}

/// The instructions of one score: what a run that scores all accounts takes beyond one that scores half
/// of them and is the same in everything else.
fn count(what: &str) -> u64 {
    let all = collected(what, ACCOUNTS);
    let half = collected(what, ACCOUNTS / 2);
    (all - half) / (ACCOUNTS / 2) as u64
}

/// All instructions of a run.
fn collected(what: &str, scored: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--run", what, &scored.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("Collected :"));
    let count = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
    count.unwrap_or_else(|| panic!("no count in what valgrind said:\n{said}"))
}

/// Scores an allowed payment on so many of equal accounts.
fn run_account(remembered: u64, scored: usize) {
    let policies = Policies::from(patient_policy());
    let town = Town::new(1);
    let mut random = Random::new(1);
    let mut account = Account::default();
    let mut now = START;
    // A month of habit, and a day of which everything is remembered.
    for (payments, gap) in [
        (30, Span::from_hours(25)),
        (remembered, Span::from_minutes(5)),
    ] {
        for _ in 0..payments {
            now = now.plus(gap);
            score(&mut account, &policies, &town.payment(0, &mut random), now);
        }
        now = now.plus(Span::from_minutes(20));
    }
    let [first, next] = [(); 2].map(|()| town.payment(0, &mut random));
    let mut accounts = vec![account; ACCOUNTS];
    for account in &mut accounts {
        // Makes the room that a clone lacks, and learns what the pause left to be learnt.
        score(account, &policies, &first, now);
    }
    let later = now.plus(Span::from_minutes(5));
    for account in &mut accounts[..scored] {
        let scored = score(account, &policies, &next, later);
        assert_eq!(scored.assessment.decision, Decision::Allow);
    }
}

/// Scores a payment on so many of the accounts of an engine, each of which has paid every six hours.
fn run_engine(scored: usize) {
    let (clock, engine) = engine_under(patient_policy());
    let town = Town::new(ACCOUNTS as u64);
    let gap = Span::from_hours(6);
    fill_every(&engine, &clock, &town, 12, gap);
    clock.advance(gap);
    let mut random = Random::new(1);
    let payments = (0..town.accounts).map(|nth| town.payment(nth, &mut random));
    let payments: Vec<Payment> = payments.collect();
    for payment in &payments[..scored] {
        engine.score(payment, None).unwrap();
    }
}

fn score(account: &mut Account, policies: &Policies, payment: &Payment, now: Timestamp) -> Scored {
    let token = |_| ConfirmationToken::from_bytes([0; 24]);
    let around = Surroundings::default();
    let scored = account.score(policies, payment, None, &around, token, now);
    scored.unwrap()
}

fn written(counted: &[(&str, u64)]) -> String {
    let mut text = HEADING.to_owned();
    for (what, instructions) in counted {
        writeln!(text, "{what} {instructions}").unwrap();
    }
    text
}

/// Holds each count to that of the file.
fn held(counted: &[(&str, u64)], ceilings: &str) -> ExitCode {
    const HOW: &str = "DOUBLECHECK_BLESS=1 cargo bench --bench instructions";
    println!(
        "{:>10}  {:>12}  {:>8}",
        "counted", "instructions", "the file"
    );
    let mut code = ExitCode::SUCCESS;
    for (what, instructions) in counted {
        let known = ceilings.lines().find_map(|line| {
            let known = line.strip_prefix(&format!("{what} "))?;
            known.parse::<u64>().ok()
        });
        let known = known.unwrap_or_else(|| panic!("{CEILINGS} lacks {what}: {HOW}"));
        println!("{what:>10}  {instructions:>12}  {known:>8}");
        if instructions * 100 > known * (100 + SLACK_PERCENT) {
            println!(
                "  dearer by more than {SLACK_PERCENT} %: make it cheaper, or if it is worth it, {HOW}"
            );
            code = ExitCode::FAILURE;
        } else if instructions * 100 < known * (100 - SLACK_PERCENT) {
            println!("  cheaper by more than {SLACK_PERCENT} %: keep it so, {HOW}");
        }
    }
    code
}
