//! Plays a story on its stage and compares what is decided with what was promised.

use super::stage::Stage;
use super::story::{Act, Habit, Outgoing, Promise, Step, Story};
use super::teller::{Answered, Teller};
use crate::cli::show;
use crate::cli::{Ended, Failure};
use crate::grpc::pb;
use crate::scoring::time::{Span, Timestamp};

/// How long accounts pay as usual before their story begins.
const ORDINARY_DAYS: u16 = 42;

/// Where the calendar of every story begins: 2026-06-01T00:00:00Z, a Monday.
const FIRST_DAY: Timestamp = Timestamp::from_unix_ms(1_780_272_000_000);

/// How long people think before they say yes.
const THINKING: Span = Span::from_secs(3);

const ACCOUNT: &str = "you";

/// Plays one story.
pub(super) struct Player<'a> {
    stage: Stage,
    teller: Teller<'a>,
    now: Timestamp,
    /// How many payments the story itself has made.
    payments: u32,
    is_kept: bool,
}

impl<'a> Player<'a> {
    pub(super) const fn new(stage: Stage, teller: Teller<'a>) -> Self {
        Self {
            stage,
            teller,
            now: FIRST_DAY,
            payments: 0,
            is_kept: true,
        }
    }

    /// Plays `story`; tells whether every promise was kept.
    pub(super) async fn play(mut self, number: usize, story: &Story) -> Result<bool, Failure> {
        self.teller.begin(number, story)?;
        if !story.habits.is_empty() {
            self.live_as_usual(story.habits).await?;
        }
        self.now = moment(ORDINARY_DAYS, story.start);
        for step in story.steps {
            match step.act {
                Act::Pay | Act::PayAndMeanIt => self.pay(step).await?,
                Act::Others => self.let_others_pay(step).await?,
                Act::Prove => self.prove(step).await?,
            }
        }
        self.teller.end()?;
        Ok(self.is_kept)
    }

    /// Weeks of ordinary payments: every one of them has to be allowed.
    async fn live_as_usual(&mut self, habits: &[Habit]) -> Ended {
        let mut payments = 0_u32;
        let mut disturbed = Vec::new();
        for day in 0..ORDINARY_DAYS {
            let is_due = |habit: &&Habit| day.checked_rem(habit.every_days) == Some(0);
            let mut due: Vec<&Habit> = habits.iter().filter(is_due).collect();
            due.sort_by_key(|habit| habit.at);
            for habit in due {
                self.now = moment(day, habit.at);
                payments += 1;
                let nth = day.checked_div(habit.every_days).unwrap_or(0);
                let mut payment = payment(&habit.outgoing, ACCOUNT, u32::from(nth));
                payment.payment_id = format!("before-{payments}");
                let answered = self.ask(payment, Some(pb::Outcome::Succeeded)).await?;
                if !Promise::Allow.is_kept_by(&answered.assessment) {
                    disturbed.push(answered);
                }
            }
        }
        self.teller.aside(&format!(
            "Before: {ORDINARY_DAYS} ordinary days with {payments} payments, {} disturbed.",
            disturbed.len()
        ))?;
        for answered in disturbed {
            self.tell(&answered, Promise::Allow)?;
        }
        Ok(())
    }

    /// One payment after the other. Tells of the first, and then only where the decision changes.
    async fn pay(&mut self, step: &Step) -> Ended {
        let mut last = None;
        let mut alike = 0_u32;
        for _ in 0..step.times {
            self.now = self.now.plus(step.after);
            let payment = self.next_payment(step, ACCOUNT);
            let answered = self.ask(payment, step.outcome).await?;
            let decision = answered.assessment.decision();
            let says_more =
                last != Some(decision) || !step.promise.is_kept_by(&answered.assessment);
            if says_more {
                self.tell_alike(alike, last)?;
                self.tell(&answered, step.promise)?;
                (last, alike) = (Some(decision), 0);
            } else {
                alike += 1;
            }
            if step.act == Act::PayAndMeanIt {
                self.say_yes(answered, step, says_more).await?;
            }
        }
        self.tell_alike(alike, last)
    }

