//! What goes wrong: one story for each class of mistake and abuse.

use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{PayeeType, PaymentKind};

use crate::life::{habitual, ordered, sleeping, succeed, waking};
use crate::population::{Habit, Payer, Recipient, mistyped, person, rounded};
use crate::random::Random;
use crate::stream::{Draft, Stream, Truth};

/// Adds a story to a day of a payer; `false` if it does not fit this payer now.
pub(crate) type Story = fn(&mut Stream, &mut Payer, u32, &mut Random) -> bool;

pub(crate) const MISTAKES: &[(&str, Story)] = &[
    ("double_press", double_press),
    ("timeout_retry", timeout_retry),
    ("resubmit", resubmit),
    ("slip", slip),
    ("typo", typo),
    ("burst", burst),
    ("takeover", takeover),
];

/// The place of a habit that was paid at least so often, and not yet today.
pub(crate) fn established(
    payer: &Payer,
    times: u32,
    fits: impl Fn(&Habit) -> bool,
    random: &mut Random,
) -> Option<usize> {
    let places: Vec<usize> = (0..payer.habits.len())
        .filter(|place| payer.habits[*place].paid >= times && fits(&payer.habits[*place]))
        .filter(|place| !payer.paid_today.contains(place))
        .collect();
    (!places.is_empty()).then(|| *random.pick(&places))
}

fn any_habit(stream: &mut Stream, payer: &mut Payer, random: &mut Random) -> Option<Draft> {
    let place = established(payer, 1, |_| true, random)?;
    Some(habitual(stream, payer, place, random))
}

/// The same once more, as the app sends it: under its own id, or under a new one.
fn again(stream: &mut Stream, first: &Draft, same_id: bool) -> Draft {
    let mut second = first.clone();
    if !same_id {
        second.id = stream.fresh("pay");
    }
    second
}

/// Two presses within moments; the answer to the first may be there already.
fn double_press(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let at = waking(payer, day, random);
    let Some(first) = any_habit(stream, payer, random) else {
        return false;
    };
    succeed(stream, payer, at, &first, Truth::Unmeasured, random);
    let same_id = random.chance(0.3);
    let second = again(stream, &first, same_id);
    let later = at + random.between(0.1, 2.5);
    let truth = Truth::Mistake("double_press");
    if same_id {
        stream.pay(payer, later, &second, truth);
    } else {
        succeed(stream, payer, later, &second, truth, random);
    }
    true
}

/// No answer came; half the apps know that and report it, all payers try again.
fn timeout_retry(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let at = waking(payer, day, random);
    let Some(first) = any_habit(stream, payer, random) else {
        return false;
    };
    stream.pay(payer, at, &first, Truth::Unmeasured);
    let gap = random.between(8.0, 110.0);
    if random.chance(0.5) {
        stream.report(payer, at + gap * 0.5, &first, Outcome::Unknown);
    }
    let mut second = again(stream, &first, false);
    if random.chance(0.5) {
        second.session = stream.fresh("session");
    }
    let truth = Truth::Mistake("timeout_retry");
    succeed(stream, payer, at + gap, &second, truth, random);
    true
}

/// The app failed after the payment went through and submits again: the order as it was, under a new
/// number once the cart was filled anew, or without any.
fn resubmit(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let at = waking(payer, day, random);
    let Some(mut first) = any_habit(stream, payer, random) else {
        return false;
    };
    let mut second_order = None;
    let mut gap = random.between(150.0, 1_600.0);
    match random.whole(0, 2) {
        0 => first.order = None,
        1 => {
            first.order = Some(stream.fresh("order"));
            second_order.clone_from(&first.order);
        }
        _ => {
            first.order = Some(stream.fresh("order"));
            second_order = Some(stream.fresh("order"));
            gap = gap.max(400.0);
        }
    }
    succeed(stream, payer, at, &first, Truth::Unmeasured, random);
    let mut second = again(stream, &first, false);
    second.order = second_order;
    second.session = stream.fresh("session");
    let truth = Truth::Mistake("resubmit");
    succeed(stream, payer, at + gap, &second, truth, random);
    true
}

