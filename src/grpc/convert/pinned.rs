//! Answers of every kind, to the byte: what has been told once is told the same way ever after.

use super::response;
use crate::engine::Kept;
use crate::grpc::codec::HEAD_BYTES;
use crate::grpc::codec::writer::{put_framed, put_message};
use crate::grpc::pb;
use crate::scoring::account::{BoundsCost, Scored};
use crate::scoring::assessment::{
    AmountSlip, Assessment, Challenge, Confirmation, Decision, Evidence, History, Reason,
    ReasonCode,
};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{
    AccountId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use crate::scoring::signal::Signal;
use crate::scoring::time::{Span, Timestamp};

fn payment(payee: &str) -> Payment {
    Payment {
        payment_id: PaymentId::new("3f2b8c1e-77aa-4c10-a5d2-0123456789ab").unwrap(),
        account_id: AccountId::new("account-1").unwrap(),
        payee: Payee {
            id: PayeeId::new(payee).unwrap(),
            payee_type: PayeeType::Phone,
        },
        money: Money::new(5_005, Currency::from_code("CNY").unwrap()).unwrap(),
        kind: PaymentKind::Transfer,
        order_id: None,
        device_id: None,
        session_id: None,
        duplicate_window: None,
    }
}

fn scored(decision: Decision, reasons: Vec<Reason>) -> Scored {
    Scored {
        assessment: Assessment {
            decision,
            score: 12.5,
            reasons,
            challenge: Challenge::None,
            confirmation: None,
            retry_after: None,
            history: History::Full,
            policy_version: "balanced-00000000".into(),
            shadow_decision: None,
        },
        replayed: false,
        score_time: Timestamp::from_unix_ms(0),
        bounds: BoundsCost::default(),
        above_doublings: None,
        shadow: None,
    }
}

fn reason(signal: Signal, evidence: Evidence) -> Reason {
    Reason {
        code: ReasonCode::Signal(signal),
        strength: 61.25,
        evidence,
    }
}

/// Evidence such as each signal comes with.
fn evidence() -> Vec<(Signal, Evidence)> {
    let duplicate = |secs, earlier_outcome| Evidence::Duplicate {
        earlier_payment_id: PaymentId::new("earlier").unwrap(),
        elapsed: Span::from_secs(secs),
        earlier_outcome,
        other_money: None,
    };
    let velocity = |usual| Evidence::Velocity {
        window: Span::from_minutes(90),
        count: 12,
        sum_minor: 300_000,
        limit: 7,
        usual,
    };
    let amount = |slip| Evidence::Amount {
        usual_minor: 500,
        usual_for_payee: true,
        ratio: 10.01,
        slip,
    };
    let payee = |similar: Option<&str>, times_paid| Evidence::Payee {
        similar_payee_id: similar.map(|id| PayeeId::new(id).unwrap()),
        times_paid,
        last_paid_time: similar.map(|_| Timestamp::from_unix_ms(1_767_225_600_123)),
    };
    let reports = |reported| Evidence::Reports {
        reported,
        payers: 40,
    };
    let device = |known_devices| Evidence::Device {
        known_devices,
        accounts: 14,
    };
    let mut all = vec![
        (Signal::DuplicateInFlight, duplicate(42, None)),
        (
            Signal::DuplicateOrder,
            duplicate(3_900, Some(Outcome::Succeeded)),
        ),
        (
            Signal::DuplicateRecent,
            duplicate(0, Some(Outcome::Unknown)),
        ),
        (Signal::RapidRepeat, velocity(2.5)),
        (Signal::SpendSurge, velocity(20_000.0)),
        (Signal::SmallPaymentBurst, velocity(0.0)),
        (Signal::FailureBurst, velocity(0.0)),
        (Signal::AmountUnusual, amount(None)),
        (Signal::PayeeNew, payee(None, 0)),
        (Signal::PayeeLookalike, payee(Some("138123456"), 1)),
        (Signal::PayeeLookalike, payee(Some("1381"), 12)),
        (Signal::PayeeReported, reports(3.5)),
        (Signal::PayeeFanIn, reports(0.0)),
        (Signal::DeviceFanOut, device(0)),
        (Signal::DeviceNew, device(1)),
        (Signal::DeviceSwitch, device(3)),
        (
            Signal::HourUnusual,
            Evidence::Hour {
                hour: 0,
                share: 0.01,
            },
        ),
        (Signal::HourUnusual, Evidence::None),
    ];
    let slips = AmountSlip::ALL.iter().map(|slip| amount(Some(*slip)));
    all.extend(slips.map(|evidence| (Signal::AmountSlip, evidence)));
    all
}

/// Answers with one reason each, and with none, all or other extremes of the rest.
fn answers() -> Vec<(Payment, Scored, Kept)> {
    let mut answers = Vec::new();
    let mut add = |payee: &str, scored: Scored, kept| answers.push((payment(payee), scored, kept));
    for (signal, evidence) in evidence() {
        for &decision in Decision::ALL {
            let reasons = vec![reason(signal, evidence.clone())];
            add("13812345678", scored(decision, reasons), Kept::Yes);
        }
    }
    for payee in ["1", "12345", "12345678", "商户北京朝阳路一二三号"] {
        let reasons = vec![reason(
            Signal::PayeeReported,
            Evidence::Reports {
                reported: 1.0,
                payers: 0,
            },
        )];
        add(payee, scored(Decision::Allow, reasons), Kept::Yes);
    }
    let all = evidence()
        .into_iter()
        .map(|(signal, evidence)| reason(signal, evidence));
    let confirmed = Reason {
        code: ReasonCode::PayerConfirmed,
        strength: 0.0,
        evidence: Evidence::None,
    };
    let mut asked = scored(Decision::Confirm, all.chain([confirmed]).collect());
    asked.assessment.confirmation = Some(Confirmation {
        token: ConfirmationToken::from_bytes([7; 24]),
        expire_time: Timestamp::from_unix_ms(1_767_225_600_001),
    });
    asked.assessment.challenge = Challenge::Biometric;
    asked.assessment.shadow_decision = Some(Decision::Block);
    asked.assessment.retry_after = Some(Span::from_ms(1_500));
    asked.assessment.history = History::None;
    asked.replayed = true;
    add("13812345678", asked, Kept::No);
    let mut nothing = scored(Decision::Allow, Vec::new());
    nothing.assessment.score = 0.0;
    nothing.assessment.policy_version = "".into();
    add("1", nothing.clone(), Kept::Yes);
    nothing.assessment.score = -0.0;
    nothing.assessment.policy_version = "long".repeat(100).into();
    add("1", nothing, Kept::No);
    answers
}

#[test]
fn answers_are_the_same_to_the_byte() {
    let mut all = Vec::new();
    for (payment, scored, kept) in answers() {
        let mut written = Vec::new();
        put_framed(&mut written, |into| {
            put_message(1, into, |into| {
                response::put_scored(&payment, &scored, into);
            });
        });
        let written =
            response::with_kept(written, kept, |answer: &mut pb::ScorePaymentResponse| {
                answer.assessment.as_mut().unwrap().degraded = true;
            });
        let written = written.unwrap();
        // Without the length prefix, and the key of the field.
        all.extend(&written[HEAD_BYTES + 1..]);
    }
    assert_eq!((all.len(), crc32c::crc32c(&all)), (22_485, 914_241_278));
}
