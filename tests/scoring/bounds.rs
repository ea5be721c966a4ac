//! What is kept is bounded, and nothing is forgotten silently.

use doublecheck::scoring::assessment::{Evidence, History};
use doublecheck::scoring::policy::Value;

use crate::timeline::{Stage, check, check_with};

#[test]
fn an_account_past_its_bound_says_that_its_history_is_partial_for_a_day() {
    let settings = [
        ("memory.payments_max", Value::Integer(8)),
        ("memory.full_history_payments", Value::Integer(1)),
        ("rapid_repeat.weight", Value::Integer(0)),
        ("rapid_repeat.minute_confirm_above", Value::Integer(1)),
        ("rapid_repeat.minute_block_above", Value::Integer(7)),
        ("rapid_repeat.ten_minutes_confirm_above", Value::Integer(1)),
        ("rapid_repeat.ten_minutes_block_above", Value::Integer(7)),
        ("rapid_repeat.hour_confirm_above", Value::Integer(1)),
        ("rapid_repeat.hour_block_above", Value::Integer(7)),
        ("rapid_repeat.day_confirm_above", Value::Integer(1)),
        ("rapid_repeat.day_block_above", Value::Integer(7)),
    ];
    let mut stage = check_with(
        &settings,
        "
        0s    9 times every 1h pays 50.00 to M001
        9h    p1 pays 51.00 to M001 : partial
        1d3h  p2 pays 52.00 to M001 : full
        ",
    );
    assert_eq!(stage.engine.bounds_counts().payments_dropped, 2);
    stage.play("1d4h p2 pays 52.00 to M001 : replayed full");
}

#[test]
fn a_payment_dropped_for_want_of_room_is_unknown_from_then_on() {
    let mut story = String::new();
    for nth in 0..257 {
        story += &format!("{nth}m p{nth} pays {nth}.50 to M001 window=0s\n");
    }
    story += "
        5h p0 succeeded : unknown payment
        5h p1 succeeded
        ";
    let stage = check_with(&[("rapid_repeat.weight", Value::Integer(0))], &story);
    assert_eq!(stage.engine.bounds_counts().payments_dropped, 1);
}

const RENT: &str = "
    0s  rent pays 2000.00 to L001 order=o1 : allow
    1s  rent succeeded
    ";

/// What became of the rent, after however many tries to pay it again.
const RENT_IS_KNOWN: &str = "
    20m    again pays 2000.00 to L001 order=o1 : block DUPLICATE_ORDER
    20m    rent pays 2000.00 to L001 order=o1 : allow replayed
    21m    rent refunded
    ";

#[test]
fn attempts_that_were_not_sent_push_out_no_payment_that_stands() {
    let mut stage = check(RENT);
    for nth in 0..300 {
        let secs = 60 + 2 * nth;
        stage.play(&format!(
            "{secs}s x{nth} pays 2000.00 to L001 order=o1 : stopped"
        ));
        stage.play(&format!("{secs}s x{nth} not_sent"));
    }
    stage.play(RENT_IS_KNOWN);
    assert_eq!(stage.engine.bounds_counts().payments_dropped, 46);
}

#[test]
fn nor_do_attempts_that_were_blocked_and_never_reported() {
    let mut stage = check(RENT);
    for nth in 0..600 {
        let ms = 2_000 + 11 * nth;
        stage.play(&format!(
            "{ms}ms x{nth} pays 2000.00 to L001 order=o1 : block"
        ));
    }
    stage.play(RENT_IS_KNOWN);
}

#[test]
fn nor_do_payments_that_were_allowed_and_failed() {
    let mut stage = check(RENT);
    for nth in 0..300 {
        stage.play(&format!("{nth}m x{nth} pays 15.00 to M001"));
        stage.play(&format!("{nth}m x{nth} not_sent"));
    }
    stage.play("5h again pays 2000.00 to L001 order=o1 : confirm DUPLICATE_ORDER");
}

#[test]
fn nor_do_questions_that_nobody_answered_in_time() {
    let mut stage = Stage::new(&[("rapid_repeat.weight", Value::Integer(0))]);
    stage.play(RENT);
    for nth in 0..300 {
        let mins = 2 + 2 * nth;
        stage.play(&format!(
            "{mins}m x{nth} pays 1500.00 to L001 order=o1 : confirm"
        ));
    }
    stage.play("11h again pays 2000.00 to L001 order=o1 : confirm DUPLICATE_ORDER");
}

