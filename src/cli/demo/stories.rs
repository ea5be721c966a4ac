//! The stories: what payers go through, as the design lists it, and what each is promised.

#![expect(
    clippy::inconsistent_digit_grouping,
    reason = "the last two digits are cents: 2_400_00 is 2,400.00 CNY"
)]

use super::story::{Act, Habit, Outgoing, Promise, Step, Story};
use crate::grpc::pb::Outcome::{Declined, Fraud, Succeeded, Unknown};
use crate::grpc::pb::PayeeType::{BankAccount, Merchant, Phone, Wallet};
use crate::grpc::pb::PaymentKind::{Bill, Gift, Purchase, TopUp, Transfer};
use crate::scoring::time::Span;
use Promise::{Allow, Block, Confirm, Stopped, StoppedOrNamed};

const COFFEE: Outgoing = Outgoing::new("coffee-corner", Merchant, Purchase, &[18_00]);
const GROCERIES: Outgoing = Outgoing::new(
    "fresh-market",
    Merchant,
    Purchase,
    &[86_40, 132_70, 64_10, 158_20, 97_30],
);
const LUNCH: Outgoing = Outgoing::new(
    "office-canteen",
    Merchant,
    Purchase,
    &[26_00, 32_00, 38_50, 29_00, 35_00],
);
const MOTHER: Outgoing = Outgoing::new("mother-wallet", Wallet, Transfer, &[300_00, 260_00]);
const RENT: Outgoing = Outgoing::new("home-rentals", BankAccount, Bill, &[2_400_00]);

/// How most people pay: coffee, lunch, groceries, some money to the family, the rent.
const ORDINARY_LIFE: &[Habit] = &[
    Habit::every_days(1, COFFEE).at(8, 10),
    Habit::every_days(1, LUNCH).at(12, 15),
    Habit::every_days(2, GROCERIES).at(18, 30),
    Habit::every_days(10, MOTHER).at(20, 15),
    Habit::every_days(30, RENT).at(9, 0),
];

const NOODLES: Outgoing = Outgoing::new("noodle-house", Merchant, Purchase, &[42_00]);
const FRIEND_PHONE: Outgoing = Outgoing::new("13812345678", Phone, TopUp, &[50_00]);

