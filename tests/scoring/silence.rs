//! Gateways that report outcomes late, or never, or only bad ones.

use crate::timeline::{Stage, span};

/// The outcome of `id`, a payment scored at `at`, as such a gateway reports it.
type Reports = fn(day: u32, id: &str) -> String;

fn never(_: u32, _: &str) -> String {
    String::new()
}

/// The night after next: the account remembers its payments no more.
fn at_night(day: u32, id: &str) -> String {
    format!(
        "{}d2h {id} succeeded payee=M001 : not remembered\n",
        day + 2
    )
}

/// Plays what several days hold in the order of time.
fn play(stage: &mut Stage, days: &[String]) {
    let lines = days.iter().flat_map(|day| day.lines()).map(str::trim);
    let mut lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(at, _)| span(at)));
    lines.iter().for_each(|line| stage.play(line));
}

const CAFE: &str = "to M001 type=merchant kind=purchase";

/// A coffee a day, and on some days another a few minutes later.
fn coffees(reports: Reports) -> Stage {
    let mut days: Vec<String> = (1..6)
        .map(|day| {
            let id = format!("a{day}");
            format!(
                "{day}d8h a{day} pays 4.50 {CAFE} : allow\n{}",
                reports(day, &id)
            )
        })
        .collect();
    let second = |day: u32, answer: &str| {
        format!(
            "{day}d8h   a{day} pays 4.50 {CAFE} : allow
             {day}d8h3m b{day} pays 4.50 {CAFE} : {answer}
             {}{}",
            reports(day, &format!("a{day}")),
            reports(day, &format!("b{day}")),
        )
    };
    days.push(second(6, "confirm DUPLICATE_IN_FLIGHT"));
    days.push(format!(
        "6d8h4m c6 pays 4.50 {CAFE} token=b6 : allow PAYER_CONFIRMED\n{}",
        reports(6, "c6")
    ));
    days.push(second(8, "allow DUPLICATE_IN_FLIGHT"));
    days.push(second(11, "allow DUPLICATE_IN_FLIGHT"));
    let mut stage = Stage::new(&[]);
    // What was asked about and not paid has no outcome.
    let days: Vec<String> = days
        .iter()
        .map(|day| {
            let lines = day.lines().filter(|line| !line.contains(" b6 succeeded"));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect();
    play(&mut stage, &days);
    stage
}

#[test]
fn a_yes_to_a_second_coffee_is_learnt_where_outcomes_are_never_told() {
    coffees(never);
}

#[test]
fn and_where_they_are_told_when_the_day_is_forgotten() {
    coffees(at_night);
}

#[test]
fn another_order_is_a_second_ticket_however_late_outcomes_are_told() {
    for reports in [never as Reports, at_night] {
        let day = |day: u32, second: &str| {
            format!(
                "{day}d8h a{day} pays 35.00 {CAFE} order=a{day} : allow
                 {second}
                 {}",
                reports(day, &format!("a{day}"))
            )
        };
        let mut stage = Stage::new(&[]);
        let second = format!("4d8h2m b4 pays 35.00 {CAFE} order=b4 : allow DUPLICATE_IN_FLIGHT");
        play(&mut stage, &[day(2, ""), day(4, &second)]);
    }
}

#[test]
fn a_yes_counts_no_more_once_what_it_repeats_is_known_not_to_be_paid() {
    let mut stage = Stage::new(&[]);
    let mut story = String::new();
    for day in 1..6 {
        story += &format!("{day}d8h a{day} pays 4.50 {CAFE} : allow\n");
    }
    story += &format!(
        "6d8h   a6 pays 4.50 {CAFE} : allow
         6d8h3m b6 pays 4.50 {CAFE} : confirm DUPLICATE_IN_FLIGHT
         6d8h4m c6 pays 4.50 {CAFE} token=b6 : allow PAYER_CONFIRMED
         6d23h  a6 declined
         8d8h   a8 pays 4.50 {CAFE} : allow
         8d8h3m b8 pays 4.50 {CAFE} : confirm DUPLICATE_IN_FLIGHT"
    );
    stage.play(&story);
}

#[test]
fn a_retry_of_what_nobody_told_of_is_no_habit_where_outcomes_are_told_at_once() {
    let mut stage = Stage::new(&[]);
    stage.play(&format!("1d8h 5 times every 1d pays 4.50 {CAFE}"));
    for (day, token) in [(6, "b6"), (8, "b8")] {
        stage.play(&format!(
            "{day}d8h     a{day} pays 4.50 {CAFE} : allow
             {day}d8h1m   b{day} pays 4.50 {CAFE} : confirm DUPLICATE_IN_FLIGHT
             {day}d8h2m   c{day} pays 4.50 {CAFE} token={token} : allow PAYER_CONFIRMED
             {day}d8h2m1s c{day} succeeded"
        ));
    }
}

#[test]
fn while_nobody_knows_what_became_of_a_payment_the_same_again_is_asked_about_for_a_day() {
    let rent = "pays 850.00 to DE89370400440532013000 type=bank_account kind=transfer";
    let months = format!("0d9h 5 times every 30d {rent}");
    for order in ["", " order=o1", " order=o2"] {
        for later in ["35m", "5h", "23h"] {
            let again = span(later).ms() / 1_000;
            let mut stage = Stage::new(&[]);
            stage.play(&format!(
                "{months}
                 150d9h     p1 {rent} order=o1 : allow
                 150d9h30s  p1 unknown"
            ));
            stage.play(&format!(
                "150d9h{again}s p2 {rent}{order} : confirm DUPLICATE_IN_FLIGHT"
            ));
        }
    }
    let mut stage = Stage::new(&[]);
    stage.play(&format!(
        "{months}
         150d9h     p1 {rent} : allow
         150d9h30s  p1 unknown
         150d10h    p2 {rent} window=30m : allow
         151d       q1 {rent} : allow"
    ));
    // Not once it is known, nor once it was paid by another try.
    for heard in ["p1 succeeded", "p1 declined"] {
        let mut stage = Stage::new(&[]);
        stage.play(&format!(
            "{months}
             150d9h     p1 {rent} : allow
             150d9h30s  p1 unknown
             150d10h    {heard}
             150d14h    p2 {rent} : allow"
        ));
    }
    let mut stage = Stage::new(&[]);
    stage.play(&format!(
        "{months}
         150d9h     p1 {rent} : allow
         150d9h30s  p1 unknown
         150d9h50s  p2 {rent} : confirm DUPLICATE_IN_FLIGHT
         150d9h55s  p2 {rent} token=p2 : allow
         150d9h56s  p2 succeeded
         150d14h    p3 {rent} : allow"
    ));
}

/// A coffee in the morning, of which one day nobody knows what became of it, and one in the afternoon.
fn coffees_of_a_day(stage: &mut Stage, day: u32, outcome: &str, answer: &str) {
    stage.play(&format!(
        "{day}d8h      a{day} pays 4.50 {CAFE} : allow
         {day}d8h30s   a{day} {outcome}
         {day}d16h     b{day} pays 4.50 {CAFE} : {answer}
         {day}d16h30s  b{day} {outcome}"
    ));
}

#[test]
fn what_is_paid_twice_a_day_is_due_in_the_afternoon_whatever_became_of_the_morning() {
    let mut stage = Stage::new(&[]);
    for day in 1..12 {
        coffees_of_a_day(&mut stage, day, "succeeded", "allow");
    }
    coffees_of_a_day(&mut stage, 12, "unknown", "allow !DUPLICATE_IN_FLIGHT");
    stage.play(&format!(
        "13d8h     a13 pays 4.50 {CAFE} : allow
         13d8h30s  a13 unknown
         13d8h40m  b13 pays 4.50 {CAFE} : confirm DUPLICATE_IN_FLIGHT"
    ));
}

#[test]
fn where_most_payments_end_unknown_that_says_nothing_of_a_later_one() {
    let mut stage = Stage::new(&[]);
    for day in 1..7 {
        stage.play(&format!(
            "{day}d8h     a{day} pays 2{day}.00 {CAFE} : allow
             {day}d8h30s  a{day} unknown"
        ));
    }
    stage.play(&format!(
        "8d8h     a8 pays 35.00 {CAFE} : allow
         8d8h30s  a8 unknown
         8d8h20m  b8 pays 35.00 {CAFE} : confirm DUPLICATE_IN_FLIGHT
         8d12h    c8 pays 35.00 {CAFE} : allow !DUPLICATE_IN_FLIGHT"
    ));
}

/// Days of a shop: so many payments a day, each by another account, of which one in so many turns out bad a few
/// days later. The gateway tells of nothing else.
fn shop(payee: &str, days: u32, a_day: u32, bad: &[(&str, u32)]) -> Vec<String> {
    let day =
        |day: u32| {
            let payments = (0..a_day).flat_map(|nth| {
            let number = day * a_day + nth;
            let payer = format!("account={payee}-{number}");
            let at = format!("{day}d{}h{}m", 8 + nth % 12, nth % 60);
            let paid = format!(
                "{at} {payee}-{number} pays {}.00 to {payee} type=merchant kind=purchase {payer}",
                20 + number % 60
            );
            let outcomes = bad.iter().filter(|(_, one_in)| number.is_multiple_of(*one_in));
            let later = move |(outcome, _): &(&str, u32)| {
                format!(
                    "{}d7h {payee}-{number} {outcome} {payer} payee={payee} : not remembered",
                    day + 3
                )
            };
            let reports: Vec<String> = outcomes.map(later).collect();
            [paid].into_iter().chain(reports)
        });
            payments.collect::<Vec<_>>().join("\n")
        };
    (0..days).map(day).collect()
}

#[test]
fn a_large_honest_shop_is_not_reported_where_only_bad_news_is_told() {
    let mut stage = Stage::new(&[]);
    // One of a hundred is charged back, one of forty paid by mistake or given back.
    let bad = [("fraud", 97), ("payer_mistake", 41)];
    play(&mut stage, &shop("M001", 40, 40, &bad));
    for day in [41, 60] {
        stage.play(&format!(
            "{day}d12h p{day} pays 50.00 to M001 type=merchant kind=purchase : allow !PAYEE_REPORTED"
        ));
    }
}

/// How strongly what is reported of `payee` speaks against it, after all that `days` hold.
fn reported(payee: &str, days: &[String]) -> f64 {
    let mut stage = Stage::new(&[]);
    play(&mut stage, days);
    stage.play(&format!(
        "13d12h p1 pays 50.00 to {payee} type=merchant kind=purchase"
    ));
    let reasons = &stage.answers["p1"].as_ref().unwrap().assessment.reasons;
    let reported = reasons.iter().find(|r| r.code.name() == "PAYEE_REPORTED");
    reported.map_or(0.0, |reason| reason.strength)
}

#[test]
fn and_who_collects_what_was_stolen_is_as_where_all_is_told() {
    let silent = shop("M002", 12, 4, &[("fraud", 2)]);
    let told: Vec<String> = silent
        .iter()
        .map(|day| {
            let lines = day.lines().map(|line| match line.split_once("m M002-") {
                Some((at, rest)) => {
                    let id = rest.split(' ').next().unwrap();
                    let payer = format!("account=M002-{id}");
                    format!("{line}\n{at}m5s M002-{id} succeeded {payer}")
                }
                None => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect();
    let (silent, told) = (reported("M002", &silent), reported("M002", &told));
    // They are counted day by day where nothing is told.
    assert!(told > 30.0 && is_about(silent, told), "{silent} {told}");
}

#[test]
fn what_was_declined_speaks_for_no_payee() {
    // Others try to pay it and are declined, as where cards are tried out.
    let days = |outcome: &str, tries: u32| {
        let mut days = shop("M003", 9, 4, &[("fraud", 2)]);
        days.extend((0..9).map(|day| {
            let tries = (0..tries).map(|nth| {
                let id = format!("t{day}-{nth}");
                format!(
                    "{day}d3h{nth}m {id} pays 20.00 to M003 type=merchant kind=purchase account={id}
                     {day}d3h{nth}m5s {id} {outcome} account={id}"
                )
            });
            tries.collect::<Vec<_>>().join("\n")
        }));
        days
    };
    let alone = reported("M003", &days("", 0));
    let declined = reported("M003", &days("declined", 20));
    assert!(
        alone > 30.0 && is_about(declined, alone),
        "{declined} {alone}"
    );
    let unknown = reported("M003", &days("unknown", 20));
    assert!(unknown < alone * 0.7, "{unknown} {alone}");
}

fn is_about(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 0.05
}
