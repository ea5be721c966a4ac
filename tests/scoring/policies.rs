//! Presets, settings by kind and currency, and a second policy in the shadow of the first.

use doublecheck::scoring::policy::{Preset, Value};

use crate::timeline::{Stage, check_with};

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
