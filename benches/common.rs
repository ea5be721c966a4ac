//! What the benches share: traffic made from a seed, and the CPU time that a thread has used.
#![allow(dead_code, reason = "each bench takes what it needs")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::random;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::payment::{
    AccountId, DeviceId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::{Policy, Value};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::token::TokenKey;
use rustix::time::{ClockId, clock_gettime};

/// Where the time of a bench begins.
pub const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// Numbers from a seed, drawn as the figures that are written down were drawn.
#[derive(Debug, Clone)]
pub struct Random(random::Random);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(random::Random::new(seed))
    }

    pub const fn next(&mut self) -> u64 {
        self.0.next()
    }

    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Accounts that each pay three payees of their own choice from a device of their own.
#[derive(Debug, Clone, Copy)]
pub struct Town {
    pub accounts: u64,
    pub payees: u64,
}

impl Town {
    pub fn new(accounts: u64) -> Self {
        Self {
            accounts,
            payees: (accounts / 50).max(1_000),
        }
    }

    /// A payment of account `nth`, with a payment id of 36 characters.
    pub fn payment(&self, nth: u64, random: &mut Random) -> Payment {
        let payment_id = payment_id(random);
        let mut own = Random::new(nth << 2 | random.below(3));
        let payee = own.below(self.payees);
        Payment {
            payment_id,
            account_id: account_id(nth),
            payee: Payee {
                id: PayeeId::new(format!("138{payee:08}")).unwrap(),
                payee_type: PayeeType::Phone,
            },
            money: Money::new(
                i64::try_from(1_000 + own.below(50) * 100 + random.below(1_000)).unwrap(),
                Currency::from_code("CNY").unwrap(),
            )
            .unwrap(),
            kind: PaymentKind::Purchase,
            order_id: None,
            device_id: Some(DeviceId::new(format!("device-{nth:09}")).unwrap()),
            session_id: None,
            duplicate_window: None,
        }
    }
}

/// A payment id of 36 characters.
pub fn payment_id(random: &mut Random) -> PaymentId {
    let (high, low) = (random.next(), random.next());
    let uuid = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    );
    PaymentId::new(uuid).unwrap()
}

pub fn account_id(nth: u64) -> AccountId {
    AccountId::new(format!("account-{nth:09}")).unwrap()
}

/// An engine at [`START`] and its clock.
pub fn engine() -> (Arc<ManualClock>, Engine) {
    engine_under(Policy::default())
}

/// The same under `policy`.
pub fn engine_under(policy: Policy) -> (Arc<ManualClock>, Engine) {
    let clock = Arc::new(ManualClock::at(START));
    let engine = Engine::new(policy, clock.clone(), TokenKey::from_bytes(&[1; 32]));
    (clock, engine)
}

/// A policy that never asks about pace, so that an account may pay faster than people do; all other
/// signals are on.
pub fn patient_policy() -> Policy {
    Policy::from_settings("patient", [("rapid_repeat.weight", Value::Number(0.0))]).unwrap()
}

/// Lets every account of `town` make `payments` payments, spread over a day; the clock ends where the
/// last of them still counts.
pub fn fill(engine: &Engine, clock: &ManualClock, town: &Town, payments: u64) {
    let gap = Span::from_ms(70_000_000 / i64::try_from(payments).unwrap());
    fill_every(engine, clock, town, payments, gap);
    clock.advance(Span::from_minutes(40));
}

/// Lets every account of `town` make `payments` payments, `gap` apart.
pub fn fill_every(engine: &Engine, clock: &ManualClock, town: &Town, payments: u64, gap: Span) {
    let mut random = Random::new(town.accounts ^ payments);
    for round in 0..payments {
        if round > 0 {
            clock.advance(gap);
        }
        for nth in 0..town.accounts {
            engine.score(&town.payment(nth, &mut random), None).unwrap();
        }
    }
}

/// How long this thread has been running on a core since it was started.
#[derive(Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start() -> Self {
        Self(on_core())
    }

    pub fn ns_each(&self, times: usize) -> f64 {
        (on_core() - self.0).as_secs_f64() * 1e9 / times as f64
    }
}

/// For how long this thread has been on a core.
pub fn on_core() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no thread has been on a core for less than no time")
}

/// The argument that asks a bench for nothing but to take memory.
const TAKE_MEMORY: &str = "--take-memory";

/// Sees to it that there is so much free memory that takes no time to be had. Where a hypervisor takes back
/// what a machine does not use, to touch it again costs 5 ms for every 2 MiB, which is the hypervisor's time:
/// so another process of this bench touches it, before the clock runs. It stays for a second or two.
pub fn claim_memory(bytes: u64) {
    let bench = std::env::current_exe().expect("the bench itself");
    let mut claim = Command::new(bench);
    claim.args([TAKE_MEMORY, &bytes.to_string()]);
    let status = claim.status().expect("a process that takes memory");
    assert!(status.success(), "{status}");
}

/// Whether this process is one that [`claim_memory`] has started; then it has taken the memory.
pub fn has_taken_memory() -> bool {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let [asked, bytes] = &*asked else {
        return false;
    };
    if asked != TAKE_MEMORY {
        return false;
    }
    let bytes: usize = bytes.parse().expect("how many bytes");
    let pieces = (0..bytes >> 24).map(|_| vec![1_u8; 1 << 24]);
    std::hint::black_box(pieces.collect::<Vec<_>>());
    true
}

/// The resident memory of this process in bytes; 0 where it cannot be told.
pub fn resident_bytes() -> u64 {
    memory_bytes("self", "VmRSS:").unwrap_or(0)
}

/// What a line of a process's status says, in bytes; none where there is none.
pub fn memory_bytes(process: &str, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let said = status.lines().find_map(|said| said.strip_prefix(line))?;
    let kib: u64 = said.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The middle one of `values`, and the smallest and largest.
pub fn median_of(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}