    /// Sends the payment again with the token, if the payer was asked.
    async fn say_yes(&mut self, asked: Answered, step: &Step, says_more: bool) -> Ended {
        let Some(confirmation) = asked.assessment.confirmation else {
            return Ok(());
        };
        self.now = self.now.plus(THINKING);
        self.stage.set_time(self.now);
        let assessment = self
            .stage
            .score(&asked.payment, &confirmation.token)
            .await?;
        if let Some(outcome) = step.outcome {
            self.stage.report(&asked.payment, outcome).await?;
        }
        let answered = Answered {
            time: self.now,
            assessment,
            outcome: step.outcome,
            ..asked
        };
        if says_more || !Promise::Allow.is_kept_by(&answered.assessment) {
            self.tell(&answered, Promise::Allow)?;
        }
        Ok(())
    }

    /// Asks about `payment` now and, if it is made at once, reports what became of it.
    async fn ask(
        &mut self,
        payment: pb::Payment,
        outcome: Option<pb::Outcome>,
    ) -> Result<Answered, Failure> {
        self.stage.set_time(self.now);
        let assessment = self.stage.score(&payment, "").await?;
        let is_made = assessment.decision() == pb::Decision::Allow;
        let outcome = outcome.filter(|_| is_made);
        if let Some(outcome) = outcome {
            self.stage.report(&payment, outcome).await?;
        }
        Ok(Answered {
            time: self.now,
            payment,
            assessment,
            outcome,
        })
    }

    /// What others go through teaches how risky the payee is. They pay whatever they are told.
    async fn let_others_pay(&mut self, step: &Step) -> Ended {
        for nth in 0..step.times {
            self.now = self.now.plus(step.after);
            self.stage.set_time(self.now);
            let payment = self.next_payment(step, &format!("other-{nth}"));
            self.stage.score(&payment, "").await?;
            if let Some(outcome) = step.outcome {
                self.stage.report(&payment, outcome).await?;
            }
        }
        self.teller.others(step)
    }

    /// Shows what there is for somebody who says that they paid twice.
    async fn prove(&mut self, step: &Step) -> Ended {
        self.now = self.now.plus(step.after);
        self.stage.set_time(self.now);
        let records = self.stage.duplicates(ACCOUNT).await?;
        self.is_kept &= !records.is_empty();
        for record in records {
            let reasons = record
                .assessment
                .iter()
                .flat_map(|answered| &answered.reasons);
            let said_yes = reasons
                .map(show::code)
                .any(|code| code == "PAYER_CONFIRMED");
            self.is_kept &= said_yes;
            self.teller.proof(&record, said_yes)?;
        }
        Ok(())
    }

    fn next_payment(&mut self, step: &Step, account: &str) -> pb::Payment {
        let payment = payment(&step.outgoing, account, self.payments);
        self.payments += 1;
        payment
    }

    fn tell(&mut self, answered: &Answered, promise: Promise) -> Ended {
        let is_kept = promise.is_kept_by(&answered.assessment);
        self.is_kept &= is_kept;
        self.teller.payment(answered, (!is_kept).then_some(promise))
    }

    fn tell_alike(&mut self, count: u32, decision: Option<pb::Decision>) -> Ended {
        match decision {
            Some(decision) if count > 0 => self.teller.alike(count, decision),
            Some(_) | None => Ok(()),
        }
    }
}

/// The `nth` payment of its kind.
fn payment(outgoing: &Outgoing, account: &str, nth: u32) -> pb::Payment {
    pb::Payment {
        payment_id: format!("p-{}", nth.saturating_add(1)),
        account_id: account.to_owned(),
        payee: Some(pb::Payee {
            id: outgoing.nth_payee(nth),
            r#type: outgoing.payee_type.into(),
        }),
        money: Some(pb::Money {
            amount_minor: outgoing.nth_amount_minor(nth),
            currency_code: "CNY".to_owned(),
        }),
        kind: outgoing.kind.into(),
        order_id: outgoing.order.map(str::to_owned),
        // One device pays for one account: whose it is belongs to its name.
        device_id: Some(format!("{}-of-{account}", outgoing.device)),
        session_id: outgoing.session.map(str::to_owned),
        duplicate_window: None,
    }
}

fn moment(day: u16, (hour, minute): (u8, u8)) -> Timestamp {
    FIRST_DAY
        .plus(Span::from_days(i64::from(day)))
        .plus(Span::from_hours(i64::from(hour)))
        .plus(Span::from_minutes(i64::from(minute)))
}
