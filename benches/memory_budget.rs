//! What does a flood of strangers cost, once the memory budget is used up?
//!
//! 2,000 regulars pay on while payments of accounts, payees and devices never seen before come in on two
//! threads: what makes room on one races what takes it on the other. Fails where the process grows past its
//! budget by more than a twentieth, where a regular is forgotten, or where the guard of one lets a duplicate
//! pass. Prints what was forgotten, how fast it went and how long calls took on the wall's clock, before and
//! after the budget was used up.
//!
//! `cargo bench --bench memory_budget [-- PAYMENTS [BUDGET_MIB]]` (2 million and 256 unless said; the whole
//! flood is 50000000); `-- --test` runs a small one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use common::{Random, engine, payment_id, resident_bytes};
use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::scoring::account::Scored;
use doublecheck::scoring::assessment::{Decision, History, ReasonCode};
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::payment::{
    AccountId, DeviceId, Payee, PayeeId, PayeeType, Payment, PaymentKind,
};
use doublecheck::scoring::signal::Signal;
use doublecheck::scoring::time::Span;
use hdrhistogram::Histogram;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REGULARS: u64 = 2_000;
const DAYS: u64 = 14;

/// Strangers between two payments of regulars, half of them on each thread.
const STRANGERS: u64 = 50;
/// A round, in which every regular pays once, takes ten minutes: a guard lives for three of them.
const TWO_STRANGERS_EVERY: Span = Span::from_ms(12);
/// In two rounds of so many each regular pays twice what it paid half a round before and was allowed.
const DUPLICATES_EVERY: u64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let (payments, budget_mib) = match (is_test, &asked[..]) {
        (true, _) => (300_000, 64),
        (false, []) => (2_000_000, 256),
        (false, [payments]) => (*payments, 256),
        (false, [payments, budget_mib, ..]) => (*payments, *budget_mib),
    };
    let mut flood = Flood::begin(budget_mib << 20);
    let rounds = payments.div_ceil(REGULARS * STRANGERS);
    flood.teach_regulars();
    for round in 0..rounds {
        let with_duplicates = round % DUPLICATES_EVERY < 2 || round + 1 == rounds;
        flood.round(DAYS + round, with_duplicates);
        if (round + 1) * 10 / rounds > round * 10 / rounds {
            flood.tell();
        }
    }
    flood.end();
}

/// A thread of its own that scores payments.
struct Beside {
    payments: Sender<Vec<Payment>>,
    done: Receiver<()>,
}

impl Beside {
    fn begin(engine: Arc<Engine>) -> Self {
        let (payments, todo) = mpsc::channel::<Vec<Payment>>();
        let (tell, done) = mpsc::channel();
        thread::spawn(move || {
            for payments in todo {
                for payment in &payments {
                    engine.score(payment, None).unwrap();
                }
                tell.send(()).unwrap();
            }
        });
        Self { payments, done }
    }
}

struct Flood {
    engine: Arc<Engine>,
    beside: Beside,
    clock: Arc<ManualClock>,
    random: Random,
    budget_bytes: u64,
    /// What the process takes beside what is counted when the flood begins.
    base_bytes: u64,
    resident_bytes_max: u64,
    strangers: u64,
    latest: Vec<Option<Payment>>,
    duplicates_caught: u64,
    /// Nanoseconds of calls before and after the first eviction.
    calls: [Histogram<u64>; 2],
    started: Instant,
}

impl Flood {
    fn begin(budget_bytes: u64) -> Self {
        let (clock, engine) = engine();
        let engine = Arc::new(engine.with_memory_budget(budget_bytes));
        println!("budget {} MiB", budget_bytes >> 20);
        Self {
            base_bytes: 0,
            beside: Beside::begin(Arc::clone(&engine)),
            engine,
            clock,
            random: Random::new(0xf100d),
            budget_bytes,
            resident_bytes_max: 0,
            strangers: 0,
            latest: vec![None; REGULARS as usize],
            duplicates_caught: 0,
            calls: [(); 2].map(|()| Histogram::new(3).unwrap()),
            started: Instant::now(),
        }
    }

    /// Every regular pays once a day for a while, and was last seen just before the flood: the guard of one
    /// that was not is over, and it goes before any stranger whose guard is live.
    fn teach_regulars(&mut self) {
        for day in 0..DAYS {
            for nth in 0..REGULARS {
                let payment = self.of_regular(nth, day);
                self.engine.score(&payment, None).unwrap();
            }
            if day + 1 < DAYS {
                self.clock.advance(Span::from_hours(24));
            }
        }
        self.base_bytes = resident_bytes().saturating_sub(self.engine.memory_bytes());
        println!(
            "base {:.1} MiB",
            self.base_bytes as f64 / f64::from(1 << 20)
        );
        self.started = Instant::now();
    }

