//! The same payment id again: idempotency, not risk.

use crate::timeline::check;

#[test]
fn a_retry_gets_the_stored_answer_and_moves_nothing() {
    let mut stage = check(
        "
        0s   p1 pays 50.00 to 13812345678 : allow fresh
        3s   p2 pays 50.00 to 13812345678 : block fresh
        ",
    );
    let (first, second) = (stage.answers["p1"].clone(), stage.answers["p2"].clone());
    stage.play(
        "
        5s   p1 pays 50.00 to 13812345678 : allow replayed
        9h   p1 pays 50.00 to 13812345678 : allow replayed
        9h   p2 pays 50.00 to 13812345678 : block replayed
        ",
    );
    assert_eq!(
        stage.answers["p1"].clone().unwrap().assessment,
        first.unwrap().assessment
    );
    assert_eq!(
        stage.answers["p2"].clone().unwrap().assessment,
        second.unwrap().assessment
    );
}

#[test]
fn retries_do_not_count_in_velocity() {
    let mut story = "0s p1 pays 50.00 to 13812345678 : allow\n".to_owned();
    for nth in 1..100 {
        story += &format!("{nth}s p1 pays 50.00 to 13812345678 : allow replayed\n");
    }
    check(&(story + "100s p2 pays 70.00 to M001 : allow !RAPID_REPEAT"));
}

#[test]
fn a_question_that_nobody_answered_in_time_is_asked_anew() {
    const ASKED: &str = "
        0s     p1 pays 50.00 to 13812345678 : allow
        30s    p2 pays 50.00 to 13812345678 : confirm fresh
        ";
    check(&format!(
        "{ASKED}
        5m29s  p2 pays 50.00 to 13812345678 : confirm replayed
        5m30s  p2 pays 50.00 to 13812345678 : confirm fresh
        5m31s  p2 pays 50.00 to 13812345678 : confirm replayed
        5m40s  p2 pays 50.00 to 13812345678 token=p2 : allow fresh PAYER_CONFIRMED
        5m41s  p2 pays 50.00 to 13812345678 : allow replayed
        "
    ));
    // What was to be known by then is judged with the rest.
    check(&format!(
        "{ASKED}
        31s    p1 declined
        6m     p2 pays 50.00 to 13812345678 : allow fresh
        "
    ));
    // Not where it may have been paid, or the question was answered.
    for outcome in ["unknown", "succeeded", "cancelled"] {
        check(&format!(
            "{ASKED}
            31s    p2 {outcome}
            6m     p2 pays 50.00 to 13812345678 : confirm replayed
            "
        ));
    }
    check(&format!(
        "{ASKED}
        31s    p3 pays 50.00 to 13812345678 token=p2 : allow
        6m     p2 pays 50.00 to 13812345678 : confirm replayed
        "
    ));
}

#[test]
fn volatile_fields_may_differ() {
    check(
        "
        0s   p1 pays 50.00 to 13812345678 device=d1 session=s1 : allow
        1s   p1 pays 50.00 to 13812345678 device=d2 : replayed
        2s   p1 pays 50.00 to 13812345678 session=s2 window=1m : replayed
        ",
    );
}

#[test]
fn other_content_under_the_same_id_is_a_conflict_that_names_what_differs() {
    check(
        "
        0s   p1 pays 50.00 to 13812345678 order=o1 : allow
        1s   p1 pays 50.01 to 13812345678 order=o1 : conflict money.amount_minor
        1s   p1 pays 50.00 to 13812345678 order=o1 currency=USD : conflict money.currency_code
        1s   p1 pays 50.00 to 13812345679 order=o1 : conflict payee.id
        1s   p1 pays 50.00 to 13812345678 order=o1 type=wallet : conflict payee.type
        1s   p1 pays 50.00 to 13812345678 order=o1 kind=gift : conflict kind
        1s   p1 pays 50.00 to 13812345678 order=o2 : conflict order_id
        1s   p1 pays 50.00 to 13812345678 : conflict order_id
        1s   p1 pays 9.00 to M001 type=merchant kind=bill : conflict payee.id payee.type money.amount_minor kind order_id
        2s   p1 pays 50.00 to 13812345678 order=o1 : allow replayed
        ",
    );
}

#[test]
fn ids_belong_to_their_account() {
    check(
        "
        0s   p1 pays 50.00 to 13812345678 : allow fresh
        1s   p1 pays 70.00 to 13812345678 account=b : allow fresh
        ",
    );
}

#[test]
fn an_id_is_forgotten_with_its_payment_after_a_day() {
    check(
        "
        0s          p1 pays 50.00 to 13812345678 : allow fresh
        23h59m59s   p1 pays 50.00 to 13812345678 : allow replayed
        24h         p1 pays 50.00 to 13812345678 : allow fresh
        ",
    );
}
