//! Ask, answer, remember: the confirm protocol.

use doublecheck::scoring::assessment::Evidence;
use doublecheck::scoring::policy::Value;

use crate::timeline::{Stage, check, check_with};

const ASKED: &str = "
    0s    p1 pays 50.00 to 13812345678 : allow
    30s   p2 pays 50.00 to 13812345678 : confirm DUPLICATE_IN_FLIGHT
    ";

#[test]
fn the_same_payment_with_the_token_is_allowed_once_under_its_own_id() {
    let mut stage = check(ASKED);
    stage.play("40s p2 pays 50.00 to 13812345678 token=p2 : allow fresh PAYER_CONFIRMED");
}

#[test]
fn or_under_a_new_id() {
    let mut stage = check(ASKED);
    stage.play("40s p3 pays 50.00 to 13812345678 token=p2 : allow fresh PAYER_CONFIRMED");
    // The question stays what it was for the id that was asked.
    stage.play("41s p2 pays 50.00 to 13812345678 : confirm replayed");
}

#[test]
fn from_then_on_that_answer_is_replayed_with_the_token_and_without() {
    let mut stage = check(ASKED);
    let token = stage.token_of("p2");
    stage.play("40s p2 pays 50.00 to 13812345678 token=p2 : allow fresh");
    let payment = crate::timeline::payment("p2", &["pays", "50.00", "to", "13812345678"]);
    for text in [Some(token.as_str()), None] {
        let again = stage.engine.score(&payment, text).unwrap();
        assert!(again.replayed);
        assert_eq!(again.assessment.decision.name(), "allow");
    }
}

#[test]
fn a_spent_token_is_told_as_such() {
    let mut stage = check(ASKED);
    stage.play(
        "
        40s   p3 pays 50.00 to 13812345678 token=p2 : allow
        41s   p4 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_SPENT
        42s   p2 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_SPENT
        ",
    );
    let mut stage = check(ASKED);
    let token = stage.token_of("p2");
    stage.play("40s p2 pays 50.00 to 13812345678 token=p2 : allow");
    let other = crate::timeline::payment("p3", &["pays", "50.00", "to", "13812345678"]);
    let refused = stage.engine.score(&other, Some(&token)).unwrap_err();
    assert!(format!("{refused:?}").contains("Spent"), "{refused:?}");
}

#[test]
fn once_it_is_known_what_became_of_a_payment_its_question_is_over() {
    for outcome in [
        "succeeded",
        "declined",
        "cancelled",
        "not_sent",
        "refunded",
        "payer_mistake",
        "fraud",
    ] {
        let mut stage = check(ASKED);
        stage.play(&format!(
            "
            35s   p2 {outcome}
            40s   p3 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_SPENT
            41s   p2 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_SPENT
            42s   p2 pays 50.00 to 13812345678 : confirm replayed
            "
        ));
    }
}

#[test]
fn as_long_as_nobody_knows_the_payer_may_still_answer() {
    for id in ["p2", "p3"] {
        let mut stage = check(ASKED);
        stage.play(&format!(
            "
            35s   p2 unknown
            45s   {id} pays 50.00 to 13812345678 token=p2 : allow fresh PAYER_CONFIRMED
            "
        ));
    }
}

#[test]
fn a_payment_that_is_decided_anew_is_learnt_once() {
    let settings = [
        ("confirmation.token_ttl_ms", Value::Integer(3_600_000)),
        ("memory.full_history_payments", Value::Integer(3)),
    ];
    check_with(
        &settings,
        "
        0s      p1 pays 50.00 to 13812345678 : allow
        1s      p1 succeeded
        2m      p2 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        2m1s    p2 unknown
        15m     p2 pays 50.00 to 13812345678 token=p2 : allow fresh PAYER_CONFIRMED
        15m1s   p2 succeeded
        1d      p3 pays 51.00 to 13812345678 : partial
        1d1s    p3 succeeded
        2d      p4 pays 52.00 to 13812345678 : full
        ",
    );
}

