//! How long does one score take, by how much the account remembers? No IO, no lock, all signals on.
//!
//! `cargo bench --bench score_cost`; `-- --test` runs each once. Read ratios within one run: machines
//! are noisy.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use doublecheck::scoring::account::Account;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::confirmation::ConfirmationToken;
use doublecheck::scoring::memory::Surroundings;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::{Policies, Policy, Value};
use doublecheck::scoring::submission::Submission;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::scoring::{Asked, assess};

const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// How many payments of the last 24 hours the account remembers.
const FILLS: [u32; 4] = [1, 10, 100, 250];

fn payment(nth: u32) -> Payment {
    Payment {
        payment_id: PaymentId::new(format!("9b2e6c1f-5d7a-4a8e-b1c3-{nth:012}")).unwrap(),
        account_id: AccountId::new("account-0001").unwrap(),
        payee: Payee {
            id: PayeeId::new(format!("138{:08}", 12_345_678 + (nth % 12) * 1_111)).unwrap(),
            payee_type: PayeeType::Phone,
        },
        money: Money::new(
            2_000 + i64::from(nth * 37 % 1_900),
            Currency::from_code("CNY").unwrap(),
        )
        .unwrap(),
        kind: PaymentKind::TopUp,
        order_id: Some(OrderId::new(format!("order-{nth:08}")).unwrap()),
        device_id: Some(DeviceId::new("device-0001").unwrap()),
        session_id: None,
        duplicate_window: None,
    }
}

/// A policy that never asks about pace, so that a full window still allows.
fn policies() -> Policies {
    let limits = ["minute", "ten_minutes", "hour", "day"].map(|window| {
        (
            format!("rapid_repeat.{window}_confirm_above"),
            format!("rapid_repeat.{window}_block_above"),
        )
    });
    let settings = limits.iter().flat_map(|(confirm, block)| {
        [
            (confirm.as_str(), Value::Integer(255)),
            (block.as_str(), Value::Integer(255)),
        ]
    });
    Policy::from_settings("bench", settings).unwrap().into()
}

/// An account with two months of habit and `fill` payments in its window, as of the returned moment.
fn account(policies: &Policies, fill: u32) -> (Account, Timestamp) {
    let mut account = Account::default();
    let mut now = START;
    let pay = |account: &mut Account, nth: u32, now: Timestamp| {
        let payment = payment(nth);
        let token = |_| ConfirmationToken::from_bytes([0; 24]);
        let around = Surroundings::default();
        account
            .score(policies, &payment, None, &around, token, now)
            .unwrap();
        account.report_outcome(
            policies.primary(),
            &payment.payment_id,
            Outcome::Succeeded,
            now,
        );
    };
    for nth in 0..60 {
        now = now.plus(Span::from_hours(25));
        pay(&mut account, nth, now);
    }
    now = now.plus(Span::from_hours(48));
    for nth in 0..fill {
        now = now.plus(Span::from_minutes(5));
        pay(&mut account, 1_000 + nth, now);
    }
    (account, now.plus(Span::from_minutes(5)))
}

fn score_cost(c: &mut Criterion) {
    let policies = policies();
    let mut group = c.benchmark_group("score_cost");
    for fill in FILLS {
        let (account, now) = account(&policies, fill);
        let next = payment(5_003);
        let around = Surroundings::default();
        let next_seen = Submission::of(&next);
        let known_payee = account.profile().payee_of(&next_seen);
        let asked = Asked {
            submission: &next_seen,
            known_payee: known_payee.as_ref(),
            confirmed: false,
        };
        let judged = || assess(policies.primary(), &account, asked, &around, now);
        assert_eq!(judged().decision, Decision::Allow);
        group.bench_function(BenchmarkId::new("assess", fill), |bench| {
            bench.iter(|| black_box(judged()));
        });
        group.bench_function(BenchmarkId::new("score_and_record", fill), |bench| {
            bench.iter_batched_ref(
                || account.clone(),
                |account| {
                    let token = |_| ConfirmationToken::from_bytes([0; 24]);
                    let scored = account.score(&policies, &next, None, &around, token, now);
                    assert_eq!(scored.unwrap().assessment.decision, Decision::Allow);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, score_cost);
criterion_main!(benches);
