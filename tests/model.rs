//! The account against a naive model: the same answers from the obvious, slow way of computing them.
//!
//! `PROPTEST_CASES=1000000 cargo test --release --test model` runs as many sequences as one likes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use doublecheck::clock::ManualClock;
use doublecheck::engine::{Engine, Listing, OutcomeReport};
use doublecheck::scoring::account::{Account, Scored};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::confirmation::{ConfirmationToken, PresentedToken};
use doublecheck::scoring::memory::Surroundings;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::{Policies, Policy, Preset, Value};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::scoring::window::{RETENTION, Record, WindowIndex};
use doublecheck::token::TokenKey;
use proptest::prelude::*;

const PAYMENTS_MAX: usize = 20;

/// A small bound, so that sequences reach it, and no hard velocity limits below it.
fn policy() -> Policy {
    let mut settings = vec![("memory.payments_max".to_owned(), PAYMENTS_MAX as i64)];
    for window in ["minute", "ten_minutes", "hour", "day"] {
        settings.push((format!("rapid_repeat.{window}_confirm_above"), 9));
        settings.push((format!("rapid_repeat.{window}_block_above"), 11));
    }
    let settings = settings
        .iter()
        .map(|(path, value)| (path.as_str(), Value::Integer(*value)));
    Policy::from_settings("model", settings).unwrap()
}

fn payment(account: &str, id: usize, spec: PaymentSpec) -> Payment {
    Payment {
        payment_id: PaymentId::new(format!("p{id}")).unwrap(),
        account_id: AccountId::new(account).unwrap(),
        payee: Payee {
            id: PayeeId::new(format!("1381234567{}", spec.payee)).unwrap(),
            payee_type: PayeeType::Phone,
        },
        money: Money::new(
            spec.amount_minor,
            Currency::from_code(["CNY", "JPY", "KWD"][usize::from(spec.currency)]).unwrap(),
        )
        .unwrap(),
        kind: PaymentKind::ALL[usize::from(spec.payee) % PaymentKind::ALL.len()],
        order_id: spec
            .order
            .map(|order| OrderId::new(format!("o{order}")).unwrap()),
        device_id: spec
            .device
            .map(|device| DeviceId::new(format!("d{device}")).unwrap()),
        session_id: None,
        duplicate_window: None,
    }
}

#[derive(Debug, Clone, Copy)]
struct PaymentSpec {
    payee: u8,
    amount_minor: i64,
    currency: u8,
    order: Option<u8>,
    device: Option<u8>,
}

#[derive(Debug, Clone)]
enum Step {
    Pay(PaymentSpec),
    /// The payment made so many calls ago, submitted again.
    Retry(usize),
    /// The payment made so many calls ago, with the token it was asked with.
    Confirm(usize),
    Report(usize, Outcome),
    Sweep,
}

fn payment_spec() -> impl Strategy<Value = PaymentSpec> {
    (
        0..4_u8,
        prop_oneof![
            Just(5_000_i64),
            Just(50_000),
            1..2_000_i64,
            Just(10_i64.pow(15))
        ],
        0..3_u8,
        proptest::option::of(0..3_u8),
        proptest::option::of(0..3_u8),
    )
        .prop_map(
            |(payee, amount_minor, currency, order, device)| PaymentSpec {
                payee,
                amount_minor,
                currency,
                order,
                device,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => payment_spec().prop_map(Step::Pay),
        1 => (0..6_usize).prop_map(Step::Retry),
        1 => (0..6_usize).prop_map(Step::Confirm),
        4 => (0..10_usize, proptest::sample::select(Outcome::ALL.to_vec()))
            .prop_map(|(back, outcome)| Step::Report(back, outcome)),
        1 => Just(Step::Sweep),
    ]
}

/// How far the clock moves before a step: ties, edges of windows, long silences, and backwards.
fn gap_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => Just(0),
        4 => 1..30_000_i64,
        1 => Just(60_000),
        1 => Just(59_999),
        2 => 30_000..700_000_i64,
        1 => Just(3_600_000),
        1 => 3_600_000..90_000_000_i64,
        1 => Just(86_400_000),
        1 => -100_000..0_i64,
    ]
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    proptest::collection::vec((gap_ms(), step()), 1..60)
}

