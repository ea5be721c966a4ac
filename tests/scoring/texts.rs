//! The sentences that payers read, one per reason, as they would see them.

use doublecheck::scoring::assessment::{AmountSlip, Decision, Evidence, Reason, ReasonCode};
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{PayeeId, PaymentId};
use doublecheck::scoring::signal::Signal;
use doublecheck::scoring::text::message;
use doublecheck::scoring::time::Span;

use crate::timeline::payment;

#[track_caller]
fn check(signal: Signal, evidence: Evidence, decision: Decision, en: &str, zh: &str) {
    let payment = payment("p", &["pays", "50.00", "to", "13812345678"]);
    let reason = Reason {
        code: ReasonCode::Signal(signal),
        strength: 80.0,
        evidence,
    };
    let message = message(&payment, decision, &reason);
    assert_eq!(message.en, en);
    assert_eq!(message.zh, zh);
}

fn duplicate_of_paid(secs: i64) -> Evidence {
    Evidence::Duplicate {
        earlier_payment_id: PaymentId::new("p0").unwrap(),
        elapsed: Span::from_secs(secs),
        earlier_outcome: Some(Outcome::Succeeded),
        other_money: None,
    }
}

fn duplicate(secs: i64) -> Evidence {
    Evidence::Duplicate {
        earlier_payment_id: PaymentId::new("p0").unwrap(),
        elapsed: Span::from_secs(secs),
        earlier_outcome: None,
        other_money: None,
    }
}

fn velocity(count: u32) -> Evidence {
    Evidence::Velocity {
        window: Span::from_minutes(10),
        count,
        sum_minor: 123_456,
        limit: 40,
        usual: 20_000.0,
    }
}

fn device(known_devices: u32) -> Evidence {
    Evidence::Device {
        known_devices,
        accounts: 14,
    }
}

#[test]
fn duplicates() {
    check(
        Signal::DuplicateInFlight,
        duplicate(42),
        Decision::Confirm,
        "You paid 50.00 CNY to 138****5678 42 seconds ago and it is still in progress. Pay again?",
        "您在42秒前向138****5678支付了50.00 CNY，该笔付款仍在处理中。要再付一次吗？",
    );
    check(
        Signal::DuplicateInFlight,
        duplicate(1),
        Decision::Block,
        "You paid 50.00 CNY to 138****5678 1 second ago and it is still in progress.",
        "您在1秒前向138****5678支付了50.00 CNY，该笔付款仍在处理中。",
    );
    check(
        Signal::DuplicateOrder,
        duplicate_of_paid(3_900),
        Decision::Block,
        "You already paid this order of 138****5678 1 hour 5 minutes ago.",
        "您在1小时5分钟前已支付过138****5678的这个订单。",
    );
    check(
        Signal::DuplicateOrder,
        duplicate(2),
        Decision::Block,
        "You already sent a payment for this order of 138****5678 2 seconds ago.",
        "您在2秒前已为138****5678的这个订单发起过付款。",
    );
    check(
        Signal::DuplicateRecent,
        duplicate(720),
        Decision::Confirm,
        "You already sent 50.00 CNY to 138****5678 12 minutes ago. Pay again?",
        "您在12分钟前已向138****5678发起过50.00 CNY的付款。要再付一次吗？",
    );
    check(
        Signal::DuplicateRecent,
        duplicate_of_paid(120),
        Decision::Confirm,
        "You already paid 50.00 CNY to 138****5678 2 minutes ago. Pay again?",
        "您在2分钟前已向138****5678支付过50.00 CNY。要再付一次吗？",
    );
}