#[test]
fn an_expired_token_is_told_as_such_to_the_millisecond() {
    let mut stage = check(ASKED);
    stage.play("5m30s p3 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_EXPIRED");
    let mut stage = check(ASKED);
    stage.play("5m29s p3 pays 50.00 to 13812345678 token=p2 : allow");
    let mut stage = check(ASKED);
    stage.play("2d p3 pays 50.00 to 13812345678 token=p2 : CONFIRMATION_TOKEN_EXPIRED");
}

#[test]
fn a_token_for_something_else_is_told_as_such_and_stays_good() {
    let mut stage = check(ASKED);
    stage.play(
        "
        40s   p3 pays 50.01 to 13812345678 token=p2 : CONFIRMATION_TOKEN_FOREIGN
        40s   p3 pays 50.00 to 13812345679 token=p2 : CONFIRMATION_TOKEN_FOREIGN
        40s   p3 pays 50.00 to 13812345678 type=wallet token=p2 : CONFIRMATION_TOKEN_FOREIGN
        40s   p3 pays 50.00 to 13812345678 kind=gift token=p2 : CONFIRMATION_TOKEN_FOREIGN
        40s   p3 pays 50.00 to 13812345678 currency=USD token=p2 : CONFIRMATION_TOKEN_FOREIGN
        40s   p3 pays 50.00 to 13812345678 account=b token=p2 : CONFIRMATION_TOKEN_FOREIGN
        41s   p3 pays 50.00 to 13812345678 token=p2 : allow PAYER_CONFIRMED
        ",
    );
}

