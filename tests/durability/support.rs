//! Engines that live one after the other on one simulated disk, and what happens to them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use doublecheck::clock::{Clock, ManualClock};
use doublecheck::engine::{Durability, Engine, Kept, OutcomeReport, Progress, Receipt, Recovered};
use doublecheck::journal::{Ack, JournalFault, Settings};
use doublecheck::random::Random;
use doublecheck::scoring::account::Scored;
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::policy::{Policies, Policy};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::Directory;
use doublecheck::storage::simulated::Simulated;

/// When every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// An engine, its clock, and what was found when it started.
pub(crate) struct Life {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) found: Recovered,
}

/// How lives are led.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) ack: Ack,
    pub(crate) policies: Policies,
    pub(crate) memory_budget_bytes: Option<u64>,
    pub(crate) sets_damage_aside: bool,
}

impl Plan {
    pub(crate) fn new(ack: Ack) -> Self {
        Self {
            ack,
            policies: Policy::default().into(),
            memory_budget_bytes: None,
            sets_damage_aside: false,
        }
    }

    /// The same, in spite of damage.
    pub(crate) fn setting_damage_aside(&self) -> Self {
        Self {
            sets_damage_aside: true,
            ..self.clone()
        }
    }

    /// Starts where the disk's last life ended; the clock stands there too.
    pub(crate) fn start(&self, disk: &Simulated) -> Life {
        self.try_start(disk).unwrap()
    }

    pub(crate) fn try_start(&self, disk: &Simulated) -> Result<Life, JournalFault> {
        let directory: Arc<dyn Directory> = Arc::new(disk.clone());
        let durability = Durability {
            directory,
            settings: Settings {
                segment_bytes_max: 20_000,
                ..Settings::with_ack(self.ack)
            },
            sets_damage_aside: self.sets_damage_aside,
        };
        let clock = Arc::new(ManualClock::at(START));
        let clock_from = |earliest: Timestamp| {
            clock.set(earliest.max(START));
            Arc::clone(&clock) as Arc<dyn Clock>
        };
        let mut ended = None;
        let note = |progress| match progress {
            Progress::Ended(found, _) => ended = Some(found),
            Progress::PassedOver(damage) if !self.sets_damage_aside => panic!("{damage}"),
            Progress::PassedOver(_) | Progress::Begun(_) | Progress::Redone(_) => {}
        };
        let engine = Engine::recover(self.policies.clone(), durability, clock_from, note)?;
        let engine = match self.memory_budget_bytes {
            Some(bytes_max) => engine.with_memory_budget(bytes_max),
            None => engine,
        };
        let found = ended.unwrap();
        Ok(Life {
            engine,
            clock,
            found,
        })
    }
}

/// A payment and the answer that left for it.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) payment: Payment,
    pub(crate) token: Option<String>,
    pub(crate) scored: Scored,
    pub(crate) receipt: Receipt,
}

/// How the people of a test pay.
pub(crate) struct Town {
    random: Random,
    name: String,
    paid: u64,
    /// The last answers, to be repeated, confirmed and reported on.
    lately: Vec<Answer>,
    /// The payments on which there was a report.
    reported: HashSet<PaymentId>,
    /// Whether time goes on by seconds only.
    is_calm: bool,
}

