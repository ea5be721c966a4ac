//! What only looks wrong: one story for each way in which good payments resemble mistakes.

use doublecheck::scoring::outcome::Outcome;

use crate::life::{habitual, ordered, succeed, waking};
use crate::mistakes::{Story, established};
use crate::population::{Payer, rounded, shop};
use crate::random::Random;
use crate::stream::{Stream, Truth};

pub(crate) const LOOKALIKES: &[(&str, Story)] = &[
    ("split_bill", split_bill),
    ("tickets", tickets),
    ("retry_after_failure", retry_after_failure),
    ("new_phone", new_phone),
    ("big_first", big_first),
    ("bill_day", bill_day),
    ("popular_near", popular_near),
];

/// A bill paid in parts, mostly unequal ones.
fn split_bill(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let mut at = waking(payer, day, random);
    let Some(place) = established(payer, 1, |habit| !habit.is_regular(), random) else {
        return false;
    };
    let to = payer.habits[place].to.clone();
    let equal = random.chance(0.15);
    let part = rounded(random.between(0.3, 0.6) * payer.means as f64, 50);
    for nth in 0..random.whole(2, 4) {
        let sum = if equal {
            part
        } else {
            part + 50 * (nth + random.whole(1, 3) * 7)
        };
        let draft = stream.draft(payer, &to, sum);
        let truth = match nth {
            0 => Truth::Unmeasured,
            _ => Truth::Meant("split_bill"),
        };
        succeed(stream, payer, at, &draft, truth, random);
        at += random.between(25.0, 170.0);
    }
    true
}

/// A second ticket, and perhaps a third: the same again within minutes, each an order of its own.
fn tickets(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let mut at = waking(payer, day, random);
    let counter = shop(random);
    let price = rounded(random.between(0.3, 0.8) * payer.means as f64, 50);
    let mut draft = stream.draft(payer, &counter, price);
    for nth in 0..random.whole(2, 3) {
        draft.id = stream.fresh("pay");
        draft.order = Some(stream.fresh("order"));
        let truth = match nth {
            0 => Truth::Unmeasured,
            _ => Truth::Meant("tickets"),
        };
        succeed(stream, payer, at, &draft, truth, random);
        at += random.between(45.0, 240.0);
    }
    true
}

/// Declined, and tried again, sometimes more than once.
fn retry_after_failure(
    stream: &mut Stream,
    payer: &mut Payer,
    day: u32,
    random: &mut Random,
) -> bool {
    let mut at = waking(payer, day, random);
    let Some(place) = established(payer, 1, |_| true, random) else {
        return false;
    };
    let mut draft = habitual(stream, payer, place, random);
    let mut truth = Truth::Unmeasured;
    for _ in 0..random.whole(1, 2) {
        stream.pay(payer, at, &draft, truth);
        stream.report(
            payer,
            at + random.between(0.7, 3.0),
            &draft,
            Outcome::Declined,
        );
        truth = Truth::Meant("retry_after_failure");
        at += random.between(4.0, 70.0);
        draft.id = stream.fresh("pay");
    }
    succeed(stream, payer, at, &draft, truth, random);
    true
}

/// The first payment from a new phone; from then on it is the payer's.
fn new_phone(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    payer.device = format!("device-{}", random.digits(10));
    let Some(place) = established(payer, 2, |_| true, random) else {
        return false;
    };
    let at = waking(payer, day, random);
    let draft = habitual(stream, payer, place, random);
    succeed(stream, payer, at, &draft, Truth::Meant("new_phone"), random);
    true
}

/// A sofa: a large sum to a shop where the payer was never before.
fn big_first(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let sum = rounded(random.between(2.0, 3.2) * payer.means as f64, 100);
    let to = shop(random);
    let draft = ordered(stream, payer, &to, sum, random);
    let at = waking(payer, day, random);
    succeed(stream, payer, at, &draft, Truth::Meant("big_first"), random);
    true
}

/// An evening with the bills: each known payee once, one after the other.
fn bill_day(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let mut at = waking(payer, day, random);
    let known: Vec<usize> = (0..payer.habits.len())
        .filter(|place| payer.habits[*place].paid >= 2 && !payer.paid_today.contains(place))
        .collect();
    if known.len() < 4 {
        return false;
    }
    for place in known.into_iter().take(random.whole(4, 7) as usize) {
        let draft = habitual(stream, payer, place, random);
        succeed(stream, payer, at, &draft, Truth::Meant("bill_day"), random);
        at += random.between(20.0, 140.0);
    }
    true
}

/// A number near one that the payer knows, but meant: many others pay it.
fn popular_near(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let Some(to) = payer.popular_near.take() else {
        return false;
    };
    let sum = rounded(random.between(0.4, 1.1) * payer.means as f64, 100);
    let draft = stream.draft(payer, &to, sum);
    let at = waking(payer, day, random);
    succeed(
        stream,
        payer,
        at,
        &draft,
        Truth::Meant("popular_near"),
        random,
    );
    true
}
