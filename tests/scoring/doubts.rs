//! Signs that this may not be the payer, and may well be: failures in a row, new phones, odd hours. They ask for a
//! proof, and do not add up to a block.

use crate::timeline::{Stage, check};

/// Somebody who pays about fifty a day, by card and from one phone.
const USUAL: &str = "
    8h  40 times every 1d pays 50.00 to M001 type=merchant kind=purchase device=d1
    9h  40 times every 1d pays 70.00 to 13812345678 device=d1
    ";

/// Plays `tries` after what is usual, all declined; each is a sum, a payee and options.
fn declined(tries: &[&str]) -> Stage {
    let mut stage = check(USUAL);
    for (nth, what) in tries.iter().enumerate() {
        stage.play(&format!(
            "
            41d9h{nth}m    p{nth} pays {what} device=d1
            41d9h{nth}m5s  p{nth} declined
            "
        ));
    }
    stage
}

#[test]
fn who_tries_again_once_the_limit_is_raised_is_asked_and_not_blocked() {
    for what in [
        "900.00 to M002 type=merchant kind=purchase",
        "900.00 to 13812345678",
        "900.00 to 6222000011112222 type=bank_account",
    ] {
        let mut stage = declined(&[what; 5]);
        stage.play(&format!(
            "
            41d9h20m     p5 pays {what} device=d1 : confirm FAILURE_BURST biometric
            41d9h20m20s  p6 pays {what} device=d1 token=p5 : allow FAILURE_BURST PAYER_CONFIRMED
            "
        ));
        // Or with less, once more is known not to go.
        let mut stage = declined(&[what; 5]);
        let less = what.replace("900", "600");
        stage.play(&format!(
            "41d9h20m  p5 pays {less} device=d1 : confirm FAILURE_BURST"
        ));
        let mut stage = declined(&[what; 10]);
        stage.play(&format!(
            "41d9h20m  p11 pays {what} device=d1 : block FAILURE_BURST"
        ));
    }
}

#[test]
fn who_tries_out_sums_or_payees_until_one_goes_through_is_blocked() {
    let card = |sum: &str, payee: &str| format!("{sum} to {payee} type=merchant kind=purchase");
    let sums = ["100.00", "300.00", "500.00", "600.00", "700.00"];
    let payees = ["M002", "M003", "M004", "M005", "M006"];
    for tries in [
        sums.map(|sum| card(sum, "M002")),
        payees.map(|payee| card("1500.00", payee)),
    ] {
        let mut stage = declined(&tries.each_ref().map(String::as_str));
        stage.play(
            "41d9h20m p5 pays 1500.00 to M002 type=merchant kind=purchase device=d1 : block FAILURE_BURST",
        );
    }
}

const ABROAD: &str = "
    41d3h   p1 pays 400.00 to M009 type=merchant kind=purchase device=d2 : confirm DEVICE_NEW HOUR_UNUSUAL biometric
    41d3h1m p2 pays 400.00 to M009 type=merchant kind=purchase device=d2 token=p1 : allow PAYER_CONFIRMED
    ";

#[test]
fn a_traveller_who_pays_a_hotel_at_night_from_a_new_phone_is_asked_and_not_blocked() {
    check(&format!("{USUAL}{ABROAD}"));
    check(&format!("{USUAL}{ABROAD}").replace("purchase", "bill"));
}

#[test]
fn what_cannot_be_called_back_is_blocked_under_the_same_signs() {
    for what in [
        "to 13900000001 kind=transfer",
        "to 13900000001 kind=top_up",
        "to W009 type=wallet kind=gift",
        // A bill, as who collects what was stolen calls it.
        "to 6222000011112222 type=bank_account kind=bill",
    ] {
        check(&format!(
            "{USUAL}41d3h p1 pays 400.00 {what} device=d2 : block DEVICE_NEW HOUR_UNUSUAL"
        ));
    }
}
