//! The gate: what the service catches, and whom it disturbs, on streams of this test's own making.
//!
//! A population with habits lives for some weeks; mistakes and look-alikes are woven in; the engine
//! answers without knowing which is which. A change that costs recall or disturbs people fails here.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "tests"
)]

mod judge;
mod life;
mod lookalikes;
mod mistakes;
mod population;
mod random;
mod stream;

use std::collections::BTreeMap;
use std::thread;

use judge::{Tally, judge};
use lookalikes::LOOKALIKES;
use mistakes::MISTAKES;
use population::Shape;
use random::Random;
use stream::{Event, Stream};

use doublecheck::scoring::policy::{Policy, Value};
use doublecheck::scoring::time::Timestamp;

const SEEDS: [u64; 3] = [11, 23, 47];
const PAYERS: usize = 150;
const DAYS: u32 = 40;
/// Days in which habits form; nobody looks at them.
const WARM_UP_DAYS: u32 = 18;
/// The share of a payer's days with a mistake in it.
const MISTAKE_DAYS: f64 = 0.15;
/// The share of a payer's days with a look-alike in it.
const LOOKALIKE_DAYS: f64 = 0.15;

/// What the streams are asked for.
enum Bound {
    /// At least this share stopped.
    Floor(f64),
    /// At most this share stopped, and next to none blocked.
    Ceiling(f64),
}
use Bound::{Ceiling, Floor};

/// Over all seeds together.
///
/// Floors: what was reached when they were set less two points (five of slips, which have luck with
/// digits), but never below what the service promises: .995 of double presses and of retries after a
/// time-out, .90 of re-submissions, .84 of slips, .98 of typing errors and of bursts, .97 of takeovers.
///
/// Ceilings: twice what was reached, or two payments more where that is more, but never above what it
/// promises: .002 of ordinary payments, .005 of retries after a failure, .08 of look-alikes together.
const BOUNDS: &[(&str, Bound)] = &[
    ("double_press", Floor(0.995)),
    ("timeout_retry", Floor(0.995)),
    ("resubmit", Floor(0.98)),
    ("slip", Floor(0.90)),
    ("typo", Floor(0.98)),
    ("burst", Floor(0.98)),
    ("takeover", Floor(0.98)),
    ("ordinary", Ceiling(0.0005)),
    ("retry_after_failure", Ceiling(0.005)),
    ("big_first", Ceiling(0.01)),
    ("bill_day", Ceiling(0.0015)),
    ("coffee", Ceiling(0.001)),
    ("new_phone", Ceiling(0.026)),
    ("popular_near", Ceiling(0.035)),
    ("split_bill", Ceiling(0.17)),
    ("subscription", Ceiling(0.005)),
    ("tickets", Ceiling(0.008)),
    ("twin", Ceiling(0.005)),
    ("wages", Ceiling(0.002)),
    (LOOKALIKES_TOGETHER, Ceiling(0.01)),
];

/// The same of populations of other shapes, each with what it is asked for. Where sums spread far or little
/// is known, a large sum and a slip look alike to anybody: there more are asked and fewer slips caught,
/// but no more than this: of ordinary payments a third more than was reached when this was set, of
/// look-alikes twice, of slips five points fewer, or what the service promises.
const OTHER_SHAPES: &[(Shape, &[(&str, Bound)])] = &[
    (
        Shape::FarSpread,
        &[
            ("ordinary", Ceiling(0.0039)),
            (LOOKALIKES_TOGETHER, Ceiling(0.014)),
            ("slip", Floor(0.91)),
            ("typo", Floor(0.98)),
            ("burst", Floor(0.98)),
            ("takeover", Floor(0.98)),
        ],
    ),
    (
        Shape::Round,
        &[
            ("ordinary", Ceiling(0.002)),
            (LOOKALIKES_TOGETHER, Ceiling(0.009)),
            ("slip", Floor(0.89)),
            ("typo", Floor(0.98)),
            ("burst", Floor(0.98)),
            ("takeover", Floor(0.98)),
        ],
    ),
    (
        Shape::Sparse,
        &[
            ("ordinary", Ceiling(0.002)),
            (LOOKALIKES_TOGETHER, Ceiling(0.012)),
            ("slip", Floor(0.84)),
            ("typo", Floor(0.98)),
            ("burst", Floor(0.98)),
            ("takeover", Floor(0.97)),
        ],
    ),
];

/// The largest share of a class to be left alone that may be blocked: none of them in these
/// streams. A question can be answered, a block cannot.
const BLOCKED_MAX: f64 = 0.0;

/// All that should be left alone but is not ordinary.
const LOOKALIKES_TOGETHER: &str = "look-alikes together";

/// Fewer say nothing.
const COUNT_MIN: usize = 30;

fn stream(seed: u64, shape: Shape) -> Vec<(Timestamp, Event)> {
    let mut random = Random::seeded(seed);
    let mut stream = Stream::default();
    let popular = population::popular(&mut random);
    for nth in 0..PAYERS {
        let mut payer = population::payer(nth, &popular, shape, &mut random);
        for day in 0..DAYS {
            let measured = day >= WARM_UP_DAYS;
            life::live(&mut stream, &mut payer, day, measured, &mut random);
            for (stories, share) in [(MISTAKES, MISTAKE_DAYS), (LOOKALIKES, LOOKALIKE_DAYS)] {
                if measured && random.chance(share) {
                    let (_, story) = random.pick(stories);
                    story(&mut stream, &mut payer, day, &mut random);
                }
            }
        }
    }
    stream.in_order()
}