/// A payment as the model remembers it.
#[derive(Debug, Clone)]
struct Made {
    payment: Payment,
    time: Timestamp,
    decision: Decision,
    outcome: Option<Outcome>,
    token: Option<PresentedToken>,
}

/// The naive way: everything in one list, every question answered by looking at all of it.
#[derive(Default)]
struct Model {
    kept: Vec<Made>,
}

impl Model {
    fn forget(&mut self, now: Timestamp) {
        self.kept
            .retain(|made| now.unix_ms() - made.time.unix_ms() < RETENTION.ms());
    }

    fn count(&self, span: Span, now: Timestamp) -> usize {
        let gone = |made: &&Made| {
            !matches!(
                made.outcome,
                Some(Outcome::Declined | Outcome::Cancelled | Outcome::NotSent)
            )
        };
        self.inside(span, now).filter(gone).count()
    }

    fn declined(&self, span: Span, now: Timestamp) -> usize {
        self.inside(span, now)
            .filter(|made| made.outcome == Some(Outcome::Declined))
            .count()
    }

    fn sum(&self, span: Span, now: Timestamp, currency: Currency) -> i64 {
        let spent = |made: &&Made| match made.outcome {
            None => made.decision == Decision::Allow,
            Some(Outcome::Declined | Outcome::Cancelled | Outcome::NotSent) => false,
            Some(_) => true,
        };
        self.inside(span, now)
            .filter(spent)
            .filter(|made| made.payment.money.currency() == currency)
            .map(|made| made.payment.money.amount_minor())
            .sum()
    }

    /// The place of the payment that goes when there is no room for one more.
    fn missed_least(&self, now: Timestamp) -> usize {
        let is_asked = |made: &Made| made.decision == Decision::Confirm && made.outcome.is_none();
        let is_attempt = |made: &Made| match made.outcome {
            None => made.decision != Decision::Allow,
            Some(outcome) => outcome.was_not_paid(),
        };
        if self.kept.iter().filter(|made| is_attempt(made)).count() <= PAYMENTS_MAX / 4 {
            return 0;
        }
        let is_over = |made: &Made| made.token.is_none_or(|token| token.expire_time <= now);
        let oldest = |goes: &dyn Fn(&Made) -> bool| self.kept.iter().position(goes);
        oldest(&|made| is_attempt(made) && !is_asked(made))
            .or_else(|| oldest(&|made| is_asked(made) && is_over(made)))
            .unwrap_or(0)
    }

    fn inside(&self, span: Span, now: Timestamp) -> impl Iterator<Item = &Made> {
        self.kept
            .iter()
            .filter(move |made| made.time.unix_ms() > now.unix_ms() - span.ms())
    }
}

/// Both, side by side.
struct Bench {
    policies: Policies,
    account: Account,
    model: Model,
    now: Timestamp,
    latest: Timestamp,
    calls: Vec<Payment>,
    tokens: u8,
}

impl Bench {
    fn new() -> Self {
        Self {
            policies: policy().into(),
            account: Account::default(),
            model: Model::default(),
            now: Timestamp::from_unix_ms(1_000_000_000),
            latest: Timestamp::default(),
            calls: Vec::new(),
            tokens: 0,
        }
    }

    fn step(&mut self, gap_ms: i64, step: &Step) {
        self.now = Timestamp::from_unix_ms(self.now.unix_ms() + gap_ms);
        // The account's time never goes backwards.
        self.latest = self.latest.max(self.now);
        self.model.forget(self.latest);
        match step {
            Step::Pay(spec) => {
                let payment = payment("a", self.calls.len(), *spec);
                self.calls.push(payment.clone());
                self.score(&payment, None);
            }
            Step::Retry(back) => {
                if let Some(payment) = self.call(*back) {
                    self.score(&payment, None);
                }
            }
            Step::Confirm(back) => {
                if let Some(payment) = self.call(*back) {
                    let made = self.made(&payment);
                    let token = made.and_then(|at| self.model.kept[at].token);
                    self.score(&payment, token);
                }
            }
            Step::Report(back, outcome) => {
                if let Some(payment) = self.call(*back) {
                    self.report(&payment, *outcome);
                }
            }
            Step::Sweep => {
                self.account.advance(self.policies.primary(), self.now);
            }
        }
        self.account.advance(self.policies.primary(), self.now);
        self.compare();
    }

