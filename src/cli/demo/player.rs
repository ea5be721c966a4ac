//! Plays one story and prints it as it goes.

use std::io::Write;

use super::paint::Paint;
use super::stage::Stage;
use super::story::{Act, Habit, Outgoing, Promise, Step, Story};
use crate::cli::show::{self, Language};
use crate::cli::{Ended, Failure};
use crate::grpc::pb;
use crate::scoring::time::{Span, Timestamp};

/// How long accounts paid as usual before their story begins.
const ORDINARY_DAYS: u16 = 42;

/// Where the calendar of every story begins: 2026-06-01T00:00:00Z, a Monday.
const FIRST_DAY: Timestamp = Timestamp::from_unix_ms(1_780_272_000_000);

const ACCOUNT: &str = "you";

/// Plays stories on a stage, one player for each.
pub(super) struct Player<'a> {
    stage: Stage,
    out: &'a mut dyn Write,
    paint: Paint,
    now: Timestamp,
    /// How many payments the story itself has made.
    payments: u32,
    /// How often the answer was not the promised one.
    broken: u32,
}

/// A payment and what came of asking about it.
struct Answered {
    payment: pb::Payment,
    assessment: pb::Assessment,
    outcome: Option<pb::Outcome>,
}

impl<'a> Player<'a> {
    pub(super) fn new(stage: Stage, out: &'a mut dyn Write, paint: Paint) -> Self {
        Self {
            stage,
            out,
            paint,
            now: FIRST_DAY,
            payments: 0,
            broken: 0,
        }
    }