#[test]
fn an_order_of_which_another_sum_was_paid_is_told_with_both() {
    let part = |earlier_outcome| Evidence::Duplicate {
        earlier_payment_id: PaymentId::new("p0").unwrap(),
        elapsed: Span::from_secs(3_900),
        earlier_outcome,
        other_money: Money::new(12_000, Currency::from_code("CNY").unwrap()).ok(),
    };
    check(
        Signal::DuplicateOrder,
        part(Some(Outcome::Succeeded)),
        Decision::Confirm,
        "You paid 120.00 CNY for this order of 138****5678 1 hour 5 minutes ago; this is another 50.00 CNY. Pay this too?",
        "您在1小时5分钟前已为138****5678的这个订单支付过120.00 CNY，这是另外一笔50.00 CNY。这笔也要付吗？",
    );
    check(
        Signal::DuplicateOrder,
        part(None),
        Decision::Allow,
        "You sent 120.00 CNY for this order of 138****5678 1 hour 5 minutes ago; this is another 50.00 CNY.",
        "您在1小时5分钟前已为138****5678的这个订单发起过120.00 CNY的付款，这是另外一笔50.00 CNY。",
    );
}

#[test]
fn pace() {
    check(
        Signal::RapidRepeat,
        velocity(41),
        Decision::Confirm,
        "This is payment number 41 within 10 minutes.",
        "这是您10分钟内的第41笔付款。",
    );
    check(
        Signal::SpendSurge,
        velocity(3),
        Decision::Allow,
        "With this payment you spend 1234.56 CNY within 10 minutes; you usually spend up to 200.00 CNY.",
        "加上这笔付款，您在10分钟内共支出1234.56 CNY；您平时最多支出200.00 CNY。",
    );
    check(
        Signal::SmallPaymentBurst,
        velocity(7),
        Decision::Confirm,
        "7 payments were tried in a row within 10 minutes, 1234.56 CNY in all.",
        "10分钟内连续尝试7笔付款，合计1234.56 CNY。",
    );
    check(
        Signal::FailureBurst,
        velocity(5),
        Decision::Confirm,
        "5 payments were declined within 10 minutes.",
        "10分钟内有5笔付款被拒绝。",
    );
}

#[test]
fn amounts() {
    let amount = |slip, usual_for_payee| Evidence::Amount {
        usual_minor: 500,
        usual_for_payee,
        ratio: 10.0,
        slip,
    };
    check(
        Signal::AmountUnusual,
        amount(None, false),
        Decision::Confirm,
        "50.00 CNY is 10.0 times the 5.00 CNY that you usually pay. Is the amount right?",
        "50.00 CNY是您平时付款金额5.00 CNY的10.0倍。金额正确吗？",
    );
    check(
        Signal::AmountUnusual,
        amount(None, true),
        Decision::Allow,
        "50.00 CNY is 10.0 times the 5.00 CNY that would be usual for 138****5678.",
        "50.00 CNY是向138****5678付款的通常金额5.00 CNY的10.0倍。",
    );
    check(
        Signal::AmountSlip,
        amount(Some(AmountSlip::ExtraDigit), false),
        Decision::Allow,
        "You usually pay about 5.00 CNY; 50.00 CNY looks like a zero too many.",
        "您平时每笔支付约5.00 CNY；50.00 CNY看起来多输了一个零。",
    );
    check(
        Signal::AmountSlip,
        amount(Some(AmountSlip::ExtraDigit), true),
        Decision::Confirm,
        "You usually pay 138****5678 about 5.00 CNY; 50.00 CNY looks like a zero too many. Is the amount right?",
        "您平时向138****5678支付约5.00 CNY；50.00 CNY看起来多输了一个零。金额正确吗？",
    );
}