/// 32 payments are kept, and as many may be made at once.
const FEW: [(&str, Value); 9] = [
    ("memory.payments_max", Value::Integer(32)),
    ("rapid_repeat.minute_confirm_above", Value::Integer(31)),
    ("rapid_repeat.minute_block_above", Value::Integer(31)),
    ("rapid_repeat.ten_minutes_confirm_above", Value::Integer(31)),
    ("rapid_repeat.ten_minutes_block_above", Value::Integer(31)),
    ("rapid_repeat.hour_block_above", Value::Integer(31)),
    ("rapid_repeat.hour_confirm_above", Value::Integer(31)),
    ("rapid_repeat.day_confirm_above", Value::Integer(31)),
    ("rapid_repeat.day_block_above", Value::Integer(31)),
];

#[test]
fn a_question_that_may_still_be_answered_outlives_other_attempts() {
    let mut stage = check_with(
        &FEW,
        "
        0s    p1 pays 50.00 to 13812345678 : allow
        30s   p2 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT
        ",
    );
    for nth in 0..100 {
        let ms = 31_000 + nth;
        stage.play(&format!("{ms}ms x{nth} pays 60.00 to M009"));
    }
    stage.play("40s p3 pays 50.00 to 13812345678 token=p2 : allow PAYER_CONFIRMED");
}

#[test]
fn the_latest_attempts_are_counted_however_many_payments_stand() {
    let mut stage = check_with(&FEW, "0s 32 times every 30m pays 50.00 to M001");
    for nth in 0..5 {
        stage.play(&format!("16h{nth}m x{nth} pays 5{nth}.00 to M002"));
        stage.play(&format!("16h{nth}m x{nth} declined"));
    }
    stage.play("16h6m p1 pays 70.00 to M002 : stopped FAILURE_BURST");
}

#[test]
fn a_question_that_is_asked_again_and_again_takes_no_more_memory() {
    let mut stage = check(RENT);
    let mut bytes = Vec::new();
    for nth in 1..200 {
        let secs = 301 * nth;
        stage.play(&format!(
            "{secs}s p2 pays 1500.00 to L001 order=o1 : confirm fresh"
        ));
        bytes.push(stage.engine.memory_bytes());
    }
    assert_eq!(bytes[198], bytes[9]);
}

#[test]
fn payees_and_devices_beyond_their_bounds_are_forgotten_and_counted() {
    let settings = [
        ("memory.payees_max", Value::Integer(3)),
        ("memory.devices_max", Value::Integer(2)),
    ];
    let stage = check_with(
        &settings,
        "
        0d   5 times every 1h pays 50.00 to 13812345678 device=d1
        1d   1 times every 1d pays 50.00 to M002 device=d2
        2d   1 times every 1d pays 50.00 to M003 device=d3
        3d   1 times every 1d pays 50.00 to M004 device=d3
        4d   p1 pays 50.00 to 13812345679 : PAYEE_LOOKALIKE
        4d   p2 pays 50.00 to M002 : PAYEE_NEW
        4d   p3 pays 50.00 to M003 : !PAYEE_NEW
        ",
    );
    let counts = stage.engine.bounds_counts();
    assert_eq!((counts.payees_forgotten, counts.devices_forgotten), (1, 1));
}

#[test]
fn a_number_that_may_be_mistyped_is_remembered_two_weeks_longer_than_a_shop() {
    let settings = [("memory.payees_max", Value::Integer(3))];
    let story = |shops_from_day: u32, asked: &str| {
        let (first, second) = (shops_from_day, shops_from_day + 1);
        let (typo, again) = (shops_from_day + 2, shops_from_day + 3);
        check_with(
            &settings,
            &format!(
                "
                0d        5 times every 1h pays 50.00 to M001 type=merchant kind=purchase
                1d        1 times every 1d pays 50.00 to 13812345678 type=phone
                {first}d  1 times every 1d pays 50.00 to M033 type=merchant kind=purchase
                {second}d 1 times every 1d pays 50.00 to M044 type=merchant kind=purchase
                {typo}d   p1 pays 50.00 to 13812345679 type=phone : {asked}
                {again}d  p2 pays 50.00 to M044 type=merchant kind=purchase : !PAYEE_NEW
                "
            ),
        );
    };
    story(2, "PAYEE_LOOKALIKE");
    story(17, "!PAYEE_LOOKALIKE");
}