    /// Every regular pays once, with strangers in between.
    fn round(&mut self, round: u64, with_duplicates: bool) {
        for nth in 0..REGULARS {
            let payment = self.of_regular(nth, round);
            let scored = self.score(&payment);
            assert_ne!(scored.assessment.history, History::None, "regular {nth}");
            let is_guarded = scored.assessment.decision == Decision::Allow;
            self.latest[nth as usize] = is_guarded.then_some(payment);
            if with_duplicates {
                self.pay_twice((nth + REGULARS / 2) % REGULARS);
            }
            let beside = (0..STRANGERS / 2).map(|_| self.of_stranger()).collect();
            self.beside.payments.send(beside).unwrap();
            for _ in 0..STRANGERS / 2 {
                let payment = self.of_stranger();
                self.score(&payment);
                self.clock.advance(TWO_STRANGERS_EVERY);
            }
            self.beside.done.recv().unwrap();
            let resident = resident_bytes().saturating_sub(self.base_bytes);
            self.resident_bytes_max = self.resident_bytes_max.max(resident);
        }
    }

    fn pay_twice(&mut self, nth: u64) {
        let Some(mut payment) = self.latest[nth as usize].take() else {
            return;
        };
        payment.payment_id = payment_id(&mut self.random);
        let assessment = self.score(&payment).assessment;
        let mut codes = assessment.reasons.iter().map(|reason| reason.code);
        assert!(codes.any(|code| code == ReasonCode::Signal(Signal::DuplicateInFlight)));
        assert_ne!(assessment.decision, Decision::Allow, "regular {nth}");
        self.duplicates_caught += 1;
    }

    fn score(&mut self, payment: &Payment) -> Scored {
        let began = Instant::now();
        let scored = self.engine.score(payment, None).unwrap();
        let ns = u64::try_from(began.elapsed().as_nanos()).unwrap();
        let is_full = self.engine.bounds_counts().accounts_evicted > 0;
        self.calls[usize::from(is_full)].record(ns).unwrap();
        scored
    }

    fn of_regular(&mut self, nth: u64, round: u64) -> Payment {
        let amount_minor = 2_000 + (nth * 31 + round * 367) % 3_001;
        let payee = format!("M{:06}", (nth * 3 + round % 3) % 900);
        self.payment(
            format!("regular-{nth:06}"),
            payee,
            format!("phone-{nth:06}"),
            amount_minor,
        )
    }

    fn of_stranger(&mut self) -> Payment {
        self.strangers += 1;
        let [account, payee, device] = [(); 3].map(|()| self.random.next());
        let amount_minor = 1_000 + self.random.below(10_000);
        self.payment(
            format!("{account:016x}"),
            format!("{payee:016x}"),
            format!("{device:016x}"),
            amount_minor,
        )
    }

    fn payment(&mut self, account: String, payee: String, device: String, minor: u64) -> Payment {
        let currency = Currency::from_code("CNY").unwrap();
        Payment {
            payment_id: payment_id(&mut self.random),
            account_id: AccountId::new(account).unwrap(),
            payee: Payee {
                id: PayeeId::new(payee).unwrap(),
                payee_type: PayeeType::Merchant,
            },
            money: Money::new(i64::try_from(minor).unwrap(), currency).unwrap(),
            kind: PaymentKind::Purchase,
            order_id: None,
            device_id: Some(DeviceId::new(device).unwrap()),
            session_id: None,
            duplicate_window: None,
        }
    }

    fn tell(&self) {
        let counts = self.engine.bounds_counts();
        println!(
            "{:>9} strangers: {} MiB counted, {} resident (most {}); {} accounts; evicted {} accounts \
             ({} guarded), {} payees, {} devices; {:.0} payments/s",
            self.strangers,
            self.engine.memory_bytes() >> 20,
            resident_bytes().saturating_sub(self.base_bytes) >> 20,
            self.resident_bytes_max >> 20,
            self.engine.accounts(),
            counts.accounts_evicted,
            counts.guards_evicted,
            counts.payees_evicted,
            counts.devices_evicted,
            self.strangers as f64 / self.started.elapsed().as_secs_f64()
        );
    }

    fn end(&self) {
        println!("duplicates of regulars caught: {}", self.duplicates_caught);
        for (name, calls) in ["before the first eviction", "after"]
            .iter()
            .zip(&self.calls)
        {
            let us = |quantile| calls.value_at_quantile(quantile) as f64 / 1e3;
            println!(
                "calls {name}: {}; µs p50 {:.1} p99 {:.1} p99.9 {:.1} p99.99 {:.1} max {:.1}",
                calls.len(),
                us(0.5),
                us(0.99),
                us(0.999),
                us(0.9999),
                us(1.0)
            );
        }
        assert!(
            self.resident_bytes_max <= self.budget_bytes / 100 * 105,
            "{} bytes were resident",
            self.resident_bytes_max
        );
        assert!(self.duplicates_caught >= REGULARS / 2);
        assert!(self.engine.bounds_counts().accounts_evicted > 0, "no flood");
    }
}
