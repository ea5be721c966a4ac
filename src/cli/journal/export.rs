//! `journal export`: payments and outcomes, as `replay` reads them.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::super::output::Output;
use super::super::{Ended, Failure, tell};
use super::{open, snapshot, time};
use crate::journal::event::{Event, OutcomeReported, PaymentScored};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::payment::{DeviceId, OrderId, Payment, PaymentId, SessionId};
use crate::scoring::time::Timestamp;

/// How many events are looked at before the earliest is told: threads append out of time's order by
/// little.
const LOOKAHEAD_EVENTS: usize = 1 << 16;

/// From how many open questions on those whose time is over are let go of.
const QUESTIONS_KEPT: usize = 1 << 12;

pub(super) fn run(directory: &Path, file: &Path) -> Ended {
    let events = open(directory)?;
    let mut out = Output::open(file)?;
    let mut export = Export::default();
    let mut first = None;
    for event in events {
        let (sequence, event) =
            event.map_err(|fault| Failure::at_work(directory.display(), &fault))?;
        first = first.or_else(|| Some((sequence, event.time())));
        export.ahead.insert((event.time(), sequence), event);
        if export.ahead.len() > LOOKAHEAD_EVENTS {
            export.tell_earliest(&mut out)?;
        }
    }
    while !export.ahead.is_empty() {
        export.tell_earliest(&mut out)?;
    }
    out.finish()?;
    tell_what_is_missing(directory, first)?;
    if export.told_late > 0 {
        let late = export.told_late;
        tell(format_args!(
            "{late} events are told later than they were: the clock was set back"
        ));
    }
    Ok(())
}

/// Says so where something was known before the first record that is left: records are gone since
/// snapshots stand for them, or what was imported never was any.
fn tell_what_is_missing(directory: &Path, first: Option<(u64, Timestamp)>) -> Ended {
    let begins = match first {
        Some((record, at)) => format!("begins with record {record}, at {}", time(at)),
        None => "is empty".to_owned(),
    };
    let record = first.map(|(record, _)| record);
    if record.is_some_and(|record| record > 1) || is_older_state_kept(directory, record)? {
        tell(format_args!(
            "the export {begins}: what was known before is not in it, and a replay of it may decide otherwise \
             than the service did"
        ));
    }
    Ok(())
}

/// Whether a snapshot holds accounts, and nothing of the journal from the record `first` on.
fn is_older_state_kept(directory: &Path, first: Option<u64>) -> Result<bool, Failure> {
    let snapshots = snapshot::look(directory)?;
    let mut read = snapshots.iter().filter_map(|(_, read)| read.as_ref().ok());
    Ok(read.any(|snapshot| {
        snapshot.counts.accounts > 0 && first.is_none_or(|first| snapshot.journal_to <= first)
    }))
}

#[derive(Debug, Default)]
struct Export {
    /// Events that were read and not told, in the order of time, and of the journal within a moment.
    ahead: BTreeMap<(Timestamp, u64), Event<'static>>,
    questions: HashMap<[u8; 24], (PaymentId, Timestamp)>,
    latest: Option<Timestamp>,
    told_late: u64,
}

impl Export {
    fn tell_earliest(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(((at, _), event)) = self.ahead.pop_first() else {
            return Ok(());
        };
        let now = self.latest.map_or(at, |latest| latest.max(at));
        match &event {
            Event::PaymentScored(scored) => {
                let confirms = self.question_answered_by(scored);
                write_line(&payment_line(scored, now, confirms.as_ref()), out)?;
            }
            Event::OutcomeReported(reported) => write_line(&outcome_line(reported, now), out)?,
            // What was forgotten and under which policy is not for a replay to say.
            Event::Evicted(_) | Event::PolicyInForce(_) => return Ok(()),
        }
        self.told_late += u64::from(now > at);
        self.latest = Some(now);
        Ok(())
    }

    /// The payment whose question this one answers; notes the question that it raises itself.
    fn question_answered_by(&mut self, scored: &PaymentScored<'_>) -> Option<PaymentId> {
        let bytes = |token: &ConfirmationToken| *token.as_bytes();
        let presented = scored.presented.as_ref();
        let answered =
            presented.and_then(|presented| self.questions.remove(&bytes(&presented.token)));
        if let Some(minted) = &scored.minted {
            if self.questions.len() >= QUESTIONS_KEPT.max(self.questions.capacity() / 2) {
                let now = scored.time;
                self.questions
                    .retain(|_, (_, expire_time)| *expire_time > now);
            }
            let question = (scored.payment.payment_id.clone(), minted.expire_time);
            self.questions.insert(bytes(&minted.token), question);
        }
        answered.map(|(payment_id, _)| payment_id)
    }
}

/// An event as `replay` reads it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event: &'static str,
    time: String,
    payment_id: &'a str,
    account_id: &'a str,
    #[serde(flatten)]
    more: More<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum More<'a> {
    Payment(PaymentFields<'a>),
    Outcome {
        outcome: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        payee_id: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct PaymentFields<'a> {
    payee_id: &'a str,
    payee_type: &'static str,
    amount_minor: i64,
    currency_code: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_window_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirms: Option<&'a str>,
}

fn payment_line<'a>(
    scored: &'a PaymentScored<'_>,
    now: Timestamp,
    confirms: Option<&'a PaymentId>,
) -> Line<'a> {
    let payment: &Payment = &scored.payment;
    Line {
        event: "payment",
        time: time(now),
        payment_id: payment.payment_id.as_str(),
        account_id: payment.account_id.as_str(),
        more: More::Payment(PaymentFields {
            payee_id: payment.payee.id.as_str(),
            payee_type: payment.payee.payee_type.name(),
            amount_minor: payment.money.amount_minor(),
            currency_code: payment.money.currency().code(),
            kind: payment.kind.name(),
            order_id: payment.order_id.as_ref().map(OrderId::as_str),
            device_id: payment.device_id.as_ref().map(DeviceId::as_str),
            session_id: payment.session_id.as_ref().map(SessionId::as_str),
            duplicate_window_ms: payment.duplicate_window.map(|window| window.ms()),
            confirms: confirms.map(PaymentId::as_str),
        }),
    }
}

fn outcome_line<'a>(reported: &'a OutcomeReported<'_>, now: Timestamp) -> Line<'a> {
    Line {
        event: "outcome",
        time: time(now),
        payment_id: reported.payment_id.as_str(),
        account_id: reported.account_id.as_str(),
        more: More::Outcome {
            outcome: reported.outcome.name(),
            payee_id: reported.payee_id.as_ref().map(|id| id.as_str()),
        },
    }
}

fn write_line(line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
