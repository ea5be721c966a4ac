//! One story per signal: when it fires, and the nearest case in which it must not.

use doublecheck::scoring::assessment::{AmountSlip, Evidence, Reason};
use doublecheck::scoring::policy::Value;
use doublecheck::scoring::time::Span;

use crate::timeline::{START, Stage, check, check_with};

/// What the signal of `code` said of a payment.
fn reason_of<'a>(stage: &'a Stage, payment_id: &str, code: &str) -> &'a Reason {
    let reasons = &stage.answers[payment_id]
        .as_ref()
        .unwrap()
        .assessment
        .reasons;
    let reason = reasons.iter().find(|reason| reason.code.name() == code);
    reason.unwrap()
}

/// How strongly it fired.
fn strength_of(stage: &Stage, payment_id: &str, code: &str) -> f64 {
    reason_of(stage, payment_id, code).strength
}

/// What it measured.
fn evidence_of(stage: &Stage, payment_id: &str, code: &str) -> Evidence {
    reason_of(stage, payment_id, code).evidence.clone()
}

/// The slip, the usual amount, whether that is usual for the payee, and the amount as its multiple.
fn amount_of(stage: &Stage, payment_id: &str, code: &str) -> (Option<AmountSlip>, i64, bool, f64) {
    match evidence_of(stage, payment_id, code) {
        Evidence::Amount {
            usual_minor,
            usual_for_payee,
            ratio,
            slip,
        } => (slip, usual_minor, usual_for_payee, ratio),
        other => panic!("{other:?}"),
    }
}

/// How long is to be waited with a payment.
fn retry_after_ms(stage: &Stage, payment_id: &str) -> Option<i64> {
    let scored = stage.answers[payment_id].as_ref().unwrap();
    scored.assessment.retry_after.map(Span::ms)
}