type Tallies = BTreeMap<&'static str, Tally>;

/// Classes as the bounds speak of them.
fn tallies(policy: Policy, events: &[(Timestamp, Event)]) -> Tallies {
    let mut tallies = judge(policy, events);
    let is_mistake = |class: &str| MISTAKES.iter().any(|(mistake, _)| *mistake == class);
    let mut together = Tally::default();
    for (class, tally) in &tallies {
        if !is_mistake(class) && *class != "ordinary" {
            together.add(tally);
        }
    }
    tallies.insert(LOOKALIKES_TOGETHER, together);
    tallies
}

/// A class in all streams: its row of the table, and what is wrong with it.
fn held_against(bound: &Bound, class: &str, by_seed: &[Tallies]) -> (String, Option<String>) {
    let mut all = Tally::default();
    let mut row = format!("{class:22}");
    for tally in by_seed.iter().filter_map(|tallies| tallies.get(class)) {
        row += &format!("{:8.4}", tally.share());
        all.add(tally);
    }
    let (share, blocked) = (all.share(), all.share_blocked());
    let (asked, holds) = match bound {
        Floor(floor) => (format!(">= {floor}"), *floor <= share),
        Ceiling(ceiling) => (
            format!("<= {ceiling}"),
            share <= *ceiling && blocked <= BLOCKED_MAX,
        ),
    };
    let count = all.count;
    row += &format!("{share:10.4} {asked:>9}{blocked:10.5}{count:8}");
    let examples = || {
        all.wrong
            .iter()
            .take(6)
            .map(|wrong| format!("\n    {wrong}"))
    };
    let complaint = || {
        format!(
            "{class} fails, for example:{}",
            examples().collect::<String>()
        )
    };
    let fails = !holds || count < COUNT_MIN;
    (row, fails.then(complaint))
}

#[test]
fn what_is_caught_stays_caught_and_nobody_is_disturbed_for_it() {
    let complaints = hold(Shape::Everyday, BOUNDS);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn so_it_is_where_people_pay_otherwise() {
    let held = OTHER_SHAPES.iter();
    let complaints: Vec<String> = held
        .flat_map(|(shape, bounds)| hold(*shape, bounds))
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// What is wrong with a population's classes.
fn hold(shape: Shape, bounds: &[(&str, Bound)]) -> Vec<String> {
    let by_seed: Vec<Tallies> = thread::scope(|scope| {
        let runs =
            SEEDS.map(|seed| scope.spawn(move || tallies(Policy::default(), &stream(seed, shape))));
        runs.map(|run| run.join().unwrap()).into_iter().collect()
    });
    let of_seeds: String = SEEDS
        .iter()
        .map(|seed| format!("{:>8}", format!("#{seed}")))
        .collect();
    println!("{shape:?}\nstopped               {of_seeds}       all     asked   blocked   count");
    let mut complaints = Vec::new();
    for (class, bound) in bounds {
        let (row, complaint) = held_against(bound, class, &by_seed);
        println!("{row}");
        complaints.extend(complaint);
    }
    complaints
}

#[test]
fn every_class_has_a_bound_and_a_seed_gives_the_same_stream() {
    let events = stream(SEEDS[0], Shape::Everyday);
    let classes: Vec<&str> = tallies(Policy::default(), &events).into_keys().collect();
    let mut bounded: Vec<&str> = BOUNDS.iter().map(|(class, _)| *class).collect();
    bounded.sort_unstable();
    assert_eq!(classes, bounded);
    assert_eq!(
        format!("{events:?}"),
        format!("{:?}", stream(SEEDS[0], Shape::Everyday))
    );
}

#[test]
fn the_readme_states_every_bound_and_no_other() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let (_, section) = readme.split_once("\n## What it catches").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut stated: Vec<(&str, &str)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
            (cells[0].split('`').nth(1).unwrap(), *cells.last().unwrap())
        })
        .collect();
    stated.sort_unstable();
    let bound = |bound: &Bound| match bound {
        Floor(share) | Ceiling(share) => share.to_string(),
    };
    let mut held: Vec<(&str, String)> = BOUNDS
        .iter()
        .map(|(class, it)| (*class, bound(it)))
        .collect();
    held.sort_unstable();
    let held: Vec<(&str, &str)> = held.iter().map(|(class, it)| (*class, &**it)).collect();
    assert_eq!(stated, held);
}

/// A gate that lets everything through is none.
#[test]
fn switching_a_signal_off_fails_the_gate() {
    let events = stream(SEEDS[0], Shape::Everyday);
    for (signal, class) in [
        ("duplicate_in_flight", "timeout_retry"),
        ("duplicate_recent", "resubmit"),
        ("amount_slip", "slip"),
        ("payee_lookalike", "typo"),
        ("small_payment_burst", "burst"),
        ("device_new", "takeover"),
    ] {
        let weight = format!("{signal}.weight");
        let without = Policy::from_settings("without", [(weight.as_str(), Value::Number(0.0))]);
        let by_seed = [tallies(without.unwrap(), &events)];
        let (_, bound) = BOUNDS.iter().find(|(known, _)| *known == class).unwrap();
        let (row, complaint) = held_against(bound, class, &by_seed);
        assert!(complaint.is_some(), "without {signal}: {row}");
    }
}
