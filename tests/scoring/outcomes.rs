//! What each outcome means for later payments, one test for each: whether a payment may be a duplicate of it, whether
//! it counts in velocity, whether the profile learns from it, and what it says of the payee.

use doublecheck::scoring::policy::Value;

use crate::timeline::{check, check_with};

/// Two payments a minute are free, the third asks: what counts in velocity shows.
const TWO_A_MINUTE: [(&str, Value); 2] = [
    ("rapid_repeat.minute_confirm_above", Value::Integer(2)),
    ("rapid_repeat.minute_block_above", Value::Integer(9)),
];

/// Whether a payment with `outcome` is a target for duplicates, 20 s later.
fn is_duplicate_target(outcome: &str) -> bool {
    let stage = check(&format!(
        "
        0s   p1 pays 50.00 to 13812345678 : allow
        1s   p1 {outcome}
        20s  p2 pays 50.00 to 13812345678
        "
    ));
    let reasons = &stage.answers["p2"].as_ref().unwrap().assessment.reasons;
    reasons
        .iter()
        .any(|r| r.code.name().starts_with("DUPLICATE"))
}

/// Whether a payment with `outcome` counts among the attempts of the minute.
fn counts_in_velocity(outcome: &str) -> bool {
    let stage = check_with(
        &TWO_A_MINUTE,
        &format!(
            "
            0s   p1 pays 10.00 to M001 : allow
            1s   p1 {outcome}
            2s   p2 pays 20.00 to M002 : allow
            3s   p3 pays 30.00 to M003
            "
        ),
    );
    let reasons = &stage.answers["p3"].as_ref().unwrap().assessment.reasons;
    reasons.iter().any(|r| r.code.name() == "RAPID_REPEAT")
}

/// Whether a payment with `outcome`, reported after `after`, makes its payee a known one.
fn teaches_profile(outcome: &str, after: &str) -> bool {
    let stage = check(&format!(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 50.00 to 13812345678 : allow PAYEE_NEW
        20d{after} p1 {outcome}
        22d    p2 pays 49.00 to 13812345678
        "
    ));
    let reasons = &stage.answers["p2"].as_ref().unwrap().assessment.reasons;
    !reasons.iter().any(|r| r.code.name() == "PAYEE_NEW")
}

/// How strongly twenty accounts speak against their payee that each report `outcomes`, one after the
/// other; `None`: not at all.
fn payee_risk(outcomes: &[&str]) -> Option<f64> {
    let mut story = String::new();
    for nth in 0..20 {
        story += &format!("0s x{nth} pays 30.00 to 13911111111 account=other{nth}\n");
        for outcome in outcomes {
            story += &format!("1h x{nth} {outcome} account=other{nth}\n");
        }
    }
    // A policy that listens closely.
    let settings = [
        ("payee_reported.weak_share", Value::Number(0.5)),
        ("payee_reported.from_rate", Value::Number(0.01)),
        ("payee_reported.full_rate", Value::Number(1.0)),
        ("payee_reported.lately_strength", Value::Number(0.0)),
    ];
    let stage = check_with(&settings, &(story + "2h p1 pays 50.00 to 13911111111"));
    let reasons = &stage.answers["p1"].as_ref().unwrap().assessment.reasons;
    reasons
        .iter()
        .find(|r| r.code.name() == "PAYEE_REPORTED")
        .map(|r| r.strength)
}

#[test]
fn none_yet() {
    check_with(
        &TWO_A_MINUTE,
        "
        0s   p1 pays 50.00 to 13812345678 : allow
        20s  p2 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT
        21s  p3 pays 70.00 to M003 : confirm RAPID_REPEAT
        ",
    );
    // Teaches after ten minutes without bad news, and not before.
    check(
        "
        0s        20 times every 1d pays 50.00 to M001
        20d       p1 pays 50.00 to 13812345678 : PAYEE_NEW
        20d9m59s  p2 pays 50.00 to 13812345679 : !PAYEE_LOOKALIKE
        20d10m    p3 pays 50.00 to 13812345670 : PAYEE_LOOKALIKE
        ",
    );
}

#[test]
fn unknown() {
    assert!(is_duplicate_target("unknown"));
    assert!(counts_in_velocity("unknown"));
    assert!(teaches_profile("unknown", "1s"));
    assert_eq!(payee_risk(&["unknown"]), None);
}

#[test]
fn succeeded() {
    assert!(is_duplicate_target("succeeded"));
    assert!(counts_in_velocity("succeeded"));
    assert!(teaches_profile("succeeded", "1s"));
    assert_eq!(payee_risk(&["succeeded"]), None);
}