/// A slip of the finger: any on a payee that is always paid one sum, a zero too many elsewhere.
fn slip(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let is_regular = random.chance(0.6);
    let fits = |habit: &Habit| habit.is_regular() == is_regular;
    let Some(place) = established(payer, 5, fits, random) else {
        return false;
    };
    let mut draft = habitual(stream, payer, place, random);
    draft.sum = if is_regular {
        slipped(draft.sum, random)
    } else {
        draft.sum * 10
    };
    let at = waking(payer, day, random);
    succeed(stream, payer, at, &draft, Truth::Mistake("slip"), random);
    true
}

fn slipped(sum: i64, random: &mut Random) -> i64 {
    let digits = sum.to_string();
    let (first, rest) = digits.split_at(1);
    let slipped = match random.whole(0, 3) {
        0 => format!("{digits}0"),
        1 => format!("{first}{first}{rest}"),
        2 => rest.to_owned(),
        _ => {
            // On a keypad, five stands in the middle and its neighbours around it.
            let beside = [
                "", "24", "135", "26", "157", "2468", "359", "48", "579", "68",
            ];
            let key = first.parse::<usize>().unwrap();
            let near: Vec<char> = beside[key].chars().collect();
            format!("{}{rest}", random.pick(&near))
        }
    };
    match slipped.parse() {
        Ok(slipped) if slipped > 0 => slipped,
        _ => sum * 10,
    }
}

/// The usual sum to a number that is nearly right.
fn typo(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let fits = |habit: &Habit| habit.to.payee_type != PayeeType::Merchant;
    let Some(place) = established(payer, 2, fits, random) else {
        return false;
    };
    let meant = &payer.habits[place];
    let (to, sum) = (mistyped(&meant.to, random), meant.sum(random));
    // Whoever gets the same number wrong twice, or hits another that is meant, cannot be told apart.
    let known = payer.habits.iter().map(|known| &known.to);
    let mut taken = known.chain(&payer.popular_near).chain(&payer.mistyped);
    if taken.any(|other| other.id == to.id) {
        return false;
    }
    payer.mistyped.push(to.clone());
    let draft = stream.draft(payer, &to, sum);
    let at = waking(payer, day, random);
    succeed(stream, payer, at, &draft, Truth::Mistake("typo"), random);
    true
}

/// A run of small payments to one stranger, to many, or to one payee who is known.
fn burst(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let mut at = waking(payer, day, random);
    let kind = random.whole(0, 2);
    let mut to = match kind {
        0 => payer.habits[0].to.clone(),
        _ => person(random),
    };
    for nth in 1..=random.whole(8, 18) {
        if kind == 2 {
            to = person(random);
        }
        let sum = rounded(random.between(0.05, 0.25) * payer.means as f64, 10);
        let draft = ordered(stream, payer, &to, sum, random);
        // The first few are what anybody may do.
        let truth = match nth {
            1..=4 => Truth::Unmeasured,
            _ => Truth::Mistake("burst"),
        };
        succeed(stream, payer, at, &draft, truth, random);
        at += random.between(6.0, 28.0);
    }
    true
}

/// Somebody else with the payer's credentials: a new device, a stranger, a large sum, at night; in two
/// of five cases the hour or the sum is an ordinary one.
fn takeover(stream: &mut Stream, payer: &mut Payer, day: u32, random: &mut Random) -> bool {
    let looks = random.whole(0, 4);
    let at = match looks {
        0 => waking(payer, day, random),
        _ => sleeping(payer, day, random),
    };
    let times = match looks {
        1 => random.between(1.5, 3.0),
        _ => random.between(4.0, 10.0),
    };
    let to = Recipient {
        kind: PaymentKind::Transfer,
        ..person(random)
    };
    let sum = rounded(times * payer.means as f64, 500);
    let mut draft = stream.draft(payer, &to, sum);
    draft.device = format!("device-{}", random.digits(10));
    succeed(
        stream,
        payer,
        at,
        &draft,
        Truth::Mistake("takeover"),
        random,
    );
    true
}