    fn call(&self, back: usize) -> Option<Payment> {
        self.calls
            .get(self.calls.len().checked_sub(back + 1)?)
            .cloned()
    }

    fn made(&self, payment: &Payment) -> Option<usize> {
        self.model
            .kept
            .iter()
            .position(|made| made.payment.payment_id == payment.payment_id)
    }

    fn score(&mut self, payment: &Payment, token: Option<PresentedToken>) {
        self.tokens = self.tokens.wrapping_add(1);
        let fresh = ConfirmationToken::from_bytes([self.tokens; 24]);
        let scored = self.account.score(
            &self.policies,
            payment,
            token,
            &Surroundings::default(),
            |_| fresh,
            self.now,
        );
        let before = self.made(payment);
        let Ok(scored) = scored else {
            assert!(token.is_some(), "only a token can be refused here");
            return;
        };
        let kept_is_asked =
            before.map(|at| self.model.kept[at].decision) == Some(Decision::Confirm);
        let is_answer = token.is_some_and(|token| token.expire_time > self.latest) && kept_is_asked;
        let is_over = token.is_none()
            && before.is_some_and(|at| {
                let Made { token, outcome, .. } = &self.model.kept[at];
                outcome.is_none() && token.is_some_and(|token| token.expire_time <= self.latest)
            });
        assert_eq!(scored.replayed, before.is_some() && !is_answer && !is_over);
        if scored.replayed {
            let made = &self.model.kept[before.unwrap()];
            assert_eq!(scored.assessment.decision, made.decision);
            assert_eq!(scored.score_time, made.time);
            return;
        }
        if let Some(at) = before {
            let answered = &self.model.kept[at];
            let is_open = matches!(answered.outcome, None | Some(Outcome::Unknown));
            assert!(
                is_open,
                "decided anew, though it was known what became of it"
            );
            self.model.kept.remove(at);
        }
        if self.model.kept.len() >= PAYMENTS_MAX {
            let missed_least = self.model.missed_least(self.latest);
            self.model.kept.remove(missed_least);
        }
        let handed_out = scored.assessment.confirmation.map(|asked| PresentedToken {
            token: asked.token,
            expire_time: asked.expire_time,
        });
        self.model.kept.push(Made {
            payment: payment.clone(),
            time: self.latest,
            decision: scored.assessment.decision,
            outcome: None,
            token: handed_out,
        });
    }

    fn report(&mut self, payment: &Payment, outcome: Outcome) {
        let noted = self.account.report_outcome(
            self.policies.primary(),
            &payment.payment_id,
            outcome,
            self.now,
        );
        let made = self.made(payment);
        assert_eq!(noted.is_some(), made.is_some());
        if let Some(at) = made {
            let made = &mut self.model.kept[at];
            if made.outcome.is_none_or(|known| known.gives_way_to(outcome)) {
                made.outcome = Some(outcome);
            }
        }
    }

    fn compare(&self) {
        let window = self.account.window();
        let ids: Vec<_> = window
            .newest_first()
            .map(|r| r.payment_id().unwrap())
            .collect();
        let expected: Vec<_> = self
            .model
            .kept
            .iter()
            .rev()
            .map(|made| made.payment.payment_id.clone())
            .collect();
        assert_eq!(ids, expected);
        for nth in WindowIndex::ALL {
            let totals = window.totals(nth);
            let span = nth.span();
            assert_eq!(
                totals.count() as usize,
                self.model.count(span, self.latest),
                "{nth:?}"
            );
            assert_eq!(
                totals.declined() as usize,
                self.model.declined(span, self.latest),
                "{nth:?}"
            );
            for code in ["CNY", "JPY", "KWD", "USD"] {
                let currency = Currency::from_code(code).unwrap();
                assert_eq!(
                    totals.sum_minor(currency),
                    self.model.sum(span, self.latest, currency),
                    "{nth:?} {code}"
                );
            }
        }
    }
}

