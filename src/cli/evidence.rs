//! `evidence`: reads from a running server what was asked, answered and reported.

use std::io::Write;

use super::client::{Client, Server, block_on};
use super::show::{self, Language};
use super::{Ended, Failure, json};
use crate::grpc::pb;

/// How many payments to ask for at a time.
const PAGE_SIZE: i32 = 256;

/// Show what a running server remembers of an account's payments
///
/// What was asked and answered, when, why, and what became of it: the proof when somebody says that
/// they paid twice.
///
/// With --payment-id: all that is known of one payment. Without: the account's payments, newest first.
/// Payments are remembered for 24 hours.
///
/// Examples:
///   doublecheck evidence --account alice --duplicates-only
///   doublecheck evidence --account alice --payment-id p-2
///   doublecheck evidence --account alice --alias
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct EvidenceArguments {
    #[command(flatten)]
    server: Server,
    /// The payer's account
    #[arg(long, value_name = "ID")]
    account: String,
    /// One payment
    #[arg(long, value_name = "ID", conflicts_with_all = ["duplicates_only", "limit"])]
    payment_id: Option<String>,
    /// Only payments that were held against an earlier one as duplicates
    #[arg(long)]
    duplicates_only: bool,
    /// Print only the name under which the account stands in the server's logs
    #[arg(long, conflicts_with_all = ["payment_id", "duplicates_only", "limit", "json"])]
    alias: bool,
    /// At most so many payments [default: all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Print JSON with the names of the wire contract, one object a line
    #[arg(long)]
    json: bool,
    /// The language of the reasons
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

/// Runs `evidence`.
///
/// # Errors
/// When the server does not answer, or does not remember the payment.
pub fn run(arguments: &EvidenceArguments, out: &mut dyn Write) -> Ended {
    if arguments.alias {
        writeln!(out, "{}", block_on(alias(arguments))?)?;
        return Ok(());
    }
    let records = block_on(async {
        let mut client = arguments.server.connect_about(&arguments.account).await?;
        match &arguments.payment_id {
            Some(payment_id) => one(&mut client, arguments, payment_id).await,
            None => list(&mut client, arguments).await,
        }
    })?;
    if arguments.json {
        for record in &records {
            writeln!(out, "{}", json::record(record))?;
        }
    } else if arguments.payment_id.is_some() {
        for record in &records {
            show::table(out, &record_rows(record, arguments.lang))?;
        }
    } else {
        show::table(out, &list_rows(&records))?;
    }
    Ok(())
}

async fn one(
    client: &mut Client,
    arguments: &EvidenceArguments,
    payment_id: &str,
) -> Result<Vec<pb::PaymentRecord>, Failure> {
    let request = pb::GetPaymentRequest {
        account_id: arguments.account.clone(),
        payment_id: payment_id.to_owned(),
    };
    let response = client.get_payment(request).await?.into_inner();
    Ok(response.record.into_iter().collect())
}

async fn alias(arguments: &EvidenceArguments) -> Result<String, Failure> {
    let request = pb::ListPaymentsRequest {
        account_id: arguments.account.clone(),
        page_size: 1,
        ..Default::default()
    };
    let mut client = arguments.server.connect_about(&arguments.account).await?;
    let page = client.list_payments(request).await?.into_inner();
    Ok(page.account_alias)
}

async fn list(
    client: &mut Client,
    arguments: &EvidenceArguments,
) -> Result<Vec<pb::PaymentRecord>, Failure> {
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let mut records = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListPaymentsRequest {
            account_id: arguments.account.clone(),
            page_size: PAGE_SIZE,
            page_token,
            duplicates_only: arguments.duplicates_only,
        };
        let page = client.list_payments(request).await?.into_inner();
        records.extend(page.records);
        page_token = page.next_page_token;
        if page_token.is_empty() || records.len() >= limit {
            records.truncate(limit);
            return Ok(records);
        }
    }
}

fn list_rows(records: &[pb::PaymentRecord]) -> Vec<Vec<String>> {
    let header = [
        "TIME", "PAYMENT", "AMOUNT", "PAYEE", "DECISION", "SCORE", "OUTCOME", "AGAINST", "REASONS",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for record in records {
        let payment = record.payment.clone().unwrap_or_default();
        let assessment = record.assessment.clone().unwrap_or_default();
        let codes: Vec<&str> = assessment.reasons.iter().map(show::code).collect();
        rows.push(vec![
            record.score_time.map_or_else(String::new, show::time),
            payment.payment_id,
            payment.money.as_ref().map_or_else(String::new, show::money),
            payment.payee.unwrap_or_default().id,
            show::decision(assessment.decision()),
            format!("{:.1}", assessment.score),
            show::outcome(record.outcome()),
            or_dash(&record.held_against),
            codes.join(" "),
        ]);
    }
    rows
}

fn record_rows(record: &pb::PaymentRecord, language: Language) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let payment = record.payment.clone().unwrap_or_default();
    let kind = show::word(payment.kind().as_str_name(), "PAYMENT_KIND_");
    let payee = payment.payee.unwrap_or_default();
    let payee_type = show::word(payee.r#type().as_str_name(), "PAYEE_TYPE_");
    let mut rows = vec![
        row(
            "asked",
            record.score_time.map_or_else(String::new, show::time),
        ),
        row("account", payment.account_id),
        row("payee", format!("{} ({payee_type})", payee.id)),
        row(
            "amount",
            payment.money.as_ref().map_or_else(String::new, show::money),
        ),
        row("kind", kind),
    ];
    for (name, id) in [
        ("order", payment.order_id),
        ("device", payment.device_id),
        ("session", payment.session_id),
    ] {
        rows.extend(id.map(|id| row(name, id)));
    }
    let window = payment.duplicate_window.map(duplicate_window);
    rows.extend(window.map(|told| row("duplicate window", told)));
    let assessment = record.assessment.clone().unwrap_or_default();
    rows.extend(show::assessment_rows(&assessment, language));
    rows.push(row("held against", or_dash(&record.held_against)));
    for (name, payment_id) in [
        ("confirms", &record.confirms),
        ("confirmed as", &record.confirmed_as),
    ] {
        if !payment_id.is_empty() {
            rows.push(row(name, payment_id.clone()));
        }
    }
    let since = record.outcome_time.map(show::time);
    let since = since.map_or_else(String::new, |time| format!(" since {time}"));
    rows.push(row(
        "outcome",
        format!("{}{since}", show::outcome(record.outcome())),
    ));
    rows
}

/// How far back the gateway had the same payment looked for; by its order it always is.
fn duplicate_window(window: prost_types::Duration) -> String {
    let is_off = window == prost_types::Duration::default();
    let told = if is_off {
        ": looked for by its order only"
    } else {
        ""
    };
    format!("{}, set by the gateway{told}", show::duration(window))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}