#[test]
fn a_second_press_within_ten_seconds_blocks_and_a_later_one_asks() {
    check(
        "
        0s     p1 pays 50.00 to 13812345678 : allow
        10s    p2 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
        11s    p3 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT acknowledge
        2m     p4 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT
        2m     p5 pays 50.01 to 13812345678 : allow !DUPLICATE_IN_FLIGHT
        2m     p6 pays 50.00 to 13812345679 : !DUPLICATE_IN_FLIGHT
        2m     p7 pays 50.00 to 13812345678 type=wallet : allow !DUPLICATE_IN_FLIGHT
        2m     p8 pays 50.00 to 13812345678 currency=USD : allow !DUPLICATE_IN_FLIGHT
        2m     p9 pays 50.00 to 13812345678 account=b : allow !DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn a_timed_out_payment_stays_in_flight_and_a_silent_one_counts_as_paid_after_ten_minutes() {
    check(
        "
        0s     p1 pays 50.00 to 13812345678 : allow
        30s    p1 unknown
        20m    p2 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT !DUPLICATE_RECENT
        1d     p3 pays 70.00 to 13812345678 : allow
        1d11m  p4 pays 70.00 to 13812345678 : confirm DUPLICATE_RECENT !DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn the_window_for_duplicates_may_be_set_per_payment_and_zero_switches_the_check_off() {
    check(
        "
        0s     p1 pays 50.00 to 13812345678 order=o1 : allow
        3s     p2 pays 50.00 to 13812345678 window=0s : allow !DUPLICATE_IN_FLIGHT
        6s     p3 pays 50.00 to 13812345678 window=2s : allow
        7s     p4 pays 50.00 to 13812345678 window=0s order=o1 : block DUPLICATE_ORDER
        2h     p5 pays 60.00 to 13812345678 : allow
        2h1s   p5 succeeded
        3h     p6 pays 60.00 to 13812345678 : allow !DUPLICATE_RECENT
        3h     p7 pays 60.00 to 13812345678 window=2h : stopped
        ",
    );
}

#[test]
fn an_order_paid_again_blocks_within_a_day_and_paid_in_parts_asks() {
    check(
        "
        0s     p1 pays 50.00 to M001 order=o1 type=merchant kind=purchase : allow
        2s     p1 succeeded
        3h     p2 pays 50.00 to M001 order=o1 type=merchant kind=purchase : block DUPLICATE_ORDER
        3h     p3 pays 20.00 to M001 order=o1 type=merchant kind=purchase : confirm DUPLICATE_ORDER
        3h     p4 pays 50.00 to M002 order=o1 type=merchant kind=purchase : allow !DUPLICATE_ORDER
        3h     p5 pays 50.00 to M001 order=o2 type=merchant kind=purchase : allow !DUPLICATE_ORDER
        1d1s   p6 pays 50.00 to M001 order=o1 type=merchant kind=purchase : allow !DUPLICATE_ORDER
        ",
    );
}

#[test]
fn a_tip_is_no_part_of_the_order_that_it_is_given_for() {
    check(
        "
        0s     p1 pays 18.00 to M001 order=o1 type=merchant kind=purchase : allow
        2s     p1 succeeded
        20m    p2 pays 3.00 to M001 order=o1 type=merchant kind=tip : allow !DUPLICATE_ORDER
        20m1s  p2 succeeded
        40m    p3 pays 3.00 to M001 order=o1 type=merchant kind=tip : block DUPLICATE_ORDER
        40m    p4 pays 2.00 to M001 order=o1 type=merchant kind=tip : confirm DUPLICATE_ORDER
        41m    p5 pays 18.00 to M001 order=o1 type=merchant kind=purchase : block DUPLICATE_ORDER
        ",
    );
}

#[test]
fn of_an_order_paid_in_parts_the_payer_says_once_that_it_is_so_at_this_payee() {
    let mut stage = Stage::new(&[]);
    let at = "to M001 type=merchant kind=purchase";
    let whole = |day: u32| {
        format!(
            "{day}d8h a{day} pays 5{day}.00 {at} order=o{day} : allow
{day}d8h2s a{day} succeeded"
        )
    };
    let part = |day: u32| format!("pays 2{day}.00 {at} order=o{day}");
    stage.play(&format!(
        "{}
         1d14h    b1 {part} : confirm DUPLICATE_ORDER
         1d14h5s  c1 {part} token=b1 : allow PAYER_CONFIRMED
         1d14h6s  c1 succeeded",
        whole(1),
        part = part(1),
    ));
    for day in [5, 9] {
        stage.play(&format!(
            "{}
{day}d14h b{day} {} : allow DUPLICATE_ORDER",
            whole(day),
            part(day),
        ));
    }
    // Not of a press at another rate, nor of all of it once more.
    stage.play(&format!(
        "20d8h    p1 pays 50.00 {at} order=p : allow
         20d8h2s  p1 succeeded
         20d8h4s  p2 pays 50.01 {at} order=p : confirm DUPLICATE_ORDER
         20d9h    p3 pays 50.00 {at} order=p : block DUPLICATE_ORDER"
    ));
}

const CAFE: &str = "to M001 type=merchant kind=purchase";

#[test]
fn an_order_that_is_called_as_its_payee_is_none() {
    check(&format!(
        "
        0s     p1 pays 4.50 {CAFE} order=M001 : allow
        2s     p1 succeeded
        3h     p2 pays 4.50 {CAFE} order=M001 : allow !DUPLICATE_ORDER
        3h2s   p2 succeeded
        3h10m  p3 pays 4.50 {CAFE} order=M001 : confirm DUPLICATE_RECENT
        4h     p4 pays 6.20 {CAFE} order=M001 : allow !DUPLICATE_ORDER
        "
    ));
}

#[test]
fn where_orders_come_back_they_say_nothing_until_one_was_a_mistake() {
    // One order for all, or one for each day.
    for order in ["1", "DAY"] {
        let coffee = |day: u32| {
            let order = order.replace("DAY", &format!("d{day}"));
            format!("pays 4.50 {CAFE} order={order}")
        };
        let morning = |day: u32| {
            let coffee = coffee(day);
            format!(
                "{day}d8h a{day} {coffee} : allow
{day}d8h2s a{day} succeeded"
            )
        };
        let mut stage = Stage::new(&[]);
        stage.play(&format!(
            "{}
             1d15h    b1 {coffee} : confirm DUPLICATE_ORDER
             1d15h5s  c1 {coffee} token=b1 : allow PAYER_CONFIRMED
             1d15h6s  c1 succeeded",
            morning(1),
            coffee = coffee(1),
        ));
        for day in 2..5 {
            stage.play(&format!(
                "{}
                 {day}d15h    b{day} {coffee} : allow !DUPLICATE_ORDER
                 {day}d15h2s  b{day} succeeded",
                morning(day),
                coffee = coffee(day),
            ));
        }
        stage.play(&format!(
            "{}
             5d8h20m    p5 {} : allow DUPLICATE_RECENT !DUPLICATE_ORDER
             5d8h20m2s  p5 succeeded
             5d9h       p5 payer_mistake
             {}
             7d10h      p7 {} : block DUPLICATE_ORDER",
            morning(5),
            coffee(5),
            morning(7),
            coffee(7),
        ));
    }
}

#[test]
fn a_paid_payment_paid_again_soon_asks_and_never_blocks() {
    check(
        "
        0s     p1 pays 50.00 to 13812345678 : allow
        1s     p1 succeeded
        2s     p2 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        29m59s p3 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        30m    p4 pays 50.00 to 13812345678 : allow !DUPLICATE_RECENT
        ",
    );
}

#[test]
fn a_second_ticket_under_its_own_order_is_let_through_and_a_resubmission_is_not() {
    check(
        "
        0s     p1 pays 35.00 to M001 type=merchant kind=purchase order=o1 : allow
        1s     p1 succeeded
        3m     p2 pays 35.00 to M001 type=merchant kind=purchase order=o2 : allow DUPLICATE_RECENT
        3m1s   p2 succeeded
        2h     p3 pays 99.00 to M001 type=merchant kind=purchase order=o3 : allow
        2h1s   p3 succeeded
        2h12m  p4 pays 99.00 to M001 type=merchant kind=purchase order=o4 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn a_series_of_equal_parts_is_asked_about_once() {
    check(
        "
        0s     p1 pays 25.00 to 13812345678 : allow
        1s     p1 succeeded
        1m     p2 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        1m1s   p2 succeeded
        2m     p3 pays 25.00 to 13812345678 : allow DUPLICATE_RECENT
        ",
    );
}

#[test]
fn a_series_is_one_sitting_and_ends_with_the_fourth() {
    check(
        "
        0s     p1 pays 25.00 to 13812345678 : allow
        1s     p1 succeeded
        7m     p2 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        7m1s   p2 succeeded
        14m    p3 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        14m1s  p3 succeeded
        21m    p4 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
    check(
        "
        0s     p1 pays 25.00 to 13812345678 : allow
        1s     p1 succeeded
        3m     p2 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        3m1s   p2 succeeded
        6m     p3 pays 25.00 to 13812345678 : allow DUPLICATE_RECENT
        6m1s   p3 succeeded
        9m     p4 pays 25.00 to 13812345678 : allow DUPLICATE_RECENT
        9m1s   p4 succeeded
        12m    p5 pays 25.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn of_the_same_payment_again_and_again_the_fifth_is_a_burst_whatever_the_account_is_known_for() {
    let fifth = "
        0s     p1 pays 25.00 to M001 type=merchant kind=purchase order=o1 : allow
        1s     p1 succeeded
        25s    p2 pays 25.00 to M001 type=merchant kind=purchase order=o2 : allow
        26s    p2 succeeded
        50s    p3 pays 25.00 to M001 type=merchant kind=purchase order=o3 : allow
        51s    p3 succeeded
        75s    p4 pays 25.00 to M001 type=merchant kind=purchase order=o4 : allow
        76s    p4 succeeded
        100s   p5 pays 25.00 to M001 type=merchant kind=purchase order=o5 : confirm SMALL_PAYMENT_BURST
        ";
    check(fifth);
    check(&fifth.replace("25.00", "2500.00"));
}

#[test]
fn another_order_within_seconds_is_a_press_and_no_second_purchase() {
    check(
        "
        0s     p1 pays 35.00 to M001 type=merchant kind=purchase order=o1 : allow
        1s     p1 succeeded
        2s     p2 pays 35.00 to M001 type=merchant kind=purchase order=o2 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn who_heard_nothing_for_a_while_and_starts_anew_has_another_order_and_means_the_same() {
    check(
        "
        0s     p1 pays 35.00 to M001 type=merchant kind=purchase order=o1 : allow
        30s    p1 unknown
        45s    p1 succeeded
        60s    p2 pays 35.00 to M001 type=merchant kind=purchase order=o2 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn silence_says_little_of_another_order_where_outcomes_come_late_anyhow() {
    let second = "
        2h     p1 pays 35.00 to M001 type=merchant kind=purchase order=o1 : allow
        2h90s  p2 pays 35.00 to M001 type=merchant kind=purchase order=o2 : ";
    let before = |after: &str| {
        format!(
            "
            0s     q1 pays 20.00 to M002 type=merchant kind=purchase order=q1 : allow
            {after}   q1 succeeded
            "
        )
    };
    check(&format!(
        "{}{second}allow DUPLICATE_IN_FLIGHT",
        before("10m")
    ));
    check(&format!(
        "{}{second}confirm DUPLICATE_IN_FLIGHT",
        before("1s")
    ));
    check(&format!("{second}confirm DUPLICATE_IN_FLIGHT"));
    let reported = second.replace("2h90s", "2h40s p1 unknown\n2h90s");
    check(&format!(
        "{}{reported}confirm DUPLICATE_IN_FLIGHT",
        before("10m")
    ));
}

#[test]
fn a_pair_that_was_paid_on_three_days_is_a_habit_nobody_has_to_confirm() {
    let mut stage = Stage::new(&[]);
    for (day, answer) in [
        (1, "confirm"),
        (2, "confirm"),
        (3, "confirm"),
        (4, "allow"),
        (5, "allow"),
    ] {
        stage.play(&format!(
            "
            {day}d8h     a{day} pays 2.30 to M001 type=merchant kind=purchase order=a{day} : allow
            {day}d8h1s   a{day} succeeded
            {day}d8h18m  b{day} pays 2.30 to M001 type=merchant kind=purchase order=b{day} : {answer} DUPLICATE_RECENT
            {day}d8h19m  b{day} succeeded
            "
        ));
    }
    stage.play(
        "
        6d8h     a6 pays 3.10 to M001 type=merchant kind=purchase order=a6 : allow
        6d8h1s   a6 succeeded
        6d8h18m  b6 pays 3.10 to M001 type=merchant kind=purchase order=b6 : confirm DUPLICATE_RECENT
        6d9h     b5 payer_mistake : unknown payment
        6d9h     b6 payer_mistake
        7d8h     a7 pays 2.30 to M001 type=merchant kind=purchase order=a7 : allow
        7d8h1s   a7 succeeded
        7d8h18m  b7 pays 2.30 to M001 type=merchant kind=purchase order=b7 : allow DUPLICATE_RECENT
        7d8h19m  b7 succeeded
        7d9h     b7 payer_mistake
        8d8h     a8 pays 2.30 to M001 type=merchant kind=purchase order=a8 : allow
        8d8h1s   a8 succeeded
        8d8h18m  b8 pays 2.30 to M001 type=merchant kind=purchase order=b8 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn pairs_of_one_day_make_no_habit() {
    let mut stage = Stage::new(&[]);
    for hour in 1..8 {
        stage.play(&format!(
            "
            {hour}h     a{hour} pays 2.30 to M001 type=merchant kind=purchase order=a{hour} : allow
            {hour}h1s   a{hour} succeeded
            {hour}h18m  b{hour} pays 2.30 to M001 type=merchant kind=purchase order=b{hour} : confirm DUPLICATE_RECENT
            {hour}h19m  b{hour} succeeded
            "
        ));
    }
}

#[test]
fn strangers_paid_for_good_in_usual_sums_are_a_burst_from_the_fifth_until_the_payer_says_yes() {
    let mut stage = check("0s 40 times every 1d pays 50.00 to M001 type=merchant kind=purchase");
    stage.play(
        "
        41d       p1 pays 50.00 to 13912340001 kind=top_up type=phone : allow
        41d25s  p2 pays 50.00 to 13987650002 kind=top_up type=phone : allow
        41d50s  p3 pays 50.00 to 13911220003 kind=top_up type=phone : allow
        41d75s  p4 pays 50.00 to 13933440004 kind=top_up type=phone : allow
        41d100s p5 pays 50.00 to 13955660005 kind=top_up type=phone : confirm SMALL_PAYMENT_BURST
        41d125s p6 pays 50.00 to 13977880006 kind=top_up type=phone : confirm SMALL_PAYMENT_BURST
        41d150s p5 pays 50.00 to 13955660005 kind=top_up type=phone token=p5 : allow
        41d175s p7 pays 50.00 to 13999000007 kind=top_up type=phone : allow !SMALL_PAYMENT_BURST
        ",
    );
}

#[test]
fn who_goes_from_stall_to_stall_is_no_script() {
    for (gap, fifth) in [(90, "allow"), (20, "confirm")] {
        let mut stage =
            check("0s 40 times every 1d pays 50.00 to M001 type=merchant kind=purchase");
        for stall in 0..6 {
            let answer = if stall < 4 { "allow" } else { fifth };
            let at = stall * gap;
            stage.play(&format!(
                "41d{at}s p{stall} pays 4.00 to S{stall}{stall} type=merchant kind=purchase : {answer}"
            ));
        }
    }
}

#[test]
fn more_payments_than_people_make_ask_and_as_many_as_scripts_make_block() {
    let settings = [
        ("rapid_repeat.minute_confirm_above", Value::Integer(3)),
        ("rapid_repeat.minute_block_above", Value::Integer(5)),
    ];
    let stage = check_with(
        &settings,
        "
        0s     p1 pays 1.00 to M001 : allow
        1s     p2 pays 2.00 to M002 : allow
        2s     p3 pays 3.00 to M003 : allow
        3s     p4 pays 4.00 to M004 : confirm RAPID_REPEAT
        4s     p5 pays 5.00 to M005 : confirm RAPID_REPEAT
        59s    p6 pays 6.00 to M006 : block RAPID_REPEAT
        63s    p7 pays 7.00 to M007 : allow !RAPID_REPEAT
        ",
    );
    // The first of the minute leaves it one second later.
    assert_eq!(retry_after_ms(&stage, "p6"), Some(1_000));
}

#[test]
fn who_waits_as_long_as_told_is_not_blocked_again() {
    let settings = [
        ("rapid_repeat.minute_confirm_above", Value::Integer(3)),
        ("rapid_repeat.minute_block_above", Value::Integer(3)),
        ("rapid_repeat.ten_minutes_confirm_above", Value::Integer(4)),
        ("rapid_repeat.ten_minutes_block_above", Value::Integer(4)),
    ];
    let mut stage = check_with(
        &settings,
        "
        0s     p1 pays 1.00 to M001 : allow
        61s    p2 pays 2.00 to M002 : allow
        62s    p3 pays 3.00 to M003 : allow
        63s    p4 pays 4.00 to M004 : allow
        64s    p5 pays 5.00 to M005 : block RAPID_REPEAT
        65s    p6 pays 6.00 to M006 : block RAPID_REPEAT
        ",
    );
    // The minute lets go of the second payment before ten minutes do of the first.
    let wait = |stage: &Stage, id| retry_after_ms(stage, id).unwrap();
    assert_eq!(wait(&stage, "p5"), 536_000);
    assert_eq!(wait(&stage, "p6"), 535_000);
    // Those that were blocked keep nobody out, but they do not go unnoticed.
    stage.play("600s p7 pays 7.00 to M007 : confirm RAPID_REPEAT");
}

#[test]
fn an_account_far_beyond_its_own_pace_is_noted_and_its_own_runs_are_not() {
    check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    9 times every 40s pays 20.00 to M002 window=0s
        20d6m  p1 pays 20.00 to M002 window=0s : RAPID_REPEAT
        30d    9 times every 40s pays 20.00 to M002 window=0s
        30d6m  p2 pays 20.00 to M002 window=0s : !RAPID_REPEAT
        ",
    );
}

#[test]
fn far_more_money_than_usual_is_noted() {
    check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 100.00 to M001 : !SPEND_SURGE
        20d1m  p2 pays 400.00 to M001 : SPEND_SURGE
        ",
    );
}

#[test]
fn the_fifth_small_payment_in_minutes_is_stopped_and_errands_are_not() {
    check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 1.00 to 13900000001 : allow
        20d10s p2 pays 1.50 to 13900000002 : allow
        20d20s p3 pays 1.00 to 13900000003 : allow
        20d30s p4 pays 2.00 to 13900000004 : allow
        20d40s p5 pays 1.00 to 13900000005 : stopped SMALL_PAYMENT_BURST
        ",
    );
    check(
        "
        0d     6 times every 7d pays 50.00 to M001
        1d     6 times every 7d pays 50.00 to M002
        2d     6 times every 7d pays 50.00 to M003
        3d     6 times every 7d pays 50.00 to M004
        4d     6 times every 7d pays 50.00 to M005
        50d    p1 pays 10.00 to M001 : allow
        50d1m  p2 pays 11.00 to M002 : allow
        50d2m  p3 pays 12.00 to M003 : allow
        50d3m  p4 pays 13.00 to M004 : allow
        50d4m  p5 pays 14.00 to M005 : allow !SMALL_PAYMENT_BURST
        ",
    );
}

#[test]
fn among_strangers_a_purchase_in_quick_succession_is_no_errand_wherever_it_is_made() {
    let known = "
        0d     6 times every 7d pays 50.00 to M001 type=merchant kind=purchase
        1d     6 times every 7d pays 50.00 to M002 type=merchant kind=purchase
        2d     6 times every 7d pays 50.00 to M003 type=merchant kind=purchase
        ";
    let run = |gap: u32, payees: [&str; 5], kind: &str, fifth: &str| {
        let mut stage = check(known);
        for (nth, payee) in (0..5).zip(payees) {
            let at = nth * gap;
            let answer = if nth < 4 { "allow" } else { fifth };
            stage.play(&format!(
                "50d{at}s p{nth} pays 12.{nth}0 to {payee} type=merchant kind={kind} : {answer}"
            ));
        }
    };
    let mostly_strangers = ["S11", "M001", "S22", "S33", "M002"];
    run(
        10,
        mostly_strangers,
        "purchase",
        "stopped SMALL_PAYMENT_BURST",
    );
    // Who walks from shop to shop takes longer, and who pays bills is at home.
    run(70, mostly_strangers, "purchase", "allow");
    run(10, mostly_strangers, "bill", "allow");
    // As many errands as strangers are an evening of errands.
    run(
        10,
        ["S11", "M001", "M002", "S22", "M003"],
        "purchase",
        "allow",
    );
}

#[test]
fn a_run_that_was_asked_about_is_no_habit_that_hides_the_next_one() {
    let mut stage = check("0s 20 times every 1d pays 50.00 to M001");
    for (day, payments) in [(21, 30), (27, 20)] {
        for nth in 0..payments {
            let answer = if nth < 4 {
                ""
            } else {
                "stopped SMALL_PAYMENT_BURST"
            };
            let (id, secs) = (format!("p{day}x{nth}"), nth * 15);
            stage.play(&format!(
                "
                {day}d{secs}s {id} pays 1.{nth:02} to 13912340001 : {answer}
                {day}d{secs}s {id} succeeded
                "
            ));
        }
    }
}

#[test]
fn a_long_run_of_small_payments_is_counted_from_its_beginning() {
    let mut story = "0s 20 times every 1d pays 50.00 to M001\n".to_owned();
    for nth in 1..=39 {
        story += &format!("20d{}s p{nth} pays 1.00 to 139000{nth:05}\n", nth * 15);
    }
    let stage = check(&story);
    let found = evidence_of(&stage, "p39", "SMALL_PAYMENT_BURST");
    let Evidence::Velocity {
        count, sum_minor, ..
    } = found
    else {
        panic!("{found:?}");
    };
    assert_eq!((count, sum_minor), (39, 3_900));
}

#[test]
fn what_follows_a_burst_within_the_hour_is_noted_and_shorter_runs_are_weaker() {
    let stage = check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 1.00 to 13900000001 : allow !SMALL_PAYMENT_BURST
        20d10s p2 pays 1.50 to 13900000002 : allow !SMALL_PAYMENT_BURST
        20d20s p3 pays 1.10 to 13900000003 : allow SMALL_PAYMENT_BURST
        20d30s p4 pays 2.00 to 13900000004 : allow SMALL_PAYMENT_BURST
        20d5m  p5 pays 50.00 to M001 : allow !SMALL_PAYMENT_BURST
        20d6m  p6 pays 1.20 to 13900000005 : stopped SMALL_PAYMENT_BURST
        20d50m p7 pays 55.00 to M001 : allow SMALL_PAYMENT_BURST
        20d2h  p8 pays 56.00 to M001 : allow !SMALL_PAYMENT_BURST
        ",
    );
    let strength = |id| strength_of(&stage, id, "SMALL_PAYMENT_BURST");
    assert!(strength("p3") < strength("p4"));
    assert!(strength("p4") < strength("p6"));
}

#[test]
fn five_declined_payments_in_an_hour_ask_and_ten_block() {
    let mut story = String::new();
    for nth in 0..10 {
        story += &format!("{nth}m p{nth} pays {nth}.50 to M001\n{nth}m p{nth} declined\n");
        let expected = match nth {
            0..=3 => "allow !FAILURE_BURST",
            4..=8 => "confirm FAILURE_BURST",
            _ => "block FAILURE_BURST",
        };
        story += &format!("{nth}m30s q{nth} pays {nth}.70 to M001 : {expected}\n");
        story += &format!("{nth}m30s q{nth} not_sent\n");
    }
    story += "1h10m r pays 90.00 to M001 : allow !FAILURE_BURST";
    check(&story);
}

#[test]
fn who_was_declined_too_often_waits_until_enough_of_that_is_past() {
    let mut story = "0s p pays 5.00 to M001\n".to_owned();
    for nth in 20..31 {
        story += &format!("{nth}m p{nth} pays {nth}.50 to M001\n{nth}m p{nth} declined\n");
    }
    story += "
        40m     q1 pays 70.00 to M001 : block FAILURE_BURST
        80m59s  q2 pays 71.00 to M001 : block FAILURE_BURST
        81m     q3 pays 72.00 to M001 : confirm FAILURE_BURST
        ";
    let stage = check(&story);
    // Eleven were declined, from the twentieth minute on; ten of them block.
    assert_eq!(retry_after_ms(&stage, "q1"), Some(41 * 60_000));
    assert_eq!(retry_after_ms(&stage, "q2"), Some(1_000));
}

#[test]
fn when_to_try_again_is_told_where_pace_alone_blocks() {
    let stage = check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 1.00 to 13900000001 : allow
        20d10s p2 pays 1.50 to 13900000002 : allow
        20d20s p3 pays 1.10 to 13900000003 : allow
        20d22s p4 pays 1.10 to 13900000003 : block DUPLICATE_IN_FLIGHT SMALL_PAYMENT_BURST
        ",
    );
    assert_eq!(retry_after_ms(&stage, "p4"), None);
    let settings = [
        ("rapid_repeat.ten_minutes_confirm_above", Value::Integer(2)),
        ("failure_burst.confirm_from", Value::Integer(2)),
    ];
    let mut stage = check_with(
        &settings,
        "
        0s     p1 pays 1.00 to M001 : allow
        0s     p1 declined
        1m     p2 pays 2.00 to M002 : allow
        1m     p2 declined
        2m     p3 pays 3.00 to M003 : confirm FAILURE_BURST
        3m     p4 pays 4.00 to M004 : confirm FAILURE_BURST
        4m     p5 pays 5.00 to M005 : block FAILURE_BURST RAPID_REPEAT
        ",
    );
    // Each of the two would only ask: once the first has nothing to say, the other does not block.
    assert_eq!(retry_after_ms(&stage, "p5"), Some(9 * 60_000));
    stage.play("13m p6 pays 6.00 to M006 : confirm FAILURE_BURST !RAPID_REPEAT");
}

#[test]
fn what_would_only_ask_keeps_nobody_waiting() {
    let errands: String = (0..30)
        .map(|nth| format!("{nth}s e{nth} pays 3.00 to M{nth:03} type=merchant\n"))
        .collect();
    let mut stage =
        check(&(errands + "31s p1 pays 3.00 to M099 type=merchant : block RAPID_REPEAT"));
    let wait = retry_after_ms(&stage, "p1").unwrap();
    assert!(wait <= 60_000, "{wait}");
    stage.play("92s p2 pays 3.00 to M099 type=merchant");
    let again = stage.answers["p2"].as_ref().unwrap();
    assert_ne!(again.assessment.decision.to_string(), "block");
}

#[test]
fn an_amount_far_above_the_usual_is_noted_robustly() {
    check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 65.00 to M001 : allow !AMOUNT_UNUSUAL
        20d1h  p2 pays 733.00 to M001 : AMOUNT_UNUSUAL
        20d1h  p2 succeeded
        21d    p3 pays 733.00 to M001 : AMOUNT_UNUSUAL
        ",
    );
    check(
        "
        0s     3 times every 1d pays 50.00 to M001
        4d     p1 pays 733.00 to M001 : allow !AMOUNT_UNUSUAL partial
        ",
    );
}

#[test]
fn what_everybody_pays_there_is_less_of_a_surprise_and_a_run_of_large_sums_more() {
    let mut story = "0s 20 times every 1d pays 50.00 to M001\n".to_owned();
    for nth in 0..20 {
        story += &format!(
            "19d 1 times every 1d pays 1{}.00 to M009 account=other{nth}\n",
            80 + nth
        );
    }
    story += "
        20d    p1 pays 195.00 to M009 : allow AMOUNT_UNUSUAL
        20d    p2 pays 195.00 to M010 : allow AMOUNT_UNUSUAL
        20d    p1 cancelled
        20d    p2 succeeded
        21d    p3 pays 195.00 to M009 : allow AMOUNT_UNUSUAL
        ";
    let stage = check(&story);
    let strength = |id| strength_of(&stage, id, "AMOUNT_UNUSUAL");
    assert!(strength("p1") < strength("p2"));
    assert!(strength("p3") > strength("p1"));
}

#[test]
fn one_slip_of_the_finger_from_what_this_payee_always_gets_asks() {
    check(
        "
        0s     10 times every 1d pays 50.00 to 13812345678
        10d    p1 pays 500.00 to 13812345678 : confirm AMOUNT_SLIP acknowledge
        10d1h  p2 pays 550.00 to 13812345678 : confirm AMOUNT_SLIP
        10d2h  p3 pays 80.00 to 13812345678 : confirm AMOUNT_SLIP
        10d3h  p4 pays 5.00 to 13812345678 : confirm AMOUNT_SLIP
        10d4h  p5 pays 75.00 to 13812345678 : allow !AMOUNT_SLIP
        ",
    );
}

#[test]
fn a_larger_slip_from_what_is_always_paid_is_no_less_of_one() {
    let asked = "
        60d    p1 pays 500.00 to 13812345678 : confirm AMOUNT_SLIP
        60d1h  p2 pays 5000.00 to 13812345678 : confirm AMOUNT_SLIP
        60d2h  p3 pays 50000.00 to 13812345678 : confirm AMOUNT_SLIP
        60d3h  p4 pays 500000.00 to 13812345678 : confirm AMOUNT_SLIP
        ";
    // One habit alone, and one among others.
    check(&format!(
        "0s 10 times every 1d pays 50.00 to 13812345678\n{asked}"
    ));
    let mut story = String::new();
    for day in 0..60 {
        let coffee = 20 + day * 37 % 130;
        story += &format!("{day}d 1 times every 1d pays {coffee}.40 to M001\n");
        if day % 4 == 0 {
            story += &format!("{day}d6h 1 times every 1d pays 50.00 to 13812345678\n");
        }
    }
    check(&format!(
        "{story}{asked}
        60d4h  p5 pays 55000.00 to 13812345678 : confirm AMOUNT_SLIP
        60d5h  p6 pays 75.00 to 13812345678 : allow !AMOUNT_SLIP
        "
    ));
}

#[test]
fn where_sums_vary_only_slips_that_leave_their_range_ask() {
    let mut story = String::new();
    for (day, sum) in [60, 45, 50, 70, 55, 40, 65, 50, 60, 55].iter().enumerate() {
        story += &format!("{day}d 1 times every 1d pays {sum}.00 to 13812345678\n");
    }
    story += "
        20d p1 pays 600.00 to 13812345678 : confirm AMOUNT_SLIP
        21d p2 pays 80.00 to 13812345678 : allow !AMOUNT_SLIP
        22d p3 pays 5.00 to 13812345678 : confirm AMOUNT_SLIP
        23d p4 pays 30.00 to 13812345678 : allow !AMOUNT_SLIP
        ";
    check(&story);
}

#[test]
fn an_account_that_pays_in_two_currencies_is_known_in_both() {
    let mut story = String::new();
    for half_day in 0..80_u32 {
        let sum = 1_250 + half_day * 370 % 1_900;
        let (currency, unit) = if half_day % 2 == 0 {
            ("EUR", 1)
        } else {
            ("JPY", 100)
        };
        let (whole, cents) = (sum * unit / 100, sum * unit % 100);
        story += &format!(
            "{}h 1 times every 1d pays {whole}.{cents:02} to M00{} type=merchant currency={currency}\n",
            half_day * 12,
            half_day % 7
        );
    }
    check(&format!(
        "{story}
        40d    p1 pays 18.80 to M003 type=merchant currency=EUR : allow !AMOUNT_SLIP !AMOUNT_UNUSUAL
        40d1h  p2 pays 188.00 to M003 type=merchant currency=EUR : confirm AMOUNT_SLIP SPEND_SURGE
        40d2h  p3 pays 1800.00 to M003 type=merchant currency=JPY : allow !AMOUNT_SLIP !AMOUNT_UNUSUAL
        40d3h  p4 pays 18800.00 to M003 type=merchant currency=JPY : confirm AMOUNT_SLIP SPEND_SURGE
        "
    ));
}

#[test]
fn a_currency_paid_in_once_is_no_measure_of_what_is_spent_in_another() {
    let mut story = "0s 1 times every 1d pays 9.00 to M001 currency=USD\n".to_owned();
    for day in 1..40 {
        let sum = 20 + day * 37 % 30;
        story += &format!("{day}d 1 times every 1d pays {sum}.40 to M002\n");
    }
    check(&format!("{story}40d p1 pays 900.00 to M002 : SPEND_SURGE"));
}

#[test]
fn payments_in_another_currency_do_not_make_the_first_forgotten() {
    let mut story = String::new();
    for day in 0..40 {
        let sum = 20 + day * 37 % 30;
        story += &format!("{day}d 1 times every 1d pays {sum}.40 to M002\n");
    }
    // As somebody would who wants to pay far more then.
    story += "39d6h 6 times every 20m pays 1.00 to M003 currency=JPY\n";
    check(&format!(
        "{story}40d p1 pays 404.00 to M002 : confirm AMOUNT_SLIP"
    ));
}

#[test]
fn what_is_far_above_the_usual_depends_on_how_far_sums_spread() {
    // Both pay 90.00 in the middle; one of them anything from a tenth to tenfold.
    let story = |sums: [u32; 7]| {
        let mut story = String::new();
        for day in 0..70_usize {
            let (sum, payee) = (sums[day * 3 % 7], day % 9);
            let cents = day * 7 % 90 + 10;
            story += &format!(
                "{day}d 1 times every 1d pays {sum}.{cents} to M00{payee} type=merchant\n"
            );
        }
        story + "70d p1 pays 372.00 to M777 type=merchant"
    };
    let narrow = check(&format!(
        "{} : AMOUNT_UNUSUAL",
        story([75, 80, 85, 90, 95, 105, 120])
    ));
    let wide = check(&story([9, 20, 45, 90, 180, 400, 900]));
    let of_narrow = strength_of(&narrow, "p1", "AMOUNT_UNUSUAL");
    let assessment = &wide.answers["p1"].as_ref().unwrap().assessment;
    let reasons = assessment.reasons.iter();
    let unusual = reasons.filter(|reason| reason.code.name() == "AMOUNT_UNUSUAL");
    let of_wide = unusual.map(|reason| reason.strength).sum::<f64>();
    assert!(of_wide < of_narrow * 0.75, "{of_wide} {of_narrow}");
}

#[test]
fn sums_that_spread_far_are_learnt_to_and_ask_of_few_slips() {
    let mut story = String::new();
    for day in 0..70_usize {
        let sum = [9, 20, 45, 90, 180, 400, 900][day * 3 % 7];
        let cents = day * 7 % 90 + 10;
        story += &format!(
            "{day}d 1 times every 1d pays {sum}.{cents} to M00{} type=merchant\n",
            day % 9
        );
    }
    check(&format!(
        "{story}
        70d    p1 pays 1100.00 to M777 type=merchant : allow !AMOUNT_SLIP
        70d1h  p2 pays 90000.00 to M778 type=merchant : AMOUNT_SLIP
        "
    ));
}

#[test]
fn a_bill_that_is_always_about_the_same_is_known_as_one_among_sums_that_vary() {
    let mut story = String::new();
    for day in 0..160_usize {
        let sum = [20, 45, 90, 180, 400][day * 3 % 5];
        let cents = day * 7 % 90 + 10;
        story += &format!(
            "{day}d 1 times every 1d pays {sum}.{cents} to M00{} type=merchant\n",
            day % 9
        );
        if day % 20 == 0 {
            story += &format!(
                "{day}d6h 1 times every 1d pays {}.90 to M999 kind=bill\n",
                48 + day / 40
            );
        }
    }
    check(&format!(
        "{story}160d p1 pays 500.20 to M999 kind=bill : AMOUNT_SLIP"
    ));
}

#[test]
fn a_tip_after_a_fare_is_no_fare_with_a_digit_lost() {
    check(
        "
        0s     10 times every 1d pays 24.00 to 13812345678
        10d    p1 pays 24.00 to 13812345678 : allow
        10d5m  p2 pays 2.40 to 13812345678 kind=tip : allow !AMOUNT_SLIP
        11d    p3 pays 2.40 to 13812345678 : confirm AMOUNT_SLIP
        12d    p4 pays 240.00 to 13812345678 kind=tip : confirm AMOUNT_SLIP
        ",
    );
}

#[test]
fn the_slip_that_is_named_is_the_likeliest_however_far_off_the_amount() {
    let mut story = String::new();
    for (day, sum) in [60, 45, 50, 70, 55, 40, 65, 50, 60, 55].iter().enumerate() {
        story += &format!("{day}d 1 times every 1d pays {sum}.50 to 13812345678\n");
    }
    let stage = check(&format!(
        "{story}
        20d p1 pays 525.00 to 13812345678 : confirm AMOUNT_SLIP
        21d p2 pays 5250.00 to 13812345678 : confirm AMOUNT_SLIP
        "
    ));
    let slip = |id| amount_of(&stage, id, "AMOUNT_SLIP").0;
    assert_eq!(slip("p1"), Some(AmountSlip::ExtraDigit));
    assert_eq!(slip("p2"), Some(AmountSlip::DecimalShift));
}

#[test]
fn what_an_amount_is_held_against_is_what_it_was_judged_by() {
    // Fewer payments to M002 than it takes to know what is usual there; what is for the account would be no
    // news.
    let mut story = String::new();
    for day in 0..20 {
        story += &format!("{day}d 1 times every 1d pays {}.00 to M001\n", 480 + day);
        if day % 5 == 0 {
            story += &format!("{day}d6h 1 times every 1d pays {}.00 to M002\n", 48 + day);
        }
    }
    for nth in 0..20 {
        story += &format!("19d12h 1 times every 1d pays 9.00 to M009 account=other{nth}\n");
    }
    story += "
        20d    p1 pays 490.00 to M002 : AMOUNT_UNUSUAL
        20d6h  p2 pays 4900.00 to M777 : AMOUNT_UNUSUAL AMOUNT_SLIP
        20d12h p3 pays 490.00 to M009 : AMOUNT_UNUSUAL
        ";
    let stage = check(&story);
    let (_, usual_minor, for_payee, ratio) = amount_of(&stage, "p1", "AMOUNT_UNUSUAL");
    assert!(for_payee && ratio > 2.0, "{usual_minor} {ratio}");
    let (_, usual_minor, for_payee, ratio) = amount_of(&stage, "p3", "AMOUNT_UNUSUAL");
    assert!(for_payee && ratio > 2.0, "{usual_minor} {ratio}");
    // Of a stranger nothing is usual but for the account.
    let (_, usual_minor, for_payee, ratio) = amount_of(&stage, "p2", "AMOUNT_UNUSUAL");
    assert!(!for_payee && ratio > 8.0, "{usual_minor} {ratio}");
    assert!(!amount_of(&stage, "p2", "AMOUNT_SLIP").2);
}

#[test]
fn a_slip_of_a_sum_that_is_not_round_is_one_where_most_sums_are_too() {
    let mut story = String::new();
    for (day, sum) in (0..).zip([
        "12.00", "18.00", "9.99", "22.00", "15.00", "31.00", "14.00", "24.99", "19.00", "11.00",
        "27.00", "16.00", "8.50", "21.00", "13.00", "25.00", "17.00", "20.00",
    ]) {
        story += &format!("{day}d 1 times every 1d pays {sum} to M{:03}\n", day % 5);
    }
    check(&(story.clone() + "20d p1 pays 179.90 to M002 : confirm AMOUNT_SLIP"));
    check(&(story.clone() + "20d p1 pays 170.00 to M002 : confirm AMOUNT_SLIP"));
    check(&(story + "20d p1 pays 17.99 to M002 : allow !AMOUNT_SLIP"));
}

#[test]
fn what_this_payee_was_paid_before_is_no_slip() {
    let mut story = String::new();
    for (day, sum) in [60, 45, 50, 70, 55, 40, 65, 50, 60, 55].iter().enumerate() {
        story += &format!("{day}d 1 times every 1d pays {sum}.00 to M001\n");
    }
    story += "
        20d p1 pays 600.00 to M002 kind=bill
        20d p1 succeeded
        50d p2 pays 600.00 to M002 kind=bill : !AMOUNT_SLIP
        51d p3 pays 600.00 to M001 : confirm AMOUNT_SLIP
        ";
    check(&story);
}

#[test]
fn a_stranger_is_noted_and_weighs_more_where_money_cannot_come_back() {
    let stage = check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d12h p1 pays 50.00 to M002 kind=purchase type=merchant : allow PAYEE_NEW
        20d13h p2 pays 50.00 to 13900000001 kind=gift : allow PAYEE_NEW
        20d14h p3 pays 5.00 to 13700000999 kind=gift : allow PAYEE_NEW
        20d15h p4 pays 50.00 to M001 : allow !PAYEE_NEW
        20d15h p5 pays 51.00 to M002 type=merchant : allow !PAYEE_NEW
        ",
    );
    let strength = |id| strength_of(&stage, id, "PAYEE_NEW");
    assert!(strength("p2") > strength("p1"));
    assert!(strength("p3") < strength("p2") / 2.0);
}

#[test]
fn a_large_gift_to_a_stranger_asks() {
    check(
        "
        0s     20 times every 1d pays 50.00 to M001
        20d    p1 pays 888.00 to 13900000001 kind=gift : confirm PAYEE_NEW AMOUNT_UNUSUAL
        ",
    );
}

#[test]
fn a_number_one_slip_away_from_a_known_one_asks() {
    check(
        "
        0s     3 times every 1d pays 50.00 to 13812345678
        5d     p1 pays 50.00 to 13812345679 : confirm PAYEE_LOOKALIKE acknowledge
        5d     p2 pays 50.00 to 13812354678 : confirm PAYEE_LOOKALIKE
        5d     p3 pays 50.00 to 1381234567 : confirm PAYEE_LOOKALIKE
        5d     p4 pays 50.00 to 138123456780 : confirm PAYEE_LOOKALIKE
        5d     p5 pays 50.00 to 13812345600 : allow !PAYEE_LOOKALIKE
        5d     p6 pays 50.00 to 13812345679 type=wallet : allow !PAYEE_LOOKALIKE
        5d     p7 pays 50.00 to 13812345679 account=b : allow !PAYEE_LOOKALIKE
        ",
    );
}

#[test]
fn a_merchants_number_is_scanned_and_not_typed_but_for_bills() {
    check(
        "
        0s  4 times every 1d pays 50.00 to SHOP-00854 type=merchant
        5d  p1 pays 50.00 to SHOP-00855 type=merchant kind=purchase : allow !PAYEE_LOOKALIKE
        5d  p2 pays 50.00 to SHOP-00856 type=merchant kind=bill : confirm PAYEE_LOOKALIKE
        ",
    );
}

#[test]
fn a_number_near_several_known_ones_is_of_a_series() {
    let known = |many: i32| {
        let paid = |nth| format!("{nth}d 1 times every 1d pays 50.00 to 555123410{nth}\n");
        (0..many).map(paid).collect::<String>()
    };
    check(&(known(2) + "5d p1 pays 50.00 to 5551234109 : confirm PAYEE_LOOKALIKE"));
    check(&(known(3) + "5d p1 pays 50.00 to 5551234109 : allow !PAYEE_LOOKALIKE"));
    // One that is near one of them only is a slip.
    check(&(known(3) + "5d p1 pays 50.00 to 5551234200 : confirm PAYEE_LOOKALIKE"));
}

#[test]
fn a_number_near_a_known_one_that_many_others_pay_is_no_typing_error() {
    let mut story = "0s 3 times every 1d pays 50.00 to 13812345678\n".to_owned();
    for nth in 0..12 {
        story += &format!("4d 1 times every 1d pays 20.00 to 13812345679 account=other{nth}\n");
    }
    story += "5d p1 pays 50.00 to 13812345679 : allow PAYEE_LOOKALIKE";
    check(&story);
}

#[test]
fn a_payee_that_many_reported_asks_whoever_pays_it() {
    let mut story = "0s 10 times every 1d pays 50.00 to M001\n".to_owned();
    for nth in 0..20 {
        story += &format!("11d x{nth} pays 30.00 to 13911111111 account=victim{nth}\n");
        story += &format!("11d1h x{nth} fraud account=victim{nth}\n");
    }
    story += "
        12d1h  p1 pays 50.00 to 13911111111 : stopped PAYEE_REPORTED
        12d1h  p2 pays 50.00 to 13922222222 : allow !PAYEE_REPORTED
        200d   p3 pays 52.00 to 13911111111 : !PAYEE_REPORTED
        ";
    check(&story);
}

#[test]
fn a_wave_of_reports_shows_before_their_rate_does() {
    let mut story = String::new();
    for nth in 0..60 {
        story += &format!("{nth}h 1 times every 1d pays 30.00 to 13911111111 account=happy{nth}\n");
    }
    let before = story.clone() + "3d p1 pays 50.00 to 13911111111 : !PAYEE_REPORTED";
    check(&before);
    for nth in 0..6 {
        story += &format!("3d x{nth} pays 30.00 to 13911111111 account=victim{nth}\n");
        story += &format!("3d1h x{nth} fraud account=victim{nth}\n");
    }
    check(&(story + "3d2h p1 pays 50.00 to 13911111111 : allow PAYEE_REPORTED"));
}

#[test]
fn trouble_that_is_over_says_less_than_trouble_that_has_begun() {
    let mut story = String::new();
    for nth in 0..60 {
        story += &format!("{nth}h 1 times every 1d pays 30.00 to 13911111111 account=happy{nth}\n");
    }
    for nth in 0..6 {
        story += &format!("3d x{nth} pays 30.00 to 13911111111 account=victim{nth}\n");
        story += &format!("3d1h x{nth} fraud account=victim{nth}\n");
    }
    story += "
        3d2h   p1 pays 50.00 to 13911111111 account=a : PAYEE_REPORTED
        13d    p2 pays 50.00 to 13911111111 account=b : PAYEE_REPORTED
        ";
    let stage = check(&story);
    let strength = |id| strength_of(&stage, id, "PAYEE_REPORTED");
    assert!(strength("p2") < strength("p1") / 2.0);
}

#[test]
fn one_report_among_many_good_payments_says_nothing() {
    let mut story = String::new();
    for nth in 0..30 {
        story += &format!("1d 1 times every 1d pays 30.00 to 13911111111 account=happy{nth}\n");
    }
    story += "
        2d x pays 30.00 to 13911111111 account=victim
        2d x fraud account=victim
        3d p1 pays 50.00 to 13911111111 : allow !PAYEE_REPORTED
        ";
    check(&story);
}

#[test]
fn a_payee_suddenly_paid_by_many_is_noted_and_one_always_paid_by_many_is_not() {
    let crowd = |day: u32| {
        (0..40)
            .map(|nth| {
                format!(
                    "{day}d{nth}m 1 times every 1d pays 30.00 to 13911111111 account=c{day}x{nth}\n"
                )
            })
            .collect::<String>()
    };
    let known = "1d 1 times every 1d pays 30.00 to 13911111111 account=first\n".to_owned();
    check(&(known.clone() + &crowd(20) + "20d2h p1 pays 30.00 to 13911111111 : PAYEE_FAN_IN"));
    let steady: String = (0..20).map(|nth| crowd(1 + nth * 2)).collect();
    check(&(known + &steady + "39d2h p1 pays 30.00 to 13911111111 : !PAYEE_FAN_IN"));
    // Where the service has just started nobody knows what is usual.
    check(&(crowd(10) + "10d2h p1 pays 30.00 to 13911111111 : !PAYEE_FAN_IN"));
    check(
        &("0s 9 times every 1d pays 50.00 to M001\n".to_owned()
            + &crowd(10)
            + "10d2h p1 pays 30.00 to 13911111111 : !PAYEE_FAN_IN"),
    );
}

#[test]
fn a_payee_new_to_everybody_is_noted_by_those_who_are_known_for_longer() {
    let few = |day: u32| {
        format!(
            "
            {day}d    u1 pays 30.00 to 13911111111 account=u
            {day}d    v1 pays 30.00 to 13911111111 account=v
            {day}d    w1 pays 30.00 to 13911111111 account=w
            20d2h  p1 pays 30.00 to 13911111111 account=fresh : !PAYEE_FAN_IN
            20d2h  p2 pays 30.00 to 13911111111 : "
        )
    };
    let known = "0s 18 times every 1d pays 50.00 to M001\n";
    check(&format!("{known}{}PAYEE_FAN_IN", few(19)));
    check(&format!(
        "0s s1 pays 30.00 to 13911111111 account=s\n{known}{}!PAYEE_FAN_IN",
        few(19)
    ));
}

#[test]
fn a_payee_new_to_everybody_has_the_payers_that_it_ever_had() {
    let stage = check(
        "
        0s     18 times every 1d pays 50.00 to M001
        16d    u1 pays 30.00 to 13911111111 account=u
        16d    v1 pays 30.00 to 13911111111 account=v
        16d    w1 pays 30.00 to 13911111111 account=w
        20d    p1 pays 30.00 to 13911111111 : PAYEE_FAN_IN
        ",
    );
    let found = evidence_of(&stage, "p1", "PAYEE_FAN_IN");
    assert!(
        matches!(found, Evidence::Reports { payers: 3, .. }),
        "{found:?}"
    );
}

#[test]
fn payments_that_were_not_let_through_make_no_crowd() {
    let mut story = String::new();
    for nth in 0..40 {
        story += &format!("1d{nth}m x{nth} pays 20.00 to M001 account=c{nth} : allow\n");
        story += &format!("1d{nth}m y{nth} pays 30.00 to 13911111111 account=c{nth} : block\n");
    }
    let settings = [
        ("rapid_repeat.minute_confirm_above", Value::Integer(1)),
        ("rapid_repeat.minute_block_above", Value::Integer(1)),
    ];
    story += "1d2h p1 pays 30.00 to 13911111111 : allow !PAYEE_FAN_IN";
    check_with(&settings, &story);
}

#[test]
fn a_device_that_pays_for_many_accounts_is_noted_and_a_family_is_not() {
    let users = |many: u32| {
        (0..many)
            .map(|nth| format!("0s u{nth} pays 30.00 to M{nth} account=user{nth} device=farm\n"))
            .collect::<String>()
    };
    check(&(users(4) + "1h p1 pays 30.00 to M001 device=farm : allow !DEVICE_FAN_OUT"));
    check(&(users(30) + "1h p1 pays 30.00 to M001 device=farm : stopped DEVICE_FAN_OUT"));
    check(&(users(30) + "5d p1 pays 30.00 to M001 device=farm : allow !DEVICE_FAN_OUT"));
    // The terminal of a shop is its own, whoever else pays from it; it is a sign beside others.
    let own = |many: u32| format!("0s {many} times every 1d pays 30.00 to M001 device=farm\n");
    let later = |story: String| story.replace("0s u", "20d u");
    check(
        &(own(20)
            + &later(users(30))
            + "20d1h p1 pays 31.00 to M001 device=farm : allow DEVICE_FAN_OUT"),
    );
    check(
        &(own(2)
            + &later(users(30))
            + "20d1h p1 pays 31.00 to M001 device=farm : stopped DEVICE_FAN_OUT"),
    );
    // What hundreds pay from is a place, or stands for none.
    check(&(users(600) + "1h p1 pays 30.00 to M001 device=farm : allow !DEVICE_FAN_OUT"));
}

/// Forty pupils pay for lunch at a till on this day.
fn lunch(day: u32, to: &str) -> String {
    let pupils = (0..40).map(|nth| {
        format!("{day}d12h u{day}-{nth} pays 4.00 to {to} account=user{nth} device=till\n")
    });
    pupils.collect()
}

#[test]
fn a_till_that_an_account_pays_from_again_and_again_is_its_own_too() {
    let canteen = "W001 type=wallet kind=purchase";
    let mut stage = Stage::new(&[]);
    for (day, answer) in [
        (0, "confirm"),
        (1, "confirm"),
        (2, "confirm"),
        (3, "allow"),
        (4, "allow"),
    ] {
        stage.play(&lunch(day, canteen));
        stage.play(&format!(
            "
            {day}d13h     p{day} pays 4.00 to {canteen} device=till : {answer} DEVICE_FAN_OUT
            {day}d13h1s   p{day} succeeded
            "
        ));
    }
    // The same meal twice is asked about, and not blocked.
    stage.play(&format!(
        "4d13h5m q pays 4.00 to {canteen} device=till : confirm DUPLICATE_RECENT"
    ));
}

#[test]
fn customers_at_the_till_of_a_merchant_are_not_asked_for_it_and_who_sends_money_from_it_is() {
    let museum = "M001 type=merchant kind=purchase";
    let mut stage = Stage::new(&[]);
    stage.play(&lunch(0, museum));
    stage.play(&format!(
        "
        0d13h  p1 pays 4.00 to {museum} device=till : allow DEVICE_FAN_OUT
        0d14h  p2 pays 4.00 to W002 type=wallet kind=transfer device=till account=other : confirm DEVICE_FAN_OUT
        0d15h  p3 pays 4.00 to M001 type=merchant kind=top_up device=till account=third : confirm DEVICE_FAN_OUT
        "
    ));
}

#[test]
fn a_small_sum_sent_to_try_a_number_makes_no_slip_of_what_follows() {
    let past: String = (0..40)
        .map(|day| {
            let sum = 150 + day * 37 % 250;
            format!("{day}d 1 times every 1d pays {sum}.00 to M00{}\n", day % 5)
        })
        .collect();
    for trial in ["1.00", "0.01"] {
        check(&format!(
            "
            {past}
            41d9h   p1 pays {trial} to 13812345678 : allow
            41d9h2s p1 succeeded
            41d9h5m p2 pays 390.00 to 13812345678 : allow !AMOUNT_SLIP !AMOUNT_UNUSUAL
            "
        ));
    }
    // Ten times what is usual is as unusual after it as it was before.
    check(&format!(
        "
        {past}
        41d9h   p1 pays 1.00 to 13812345678 : allow
        41d9h2s p1 succeeded
        41d9h5m p2 pays 3500.00 to 13812345678 : confirm AMOUNT_SLIP
        "
    ));
}

#[test]
fn a_sum_that_was_declined_is_asked_about_once() {
    for (heard, again) in [
        ("declined", "allow !AMOUNT_SLIP"),
        ("cancelled", "confirm AMOUNT_SLIP"),
    ] {
        check(&format!(
            "
            0s      10 times every 1d pays 50.00 to M001
            10d     p1 pays 500.00 to M001 : confirm AMOUNT_SLIP
            10d4s   p1 {heard}
            10d1m   p2 pays 500.00 to M001 : {again}
            "
        ));
    }
}

#[test]
fn an_account_emptied_in_parts_for_one_stranger_is_a_burst() {
    let past = "0s 30 times every 1d pays 48.00 to M001\n";
    let drained = |kind: &str, payee: &str| {
        let mut story = String::new();
        for (nth, sum) in [21, 55, 72, 61, 68, 57].into_iter().enumerate() {
            let seconds = nth * 40;
            story += &format!(
                "31d14h{seconds}s p{nth} pays {sum}.00 to {payee} type=wallet kind={kind}\n"
            );
            story += &format!("31d14h{}s p{nth} succeeded\n", seconds + 2);
        }
        story + &format!("31d14h5m p9 pays 64.00 to {payee} type=wallet kind={kind}")
    };
    check(&(past.to_owned() + &drained("transfer", "W001") + " : confirm SMALL_PAYMENT_BURST"));
    // Goods come back, and whom it paid last week is no stranger.
    check(&(past.to_owned() + &drained("purchase", "W001") + " : allow !SMALL_PAYMENT_BURST"));
    let known = "24d18h 1 times every 1d pays 50.00 to W001 type=wallet kind=transfer\n";
    check(&(past.to_owned() + known + &drained("transfer", "W001") + " : !SMALL_PAYMENT_BURST"));
    // Who says that it is meant is not asked about each.
    let mut stage = check(&(past.to_owned() + &drained("transfer", "W001") + " : confirm"));
    stage.play(
        "
        31d14h5m5s  p9 pays 64.00 to W001 type=wallet kind=transfer token=p9 : allow PAYER_CONFIRMED
        31d14h5m30s q1 pays 66.00 to W001 type=wallet kind=transfer : !SMALL_PAYMENT_BURST
        ",
    );
}

#[test]
fn two_who_are_paid_for_at_a_gate_are_asked_about_and_not_blocked() {
    check(
        "
        1d8h     a1 pays 2.30 to M001 type=merchant kind=purchase order=a : allow
        1d8h5s   a2 pays 2.30 to M001 type=merchant kind=purchase order=b : confirm DUPLICATE_IN_FLIGHT
        1d8h9s   a2 pays 2.30 to M001 type=merchant kind=purchase order=b token=a2 : allow PAYER_CONFIRMED
        2d8h     c1 pays 2.30 to M001 type=merchant kind=purchase order=c : allow
        2d8h5s   c2 pays 2.30 to M001 type=merchant kind=purchase order=c : block DUPLICATE_IN_FLIGHT
        3d8h     d1 pays 2.30 to M001 type=merchant kind=purchase : allow
        3d8h5s   d2 pays 2.30 to M001 type=merchant kind=purchase order=d : block DUPLICATE_IN_FLIGHT
        ",
    );
}

#[test]
fn an_order_of_which_nobody_said_what_became_may_be_tried_again() {
    let order = "50.00 to M001 order=o1 type=merchant kind=purchase";
    for (heard, again, answer) in [
        ("", "5s", "block DUPLICATE_ORDER"),
        ("", "30s", "confirm DUPLICATE_ORDER"),
        ("", "5h", "confirm DUPLICATE_ORDER"),
        ("2s p1 unknown", "5h", "confirm DUPLICATE_ORDER"),
        ("2s p1 succeeded", "4h", "block DUPLICATE_ORDER"),
        ("2s p1 succeeded", "5h", "confirm DUPLICATE_ORDER"),
        ("2s p1 declined", "5s", "allow !DUPLICATE_ORDER"),
    ] {
        check(&format!(
            "0s p1 pays {order} : allow\n{heard}\n{again} p2 pays {order} : {answer}"
        ));
    }
    // One that was paid is what counts, whatever is open beside it.
    let both = format!(
        "
        0s   p1 pays {order} : allow
        30s  p2 pays {order} : confirm DUPLICATE_ORDER
        35s  p2 pays {order} token=p2 : allow PAYER_CONFIRMED
        "
    );
    let again = format!("1h p3 pays {order} : ");
    check(&format!("{both}\n{again} confirm DUPLICATE_ORDER"));
    check(&format!(
        "{both}\n40s p1 succeeded\n{again} block DUPLICATE_ORDER"
    ));
    check(&format!(
        "
        0s   p1 pays {order} : allow
        2s   p1 succeeded
        3s   p2 pays 20.00 to M001 order=o1 type=merchant kind=purchase : confirm
        1h   p3 pays {order} : block DUPLICATE_ORDER
        "
    ));
}

#[test]
fn an_unknown_device_is_noted_and_never_asks_alone() {
    check(
        "
        12h    20 times every 1d pays 50.00 to M001 device=d1
        20d12h p1 pays 50.00 to M001 device=d2 : allow DEVICE_NEW
        20d12h p1 succeeded
        20d13h p2 pays 51.00 to M001 device=d2 : allow !DEVICE_NEW
        20d14h p3 pays 52.00 to M001 : allow !DEVICE_NEW
        ",
    );
}

#[test]
fn a_client_that_has_a_new_device_every_time_is_no_sign() {
    let mut story = String::new();
    for nth in 0..12 {
        story += &format!("{nth}d 1 times every 1d pays 50.00 to M001 device=d{nth}\n");
    }
    check(&(story + "12d p1 pays 50.00 to M002 device=x : allow !DEVICE_NEW"));
    // One per session, of several payments each, is half a sign.
    let strength = |payments: u32| {
        let mut story = String::new();
        for nth in 0..12 {
            story +=
                &format!("{nth}d {payments} times every 1h pays 50.00 to M001 device=d{nth}\n");
        }
        let stage = check(&(story + "12d p1 pays 50.00 to M002 device=x : DEVICE_NEW"));
        strength_of(&stage, "p1", "DEVICE_NEW")
    };
    assert_eq!(strength(2), 50.0);
    assert_eq!(strength(4), 75.0);
    // Who has two telephones notices a third.
    let mut story = String::new();
    for nth in 0..12 {
        story += &format!(
            "{nth}d 1 times every 1d pays 50.00 to M001 device=d{}\n",
            nth % 3
        );
    }
    let stage = check(&(story + "12d p1 pays 50.00 to M002 device=x : DEVICE_NEW"));
    assert_eq!(strength_of(&stage, "p1", "DEVICE_NEW"), 100.0);
}

#[test]
fn three_devices_within_minutes_are_noted() {
    check(
        "
        0s     p1 pays 50.00 to M001 device=d1 : allow
        1m     p2 pays 51.00 to M001 device=d2 : allow !DEVICE_SWITCH
        2m     p3 pays 52.00 to M001 device=d3 : DEVICE_SWITCH
        30m    p4 pays 53.00 to M001 device=d4 : !DEVICE_SWITCH
        ",
    );
}

#[test]
fn an_hour_at_which_the_account_never_pays_is_noted() {
    check(
        "
        12h    30 times every 1d pays 50.00 to M001
        30d12h p1 pays 51.00 to M001 : allow !HOUR_UNUSUAL
        31d4h  p2 pays 52.00 to M001 : allow HOUR_UNUSUAL
        ",
    );
}

#[test]
fn a_takeover_is_stopped_by_what_each_of_its_signs_would_not_do_alone() {
    check(
        "
        12h    30 times every 1d pays 50.00 to M001 device=d1
        31d4h  p1 pays 900.00 to 13900000001 device=d2 : stopped DEVICE_NEW PAYEE_NEW AMOUNT_UNUSUAL HOUR_UNUSUAL
        31d12h p2 pays 50.00 to M001 device=d3 : allow
        31d13h p3 pays 50.00 to 13900000002 device=d1 : allow
        ",
    );
}

#[test]
fn a_takeover_that_begins_with_a_small_payment_is_stopped_as_one_without() {
    let past = "12h    30 times every 1d pays 50.00 to M001 device=d1";
    for (first, again) in [("18.00", "900.00"), ("100.00", "305.00")] {
        check(&format!(
            "
            {past}
            31d4h    p1 pays {first} to 13900000001 device=d2
            31d4h2s  p1 succeeded
            31d4h1m  p2 pays {again} to 13900000001 device=d2 : stopped DEVICE_NEW PAYEE_NEW HOUR_UNUSUAL
            "
        ));
    }
    // Nor does it help to climb.
    check(&format!(
        "
        {past}
        31d4h    p1 pays 14.00 to 13900000001 device=d2
        31d4h2s  p1 succeeded
        31d4h2m  p2 pays 38.00 to 13900000001 device=d2
        31d4h3m  p2 succeeded
        31d4h4m  p3 pays 110.00 to 13900000001 device=d2
        31d4h5m  p3 succeeded
        31d4h6m  p4 pays 320.00 to 13900000001 device=d2 : stopped DEVICE_NEW PAYEE_NEW HOUR_UNUSUAL
        "
    ));
    // From the device of the account itself, as by who has stolen it.
    check(&format!(
        "
        {past}
        31d4h    p1 pays 18.00 to 13900000001 device=d1
        31d4h2s  p1 succeeded
        31d4h1m  p2 pays 900.00 to 13900000001 device=d1 : stopped PAYEE_NEW AMOUNT_UNUSUAL HOUR_UNUSUAL
        "
    ));
}

#[test]
fn a_new_phone_and_a_new_payee_vouch_for_sums_like_those_they_have_paid() {
    let past = "12h    30 times every 1d pays 50.00 to M001 device=d1";
    check(&format!(
        "
        {past}
        31d12h    p1 pays 50.00 to M002 device=d2 : allow DEVICE_NEW PAYEE_NEW
        31d12h2s  p1 succeeded
        31d13h    p2 pays 90.00 to M003 device=d2 : allow !DEVICE_NEW PAYEE_NEW
        31d13h2s  p2 succeeded
        31d14h    p3 pays 120.00 to M002 device=d2 : allow !DEVICE_NEW !PAYEE_NEW
        31d14h2s  p3 succeeded
        31d15h    p4 pays 600.00 to M001 device=d2 : DEVICE_NEW !PAYEE_NEW
        33d12h    p5 pays 600.00 to M002 device=d2 : !DEVICE_NEW !PAYEE_NEW
        "
    ));
    // Without another device there is none that it could be strange beside.
    check(
        "
        12h    9 times every 1h pays 50.00 to M001 device=d1
        22h    p1 pays 180.00 to M001 device=d1 : !DEVICE_NEW
        ",
    );
    // A payee that looked like another one when it was tried is not asked about for that again.
    check(
        "
        12h    30 times every 1d pays 50.00 to 13812345678
        31d12h   p1 pays 5.00 to 13812345679 : confirm PAYEE_LOOKALIKE
        31d12h9s p2 pays 5.00 to 13812345679 token=p1 : allow
        31d12h9s p2 succeeded
        31d13h   p3 pays 60.00 to 13812345679 : allow PAYEE_NEW !PAYEE_LOOKALIKE
        ",
    );
}

#[test]
fn many_small_payments_end_no_trial() {
    let small: String = (0..9)
        .map(|nth| {
            let at = format!("31d4h{}m", 3 * nth);
            format!("{at} s{nth} pays 1.00 to 1390000010{nth} device=d2\n{at}2s s{nth} succeeded\n")
        })
        .collect();
    check(&format!(
        "
        12h    30 times every 1d pays 50.00 to M001 device=d1
        {small}
        31d5h  p1 pays 900.00 to 13900000001 device=d2 : stopped DEVICE_NEW PAYEE_NEW
        "
    ));
}

#[test]
fn who_pays_a_payee_that_is_still_open_is_told_so_and_is_no_crowd() {
    let stage = check(
        "
        12h      30 times every 1d pays 50.00 to 13812345678 device=d1
        31d12h   p1 pays 5.00 to 13812345679 device=d1 : confirm PAYEE_LOOKALIKE
        31d12h9s p2 pays 5.00 to 13812345679 device=d1 token=p1 : allow
        31d12h5m p3 pays 60.00 to 13812345679 device=d1 : allow PAYEE_NEW !PAYEE_LOOKALIKE !PAYEE_FAN_IN
        ",
    );
    let Evidence::Payee { times_paid, .. } = evidence_of(&stage, "p3", "PAYEE_NEW") else {
        panic!("of another kind");
    };
    assert_eq!(times_paid, 1);
    // Who was declined and tries again is not the crowd that gathers around a young payee.
    check(
        "
        12h      40 times every 1d pays 25.00 to M001 device=d1
        41d12h   p1 pays 30.00 to 13900000001 device=d2 : allow DEVICE_NEW PAYEE_NEW
        41d12h2s p1 declined
        41d12h1m p2 pays 30.00 to 13900000001 device=d2 : allow !PAYEE_FAN_IN
        ",
    );
}

#[test]
fn what_was_paid_on_trial_is_told_in_the_evidence() {
    let stage = check(
        "
        12h      30 times every 1d pays 50.00 to M001 device=d1
        31d12h   p1 pays 10.00 to M002 device=d2 : allow
        31d12h2s p1 succeeded
        31d13h   p2 pays 60.00 to M002 device=d2 : DEVICE_NEW PAYEE_NEW
        ",
    );
    let Evidence::Device { known_devices, .. } = evidence_of(&stage, "p2", "DEVICE_NEW") else {
        panic!("of another kind");
    };
    assert_eq!(known_devices, 1);
    let Evidence::Payee {
        times_paid,
        last_paid_time,
        ..
    } = evidence_of(&stage, "p2", "PAYEE_NEW")
    else {
        panic!("of another kind");
    };
    assert_eq!(times_paid, 1);
    let paid = START.plus(Span::from_days(31)).plus(Span::from_hours(12));
    assert_eq!(last_paid_time, Some(paid));
}

#[test]
fn every_signal_can_be_switched_off() {
    let timeline = "
        0s     p1 pays 50.00 to 13812345678 order=o1 : allow
        1s     p2 pays 50.00 to 13812345678 order=o1 : allow !DUPLICATE_IN_FLIGHT !DUPLICATE_ORDER
        ";
    check_with(
        &[
            ("duplicate_in_flight.weight", Value::Integer(0)),
            ("duplicate_order.weight", Value::Integer(0)),
        ],
        timeline,
    );
}
