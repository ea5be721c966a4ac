//! Payments to look at: what was asked, answered and why, with the evidence.

use std::collections::BTreeMap;

use super::gathered::{Example, Shown};
use super::html::Html;
use super::moment;
use crate::scoring::assessment::{AmountSlip, Evidence, Reason, ReasonCode};
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::PayeeId;
use crate::scoring::signal::Signal;
use crate::scoring::text;

/// Every group of examples, each payment to be unfolded.
pub(super) fn write(html: &mut Html, examples: &BTreeMap<Shown, Vec<Example>>) {
    if examples.is_empty() {
        html.line("p", &[], "Nobody was disturbed.");
    }
    for (shown, examples) in examples {
        match shown {
            Shown::Missed(class) => {
                html.line("h3", &[], format_args!("Missed: {class}"));
            }
            Shown::DisturbedForNothing(class) => {
                html.line("h3", &[], format_args!("Disturbed for nothing: {class}"));
            }
            Shown::StoppedFor(code) => {
                html.line("h3", &[], format_args!("Stopped first of all for {code}"));
            }
        }
        for example in examples {
            html.element("details", &[], |html| unfolded(html, example));
        }
    }
}

fn unfolded(html: &mut Html, example: &Example) {
    let (payment, assessment) = (&example.payment, &example.assessment);
    html.element("summary", &[], |html| {
        let decision = assessment.decision;
        html.line("b", &[("class", &decision)], decision);
        html.text(format_args!(
            " {:.1}: {} by {} to {}, {}",
            assessment.score,
            payment.money,
            payment.account_id,
            payment.payee.id,
            moment(example.score_time)
        ));
        if let Some(labelled) = &example.labelled {
            let told = format_args!("{} {}", labelled.class, labelled.sub);
            html.line("span", &[("class", &"label")], told);
        }
    });
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("payment", payment.payment_id.to_string()),
        row("line", example.line.to_string()),
        row("kind", payment.kind.to_string()),
        row("payee type", payment.payee.payee_type.to_string()),
    ];
    let order = payment.order_id.as_ref().map(ToString::to_string);
    let device = payment.device_id.as_ref().map(ToString::to_string);
    let session = payment.session_id.as_ref().map(ToString::to_string);
    rows.extend(order.map(|id| row("order", id)));
    rows.extend(device.map(|id| row("device", id)));
    rows.extend(session.map(|id| row("session", id)));
    rows.push(row("history", assessment.history.to_string()));
    html.table(&[], &rows);
    let currency = payment.money.currency();
    let reasons = assessment.reasons.iter().map(|reason| {
        let sentence = text::message(payment, assessment.decision, reason).en;
        let strength = format!("{:.1}", reason.strength);
        let evidence = evidence(reason, currency);
        vec![reason.code.to_string(), strength, sentence, evidence]
    });
    let header = ["reason", "strength", "what the payer is told", "evidence"];
    html.table(&header, &reasons.collect::<Vec<_>>());
}

/// The facts behind a reason, in a line.
fn evidence(reason: &Reason, currency: Currency) -> String {
    let money = |minor: i64| {
        Money::new(minor, currency).map_or_else(|_| minor.to_string(), |m| m.to_string())
    };
    match &reason.evidence {
        Evidence::None => String::new(),
        Evidence::Duplicate {
            earlier_payment_id,
            elapsed,
            earlier_outcome,
            other_money,
        } => {
            let became = earlier_outcome.map_or("not known yet", Outcome::name);
            let of = other_money.map_or_else(String::new, |money| format!(" of {money}"));
            format!(
                "{earlier_payment_id}{of}, {} s before: {became}",
                elapsed.secs()
            )
        }
        Evidence::Velocity {
            window,
            count,
            sum_minor,
            limit,
            usual,
        } => {
            // Where sums are limited, these two are sums.
            let (limit, usual) = if reason.code == ReasonCode::Signal(Signal::SpendSurge) {
                (money(*limit), money(nearest(*usual)))
            } else {
                (limit.to_string(), format!("{usual:.1}"))
            };
            format!(
                "{count} payments, {} within {} s; limit {limit}, usual {usual}",
                money(*sum_minor),
                window.secs()
            )
        }
        Evidence::Amount {
            usual_minor,
            ratio,
            slip,
            ..
        } => {
            let slip = slip.map_or("", AmountSlip::name);
            format!("{ratio:.2} times the usual {} {slip}", money(*usual_minor))
        }
        Evidence::Payee {
            similar_payee_id,
            times_paid,
            ..
        } => {
            let similar = similar_payee_id.as_ref().map_or("", PayeeId::as_str);
            format!("{similar} paid {times_paid} times")
        }
        Evidence::Reports { reported, payers } => {
            format!("{reported:.1} reports, about {payers} payers")
        }
        Evidence::Device {
            known_devices,
            accounts,
        } => format!("{known_devices} devices of the account, {accounts} accounts of the device"),
        Evidence::Hour { hour, share } => {
            format!("hour {hour}, {:.1} % of its payments", 100.0 * share)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sums of money are far below 2^53"
)]
const fn nearest(minor: f64) -> i64 {
    minor.round() as i64
}