impl Town {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self {
            random: Random::stream(seed, name.len() as u64),
            name: name.to_owned(),
            paid: 0,
            lately: Vec::new(),
            reported: HashSet::new(),
            is_calm: false,
        }
    }

    /// One of several that share a clock: whoever has just looked at it must not find that hours have
    /// passed when it is their turn.
    pub(crate) fn calm(seed: u64, name: &str) -> Self {
        Self {
            is_calm: true,
            ..Self::new(seed, name)
        }
    }

    /// Something happens. Returns the answer that may leave, if it was a payment that was answered.
    pub(crate) fn step(&mut self, life: &Life) -> Option<Answer> {
        let Life { engine, clock, .. } = life;
        let span = match self.random.below(40) {
            0..8 if self.is_calm => Span::from_ms(self.random.below(3_000).cast_signed()),
            0 => Span::from_hours(self.random.below(30).cast_signed()),
            1..8 => Span::from_secs(self.random.below(700).cast_signed()),
            _ => Span::from_ms(self.random.below(3_000).cast_signed()),
        };
        clock.advance(span);
        match self.random.below(10) {
            0..2 => {
                self.report(engine);
                None
            }
            2 => self.again(engine),
            3 if self.random.below(8) == 0 => {
                engine.sweep();
                None
            }
            _ => {
                let payment = self.payment();
                self.pay(engine, payment, None)
            }
        }
    }

    /// That a payment that was let through just now, and of which nothing was heard since, is not let
    /// through once more under another id.
    pub(crate) fn assert_duplicate_caught(&mut self, life: &Life, answer: &Answer, what: &str) {
        let Answer {
            payment, scored, ..
        } = answer;
        let mut duplicate = payment.clone();
        self.paid += 1;
        duplicate.payment_id = PaymentId::new(format!("{}-{}", self.name, self.paid)).unwrap();
        let age = life.clock.now().since(scored.score_time);
        if scored.assessment.decision == Decision::Allow
            && age < Span::from_secs(60)
            && !self.reported.contains(&payment.payment_id)
        {
            let again = life.engine.score(&duplicate, None).unwrap();
            assert_ne!(again.assessment.decision, Decision::Allow, "{what}");
        }
    }

    fn pay(&mut self, engine: &Engine, payment: Payment, token: Option<String>) -> Option<Answer> {
        let scored = engine.score_with_receipt(&payment, token.as_deref());
        let (scored, receipt) = scored.ok()?;
        let answer = Answer {
            payment,
            token,
            scored,
            receipt,
        };
        if self.lately.len() >= 20 {
            let place = self.random.index(20);
            self.lately.swap_remove(place);
        }
        self.lately.push(answer.clone());
        Some(answer)
    }

    /// A retry, the same once more, or the payer's "yes".
    fn again(&mut self, engine: &Engine) -> Option<Answer> {
        let place = self.random.index(self.lately.len().max(1));
        let earlier = self.lately.get(place)?.clone();
        let asked = earlier.scored.assessment.confirmation;
        let mut payment = earlier.payment;
        if self.random.is_heads() {
            self.paid += 1;
            payment.payment_id = PaymentId::new(format!("{}-{}", self.name, self.paid)).unwrap();
        }
        let says_yes = self.random.below(4) > 0;
        let token = asked
            .filter(|_| says_yes)
            .map(|asked| asked.token.to_string());
        self.pay(engine, payment, token)
    }

    fn report(&mut self, engine: &Engine) {
        let place = self.random.index(self.lately.len().max(1));
        let Some(earlier) = self.lately.get(place) else {
            return;
        };
        let is_late = self.random.below(6) == 0;
        let report = OutcomeReport {
            account_id: earlier.payment.account_id.clone(),
            payment_id: match is_late {
                true => PaymentId::new(format!("long-ago-{}", self.random.below(50))).unwrap(),
                false => earlier.payment.payment_id.clone(),
            },
            outcome: Outcome::ALL[self.random.index(Outcome::ALL.len())],
            payee_id: is_late.then(|| earlier.payment.payee.id.clone()),
        };
        self.reported.insert(report.payment_id.clone());
        // A report of what was forgotten is refused; so it was before.
        let _ = engine.report_outcome(&report);
    }

    fn payment(&mut self) -> Payment {
        self.paid += 1;
        let random = &mut self.random;
        let amounts = [500, 1_990, 5_000, 50_000, 123_456];
        let account = random.below(12);
        Payment {
            payment_id: PaymentId::new(format!("{}-{}", self.name, self.paid)).unwrap(),
            account_id: AccountId::new(format!("{}-payer-{account}", self.name)).unwrap(),
            // Few of them, shared by all towns: what is learnt of them comes from everywhere.
            payee: Payee {
                id: PayeeId::new(format!("1381234567{}", random.below(5))).unwrap(),
                payee_type: PayeeType::Phone,
            },
            money: Money::new(
                amounts[random.index(amounts.len())] + random.below(3).cast_signed(),
                Currency::from_code(["CNY", "EUR"][random.index(2)]).unwrap(),
            )
            .unwrap(),
            kind: PaymentKind::ALL[random.index(PaymentKind::ALL.len())],
            order_id: (random.below(4) == 0)
                .then(|| OrderId::new(format!("order-{}", random.below(30))).unwrap()),
            device_id: (random.below(4) > 0)
                .then(|| DeviceId::new(format!("device-{}", random.below(6))).unwrap()),
            session_id: None,
            duplicate_window: None,
        }
    }

    /// A payment of an account, to a payee and from a device that pay and are used this once.
    pub(crate) fn of_stranger(&mut self, nth: u64) -> Payment {
        let mut payment = self.payment();
        payment.account_id = AccountId::new(format!("stranger-{nth}")).unwrap();
        payment.payee.id = PayeeId::new(format!("once-{nth}")).unwrap();
        payment.device_id = Some(DeviceId::new(format!("unseen-{nth}")).unwrap());
        payment
    }
}

pub(crate) fn live(town: &mut Town, life: &Life, steps: usize) -> Vec<Answer> {
    (0..steps).filter_map(|_| town.step(life)).collect()
}

/// Towns that live at once; `meanwhile` is done again and again until all have ended.
pub(crate) fn live_together(life: &Life, seed: u64, mut meanwhile: impl FnMut()) {
    let towns = ["north", "east", "westside"];
    let running = AtomicUsize::new(towns.len());
    thread::scope(|scope| {
        for name in towns {
            let running = &running;
            scope.spawn(move || {
                live(&mut Town::calm(seed, name), life, 400);
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            meanwhile();
        }
    });
}

/// Ends a life in peace; returns when, and the hash of its state.
pub(crate) fn end(life: &Life) -> (Timestamp, u64) {
    life.engine.close().unwrap();
    (life.clock.now(), life.engine.state_hash())
}

/// That a life begins with what an earlier one ended with.
pub(crate) fn assert_goes_on(life: &Life, (then, hash): (Timestamp, u64), what: &str) {
    assert_eq!(life.found.disagreements, 0, "{what}");
    life.clock.set(then);
    assert_eq!(life.engine.state_hash(), hash, "{what}");
}

/// That the engine gives an answer again that left in an earlier life, as long as the payer may answer it if it
/// is a question, and still catches its duplicate.
pub(crate) fn assert_remembered(life: &Life, answer: &Answer, what: &str) {
    let Answer {
        payment,
        token,
        scored,
        ..
    } = answer;
    let again = life.engine.score(payment, token.as_deref());
    let again = again.unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
    let asked = scored.assessment.confirmation;
    if asked.is_some_and(|asked| asked.expire_time <= again.score_time) {
        // Nobody answered in time, so it was decided anew.
        return;
    }
    assert!(again.replayed, "{what}: {payment:?} was forgotten");
    assert_eq!(again.assessment, scored.assessment, "{what}");
    assert_eq!(again.score_time, scored.score_time, "{what}");
}

/// Whether the journal has the answer as far as was promised.
pub(crate) fn is_kept(engine: &Engine, receipt: Receipt) -> bool {
    let waiting = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(engine.committed(receipt));
    waiting == Kept::Yes
}
