//! Every event is read back as it was written.

use std::borrow::Cow;

use doublecheck::journal::event::{
    Event, Evicted, EvictedKey, OutcomeReported, PaymentScored, PolicyInForce, PolicyText, Taught,
};
use doublecheck::journal::record::{decode, encode};
use doublecheck::journal::{Ack, Tail};
use doublecheck::scoring::assessment::{Confirmation, Decision};
use doublecheck::scoring::confirmation::{ConfirmationToken, PresentedToken};
use doublecheck::scoring::memory::{
    AmountLevelParts, DeviceFacts, PayeeFacts, PriceLevel, Reports, RiskChange, Surroundings,
};
use doublecheck::scoring::money::{AMOUNT_MINOR_MAX, Currency, Money};
use doublecheck::scoring::outcome::{Outcome, PayeeRisk};
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
    SessionId,
};
use doublecheck::scoring::policy::{Preset, Value};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::simulated::Simulated;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{append_one_by_one, assert_prefix, fresh, read, settings, start};

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9\u{4e2d}\u{1f600}_-]{1,30}"
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_unix_ms)
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        0.0..100.0,
        proptest::num::f64::NORMAL
    ]
}

fn currency() -> impl Strategy<Value = Currency> {
    select(Currency::all().collect::<Vec<_>>())
}

fn money() -> impl Strategy<Value = Money> {
    (1..=AMOUNT_MINOR_MAX, currency())
        .prop_map(|(amount, currency)| Money::new(amount, currency).unwrap())
}

fn payment() -> impl Strategy<Value = Payment> {
    let ids = (text(), text(), text(), of(text()), of(text()), of(text()));
    let kinds = (select(PayeeType::ALL), select(PaymentKind::ALL));
    (ids, kinds, money(), of(0..i64::MAX)).prop_map(|(ids, kinds, money, window)| Payment {
        payment_id: PaymentId::new(ids.0).unwrap(),
        account_id: AccountId::new(ids.1).unwrap(),
        payee: Payee {
            id: PayeeId::new(ids.2).unwrap(),
            payee_type: kinds.0,
        },
        money,
        kind: kinds.1,
        order_id: ids.3.map(|id| OrderId::new(id).unwrap()),
        device_id: ids.4.map(|id| DeviceId::new(id).unwrap()),
        session_id: ids.5.map(|id| SessionId::new(id).unwrap()),
        duplicate_window: window.map(Span::from_ms),
    })
}

fn reports() -> impl Strategy<Value = Reports> {
    (float(), float(), float()).prop_map(|(settled, weak, strong)| Reports {
        settled,
        weak,
        strong,
    })
}

fn surroundings() -> impl Strategy<Value = Surroundings> {
    let level = (of(currency()), any::<u16>(), float(), float());
    let prices = (any::<u16>(), any::<f32>());
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), float());
    (numbers, of(time()), level, prices, reports(), reports()).prop_map(
        |(numbers, first_seen, level, prices, reports, reports_lately)| Surroundings {
            payee: PayeeFacts {
                payers: numbers.0,
                payers_recent: numbers.1,
                payers_usual: numbers.3,
                first_seen,
                amounts: AmountLevelParts {
                    currency: level.0,
                    payments: level.1,
                    middle_doublings: level.2,
                    absolute_deviation_doublings: level.3,
                }
                .into(),
                prices: PriceLevel::known(prices.0, prices.1),
                reports,
                reports_lately,
            },
            device: DeviceFacts {
                accounts_recent: numbers.2,
            },
        },
    )
}

fn token() -> impl Strategy<Value = (ConfirmationToken, Timestamp)> {
    let bytes = any::<[u8; 24]>().prop_map(ConfirmationToken::from_bytes);
    (bytes, time())
}

fn payment_scored() -> impl Strategy<Value = Event<'static>> {
    let asked = (time(), payment(), of(token()), of(surroundings()));
    let decision = || select(Decision::ALL);
    let answered = (
        any::<u16>(),
        decision(),
        float(),
        of(decision()),
        of(token()),
        of(float()),
    );
    (asked, answered).prop_map(|(asked, answered)| {
        Event::PaymentScored(PaymentScored {
            time: asked.0,
            payment: Cow::Owned(asked.1),
            presented: asked
                .2
                .map(|(token, expire_time)| PresentedToken { token, expire_time }),
            surroundings: asked.3.unwrap_or_default(),
            policy_number: answered.0,
            decision: answered.1,
            score: answered.2,
            shadow_decision: answered.3,
            minted: answered
                .4
                .map(|(token, expire_time)| Confirmation { token, expire_time }),
            above_doublings: answered.5,
        })
    })
}

