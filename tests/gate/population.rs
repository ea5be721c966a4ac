//! Who pays: accounts with means, hours, devices and payees of their own.

use doublecheck::scoring::payment::{PayeeType, PaymentKind};

use crate::random::Random;

/// Somebody or something that is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) id: String,
    pub(crate) payee_type: PayeeType,
    pub(crate) kind: PaymentKind,
}

/// A payee that an account pays again and again.
#[derive(Debug, Clone)]
pub(crate) struct Habit {
    pub(crate) to: Recipient,
    /// What is paid, in minor units; the middle of it where it varies.
    pub(crate) middle: i64,
    /// The deviation of the logarithm of the sums; 0 where it is always one sum.
    pub(crate) spread: f64,
    /// The sums are multiples of this.
    pub(crate) step: i64,
    /// How often it was paid so far.
    pub(crate) paid: u32,
}

impl Habit {
    pub(crate) fn is_regular(&self) -> bool {
        self.spread == 0.0
    }

    pub(crate) fn sum(&self, random: &mut Random) -> i64 {
        if self.is_regular() {
            return self.middle;
        }
        rounded(random.around(self.middle as f64, self.spread), self.step)
    }
}

/// What comes back at its own times, whatever else the account does.
#[derive(Debug, Clone)]
pub(crate) enum Routine {
    /// The same drink at the same counter, most mornings, some afternoons.
    Coffee(Habit),
    /// A fixed sum every seventh day.
    Subscription(Habit),
    /// Wages to these every seventh day.
    Wages(Vec<Habit>),
}

/// An account and whoever holds it.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) id: String,
    pub(crate) currency: &'static str,
    /// The middle of its everyday sums, in minor units.
    pub(crate) means: i64,
    /// The hours of the day between which it is awake; the second may lie beyond midnight.
    pub(crate) awake: (f64, f64),
    pub(crate) payments_a_day: f64,
    /// The share of its payments that go to somebody new.
    pub(crate) curiosity: f64,
    pub(crate) device: String,
    pub(crate) habits: Vec<Habit>,
    pub(crate) routines: Vec<Routine>,
    /// The places in `habits` of those paid today: nobody pays them twice on one day by habit.
    pub(crate) paid_today: Vec<usize>,
    /// The places in `habits` of two payees one digit apart.
    pub(crate) twins: Option<(usize, usize)>,
    /// A payee of many others, one digit away from one of its own; not paid by it yet.
    pub(crate) popular_near: Option<Recipient>,
    /// Whom it paid by mistake so far.
    pub(crate) mistyped: Vec<Recipient>,
}

/// What sets a population apart: its sums and how often it pays. The rest is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Sums near a middle, some payments a day.
    Everyday,
    /// Sums that spread far, to the last unit: two in three within half and double, some ten times the middle.
    FarSpread,
    /// Sums in hundreds and thousands, as people send each other, and in single units at tills.
    Round,
    /// A payment every two or three days.
    Sparse,
}

impl Payer {
    /// Gives it the habits of its population.
    fn shaped(mut self, shape: Shape, random: &mut Random) -> Self {
        if shape == Shape::Sparse {
            self.payments_a_day = random.between(0.3, 0.6);
        }
        for habit in self.habits.iter_mut().filter(|habit| !habit.is_regular()) {
            match shape {
                Shape::Everyday => {}
                Shape::FarSpread => (habit.spread, habit.step) = (random.between(0.4, 0.8), 1),
                Shape::Round => habit.step = *random.pick(&[1, 100, 500, 1_000]),
                Shape::Sparse => habit.spread = random.between(0.25, 0.5),
            }
        }
        self
    }
}

/// What many people pay: a charity's number, a city's transport wallet.
pub(crate) fn popular(random: &mut Random) -> Vec<Recipient> {
    (0..8).map(|_| person(random)).collect()
}

pub(crate) fn person(random: &mut Random) -> Recipient {
    let (payee_type, kind, id) = match random.whole(0, 2) {
        0 => {
            let id = format!("13{}", random.digits(9));
            (PayeeType::Phone, PaymentKind::TopUp, id)
        }
        1 => {
            let id = format!("w{}", random.digits(10));
            (PayeeType::Wallet, PaymentKind::Transfer, id)
        }
        _ => {
            let id = format!("62{}", random.digits(14));
            (PayeeType::BankAccount, PaymentKind::Transfer, id)
        }
    };
    Recipient {
        id,
        payee_type,
        kind,
    }
}

pub(crate) fn shop(random: &mut Random) -> Recipient {
    Recipient {
        id: format!("shop-{}", random.digits(12)),
        payee_type: PayeeType::Merchant,
        kind: PaymentKind::Purchase,
    }
}

