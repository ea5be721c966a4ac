//! Ordinary life: what accounts pay day by day, and the routines that only look like mistakes.

use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::PaymentKind;

use crate::population::{Habit, Payer, Recipient, Routine, rounded, shop};
use crate::random::Random;
use crate::stream::{DAY, Draft, Seconds, Stream, Truth};

/// A moment of day `day` at which the payer is awake.
pub(crate) fn waking(payer: &Payer, day: u32, random: &mut Random) -> Seconds {
    let hour = random.between(payer.awake.0, payer.awake.1);
    f64::from(day) * DAY + hour * 3_600.0
}

/// A moment of day `day` in the middle of the payer's night.
pub(crate) fn sleeping(payer: &Payer, day: u32, random: &mut Random) -> Seconds {
    let night = (24.0 + payer.awake.0 - payer.awake.1) / 2.0;
    let hour = payer.awake.0 - night + random.between(-0.8, 0.8);
    f64::from(day + u32::from(hour < 0.0)) * DAY + hour * 3_600.0
}

/// A payment that goes through, answered within seconds.
pub(crate) fn succeed(
    stream: &mut Stream,
    payer: &Payer,
    at: Seconds,
    draft: &Draft,
    truth: Truth,
    random: &mut Random,
) {
    stream.pay(payer, at, draft, truth);
    let answered = at + random.between(0.8, 5.0);
    stream.report(payer, answered, draft, Outcome::Succeeded);
}

/// A payment as the habit at `place` has it.
pub(crate) fn habitual(
    stream: &mut Stream,
    payer: &mut Payer,
    place: usize,
    random: &mut Random,
) -> Draft {
    payer.habits[place].paid += 1;
    payer.paid_today.push(place);
    let habit = &payer.habits[place];
    let sum = habit.sum(random);
    ordered(stream, payer, &habit.to, sum, random)
}

/// A payment; most purchases carry an order number.
pub(crate) fn ordered(
    stream: &mut Stream,
    payer: &Payer,
    to: &Recipient,
    sum: i64,
    random: &mut Random,
) -> Draft {
    let mut draft = stream.draft(payer, to, sum);
    if to.kind == PaymentKind::Purchase && random.chance(0.6) {
        draft.order = Some(stream.fresh("order"));
    }
    draft
}

/// One day of a payer, but for what goes wrong. By habit, nobody pays the same payee twice on one day.
pub(crate) fn live(
    stream: &mut Stream,
    payer: &mut Payer,
    day: u32,
    measured: bool,
    random: &mut Random,
) {
    let meant = |class| {
        if measured {
            Truth::Meant(class)
        } else {
            Truth::Unmeasured
        }
    };
    payer.paid_today.clear();
    // In the first days each payee is got to know.
    let mut places: Vec<usize> = Vec::from_iter(Some(day as usize));
    places.retain(|place| *place < payer.habits.len());
    for _ in 0..random.times(payer.payments_a_day) {
        if random.chance(payer.curiosity) {
            let sum = rounded(random.around(payer.means as f64 * 0.8, 0.4), 10);
            let to = shop(random);
            let draft = ordered(stream, payer, &to, sum, random);
            let at = waking(payer, day, random);
            settle(stream, payer, at, &draft, meant("ordinary"), random);
        } else {
            let place = random.whole(0, payer.habits.len() as i64 - 1) as usize;
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    for place in places {
        let at = waking(payer, day, random);
        let draft = habitual(stream, payer, place, random);
        let is_twin = payer
            .twins
            .is_some_and(|(one, other)| [one, other].contains(&place));
        let class = if is_twin { "twin" } else { "ordinary" };
        settle(stream, payer, at, &draft, meant(class), random);
    }
    for routine in payer.routines.clone() {
        follow(stream, payer, &routine, day, meant, random);
    }
}

/// Most payments go through; of fifty, one is declined.
fn settle(
    stream: &mut Stream,
    payer: &Payer,
    at: Seconds,
    draft: &Draft,
    truth: Truth,
    random: &mut Random,
) {
    if random.chance(0.02) {
        stream.pay(payer, at, draft, truth);
        let answered = at + random.between(1.0, 4.0);
        stream.report(payer, answered, draft, Outcome::Declined);
    } else {
        succeed(stream, payer, at, draft, truth, random);
    }
}

fn follow(
    stream: &mut Stream,
    payer: &Payer,
    routine: &Routine,
    day: u32,
    meant: impl Fn(&'static str) -> Truth,
    random: &mut Random,
) {
    let begin = f64::from(day) * DAY + payer.awake.0 * 3_600.0;
    let mut pay = |at: Seconds, habit: &Habit, class| {
        let draft = stream.draft(payer, &habit.to, habit.middle);
        succeed(stream, payer, at, &draft, meant(class), random);
    };
    match routine {
        Routine::Coffee(habit) if day % 7 < 5 => {
            let morning = begin + 1_800.0 + f64::from(day * 331 % 900);
            pay(morning, habit, "coffee");
            if day.is_multiple_of(3) {
                pay(morning + 6.3 * 3_600.0, habit, "coffee");
            }
        }
        Routine::Subscription(habit) if day % 7 == 2 => {
            pay(begin + 4.0 * 3_600.0, habit, "subscription");
        }
        Routine::Wages(staff) if day % 7 == 4 => {
            for (nth, habit) in staff.iter().enumerate() {
                let at = begin + 5.0 * 3_600.0 + 41.0 * nth as f64;
                pay(at, habit, "wages");
            }
        }
        Routine::Coffee(_) | Routine::Subscription(_) | Routine::Wages(_) => {}
    }
}