    /// Plays `story`; tells whether every promise was kept.
    pub(super) async fn play(mut self, number: usize, story: &Story) -> Result<bool, Failure> {
        let title = self.paint.bold(&format!("{number}. {}", story.title));
        writeln!(self.out, "{title}\n   {}", story.text)?;
        self.live_as_usual(story.habits).await?;
        self.now = moment(ORDINARY_DAYS, story.start);
        for step in story.steps {
            match step.act {
                Act::Pay | Act::PayAndMeanIt => self.pay(step).await?,
                Act::Others => self.let_others_pay(step).await?,
                Act::Prove => self.prove(step).await?,
            }
        }
        writeln!(self.out)?;
        Ok(self.broken == 0)
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
                let nth = u32::from(day / habit.every_days);
                let mut payment = payment(&habit.outgoing, ACCOUNT, nth);
                payment.payment_id = format!("before-{payments}");
                let answered = self.ask(payment, Some(pb::Outcome::Succeeded)).await?;
                payments += 1;
                if answered.assessment.decision() != pb::Decision::Allow {
                    disturbed.push(answered);
                }
            }
        }
        if payments > 0 {
            let line = format!(
                "   Before: {ORDINARY_DAYS} ordinary days with {payments} payments, {} disturbed.",
                disturbed.len()
            );
            writeln!(self.out, "{}", self.paint.dim(&line))?;
        }
        for answered in disturbed {
            self.broken += 1;
            self.print(&answered, Some(Promise::Allow))?;
        }
        Ok(())
    }

    /// One payment after the other. Prints the first, and then only where the decision changes.
    async fn pay(&mut self, step: &Step) -> Ended {
        let mut last = None;
        let mut alike = 0_u32;
        for _ in 0..step.times {
            self.now = self.now.plus(step.after);
            let payment = self.next_payment(step, ACCOUNT);
            let answered = self.ask(payment, step.outcome).await?;
            let is_kept = step.promise.is_kept_by(&answered.assessment);
            let decision = answered.assessment.decision();
            if is_kept && last == Some(decision) {
                alike += 1;
                self.say_yes(&answered, step, false).await?;
                continue;
            }
            self.print_alike(alike, last)?;
            (last, alike) = (Some(decision), 0);
            self.broken += u32::from(!is_kept);
            self.print(&answered, (!is_kept).then_some(step.promise))?;
            self.say_yes(&answered, step, true).await?;
        }
        self.print_alike(alike, last)
    }

    /// Sends the payment again with the token, where the payer was asked and meant it.
    async fn say_yes(&mut self, asked: &Answered, step: &Step, shown: bool) -> Ended {
        let token = match &asked.assessment.confirmation {
            Some(confirmation) if step.act == Act::PayAndMeanIt => confirmation.token.clone(),
            Some(_) | None => return Ok(()),
        };
        self.now = self.now.plus(Span::from_secs(3));
        self.stage.set_time(self.now);
        let assessment = self.stage.score(&asked.payment, &token).await?;
        let is_kept = assessment.decision() == pb::Decision::Allow;
        self.broken += u32::from(!is_kept);
        if let Some(outcome) = step.outcome {
            self.stage.report(&asked.payment, outcome).await?;
        }
        if shown || !is_kept {
            let answered = Answered {
                payment: asked.payment.clone(),
                assessment,
                outcome: step.outcome,
            };
            self.print(&answered, (!is_kept).then_some(Promise::Allow))?;
        }
        Ok(())
    }

    /// Asks about `payment` now, and reports what became of it if it is made at once.
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
        let outcome = step.outcome.unwrap_or_default();
        let line = format!(
            "   {} others pay {}, and report: {}.",
            step.times,
            step.outgoing.payee,
            show::outcome(outcome)
        );
        writeln!(self.out, "{}", self.paint.dim(&line))?;
        Ok(())
    }

    /// What can be shown to somebody who says that they paid twice.
    async fn prove(&mut self, step: &Step) -> Ended {
        self.now = self.now.plus(step.after);
        self.stage.set_time(self.now);
        let records = self.stage.duplicates(ACCOUNT).await?;
        self.broken += u32::from(records.is_empty());
        for record in records {
            let payment = record.payment.clone().unwrap_or_default();
            let assessment = record.assessment.clone().unwrap_or_default();
            let answered_at = record.score_time.map_or_else(String::new, show::time);
            let said_yes = named(&assessment, "PAYER_CONFIRMED").is_some();
            self.broken += u32::from(!said_yes);
            let answer = if said_yes {
                "said yes"
            } else {
                "never said yes"
            };
            let (gap, told) = duplicate(&assessment);
            let pair = format!("{} and {}", record.held_against, payment.payment_id);
            let lines = [
                ("the pair", pair),
                ("the gap", gap),
                ("equal in both", what(&payment)),
                ("the payer was told", told),
                ("the payer", format!("{answer}, {answered_at}")),
                ("what came of it", show::outcome(record.outcome())),
            ];
            for (name, value) in lines {
                writeln!(self.out, "     {name:<20}{value}")?;
            }
        }
        Ok(())
    }

    fn next_payment(&mut self, step: &Step, account: &str) -> pb::Payment {
        let payment = payment(&step.outgoing, account, self.payments);
        self.payments += 1;
        payment
    }

    /// One line for a payment and, unless it is allowed, one with what the payer is told.
    fn print(&mut self, answered: &Answered, broken: Option<Promise>) -> Ended {
        let Answered {
            payment,
            assessment,
            outcome,
        } = answered;
        let decision = assessment.decision();
        let codes: Vec<&str> = assessment.reasons.iter().map(show::code).collect();
        let then = outcome.map(|outcome| format!("then {}", show::outcome(outcome)));
        let line = format!(
            "   {}  {:<42}  {} {:>5.1}  {}",
            clock_time(self.now),
            what(payment),
            self.paint.decision(decision),
            assessment.score,
            codes.join(" ")
        );
        write!(self.out, "{}", line.trim_end())?;
        if let Some(then) = then {
            write!(self.out, "  {}", self.paint.dim(&then))?;
        }
        if let Some(promise) = broken {
            let words = format!("NOT AS PROMISED: {}", promise.words());
            write!(self.out, "  {}", self.paint.alarm(&words))?;
        }
        writeln!(self.out)?;
        if decision != pb::Decision::Allow
            && let Some(reason) = assessment.reasons.first()
        {
            let sentence = show::sentence(reason, Language::En);
            writeln!(
                self.out,
                "     {}",
                self.paint.dim(&format!("“{sentence}”"))
            )?;
        }
        Ok(())
    }

    fn print_alike(&mut self, alike: u32, decision: Option<pb::Decision>) -> Ended {
        if let Some(decision) = decision.filter(|_| alike > 0) {
            let more = format!("… and {alike} more like it");
            let decision = self.paint.decision(decision);
            writeln!(
                self.out,
                "                    {more:<42}  {}",
                decision.trim_end()
            )?;
        }
        Ok(())
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

/// `42.00 CNY to noodle-house for order-77 on tablet`
fn what(payment: &pb::Payment) -> String {
    let money = payment.money.as_ref().map_or_else(String::new, show::money);
    let payee = payment.payee.clone().unwrap_or_default().id;
    let mut what = format!("{money} to {payee}");
    if let Some(order) = &payment.order_id {
        what.push_str(&format!(" for {order}"));
    }
    let device = payment.device_id.as_deref().unwrap_or_default();
    match device.split_once("-of-") {
        Some((device, _)) if device != "phone" => what.push_str(&format!(" on {device}")),
        Some(_) | None => {}
    }
    what
}

fn named<'a>(assessment: &'a pb::Assessment, code: &str) -> Option<&'a pb::Reason> {
    let mut reasons = assessment.reasons.iter();
    reasons.find(|reason| show::code(reason) == code)
}

/// How long after the earlier payment, and what the payer was told of it.
fn duplicate(assessment: &pb::Assessment) -> (String, String) {
    for reason in &assessment.reasons {
        if let Some(pb::reason::Evidence::Duplicate(found)) = &reason.evidence {
            let gap = found.elapsed.map_or_else(String::new, show::duration);
            return (gap, show::sentence(reason, Language::En).to_owned());
        }
    }
    (String::new(), String::new())
}

fn moment(day: u16, (hour, minute): (u8, u8)) -> Timestamp {
    FIRST_DAY
        .plus(Span::from_days(i64::from(day)))
        .plus(Span::from_hours(i64::from(hour)))
        .plus(Span::from_minutes(i64::from(minute)))
}

/// `13 Jul 12:30:02`
fn clock_time(now: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(now.unix_ms()) {
        Ok(time) => time.strftime("%d %b %H:%M:%S").to_string(),
        Err(_) => now.unix_ms().to_string(),
    }
}
