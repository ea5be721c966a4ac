//! Tells a story as it is played, line by line.

use std::io::Write;

use super::paint::Paint;
use super::story::{Promise, Step, Story};
use crate::cli::Ended;
use crate::cli::show::{self, Language};
use crate::grpc::pb;
use crate::scoring::time::Timestamp;

/// A payment and what came of asking about it.
pub(super) struct Answered {
    pub(super) time: Timestamp,
    pub(super) payment: pb::Payment,
    pub(super) assessment: pb::Assessment,
    pub(super) outcome: Option<pb::Outcome>,
}

pub(super) struct Teller<'a> {
    out: &'a mut dyn Write,
    paint: Paint,
}

impl<'a> Teller<'a> {
    pub(super) fn new(out: &'a mut dyn Write, paint: Paint) -> Self {
        Self { out, paint }
    }

    pub(super) fn begin(&mut self, number: usize, story: &Story) -> Ended {
        let title = self.paint.bold(&format!("{number}. {}", story.title));
        writeln!(self.out, "{title}\n   {}", story.text)?;
        Ok(())
    }

    pub(super) fn end(&mut self) -> Ended {
        writeln!(self.out)?;
        Ok(())
    }

    /// What came before the story or beside it.
    pub(super) fn aside(&mut self, text: &str) -> Ended {
        writeln!(self.out, "   {}", self.paint.dim(text))?;
        Ok(())
    }

    /// One line for a payment and, unless it is allowed, one with what the payer is told.
    pub(super) fn payment(&mut self, answered: &Answered, broken: Option<Promise>) -> Ended {
        let assessment = &answered.assessment;
        let decision = assessment.decision();
        let codes: Vec<&str> = assessment.reasons.iter().map(show::code).collect();
        let line = format!(
            "   {}  {:<42}  {} {:>5.1}  {}",
            clock_time(answered.time),
            what(&answered.payment),
            self.paint.decision(decision),
            assessment.score,
            codes.join(" ")
        );
        write!(self.out, "{}", line.trim_end())?;
        if let Some(outcome) = answered.outcome {
            let then = format!("then {}", show::outcome(outcome));
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

    /// One line for so many payments that were decided as the one before.
    pub(super) fn alike(&mut self, count: u32, decision: pb::Decision) -> Ended {
        let more = format!("… and {count} more like it");
        let decision = self.paint.decision(decision);
        let line = format!("{:20}{more:<42}  {decision}", "");
        writeln!(self.out, "{}", line.trim_end())?;
        Ok(())
    }

    pub(super) fn others(&mut self, step: &Step) -> Ended {
        let outcome = show::outcome(step.outcome.unwrap_or_default());
        let (times, payee) = (step.times, step.outgoing.payee);
        self.aside(&format!(
            "{times} others pay {payee}, and report: {outcome}."
        ))
    }

    /// The evidence for a payment that was held against an earlier one.
    pub(super) fn proof(&mut self, record: &pb::PaymentRecord, said_yes: bool) -> Ended {
        let payment = record.payment.clone().unwrap_or_default();
        let assessment = record.assessment.clone().unwrap_or_default();
        let answered = record.score_time.map_or_else(String::new, show::time);
        let answer = if said_yes {
            "said yes"
        } else {
            "never said yes"
        };
        let (gap, told) = duplicate(&assessment);
        let rows = [
            (
                "the pair",
                format!("{} and {}", record.held_against, payment.payment_id),
            ),
            ("the gap", gap),
            ("equal in both", what(&payment)),
            ("the payer was told", told),
            ("the payer", format!("{answer}, {answered}")),
            ("what came of it", show::outcome(record.outcome())),
        ];
        for (name, value) in rows {
            writeln!(self.out, "     {name:<20}{value}")?;
        }
        Ok(())
    }
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

/// `13 Jul 12:30:02`
fn clock_time(time: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(time.unix_ms()) {
        Ok(time) => time.strftime("%d %b %H:%M:%S").to_string(),
        Err(_) => time.unix_ms().to_string(),
    }
}