#[test]
fn a_token_never_handed_out_is_told_as_such() {
    let mut stage = check(ASKED);
    stage.play("40s p3 pays 50.00 to 13812345678 token=garbled : CONFIRMATION_TOKEN_WRONG");
    let payment = crate::timeline::payment("p3", &["pays", "50.00", "to", "13812345678"]);
    let token = stage.token_of("p2");
    for at in 0..token.len() {
        let mut forged: Vec<char> = token.chars().collect();
        forged[at] = if forged[at] == '0' { '1' } else { '0' };
        let forged: String = forged.into_iter().collect();
        let refused = stage.engine.score(&payment, Some(&forged)).unwrap_err();
        assert!(
            format!("{refused:?}").contains("Wrong"),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn a_refused_token_leaves_no_trace() {
    let mut stage = check(ASKED);
    stage.play(
        "
        40s   p3 pays 50.01 to 13812345678 token=p2 : CONFIRMATION_TOKEN_FOREIGN
        41s   p3 pays 60.00 to 13812345678 : allow fresh
        ",
    );
}

#[test]
fn a_hard_block_stands_even_against_a_yes() {
    let mut stage = check(ASKED);
    stage.play(
        "
        40s   p3 pays 50.00 to 13812345678 token=p2 : allow
        45s   p4 pays 50.00 to 13812345678 : block DUPLICATE_IN_FLIGHT
        ",
    );
    let mut stage = check(
        "
        0s    p1 pays 50.00 to M001 order=o1 : allow
        1s    p1 succeeded
        30s   p2 pays 50.00 to M001 : confirm DUPLICATE_RECENT
        ",
    );
    stage.play("40s p3 pays 50.00 to M001 order=o1 token=p2 : block DUPLICATE_ORDER");
}

/// A payer who paid 50.00 twice within a minute and, asked about it, said on the sixth day that it was meant.
fn said_yes() -> Stage {
    check(
        "
        0s       5 times every 1d pays 63.00 to 13812345678
        6d       p1 pays 50.00 to 13812345678 : allow
        6d1s     p1 succeeded
        6d1m     p2 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        6d1m5s   p3 pays 50.00 to 13812345678 token=p2 : allow PAYER_CONFIRMED
        6d1m6s   p3 succeeded
        ",
    )
}

#[test]
fn one_yes_answers_one_question_and_the_next_repeat_is_judged_by_it() {
    // The payer has said of this payee that a repeat was meant: the next one is not asked about.
    said_yes().play(
        "
        8d       q1 pays 50.00 to 13812345678 : allow
        8d1s     q1 succeeded
        8d1m     q2 pays 50.00 to 13812345678 : allow DUPLICATE_RECENT
        ",
    );
}

#[test]
fn a_yes_says_little_of_other_sums_and_nothing_of_a_press() {
    let mut stage = said_yes();
    stage.play(
        "
        8d       q1 pays 70.00 to 13812345678 : allow
        8d1s     q1 succeeded
        8d1m     q2 pays 70.00 to 13812345678 : confirm DUPLICATE_RECENT
        9d       r1 pays 50.00 to 13812345678 : allow
        9d1s     r1 succeeded
        9d3s     r2 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
    // The third yes speaks for whatever is paid there.
    stage.play(
        "
        9d4s     r3 pays 50.00 to 13812345678 token=r2 : allow PAYER_CONFIRMED
        9d6s     r3 succeeded
        10d      s1 pays 80.00 to 13812345678 : allow
        10d1s    s1 succeeded
        10d1m    s2 pays 80.00 to 13812345678 : confirm DUPLICATE_RECENT
        10d1m5s  s3 pays 80.00 to 13812345678 token=s2 : allow PAYER_CONFIRMED
        10d1m6s  s3 succeeded
        12d      t1 pays 90.00 to 13812345678 : allow
        12d1s    t1 succeeded
        12d1m    t2 pays 90.00 to 13812345678 : allow DUPLICATE_RECENT
        12d9h    u1 pays 95.00 to 13812345678 : allow
        12d9h1s  u1 succeeded
        12d9h3s  u2 pays 95.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn two_in_a_row_that_were_meant_on_three_days_are_a_habit_under_whatever_id_the_payer_says_so() {
    for answered_as in ["b", "c"] {
        let mut stage = Stage::new(&[]);
        for day in 1..7 {
            let second = format!("pays 1.50 to M001 type=merchant kind=purchase order=b{day}");
            let answers = if day <= 3 {
                format!(
                    "{day}d8h6s   b{day} {second} : confirm DUPLICATE_RECENT
                     {day}d8h14s  {answered_as}{day} {second} token=b{day} : allow PAYER_CONFIRMED
                     {day}d8h15s  {answered_as}{day} succeeded"
                )
            } else {
                format!(
                    "{day}d8h6s   b{day} {second} : allow DUPLICATE_RECENT
                     {day}d8h7s   b{day} succeeded"
                )
            };
            stage.play(&format!(
                "{day}d8h    a{day} pays 1.50 to M001 type=merchant kind=purchase order=a{day} : allow
                 {day}d8h1s  a{day} succeeded
                 {answers}"
            ));
        }
    }
}

#[test]
fn renewals_of_two_lines_at_the_same_second_are_asked_about_for_three_months_and_a_press_always() {
    let mut stage = Stage::new(&[]);
    let bill = "pays 9.99 to M001 type=merchant kind=bill";
    for month in 1..7 {
        let day = month * 30;
        stage.play(&format!(
            "{day}d7h0s a{month} {bill} order=a{month} : allow"
        ));
        if month <= 3 {
            stage.play(&format!(
                "{day}d7h0s  b{month} {bill} order=b{month} : confirm DUPLICATE_IN_FLIGHT
                 {day}d7h1s  a{month} succeeded
                 {day}d7h6s  c{month} {bill} order=b{month} token=b{month} : allow PAYER_CONFIRMED
                 {day}d7h7s  c{month} succeeded"
            ));
        } else {
            stage.play(&format!(
                "{day}d7h0s  b{month} {bill} order=b{month} : allow DUPLICATE_IN_FLIGHT
                 {day}d7h1s  a{month} succeeded
                 {day}d7h1s  b{month} succeeded"
            ));
        }
    }
    stage.play(&format!(
        "210d7h     p1 {bill} order=p1 : allow
         210d7h1s   p2 {bill} order=p1 : block DUPLICATE_IN_FLIGHT
         210d7h2s   p3 {bill} : block DUPLICATE_IN_FLIGHT
         210d7h3s   p1 succeeded
         210d7h4s   p4 {bill} order=p1 : block DUPLICATE_ORDER
         210d7h5s   p5 {bill} : confirm DUPLICATE_RECENT
         240d7h     q1 {bill} order=q1 : allow
         240d7h3s   q1 unknown
         240d7h6s   q2 {bill} order=q2 : confirm DUPLICATE_IN_FLIGHT"
    ));
}

#[test]
fn a_retry_after_a_time_out_says_nothing_of_repeats() {
    check(
        "
        0s      3 times every 1d pays 2500.00 to 6222000011112222
        6d      p1 pays 3000.00 to 6222000011112222 : allow
        6d30s   p1 unknown
        6d40s   p2 pays 3000.00 to 6222000011112222 : confirm DUPLICATE_IN_FLIGHT
        6d50s   p2 pays 3000.00 to 6222000011112222 token=p2 : allow
        6d52s   p2 succeeded
        6d60s   p1 declined
        36d     p3 pays 3000.00 to 6222000011112222 : allow
        36d1s   p3 succeeded
        36d15s  p4 pays 3000.00 to 6222000011112222 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn a_repeat_that_turned_out_a_mistake_was_not_meant() {
    check(
        "
        0s      5 times every 1d pays 63.00 to 13812345678
        6d      p1 pays 50.00 to 13812345678 : allow
        6d1s    p1 succeeded
        6d5m    p2 pays 50.00 to 13812345678 : confirm DUPLICATE_RECENT
        6d5m5s  p3 pays 50.00 to 13812345678 token=p2 : allow
        6d5m6s  p3 succeeded
        6d1h    p3 payer_mistake
        8d      q1 pays 70.00 to 13812345678 : allow
        8d1s    q1 succeeded
        8d1m    q2 pays 70.00 to 13812345678 : confirm DUPLICATE_RECENT
        ",
    );
}

#[test]
fn who_may_not_be_the_payer_is_challenged_harder() {
    check(
        "
        12h    30 times every 1d pays 50.00 to M001 device=d1
        31d4h  p1 pays 120.00 to 13900000001 device=d2 : confirm biometric
        ",
    );
}

/// Fifty a day, and once five hundred, which looks like a zero too many and was meant.
const ONCE_FIVE_HUNDRED: &str = "
    0s        20 times every 1d pays 50.00 to 13812345678
    20d       p1 pays 500.00 to 13812345678 : confirm AMOUNT_SLIP
    20d1m     p2 pays 500.00 to 13812345678 token=p1 : allow PAYER_CONFIRMED
    20d1m1s   p2 succeeded
    ";

#[test]
fn a_sum_that_was_meant_is_remembered_however_often_others_are_paid() {
    let mut stage = check(ONCE_FIVE_HUNDRED);
    stage.play(
        "
        21d     30 times every 1d pays 50.00 to 13812345678
        60d     q1 pays 500.00 to 13812345678 : allow !AMOUNT_SLIP
        60d1s   q1 succeeded
        61d     30 times every 1d pays 50.00 to 13812345678
        100d    r1 pays 5000.00 to 13812345678 : confirm AMOUNT_SLIP
        100d1h  r2 pays 500.00 to 13812345678 : allow !AMOUNT_SLIP
        ",
    );
}

#[test]
fn but_not_if_it_was_a_mistake_after_all_or_in_another_currency() {
    let later = "
        21d     30 times every 1d pays 50.00 to 13812345678
        60d     q1 pays 500.00 to 13812345678 : confirm AMOUNT_SLIP
        ";
    check(&format!(
        "{ONCE_FIVE_HUNDRED}
        20d1h   p2 payer_mistake
        {later}"
    ));
    let in_euros = later.replace(" to 13812345678", " to 13812345678 currency=EUR");
    check(&format!("{ONCE_FIVE_HUNDRED}{in_euros}"));
}

#[test]
fn a_question_and_the_payment_that_answers_it_are_one_attempt() {
    let stage = check_with(
        &[
            ("rapid_repeat.minute_confirm_above", Value::Integer(2)),
            ("rapid_repeat.meant_multiple", Value::Number(1.0)),
        ],
        "
        0s    p1 pays 50.00 to M001 : allow
        5s    p2 pays 60.00 to M002 : allow
        10s   p3 pays 70.00 to M003 : confirm RAPID_REPEAT
        15s   p4 pays 70.00 to M003 token=p3 : allow RAPID_REPEAT PAYER_CONFIRMED
        20s   p5 pays 80.00 to M004 : confirm RAPID_REPEAT
        ",
    );
    for (payment_id, expected) in [("p3", 3), ("p4", 3), ("p5", 4)] {
        let scored = stage.answers[payment_id].as_ref().unwrap();
        let mut reasons = scored.assessment.reasons.iter();
        let counted = reasons.find_map(|reason| match reason.evidence {
            Evidence::Velocity { count, .. } => Some(count),
            _ => None,
        });
        assert_eq!(counted, Some(expected), "{payment_id}");
    }
}

/// Who sends a singer a small gift every half minute is asked at the fifth, and says yes.
const GIFTS: &str = "
    12h      30 times every 1d pays 50.00 to M001
    31d      g1 pays 5.01 to W1 kind=gift type=wallet : allow
    31d30s   g2 pays 5.02 to W1 kind=gift type=wallet : allow
    31d60s   g3 pays 5.03 to W1 kind=gift type=wallet : allow
    31d90s   g4 pays 5.04 to W1 kind=gift type=wallet : allow
    31d120s  g5 pays 5.05 to W1 kind=gift type=wallet : confirm SMALL_PAYMENT_BURST
    31d125s  h5 pays 5.05 to W1 kind=gift type=wallet token=g5 : allow PAYER_CONFIRMED
    31d126s  h5 succeeded
    ";

#[test]
fn a_burst_that_was_meant_is_asked_about_again_when_it_is_twice_as_long() {
    let mut stage = check(GIFTS);
    for nth in 6..=10 {
        let seconds = 30 * (nth - 1);
        stage.play(&format!(
            "31d{seconds}s g{nth} pays 5.{nth:02} to W1 kind=gift type=wallet : allow !SMALL_PAYMENT_BURST"
        ));
    }
    stage.play(
        "
        31d300s  g11 pays 5.11 to W1 kind=gift type=wallet : confirm SMALL_PAYMENT_BURST
        31d305s  h11 pays 5.11 to W1 kind=gift type=wallet token=g11 : allow PAYER_CONFIRMED
        31d330s  g12 pays 5.12 to W1 kind=gift type=wallet : allow !SMALL_PAYMENT_BURST
        ",
    );
}

#[test]
fn but_not_if_a_mere_yes_was_enough_or_it_was_a_mistake_after_all() {
    let next = "31d150s g6 pays 5.06 to W1 kind=gift type=wallet : confirm SMALL_PAYMENT_BURST";
    let yes_is_enough = [
        ("confirmation.second_factor_from", Value::Number(100.0)),
        ("confirmation.biometric_from", Value::Number(100.0)),
    ];
    check_with(&yes_is_enough, &format!("{GIFTS}{next}"));
    check(&format!("{GIFTS}31d140s h5 payer_mistake\n{next}"));
}

#[test]
fn so_many_payments_that_were_meant_may_become_twice_as_many() {
    check_with(
        &[("rapid_repeat.minute_confirm_above", Value::Integer(2))],
        "
        0s    p1 pays 50.00 to M001 : allow
        5s    p2 pays 60.00 to M002 : allow
        10s   p3 pays 70.00 to M003 : confirm biometric RAPID_REPEAT
        15s   y3 pays 70.00 to M003 token=p3 : allow PAYER_CONFIRMED
        20s   p4 pays 80.00 to M004 : allow !RAPID_REPEAT
        25s   p5 pays 90.00 to M005 : allow !RAPID_REPEAT
        30s   p6 pays 40.00 to M006 : allow !RAPID_REPEAT
        35s   p7 pays 30.00 to M007 : confirm RAPID_REPEAT
        ",
    );
}
