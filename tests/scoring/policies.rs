//! Presets, settings by kind and currency, and a second policy in the shadow of the first.

use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::{AccountId, PaymentId};
use doublecheck::scoring::policy::{Policies, Policy, Preset, Value};

use crate::timeline::{Stage, check, check_with};

/// What no policy may get wrong, and what presets are chosen by.
#[test]
fn every_preset_keeps_the_promises() {
    for preset in Preset::ALL {
        let mut stage = Stage::under(preset.policy());
        stage.play(
            "
            0s     p1 pays 50.00 to 13812345678 : allow
            2s     p2 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
            30s    p3 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT
            40s    p1 declined
            41s    p3 cancelled
            50s    p4 pays 50.00 to 13812345678 : allow
            55s    p4 succeeded
            90s    p5 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
            1h     q1 pays 9.00 to shop type=merchant kind=purchase order=o1 : allow
            60m1s  q1 succeeded
            61m    q2 pays 9.00 to shop type=merchant kind=purchase order=o2 : allow
            61m1s  q2 succeeded
            62m    q3 pays 9.00 to shop type=merchant kind=purchase order=o1 : block DUPLICATE_ORDER
            ",
        );
    }
}

#[test]
fn cautious_asks_more_than_balanced_and_balanced_more_than_lenient() {
    let story = "
        0s       20 times every 1d pays 50.00 to 13812345678 device=mine
        21d      first pays 50.00 to 15900000001 device=mine
        21d1s    first succeeded
        21d40m   again pays 50.00 to 15900000001 device=mine
        22d      other pays 50.00 to 15900000002 device=stolen
        22d1h    r1 pays 90.00 to 13812345678 device=mine
        22d1h    r1 succeeded
        22d1h5s  r2 pays 91.00 to 13812345678 device=mine
    ";
    let asked = |preset: &Preset| {
        let mut stage = Stage::under(preset.policy());
        stage.play(story);
        let answers = stage.answers.into_values();
        let scores: f64 = answers.map(|scored| scored.unwrap().assessment.score).sum();
        scores
    };
    let [balanced, cautious, lenient] = [0, 1, 2].map(|nth| asked(&Preset::ALL[nth]));
    assert!(
        lenient < balanced && balanced < cautious,
        "{lenient} {balanced} {cautious}"
    );
}

