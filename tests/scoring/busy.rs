//! Accounts that pay hundreds a day: what is usual for them neither asks nor blocks, and nobody makes
//! himself usual by hammering.

use doublecheck::scoring::assessment::{Decision, Evidence};
use doublecheck::scoring::policy::Value;
use doublecheck::scoring::time::Span;

use crate::timeline::Stage;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What is reported of a payment that was answered like this.
type Answered = fn(Decision) -> Option<&'static str>;

/// People say yes, and what is blocked is not made.
fn people(decision: Decision) -> Option<&'static str> {
    (decision != Decision::Block).then_some("succeeded")
}

/// A script gets its way where nobody asks.
fn script(decision: Decision) -> Option<&'static str> {
    (decision == Decision::Allow).then_some("succeeded")
}

/// The payments of one account.
struct Payer {
    stage: Stage,
    made: i64,
    /// Sums in minor units from here on.
    sums_from: i64,
    options: &'static str,
}

/// How many payments of a run the payer was asked about, and how many were blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Disturbed {
    asked: u32,
    blocked: u32,
}

const UNDISTURBED: Disturbed = Disturbed {
    asked: 0,
    blocked: 0,
};

impl Payer {
    fn under(settings: &[(&str, Value)]) -> Self {
        Self {
            stage: Stage::new(settings),
            made: 0,
            sums_from: 5_000,
            options: "window=0s",
        }
    }

    /// So many payments from `from_ms` on, `gap_ms` apart, each to the payee that `payee` names.
    fn pay(
        &mut self,
        from_ms: i64,
        payments: i64,
        gap_ms: i64,
        payee: impl Fn(i64) -> String,
        outcome: Answered,
    ) -> Disturbed {
        let mut disturbed = Disturbed::default();
        for nth in 0..payments {
            self.made += 1;
            let at_ms = from_ms + nth * gap_ms;
            let id = format!("p{}", self.made);
            let sum = self.sums_from + self.made * 37 % 500;
            let (whole, cents) = (sum / 100, sum % 100);
            let (payee, options) = (payee(nth), self.options);
            self.stage.play(&format!(
                "{at_ms}ms {id} pays {whole}.{cents:02} to {payee} {options}"
            ));
            let decision = self.decision(&id);
            match decision {
                Decision::Allow => {}
                Decision::Confirm => disturbed.asked += 1,
                Decision::Block => disturbed.blocked += 1,
            }
            if let Some(outcome) = outcome(decision) {
                self.stage.play(&format!("{}ms {id} {outcome}", at_ms + 1));
            }
        }
        disturbed
    }

    fn decision(&self, id: &str) -> Decision {
        let scored = self.stage.answers[id].as_ref().unwrap();
        scored.assessment.decision
    }

    /// So many payments within eight hours of a day, to a dozen payees.
    fn day(&mut self, day: i64, payments: i64, outcome: Answered) -> Disturbed {
        let from_ms = day * DAY_MS + 9 * HOUR_MS;
        let gap_ms = 8 * HOUR_MS / payments;
        self.pay(from_ms, payments, gap_ms, known, outcome)
    }

    /// What `RAPID_REPEAT` said of the latest payment: how many, the limit, and what is usual.
    fn pace(&self) -> (u32, i64, f64) {
        let scored = self.stage.answers[&format!("p{}", self.made)].as_ref();
        let reasons = &scored.unwrap().assessment.reasons;
        let told = reasons.iter().find_map(|reason| match reason.evidence {
            Evidence::Velocity {
                count,
                limit,
                usual,
                ..
            } if reason.code.name() == "RAPID_REPEAT" => Some((count, limit, usual)),
            _ => None,
        });
        told.unwrap()
    }
}

fn known(nth: i64) -> String {
    format!("M{:03}", nth % 12)
}

/// Runs are looked at elsewhere.
const PACE_ALONE: (&str, Value) = ("small_payment_burst.weight", Value::Integer(0));

#[test]
fn an_account_that_pays_hundreds_every_day_is_let_through_after_three_days() {
    let mut till = Payer::under(&[PACE_ALONE]);
    // What is blocked is not paid, so the limits say how much the first days teach.
    for day in 0..3 {
        assert!(till.day(day, 300, people).blocked > 0, "{day}");
    }
    till.day(3, 300, people);
    for day in 4..12 {
        assert_eq!(till.day(day, 300, people), UNDISTURBED, "{day}");
    }
    // A shop may be closed for a while.
    assert_eq!(till.day(18, 300, people), UNDISTURBED);
}

#[test]
fn one_that_pays_more_than_is_remembered_grows_into_it_and_has_a_limit_still() {
    let mut till = Payer::under(&[PACE_ALONE]);
    for day in 0..10 {
        till.day(day, 700, people);
    }
    assert_eq!(till.day(10, 700, people), UNDISTURBED);
    // 256 payments are remembered, and the day has a limit all the same.
    let day = till.day(11, 1_600, people);
    assert!(day.asked > 0 && day.blocked > 0, "{day:?}");
    let (count, limit, usual) = till.pace();
    assert!((690.0..=760.0).contains(&usual), "{usual}");
    assert!((1_380..=1_520).contains(&limit), "{limit}");
    assert_eq!(i64::from(count), limit + 1);
    let scored = till.stage.answers[&format!("p{}", till.made)].as_ref();
    let wait = scored.unwrap().assessment.retry_after.unwrap();
    assert!(
        Span::from_hours(8) < wait && wait <= Span::from_hours(24),
        "{wait:?}"
    );
    // Who waits that long gets in.
    let waited_ms = 11 * DAY_MS + 17 * HOUR_MS + wait.ms();
    assert_eq!(till.pay(waited_ms, 1, 0, known, people), UNDISTURBED);
}