#[test]
fn a_sweep_changes_no_answer() {
    let story = "
        0s     20 times every 1d pays 50.00 to M001 device=d1
        20d    p1 pays 50.00 to 13812345678 device=d1 : allow
        ";
    let later = "
        20d11m  p2 pays 50.00 to 13812345678 device=d1
        22d     p3 pays 500.00 to 13812345679 device=d2
        ";
    let mut swept = check(story);
    let mut unswept = check(story);
    for line in later.lines().filter(|line| !line.trim().is_empty()) {
        swept.engine.sweep();
        swept.play(line);
        swept.engine.sweep();
        unswept.play(line);
    }
    for id in ["p2", "p3"] {
        assert_eq!(swept.answers[id], unswept.answers[id]);
    }
}

#[test]
fn history_says_how_much_is_known() {
    check(
        "
        0s   p1 pays 50.00 to M001 : none
        1h   p2 pays 51.00 to M001 : partial
        2d   7 times every 1d pays 50.00 to M001
        10d  p3 pays 52.00 to M001 : full
        ",
    );
}

#[test]
fn time_never_goes_backwards_within_an_account() {
    // The second call reads a clock that was set back: it counts as made at the latest moment seen.
    check(
        "
        1h   p1 pays 50.00 to 13812345678 : allow
        0s   p2 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
        1h9s p3 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn a_pace_of_declined_payments_is_gone_with_them_swept_or_not() {
    let day_one = "
        0s    p1 pays 50.00 to M001 : allow
        0s    p1 declined
    ";
    let mut day_two = String::new();
    for nth in 0..13 {
        day_two += &format!("1d{nth}s q{nth} pays 5{nth}.00 to M0{nth}\n");
    }
    let mut swept = check(day_one);
    swept.play("1d p2 pays 50.00 to M001 account=another : allow");
    swept.engine.sweep();
    swept.play(&day_two);
    let mut unswept = check(day_one);
    unswept.play(&day_two);
    assert_eq!(swept.answers["q12"], unswept.answers["q12"]);
    assert_eq!(swept.answers["q0"], unswept.answers["q0"]);
    let reasons = &swept.answers["q12"].as_ref().unwrap().assessment.reasons;
    assert!(matches!(
        reasons[0].evidence,
        Evidence::Velocity { usual, .. } if usual == 0.0
    ));
}

#[test]
fn a_flood_of_strangers_keeps_to_the_budget_and_costs_no_regular_its_guard() {
    const BUDGET_BYTES: u64 = 16 << 20;
    let mut stage = Stage::new(&[]).with_memory_budget(BUDGET_BYTES);
    let regulars = 0..300;
    for nth in regulars.clone() {
        stage.play(&format!(
            "{nth}s 12 times every 25h pays 30.00 to M00{} account=regular-{nth}",
            nth % 9
        ));
    }
    for nth in regulars.clone() {
        stage.play(&format!(
            "14d r{nth} pays 31.00 to M001 account=regular-{nth}"
        ));
    }
    assert_eq!(stage.engine.bounds_counts().accounts_evicted, 0);
    for nth in 0..40_000 {
        stage.play(&format!(
            "14d f{nth} pays 9.00 to F{nth} account=flood-{nth} device=d{nth}"
        ));
        let bytes = stage.engine.memory_bytes();
        assert!(bytes <= BUDGET_BYTES / 100 * 105, "{bytes} after {nth}");
    }
    let counts = stage.engine.bounds_counts();
    assert!(counts.accounts_evicted > 1_000, "{counts:?}");
    // The flood's own guards were live too, and are owned up to.
    assert!(counts.guards_evicted > 1_000, "{counts:?}");
    for nth in regulars {
        stage.play(&format!(
            "14d5s s{nth} pays 31.00 to M001 account=regular-{nth} : block DUPLICATE_IN_FLIGHT full"
        ));
    }
    // Who was forgotten is a stranger again, and is said to be.
    let mut story = String::new();
    for nth in 0..200 {
        story += &format!("14d10s g{nth} pays 8.00 to M001 account=flood-{nth}\n");
    }
    stage.play(&story);
    let answer = |nth: u32| stage.answers[&format!("g{nth}")].as_ref().unwrap();
    let strangers = (0..200).filter(|nth| answer(*nth).assessment.history == History::None);
    assert!(strangers.count() > 100);
}