fn outcome_reported() -> impl Strategy<Value = Event<'static>> {
    let outcome = select(Outcome::ALL);
    let risk = || {
        select(vec![
            PayeeRisk::None,
            PayeeRisk::Good,
            PayeeRisk::Weak,
            PayeeRisk::Strong,
        ])
    };
    let change = (text(), risk(), risk()).prop_map(|(payee, before, after)| {
        let payee_id = Cow::Owned(PayeeId::new(payee).unwrap());
        Taught::Change(payee_id, RiskChange { before, after })
    });
    let taught = prop_oneof![Just(Taught::Nothing), Just(Taught::Late), change];
    (time(), text(), text(), outcome, of(text()), taught).prop_map(
        |(time, account, payment, outcome, payee, taught)| {
            Event::OutcomeReported(OutcomeReported {
                time,
                account_id: Cow::Owned(AccountId::new(account).unwrap()),
                payment_id: Cow::Owned(PaymentId::new(payment).unwrap()),
                outcome,
                payee_id: payee.map(|id| Cow::Owned(PayeeId::new(id).unwrap())),
                taught,
            })
        },
    )
}

fn evicted() -> impl Strategy<Value = Event<'static>> {
    (time(), text(), 0..3).prop_map(|(time, key, kind)| {
        let what = match kind {
            0 => EvictedKey::Account(Cow::Owned(AccountId::new(key).unwrap())),
            1 => EvictedKey::Payee(Cow::Owned(PayeeId::new(key).unwrap())),
            _ => EvictedKey::Device(Cow::Owned(DeviceId::new(key).unwrap())),
        };
        Event::Evicted(Evicted { time, what })
    })
}

fn policy_text() -> impl Strategy<Value = PolicyText> {
    let value = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        float().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Flag),
    ];
    let preset = select(Preset::ALL);
    (text(), preset, vec((text(), value), 0..9)).prop_map(|(version, preset, given)| PolicyText {
        version: version.into(),
        preset,
        given,
    })
}

fn policy_in_force() -> impl Strategy<Value = Event<'static>> {
    (time(), any::<u16>(), policy_text(), of(policy_text())).prop_map(
        |(time, number, policy, shadow)| {
            Event::PolicyInForce(PolicyInForce {
                time,
                number,
                policy,
                shadow,
            })
        },
    )
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    prop_oneof![
        payment_scored(),
        outcome_reported(),
        evicted(),
        policy_in_force()
    ]
}

proptest! {
    #[test]
    fn every_event_is_read_back_as_it_was(event in any_event()) {
        let mut bytes = Vec::new();
        encode(&event, &mut bytes);
        let decoded = decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &event);
        // To the last bit, where equal floats may differ.
        let mut again = Vec::new();
        encode(&decoded, &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn half_an_event_and_one_and_a_half_are_errors(event in any_event()) {
        let mut bytes = Vec::new();
        encode(&event, &mut bytes);
        for length in 0..bytes.len() {
            prop_assert!(decode(&bytes[..length]).is_err());
        }
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
        // Whether these are an event is none of this test's business.
        let _ = decode(&bytes);
    }
}

#[test]
fn a_life_in_which_nothing_happens_leaves_nothing() {
    let disk = Simulated::new(1);
    for life in 0..4 {
        let (events, ending) = read(&disk, 1).unwrap();
        assert_eq!(events.len(), life / 2 * 3);
        let kept = start(&disk, &ending, settings(Ack::Written));
        if life % 2 == 1 {
            let from = events.len() as u64 + 1;
            append_one_by_one(&kept.journal, from..=from + 2);
        }
        kept.journal.close().unwrap();
    }
}

#[test]
fn a_journal_is_read_back_whole_over_segments_and_restarts() {
    for &ack in Ack::ALL {
        let disk = Simulated::new(1);
        let kept = fresh(&disk, ack);
        append_one_by_one(&kept.journal, 1..=40);
        kept.journal.close().unwrap();
        let (events, ending) = read(&disk, 1).unwrap();
        assert_eq!(
            (assert_prefix(&events, "closed"), &ending.tail),
            (40, &Tail::Closed)
        );

        let kept = start(&disk, &ending, settings(ack));
        append_one_by_one(&kept.journal, 41..=60);
        kept.journal.close().unwrap();
        let counts = kept.journal.counts();
        assert_eq!(
            (counts.appended_to, counts.kept_to, counts.faults),
            (60, 60, 0)
        );
        let (events, _) = read(&disk, 1).unwrap();
        assert_eq!(assert_prefix(&events, "closed again"), 60);
        assert!(
            read(&disk, 33)
                .unwrap()
                .0
                .iter()
                .map(|(sequence, _)| *sequence)
                .eq(33..=60)
        );
        assert!(doublecheck::storage::Directory::names(&disk).unwrap().len() > 1);
    }
}

#[test]
fn segments_that_a_snapshot_holds_are_removed_and_no_other() {
    let disk = Simulated::new(1);
    let kept = fresh(&disk, Ack::Written);
    append_one_by_one(&kept.journal, 1..=60);
    let removed = kept.journal.forget_before(31).unwrap();
    assert!(removed > 0);
    kept.journal.close().unwrap();
    let (events, _) = read(&disk, 31).unwrap();
    assert!(events.iter().map(|(sequence, _)| *sequence).eq(31..=60));
    let missing = read(&disk, 1).unwrap_err().to_string();
    assert!(
        missing.contains("records are missing; records 1 to"),
        "{missing}"
    );
}