#[test]
fn how_far_an_account_may_go_beyond_its_own_pace_is_a_setting() {
    let blocked = |multiple: f64| {
        let multiple = Value::Number(multiple);
        let mut till = Payer::under(&[PACE_ALONE, ("rapid_repeat.usual_block_multiple", multiple)]);
        for day in 0..6 {
            till.day(day, 240, people);
        }
        till.day(6, 460, people).blocked
    };
    assert_eq!(blocked(2.0), 0);
    assert!(blocked(1.5) > 50);
    assert!(blocked(1.0) > 150);
}

#[test]
fn what_was_asked_about_becomes_usual_only_where_it_was_paid() {
    // What is told of each payment in the evening.
    let after_a_week = |news: &str| {
        let mut till = Payer::under(&[PACE_ALONE]);
        for day in 0..7 {
            let first = till.made + 1;
            till.day(day, 240, |_| None);
            let evening_ms = day * DAY_MS + 18 * HOUR_MS;
            for nth in first..=till.made {
                till.stage.play(&format!("{evening_ms}ms p{nth} {news}"));
            }
        }
        till.day(7, 440, people)
    };
    assert_eq!(after_a_week("succeeded").blocked, 0);
    assert!(after_a_week("declined").blocked >= 100);
    // Who was asked and gave no answer did not pay.
    let mut till = Payer::under(&[PACE_ALONE]);
    for day in 0..5 {
        till.day(day, 400, script);
    }
    assert!(till.day(5, 400, people).asked > 0);
}

#[test]
fn a_script_does_not_make_itself_usual() {
    for days_before in [0, 20] {
        let mut account = Payer::under(&[PACE_ALONE]);
        for day in 0..days_before {
            account.day(day, 2, people);
        }
        // Each run finds the window empty, and all are over within three days.
        let from_ms = days_before * DAY_MS;
        for run_ms in [0, 31 * HOUR_MS, 62 * HOUR_MS] {
            let run = account.pay(from_ms + run_ms, 400, 72_000, known, script);
            assert!(run.blocked >= 100, "{run:?}");
        }
        // It may rest and come again: it is held to what it paid before.
        let day = account.pay(from_ms + 8 * DAY_MS, 900, 95_000, known, script);
        assert!(day.asked + day.blocked >= 500, "{day:?}");
    }
}

#[test]
fn days_on_which_a_fraud_was_reported_do_not_count() {
    let asked = |outcome: &str| {
        let mut till = Payer::under(&[PACE_ALONE]);
        for day in 0..3 {
            till.day(day, 240, people);
        }
        let last = till.made;
        till.stage.play(&format!(
            "{}ms p{last} {outcome}",
            2 * DAY_MS + 18 * HOUR_MS
        ));
        till.day(3, 240, people);
        till.day(4, 240, people).asked
    };
    assert_eq!(asked("refunded"), 0);
    assert!(asked("fraud") > 0);
}

/// A till with small sums to the same few payees all day: six in ten minutes.
fn till_of_small_sums() -> Payer {
    let mut till = Payer::under(&[]);
    till.sums_from = 1_000;
    till.day(0, 8, people);
    till
}

#[test]
fn a_run_that_comes_every_day_is_no_burst() {
    let mut till = till_of_small_sums();
    let few = |nth: i64| format!("M{:03}", nth % 2);
    let from_ms = |day: i64| day * DAY_MS + 9 * HOUR_MS;
    // Enough small sums among larger ones: all are small against the dozen of the first day.
    let day = |till: &mut Payer, day: i64| {
        till.sums_from = 200;
        till.pay(from_ms(day), 200, 100_000, few, people)
    };
    let first = day(&mut till, 1);
    assert!(first.asked > 10, "{first:?}");
    for later in 2..5 {
        day(&mut till, later);
    }
    assert_eq!(day(&mut till, 5), UNDISTURBED);
    // Twice as many at once are a burst still, and so are strangers.
    let burst = till.pay(from_ms(6), 30, 20_000, few, people);
    assert!(burst.asked > 10, "{burst:?}");
    let strangers = |nth: i64| format!("X{nth}Y{nth}");
    let burst = till.pay(from_ms(7), 8, 100_000, strangers, people);
    assert!(burst.asked > 0, "{burst:?}");
}

#[test]
fn the_second_batch_of_wages_is_usual() {
    let mut office = Payer::under(&[]);
    let worker = |nth: i64| format!("W{nth}V{nth}");
    // 150 wages within ten minutes, once a week.
    let mut batch = |week: i64, payments: i64, outcome: Answered| {
        let from_ms = (week * 7 + 4) * DAY_MS + 10 * HOUR_MS;
        office.pay(from_ms, payments, 4_000, worker, outcome)
    };
    let first = batch(0, 150, people);
    assert!(first.asked > 0, "{first:?}");
    // What was blocked of the first was paid by hand; a few more wages than last week are no matter.
    assert_eq!(batch(1, 100, people), UNDISTURBED);
    assert_eq!(batch(2, 110, people), UNDISTURBED);
    let script_at_large = batch(3, 256, script);
    assert!(script_at_large.blocked > 0, "{script_at_large:?}");
}
