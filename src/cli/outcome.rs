//! `outcome`: tells a running server what became of a payment.

use std::io::Write;

use clap::builder::PossibleValuesParser;

use super::Ended;
use super::client::{Server, block_on};
use super::show;
use crate::grpc::pb;
use crate::scoring::outcome::Outcome;

/// Tell a running server what became of a payment
///
/// Reports may come late, twice and out of order. One that names the payee is of use even when the
/// payment is forgotten: it still teaches how risky that payee is.
///
/// Example:
///   doublecheck outcome --account alice --payment-id p-1 --outcome succeeded
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct OutcomeArguments {
    #[command(flatten)]
    server: Server,
    /// The payer's account
    #[arg(long, value_name = "ID")]
    account: String,
    /// The payment
    #[arg(long, value_name = "ID")]
    payment_id: String,
    /// What became of it
    #[arg(long, value_parser = outcomes())]
    outcome: String,
    /// Who was to be paid
    #[arg(long, value_name = "ID")]
    payee: Option<String>,
    /// Print one JSON object, with the names of the wire contract
    #[arg(long)]
    json: bool,
}

/// Runs `outcome`.
///
/// # Errors
/// When the server does not take the report.
pub fn run(arguments: &OutcomeArguments, out: &mut dyn Write) -> Ended {
    let outcome = show::full_name("OUTCOME_", &arguments.outcome);
    let request = pb::ReportOutcomeRequest {
        account_id: arguments.account.clone(),
        payment_id: arguments.payment_id.clone(),
        outcome: pb::Outcome::from_str_name(&outcome)
            .unwrap_or_default()
            .into(),
        payee_id: arguments.payee.clone(),
    };
    let response = block_on(async {
        let mut client = arguments.server.connect_about(&arguments.account).await?;
        Ok(client.report_outcome(request).await?.into_inner())
    })?;
    let remembered = response.accepted.unwrap_or_default().remembered;
    if arguments.json {
        writeln!(out, "{}", serde_json::json!({ "remembered": remembered }))?;
    } else if remembered {
        writeln!(out, "noted")?;
    } else {
        writeln!(out, "noted for the payee; the payment itself is forgotten")?;
    }
    Ok(())
}

fn outcomes() -> PossibleValuesParser {
    PossibleValuesParser::new(Outcome::ALL.iter().map(|known| known.name()))
}