/// Every story, in the order of the design.
pub(super) const STORIES: &[Story] = &[
    Story {
        title: "Pressed pay twice",
        text: "The screen did not move, so they tapped again; then once more on the tablet.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES, Allow),
            Step::after(Span::from_secs(2), NOODLES, Block),
            Step::after(Span::from_secs(4), NOODLES.on("tablet"), Block),
        ],
    },
    Story {
        title: "The network was slow, so they paid again",
        text: "No answer came: nobody knows whether the first payment went through.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES, Allow).then(Unknown),
            Step::after(Span::from_secs(32), NOODLES, Confirm),
            Step::after(Span::from_secs(80), NOODLES, Confirm),
        ],
    },
    Story {
        title: "The app failed and submitted the order again",
        text: "Minutes later, under a new payment id, in a new session. The order gives it away.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES.order("order-77").visit("s-1"), Allow).then(Succeeded),
            Step::after(
                Span::from_minutes(6),
                NOODLES.order("order-77").visit("s-2"),
                Block,
            ),
        ],
    },
    Story {
        title: "The app submitted again, with no order to tell by",
        text: "Same payee, same amount, minutes later: it may be meant, so the payer is asked.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES, Allow).then(Succeeded),
            Step::after(Span::from_minutes(7), NOODLES, Confirm),
        ],
    },
    Story {
        title: "The first try failed",
        text: "The bank declined, they top up their card and try again. Not a word.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES.order("order-78"), Allow).then(Declined),
            Step::after(Span::from_secs(25), NOODLES.order("order-78"), Allow).then(Succeeded),
        ],
    },
    Story {
        title: "Two tickets of the same price",
        text: "Another order in the same visit is another purchase.",
        start: (19, 0),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(CINEMA.order("ticket-1").visit("s-1"), Allow).then(Succeeded),
            Step::after(
                Span::from_minutes(3),
                CINEMA.order("ticket-2").visit("s-1"),
                Allow,
            )
            .then(Succeeded),
        ],
    },
    Story {
        title: "A coffee every day",
        text: "The same shop, the same price, every morning for weeks.",
        start: (8, 10),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(COFFEE, Allow).then(Succeeded),
            Step::after(Span::from_hours(24), COFFEE, Allow).then(Succeeded),
            Step::after(Span::from_hours(24), COFFEE, Allow).then(Succeeded),
        ],
    },
    Story {
        title: "A monthly subscription",
        text: "The same sum to the same payee, month after month.",
        start: (9, 0),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(MUSIC, Allow).then(Succeeded),
            Step::after(Span::from_days(30), MUSIC, Allow).then(Succeeded),
            Step::after(Span::from_days(30), MUSIC, Allow).then(Succeeded),
        ],
    },
    Story {
        title: "A big bill paid in parts",
        text: "Three parts within the hour, two with numbers of their own, one with none.",
        start: (12, 40),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(clinic(&[400_00]).order("part-1"), Allow).then(Succeeded),
            Step::after(
                Span::from_minutes(9),
                clinic(&[350_00]).order("part-2"),
                Allow,
            )
            .then(Succeeded),
            Step::after(Span::from_minutes(12), clinic(&[250_00]), Allow).then(Succeeded),
        ],
    },
    Story {
        title: "Topped up the wrong phone number",
        text: "They top up 13812345678 every week. The last digit slipped.",
        start: (21, 0),
        habits: TOPS_UP_A_FRIEND,
        steps: &[Step::now(
            Outgoing::new("13812345679", Phone, TopUp, &[50_00]),
            Confirm,
        )],
    },
    Story {
        title: "A large gift to a stranger",
        text: "Never paid before, cannot be taken back, far above what this account usually pays.",
        start: (20, 0),
        habits: ORDINARY_LIFE,
        steps: &[Step::now(
            Outgoing::new("streamer-9921", Wallet, Gift, &[2_000_00]),
            Confirm,
        )],
    },
    Story {
        title: "Meant 50, paid 500; meant 50, paid 20",
        text: "A zero too many, then a wrong digit, for a number that always gets 50.",
        start: (21, 0),
        habits: TOPS_UP_A_FRIEND,
        steps: &[
            Step::now(FRIEND_PHONE.of(&[500_00]), Confirm),
            Step::after(Span::from_days(7), FRIEND_PHONE.of(&[20_00]), Confirm),
        ],
    },
    Story {
        title: "Many small top-ups in a few minutes",
        text: "A child found the phone, and the game sells gems.",
        start: (17, 0),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::after(Span::from_secs(40), GEMS, Allow)
                .then(Succeeded)
                .times(4),
            Step::after(
                Span::from_secs(40),
                GEMS.of(&[11_00, 7_00, 14_00, 5_00]),
                Stopped,
            )
            .times(4),
        ],
    },
    Story {
        title: "A script hammering",
        text: "A payment every second, each to another number: no person does that.",
        start: (14, 0),
        habits: &[],
        steps: &[
            Step::after(Span::from_secs(1), HAMMER, Allow)
                .then(Succeeded)
                .times(12),
            Step::after(Span::from_secs(1), HAMMER, Confirm).times(18),
            Step::after(Span::from_secs(1), HAMMER, Block).times(9),
        ],
    },
    Story {
        title: "Many failed attempts in a row",
        text: "Somebody guesses a code and says yes to every question.",
        start: (19, 0),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::after(Span::from_secs(20), GUESS, Allow)
                .then(Declined)
                .times(5),
            Step::after(Span::from_secs(20), GUESS, Confirm)
                .meant()
                .then(Declined)
                .times(5),
            Step::after(Span::from_secs(20), GUESS, Block),
        ],
    },
    Story {
        title: "Account taken over",
        text: "A new device, a new payee, a large sum, in the middle of the night.",
        start: (3, 20),
        habits: ORDINARY_LIFE,
        steps: &[Step::now(
            Outgoing::new("mule-0042", BankAccount, Transfer, &[3_000_00]).on("stolen-phone"),
            Stopped,
        )],
    },
    Story {
        title: "A payee that many others reported",
        text: "Twelve other accounts paid this seller and reported fraud. Now it is your turn.",
        start: (15, 0),
        habits: ORDINARY_LIFE,
        steps: &[
            Step {
                act: Act::Others,
                ..Step::after(Span::from_minutes(10), SELLER, Allow)
                    .then(Fraud)
                    .times(12)
            },
            Step::after(
                Span::from_hours(2),
                SELLER,
                StoppedOrNamed("PAYEE_REPORTED"),
            ),
        ],
    },
    Story {
        title: "\"You took my money twice. Prove that you asked!\"",
        text: "The payer was asked, said yes, and later says that it was paid twice.",
        start: (12, 30),
        habits: ORDINARY_LIFE,
        steps: &[
            Step::now(NOODLES, Allow).then(Succeeded),
            Step::after(Span::from_minutes(5), NOODLES, Confirm)
                .meant()
                .then(Succeeded),
            Step {
                act: Act::Prove,
                ..Step::after(Span::from_hours(1), NOODLES, Allow)
            },
        ],
    },
];

const CINEMA: Outgoing = Outgoing::new("city-cinema", Merchant, Purchase, &[55_00]);
const MUSIC: Outgoing = Outgoing::new("music-club", Merchant, Purchase, &[15_00]);
const SELLER: Outgoing = Outgoing::new("cheap-phones", Merchant, Purchase, &[120_00]);

const TOPS_UP_A_FRIEND: &[Habit] = &[
    Habit::every_days(1, COFFEE).at(8, 10),
    Habit::every_days(1, LUNCH).at(12, 15),
    Habit::every_days(2, GROCERIES).at(18, 30),
    Habit::every_days(7, FRIEND_PHONE).at(21, 0),
];

/// Small sums, all different, so that none is a duplicate of another.
const GEMS: Outgoing = Outgoing::new("gem-quest", Merchant, TopUp, &[6_00, 12_00, 8_00, 9_00]);

/// `#` stands for another number each time.
const HAMMER: Outgoing = Outgoing::new("13#", Phone, TopUp, &[10_00]);

const GUESS: Outgoing = Outgoing::new("ticket-shop", Merchant, Purchase, &[60_00]);

const fn clinic(amounts: &'static [i64]) -> Outgoing {
    Outgoing::new("city-clinic", Merchant, Bill, amounts)
}