fn utility(random: &mut Random) -> Recipient {
    Recipient {
        kind: PaymentKind::Bill,
        ..shop(random)
    }
}

/// `recipient` with one digit replaced, or two neighbours swapped: what a finger does.
pub(crate) fn mistyped(recipient: &Recipient, random: &mut Random) -> Recipient {
    let mut id: Vec<char> = recipient.id.chars().collect();
    loop {
        // The first letters tell what kind of number it is; nobody gets those wrong.
        let at = random.whole(2, id.len() as i64 - 2) as usize;
        if random.chance(0.4) {
            id.swap(at, at + 1);
        } else {
            id[at] = char::from(b'0' + random.whole(0, 9) as u8);
        }
        let typed: String = id.iter().collect();
        if typed != recipient.id {
            return Recipient {
                id: typed,
                ..recipient.clone()
            };
        }
    }
}

/// To the nearest step, and at least one.
pub(crate) fn rounded(sum: f64, step: i64) -> i64 {
    ((sum / step as f64).round() as i64).max(1) * step
}

pub(crate) fn payer(nth: usize, popular: &[Recipient], shape: Shape, random: &mut Random) -> Payer {
    let (currency, unit) = *random.pick(&[("CNY", 4_000.0), ("EUR", 1_800.0), ("JPY", 2_600.0)]);
    let means = random.around(unit, 0.5);
    let wakes = random.between(5.5, 9.5);
    let mut payer = Payer {
        id: format!("payer-{nth}"),
        currency,
        means: means as i64,
        awake: (wakes, wakes + random.between(13.0, 16.0)),
        payments_a_day: random.between(1.0, 3.5),
        curiosity: random.between(0.03, 0.2),
        device: format!("device-{}", random.digits(10)),
        habits: Vec::new(),
        routines: Vec::new(),
        paid_today: Vec::new(),
        twins: None,
        popular_near: None,
        mistyped: Vec::new(),
    };
    for _ in 0..random.whole(3, 5) {
        let to = [person(random), utility(random)][random.whole(0, 1) as usize].clone();
        payer.habits.push(habit(to, means, 0.0, random));
    }
    for _ in 0..random.whole(4, 7) {
        let to =
            [person(random), shop(random), utility(random)][random.whole(0, 2) as usize].clone();
        let spread = random.between(0.15, 0.45);
        payer.habits.push(habit(to, means, spread, random));
    }
    if random.chance(0.5) {
        let to = random.pick(popular).clone();
        payer.habits.push(habit(to, means, 0.3, random));
    }
    if random.chance(0.15) {
        let one = person(random);
        let other = mistyped(&one, random);
        payer.twins = Some((payer.habits.len(), payer.habits.len() + 1));
        payer.habits.push(habit(one, means, 0.25, random));
        payer.habits.push(habit(other, means, 0.25, random));
    }
    if random.chance(0.4) {
        let near = random.pick(popular).clone();
        if payer.habits.iter().all(|known| known.to != near) {
            let own = mistyped(&near, random);
            payer.habits.push(habit(own, means, 0.25, random));
            payer.popular_near = Some(near);
        }
    }
    payer.routines = routines(means, random);
    payer.shaped(shape, random)
}

fn habit(to: Recipient, means: f64, spread: f64, random: &mut Random) -> Habit {
    // People send each other round sums; tills do not round.
    let step = match to.kind {
        PaymentKind::Transfer | PaymentKind::TopUp => 500,
        PaymentKind::Purchase | PaymentKind::Bill | PaymentKind::Tip | PaymentKind::Gift => 10,
    };
    let step = if means < 1_500.0 { step / 10 } else { step };
    Habit {
        middle: rounded(random.around(means, 0.45), step),
        to,
        spread,
        step,
        paid: 0,
    }
}

fn routines(means: f64, random: &mut Random) -> Vec<Routine> {
    let mut routines = Vec::new();
    if random.chance(0.2) {
        let counter = shop(random);
        routines.push(Routine::Coffee(habit(counter, means * 0.25, 0.0, random)));
    }
    if random.chance(0.3) {
        let service = utility(random);
        let often = habit(service, means * 0.6, 0.0, random);
        routines.push(Routine::Subscription(often));
    }
    if random.chance(0.08) {
        let staff = (0..random.whole(8, 16)).map(|_| {
            let wage = random.between(2.0, 5.0) * means;
            habit(person(random), wage, 0.0, random)
        });
        routines.push(Routine::Wages(staff.collect()));
    }
    routines
}
