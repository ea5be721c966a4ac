//! A payment that is allowed is decided without allocating memory, however much the account remembers, but for the
//! list of its reasons where it has any; and an account that goes on as it always has is remembered in the
//! memory it already has.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::hint::black_box;

use allocation_counter::measure;
use doublecheck::scoring::account::Account;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::confirmation::ConfirmationToken;
use doublecheck::scoring::memory::{DeviceFacts, PayeeFacts, Surroundings};
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::{Policies, Policy, Value};
use doublecheck::scoring::submission::Submission;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::scoring::{Asked, assess};

const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// Each to one of a dozen payees, never the same sum twice in a row.
fn payment(nth: u32) -> Payment {
    let sum_minor = 2_000 + i64::from(nth * 37 % 1_900);
    Payment {
        payment_id: PaymentId::new(format!("9b2e6c1f-5d7a-4a8e-b1c3-{nth:012}")).unwrap(),
        account_id: AccountId::new("account-0001").unwrap(),
        payee: Payee {
            id: PayeeId::new(format!("138{:08}", 12_345_678 + (nth % 12) * 1_111)).unwrap(),
            payee_type: PayeeType::Phone,
        },
        money: Money::new(sum_minor, Currency::from_code("CNY").unwrap()).unwrap(),
        kind: PaymentKind::TopUp,
        order_id: Some(OrderId::new(format!("order-{nth:08}")).unwrap()),
        device_id: Some(DeviceId::new("device-0001").unwrap()),
        session_id: None,
        duplicate_window: None,
    }
}

fn surroundings() -> Surroundings {
    Surroundings {
        payee: PayeeFacts {
            payers: 40,
            payers_recent: 9,
            payers_usual: 8.0,
            first_seen: Some(START),
            ..PayeeFacts::default()
        },
        device: DeviceFacts { accounts_recent: 1 },
    }
}

/// All signals on, but nobody is asked about pace.
fn policies() -> Policies {
    Policy::from_settings("patient", [("rapid_repeat.weight", Value::Number(0.0))])
        .unwrap()
        .into()
}

fn pay(account: &mut Account, policies: &Policies, payment: &Payment, now: Timestamp) -> Decision {
    let token = |_| ConfirmationToken::from_bytes([0; 24]);
    let scored = account.score(policies, payment, None, &surroundings(), token, now);
    scored.unwrap().assessment.decision
}

#[test]
fn deciding_about_an_allowed_payment_allocates_no_more_than_its_list_of_reasons() {
    let policies = policies();
    for a_day in [1, 4, 48, 280] {
        let mut account = Account::default();
        let gap = Span::from_ms(86_400_000 / i64::from(a_day));
        let mut now = START;
        let mut allowed = 0;
        for nth in 0..1_000 {
            now = now.plus(gap);
            let payment = payment(nth);
            account.advance(policies.primary(), now);
            let submission = Submission::of(&payment);
            let known_payee = account.profile().payee_of(&submission);
            let asked = Asked {
                submission: &submission,
                known_payee: known_payee.as_ref(),
                confirmed: false,
            };
            let around = surroundings();
            let mut judged = None;
            let allocated = measure(|| {
                judged = Some(assess(policies.primary(), &account, asked, &around, now));
            });
            let judged = judged.unwrap();
            if judged.decision == Decision::Allow {
                allowed += 1;
                let lists = u64::from(!judged.reasons.is_empty());
                assert_eq!(allocated.count_total, lists, "{a_day} a day, payment {nth}");
            }
            pay(&mut account, &policies, &payment, now);
        }
        assert!(allowed > 800, "{a_day} a day: {allowed}");
    }
}

#[test]
fn an_account_that_goes_on_as_ever_asks_for_no_memory() {
    let policies = policies();
    for a_day in [1, 4, 48, 280] {
        let mut account = Account::default();
        let gap = Span::from_ms(86_400_000 / i64::from(a_day));
        let mut now = START;
        for nth in 0..3_000 {
            now = now.plus(gap);
            let payment = payment(nth);
            let allocated = measure(|| {
                black_box(pay(&mut account, &policies, &payment, now));
            });
            // Until then it grows.
            if nth >= 1_000 {
                assert_eq!(allocated.count_total, 0, "{a_day} a day, payment {nth}");
            }
        }
    }
}