#[test]
fn an_override_holds_for_its_kind_only() {
    check_with(
        &[("kind.gift.duplicate_in_flight.weight", Value::Integer(0))],
        "
        0s  p1 pays 50.00 to 13812345678 kind=gift : allow
        2s  p2 pays 50.00 to 13812345678 kind=gift : allow !DUPLICATE_IN_FLIGHT
        3s  p3 pays 50.00 to 13812345678 kind=tip  : block DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn an_override_holds_for_its_currency_and_wins_over_that_of_a_kind() {
    check_with(
        &[
            ("kind.gift.duplicate_in_flight.weight", Value::Integer(0)),
            ("currency.JPY.duplicate_in_flight.weight", Value::Integer(1)),
            ("currency.JPY.decision.block_from", Value::Number(100.0)),
            (
                "currency.JPY.confirmation.biometric_from",
                Value::Number(100.0),
            ),
        ],
        "
        0s  p1 pays 500 to 13812345678 kind=gift currency=JPY : allow
        2s  p2 pays 500 to 13812345678 kind=gift currency=JPY : block
        3s  p3 pays 5.00 to 13812345678 kind=gift currency=CNY : allow
        4s  p4 pays 5.00 to 13812345678 kind=gift currency=CNY : allow !DUPLICATE_IN_FLIGHT
        ",
    );
}

/// A story with retries, a question and its answer; what each payment is told must not hang on a shadow.
const STORY: &str = "
    0s     p1 pays 50.00 to 13812345678
    2s     p2 pays 50.00 to 13812345678
    20s    p1 succeeded
    7m     p3 pays 50.00 to 13812345678
    7m     p3 pays 50.00 to 13812345678
    8m     p4 pays 50.00 to 13812345678 token=p3
    8m     p4 pays 50.00 to 13812345678 token=p3
    8m1s   p4 succeeded
    30m    p5 pays 50.00 to 13812345678
    31m    p6 pays 9.00 to shop type=merchant kind=purchase
";

#[test]
fn a_shadow_is_told_of_and_changes_nothing() {
    let mut alone = Stage::under(Policy::default());
    alone.play(STORY);
    let mut shadowed = Stage::under(Policies::new(Policy::default(), Some(harsh())));
    shadowed.play(STORY);
    for (id, answer) in &alone.answers {
        let mut told = shadowed.answers[id].clone().unwrap();
        assert!(told.assessment.shadow_decision.is_some(), "{id}");
        told.assessment.shadow_decision = None;
        told.shadow = None;
        assert_eq!(Ok(told), *answer, "{id}");
    }
}

#[test]
fn a_retry_and_the_record_say_what_the_shadow_said() {
    let mut stage = Stage::under(Policies::new(Policy::default(), Some(harsh())));
    stage.play("0s p1 pays 50.00 to 13812345678 : allow fresh");
    let fresh = stage.answers["p1"].clone().unwrap();
    assert_eq!(fresh.assessment.shadow_decision, Some(Decision::Allow));
    assert_eq!(fresh.shadow.unwrap().decision, Decision::Allow);
    stage.play(
        "
        2s p2 pays 50.00 to 13812345678 kind=tip : block fresh
        3s p2 pays 50.00 to 13812345678 kind=tip : block replayed
        ",
    );
    let retried = stage.answers["p2"].clone().unwrap();
    assert_eq!(retried.assessment.shadow_decision, Some(Decision::Allow));
    assert_eq!(retried.shadow, None);
    let (account, payment) = (AccountId::new("a").unwrap(), PaymentId::new("p2").unwrap());
    let record = stage.engine.payment(&account, &payment).unwrap();
    assert_eq!(record.assessment.shadow_decision, Some(Decision::Allow));
}

#[test]
fn disagreement_is_counted_by_pair_and_a_retry_not_again() {
    let mut stage = Stage::under(Policies::new(Policy::default(), Some(harsh())));
    stage.play(STORY);
    stage.play(
        "
        3h     t1 pays 50.00 to 15900000001 kind=tip account=b : allow
        3h2s   t2 pays 50.00 to 15900000001 kind=tip account=b : block
        3h3s   t2 pays 50.00 to 15900000001 kind=tip account=b : block replayed
        ",
    );
    let counts = stage.engine.shadow_counts();
    let table = Decision::ALL.iter().map(|decided| {
        Decision::ALL
            .iter()
            .map(|shadow| counts.of(*decided, *shadow))
    });
    let table: Vec<Vec<u64>> = table.map(Iterator::collect).collect();
    // Allowed: p1, p6 and t1; and p4 and p5, repeats that the payer meant, which the shadow blocks.
    // Asked: p3, which the shadow blocks. Blocked: p2, and t2, a tip, which the shadow lets through.
    assert_eq!(table, [[3, 0, 1], [0, 0, 2], [1, 0, 1]]);
}

#[test]
fn no_shadow_is_no_shadow_decision() {
    let stage = check("0s p1 pays 50.00 to 13812345678 : allow");
    let scored = stage.answers["p1"].as_ref().unwrap();
    assert_eq!(
        (scored.assessment.shadow_decision, &scored.shadow),
        (None, &None)
    );
}

/// Blocks every duplicate, but sees none among tips.
fn harsh() -> Policy {
    let settings = [
        ("decision.confirm_from", 30.0),
        ("decision.block_from", 40.0),
        ("decision.block_needs_abuse", 0.0),
        ("kind.tip.duplicate_in_flight.weight", 0.0),
    ];
    let settings = settings.map(|(path, value)| (path, Value::Number(value)));
    Policy::from_settings("harsh", settings).unwrap()
}