#[test]
fn declined() {
    assert!(!is_duplicate_target("declined"));
    assert!(!counts_in_velocity("declined"));
    assert!(!teaches_profile("declined", "1s"));
    assert_eq!(payee_risk(&["declined"]), None);
    let settings = [
        ("failure_burst.confirm_from", Value::Integer(1)),
        ("failure_burst.block_from", Value::Integer(9)),
    ];
    check_with(
        &settings,
        "
        0s   p1 pays 10.00 to M001 : allow
        1s   p1 declined
        2s   p2 pays 10.00 to M001 : confirm FAILURE_BURST !DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn cancelled_and_not_sent() {
    for outcome in ["cancelled", "not_sent"] {
        assert!(!is_duplicate_target(outcome));
        assert!(!counts_in_velocity(outcome));
        assert!(!teaches_profile(outcome, "1s"));
        assert_eq!(payee_risk(&[outcome]), None);
    }
}

#[test]
fn refunded() {
    assert!(!is_duplicate_target("refunded"));
    assert!(counts_in_velocity("refunded"));
    assert!(!teaches_profile("refunded", "1s"));
    assert!(payee_risk(&["refunded"]).unwrap() > 0.0);
}

#[test]
fn payer_mistake() {
    assert!(is_duplicate_target("payer_mistake"));
    assert!(counts_in_velocity("payer_mistake"));
    assert!(!teaches_profile("payer_mistake", "1s"));
    assert!(payee_risk(&["payer_mistake"]).unwrap() > 0.0);
}

#[test]
fn fraud() {
    assert!(is_duplicate_target("fraud"));
    assert!(counts_in_velocity("fraud"));
    assert!(!teaches_profile("fraud", "1s"));
    assert!(payee_risk(&["fraud"]) > payee_risk(&["refunded"]));
}

#[test]
fn bad_news_takes_back_what_was_learnt() {
    // Learnt after ten minutes of silence, unlearnt an hour later.
    for outcome in [
        "declined",
        "cancelled",
        "refunded",
        "payer_mistake",
        "fraud",
    ] {
        assert!(!teaches_profile(outcome, "1h"), "{outcome}");
    }
}

#[test]
fn a_payee_paid_by_mistake_or_fraud_is_not_known_by_that() {
    for (outcome, found) in [
        ("succeeded", "allow !PAYEE_LOOKALIKE"),
        ("refunded", "confirm PAYEE_LOOKALIKE"),
        ("payer_mistake", "confirm PAYEE_LOOKALIKE"),
        ("fraud", "confirm PAYEE_LOOKALIKE"),
    ] {
        check(&format!(
            "
            0s        20 times every 1d pays 50.00 to 13812345678
            20d       p1 pays 50.00 to 13812345679 : confirm PAYEE_LOOKALIKE
            20d20s    p2 pays 50.00 to 13812345679 token=p1 : allow
            20d22s    p2 succeeded
            20d5m     p2 {outcome}
            20d1h     p3 pays 50.00 to 13812345679 : {found}
            "
        ));
    }
}

#[test]
fn what_was_given_back_is_no_duplicate_target_whichever_report_came_first() {
    for reports in [["refunded", "payer_mistake"], ["payer_mistake", "refunded"]] {
        check(&format!(
            "
            0s   p1 pays 50.00 to 13812345678 : allow
            60s  p1 {}
            70s  p1 {}
            99s  p2 pays 50.00 to 13812345678 : allow !DUPLICATE_RECENT
            ",
            reports[0], reports[1]
        ));
    }
}

#[test]
fn a_blocked_or_unconfirmed_payment_was_never_made() {
    check_with(
        &TWO_A_MINUTE,
        "
        0s      p1 pays 50.00 to 13812345678 : allow
        2s      p2 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
        3s      p1 declined
        4s      p3 pays 50.00 to 13812345678 : allow !DUPLICATE_IN_FLIGHT
        5s      p4 pays 70.00 to M004 : confirm RAPID_REPEAT
        ",
    );
    check(
        "
        0s      20 times every 1d pays 50.00 to M001
        20d     p1 pays 888.00 to 13812345678 kind=gift : confirm
        20d1h   p2 pays 888.00 to 13812345678 kind=gift : confirm PAYEE_NEW !DUPLICATE_RECENT
        20d1h1s p3 pays 100.00 to M001 : !SPEND_SURGE
        ",
    );
}

#[test]
fn what_was_asked_about_and_paid_all_the_same_counts_as_paid() {
    check(
        "
        0s    p1 pays 50.00 to 13812345678 : allow
        20s   p2 pays 50.00 to 13812345678 : confirm
        21s   p1 declined
        22s   p2 succeeded
        40s   p3 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn the_same_report_again_and_overtaken_ones_change_nothing() {
    let reports = [
        "fraud",
        "fraud",
        "succeeded",
        "unknown",
        "refunded",
        "fraud",
    ];
    assert_eq!(payee_risk(&reports), payee_risk(&["fraud"]));
}

#[test]
fn a_report_after_the_window_still_teaches_payee_risk_once() {
    let mut story = String::new();
    for nth in 0..20 {
        story += &format!("0s 1 times every 1d pays 30.00 to 13911111111 account=other{nth}\n");
        let id = nth + 1;
        story += &format!("7d made-{id} fraud account=other{nth} : unknown payment\n");
    }
    story += "7d p0 pays 50.00 to 13911111111 account=z : allow !PAYEE_REPORTED\n";
    for nth in 0..20 {
        let id = nth + 1;
        for _ in 0..3 {
            story += &format!(
                "7d made-{id} fraud account=other{nth} payee=13911111111 : not remembered\n"
            );
        }
    }
    story += "7d1h p1 pays 50.00 to 13911111111 : stopped PAYEE_REPORTED\n";
    check(&story);
}