#[test]
fn zeros_are_called_so_where_no_decimal_point_can_have_made_them() {
    let check = |currency: &str, usual_minor, ratio, en: &str, zh: &str| {
        let words = ["pays", "5000", "to", "13812345678", currency];
        let reason = Reason {
            code: ReasonCode::Signal(Signal::AmountSlip),
            strength: 80.0,
            evidence: Evidence::Amount {
                usual_minor,
                usual_for_payee: true,
                ratio,
                slip: Some(AmountSlip::DecimalShift),
            },
        };
        let message = message(&payment("p", &words), Decision::Allow, &reason);
        assert!(message.en.ends_with(en), "{}", message.en);
        assert!(message.zh.ends_with(zh), "{}", message.zh);
    };
    let (point, point_zh) = ("like a misplaced decimal point.", "看起来小数点位置有误。");
    check("currency=CNY", 50, 100.0, point, point_zh);
    check("currency=KWD", 500_000, 0.01, point, point_zh);
    let (many, many_zh) = ("like too many zeros.", "看起来多输了几个零。");
    check("currency=CNY", 5, 1_000.0, many, many_zh);
    check("currency=JPY", 50, 100.0, many, many_zh);
    let (few, few_zh) = ("like too few zeros.", "看起来少输了几个零。");
    check("currency=JPY", 500_000, 0.01, few, few_zh);
}

#[test]
fn payees() {
    let payee = |similar: Option<&str>, times_paid| Evidence::Payee {
        similar_payee_id: similar.map(|id| PayeeId::new(id).unwrap()),
        times_paid,
        last_paid_time: None,
    };
    let reports = |payers| Evidence::Reports {
        reported: 3.0,
        payers,
    };
    check(
        Signal::PayeeNew,
        payee(None, 0),
        Decision::Confirm,
        "You never paid 138****5678 before. Is the payee right?",
        "您从未向138****5678付过款。收款人正确吗？",
    );
    check(
        Signal::PayeeNew,
        payee(None, 2),
        Decision::Confirm,
        "You paid 138****5678 for the first time within the last day. Is the payee right?",
        "您最近一天内才首次向138****5678付款。收款人正确吗？",
    );
    check(
        Signal::PayeeLookalike,
        payee(Some("13812345679"), 12),
        Decision::Confirm,
        "You never paid 138****5678, but 12 times 138****5679, which looks almost the same. Is the payee right?",
        "您从未向138****5678付过款，但向几乎相同的138****5679付过12次。收款人正确吗？",
    );
    check(
        Signal::PayeeReported,
        reports(9),
        Decision::Block,
        "Trouble was reported with payments to 138****5678.",
        "有人反映向138****5678付款后出现问题。",
    );
    check(
        Signal::PayeeFanIn,
        reports(40),
        Decision::Allow,
        "About 40 people paid 138****5678 lately, more than usual.",
        "最近约有40人向138****5678付款，多于平时。",
    );
    check(
        Signal::PayeeFanIn,
        reports(1),
        Decision::Allow,
        "About 1 person paid 138****5678 lately, more than usual.",
        "最近约有1人向138****5678付款，多于平时。",
    );
}

#[test]
fn devices_and_hours() {
    check(
        Signal::DeviceFanOut,
        device(1),
        Decision::Confirm,
        "This device lately paid for about 14 different accounts.",
        "这台设备最近为约14个不同账户付过款。",
    );
    check(
        Signal::DeviceNew,
        device(1),
        Decision::Allow,
        "This device is new to this account.",
        "这台设备对该账户来说是新的。",
    );
    check(
        Signal::DeviceSwitch,
        device(3),
        Decision::Allow,
        "3 different devices paid from this account within minutes.",
        "几分钟内有3台不同设备从该账户付款。",
    );
    check(
        Signal::HourUnusual,
        Evidence::Hour {
            hour: 4,
            share: 0.01,
        },
        Decision::Allow,
        "You hardly ever pay at this time of day.",
        "您几乎从不在一天中的这个时段付款。",
    );
}

#[test]
fn the_payers_yes() {
    let payment = payment("p", &["pays", "50.00", "to", "13812345678"]);
    let reason = Reason {
        code: ReasonCode::PayerConfirmed,
        strength: 100.0,
        evidence: Evidence::None,
    };
    let message = message(&payment, Decision::Allow, &reason);
    assert_eq!(message.en, "You confirmed this payment.");
    assert_eq!(message.zh, "您已确认这笔付款。");
}