/// Several accounts on one engine.
struct Town {
    clock: Arc<ManualClock>,
    engine: Engine,
}

#[derive(Debug, Clone)]
struct Call {
    account: u8,
    step: Step,
}

impl Town {
    fn new() -> Self {
        Self::under(policy())
    }

    fn under(policies: impl Into<Policies>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
        Self {
            engine: Engine::new(policies, clock.clone(), TokenKey::from_bytes(&[1; 32])),
            clock,
        }
    }

    /// Plays one call; payees and devices of different accounts differ if `apart`.
    fn call(&self, nth: usize, call: &Call, apart: bool) -> Option<Scored> {
        let account = format!("account{}", call.account);
        match &call.step {
            Step::Pay(spec) => {
                let mut payment = payment(&account, nth, *spec);
                if apart {
                    let own = |id: &str| format!("{id}-{account}");
                    payment.payee.id = PayeeId::new(own(payment.payee.id.as_str())).unwrap();
                    payment.device_id = payment
                        .device_id
                        .map(|id| DeviceId::new(own(id.as_str())).unwrap());
                }
                self.engine.score(&payment, None).ok()
            }
            Step::Report(back, outcome) => {
                let _unknown_is_fine = self.engine.report_outcome(&OutcomeReport {
                    account_id: AccountId::new(account).unwrap(),
                    payment_id: PaymentId::new(format!("p{}", nth.saturating_sub(*back))).unwrap(),
                    outcome: *outcome,
                    payee_id: None,
                });
                None
            }
            Step::Retry(_) | Step::Confirm(_) => None,
            Step::Sweep => {
                self.engine.sweep();
                None
            }
        }
    }
}

fn calls() -> impl Strategy<Value = Vec<(i64, Call)>> {
    let call = (0..4_u8, step()).prop_map(|(account, step)| Call { account, step });
    proptest::collection::vec((gap_ms().prop_map(|gap| gap.max(0)), call), 1..80)
}

/// The calls with their moments and numbers.
fn timed(calls: &[(i64, Call)]) -> Vec<(Timestamp, usize, Call)> {
    let mut now = 1_000_000_000;
    let mut timed = Vec::new();
    for (nth, (gap_ms, call)) in calls.iter().enumerate() {
        now += gap_ms;
        timed.push((Timestamp::from_unix_ms(now), nth, call.clone()));
    }
    timed
}

/// What account 0 is told when the calls come in this order.
fn told_to_account_0(calls: &[(Timestamp, usize, Call)], apart: bool) -> Vec<(usize, Scored)> {
    let town = Town::new();
    let mut told = Vec::new();
    for (time, nth, call) in calls {
        town.clock.set(*time);
        if let Some(mut scored) = town.call(*nth, call, apart)
            && call.account == 0
        {
            // Metrics count it; whether this call notices it or a sweep did is nobody's answer.
            scored.bounds.questions_expired = 0;
            told.push((*nth, scored));
        }
    }
    told
}

/// What is told and what is remembered in the end, with all that a shadow says of itself taken out; and
/// how many of the answers the shadow disagreed with.
fn told_and_kept(
    town: &Town,
    calls: &[(Timestamp, usize, Call)],
) -> (Vec<Scored>, Vec<Record>, u64) {
    let mut disagreed = 0;
    let mut told = Vec::new();
    for (time, nth, call) in calls {
        town.clock.set(*time);
        if let Some(mut scored) = town.call(*nth, call, false) {
            let decided = scored.assessment.decision;
            let shadow = scored.assessment.shadow_decision.take();
            disagreed += u64::from(shadow.is_some_and(|shadow| shadow != decided));
            scored.shadow = None;
            told.push(scored);
        }
    }
    let mut kept = Vec::new();
    for account in 0..4 {
        let mut records = town.engine.payments(&Listing {
            account_id: AccountId::new(format!("account{account}")).unwrap(),
            duplicates_only: false,
            after: None,
            limit: usize::MAX,
        });
        for record in &mut records {
            record.assessment.shadow_decision = None;
        }
        kept.extend(records);
    }
    (told, kept, disagreed)
}

proptest! {
    #[test]
    fn a_shadow_changes_nothing_and_its_disagreements_are_counted(calls in calls()) {
        let calls = timed(&calls);
        let (told, kept, _) = told_and_kept(&Town::new(), &calls);
        for shadow in [Preset::Cautious.policy(), Preset::Lenient.policy()] {
            let town = Town::under(Policies::new(policy(), Some(shadow)));
            let (shadowed, remembered, disagreed) = told_and_kept(&town, &calls);
            prop_assert_eq!(&shadowed, &told);
            prop_assert_eq!(&remembered, &kept);
            let counts = town.engine.shadow_counts();
            let counted = |is_meant: fn(&Decision, &Decision) -> bool| -> u64 {
                let all = Decision::ALL.iter();
                all.flat_map(|decided| Decision::ALL.iter().map(move |shadow| (decided, shadow)))
                    .filter(|(decided, shadow)| is_meant(decided, shadow))
                    .map(|(decided, shadow)| counts.of(*decided, *shadow))
                    .sum()
            };
            prop_assert_eq!(counted(|decided, shadow| decided != shadow), disagreed);
            prop_assert_eq!(counted(|_, _| true), told.len() as u64);
        }
    }

    #[test]
    fn windows_equal_the_brute_force_oracle_at_every_event(steps in steps()) {
        let mut bench = Bench::new();
        for (gap_ms, step) in &steps {
            bench.step(*gap_ms, step);
        }
    }

    #[test]
    fn the_same_sequence_gives_the_same_bytes(calls in calls()) {
        let calls = timed(&calls);
        let told = |calls| format!("{:?}", told_to_account_0(calls, false));
        prop_assert_eq!(told(&calls), told(&calls));
    }

    #[test]
    fn calls_on_other_accounts_never_change_an_accounts_answers(
        calls in calls(),
        seed in any::<u64>(),
    ) {
        let calls = timed(&calls);
        let expected = told_to_account_0(&calls, true);
        // The calls of account 0 stay where they are; those of the others are dealt out anew, each
        // with its account's calls still in order.
        let mut others: Vec<_> =
            calls.iter().filter(|(_, _, call)| call.account != 0).cloned().collect();
        others.sort_by_key(|(_, nth, call)| {
            (u64::from(call.account).wrapping_mul(seed | 1) >> 7, *nth)
        });
        let mut others = others.into_iter();
        let permuted: Vec<_> = calls
            .iter()
            .map(|(time, nth, call)| {
                if call.account == 0 {
                    (*time, *nth, call.clone())
                } else {
                    let (_, nth, call) = others.next().unwrap();
                    (*time, nth, call)
                }
            })
            .collect();
        prop_assert_eq!(&told_to_account_0(&permuted, true), &expected);
        // And without them.
        let alone: Vec<_> =
            calls.iter().filter(|(_, _, call)| call.account == 0).cloned().collect();
        prop_assert_eq!(&told_to_account_0(&alone, true), &expected);
    }

    #[test]
    fn the_order_of_other_accounts_calls_at_one_moment_never_shows_in_shared_payees(
        calls in calls(),
        seed in any::<u64>(),
    ) {
        // Payments and good or bad news only: what is taken back may round differently.
        let steady = |call: &Call| match &call.step {
            Step::Pay(_) | Step::Sweep => true,
            Step::Report(_, outcome) => matches!(outcome, Outcome::Succeeded),
            Step::Retry(_) | Step::Confirm(_) => false,
        };
        let calls: Vec<_> =
            timed(&calls).into_iter().filter(|(_, _, call)| steady(call)).collect();
        // All calls fall on whole hours: the others' first, in any order, then those of account 0.
        let mut slotted = calls;
        for (time, _, _) in &mut slotted {
            *time = Timestamp::from_unix_ms(time.unix_ms() / 3_600_000 * 3_600_000);
        }
        let order = |salt: u64| {
            let mut slotted = slotted.clone();
            slotted.sort_by_key(|(time, nth, call)| {
                let shuffled = u64::from(call.account).wrapping_mul(salt | 1) >> 3;
                (*time, call.account == 0, shuffled, *nth)
            });
            slotted
        };
        prop_assert_eq!(
            told_to_account_0(&order(1), false),
            told_to_account_0(&order(seed), false)
        );
    }
}
