//! `score`: asks a running server about one payment.

use std::io::Write;

use clap::builder::PossibleValuesParser;

use super::client::{Server, block_on};
use super::show::{self, Language};
use super::{Ended, Failure, json};
use crate::grpc::pb;
use crate::scoring::money::Currency;
use crate::scoring::payment::{PayeeType, PaymentKind};

/// Ask a running server whether the payer means a payment
///
/// The server remembers the payment: score it once more under another id, and it is a duplicate. After
/// `confirm`, send the same payment again with the `--token` that came with the answer.
///
/// Examples:
///   doublecheck score --account alice --payee 13812345678 --payee-type phone \
///     --kind top_up --amount 50.00 --currency CNY
///   doublecheck score … --json | jq -r .decision
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct ScoreArguments {
    #[command(flatten)]
    server: Server,
    /// The payer's account
    #[arg(long, value_name = "ID")]
    account: String,
    /// Who receives the money
    #[arg(long, value_name = "ID")]
    payee: String,
    /// What the payee's id names
    #[arg(long, value_name = "TYPE", value_parser = payee_types())]
    payee_type: String,
    /// What the payment is for
    #[arg(long, value_parser = kinds())]
    kind: String,
    #[command(flatten)]
    amount: Amount,
    /// The currency's ISO 4217 code, such as CNY
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// The id of this attempt; the same again is a retry [default: a new one]
    #[arg(long, value_name = "ID")]
    payment_id: Option<String>,
    /// The order, bill or ticket that is paid
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// The device that the payer pays from
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The payer's session with the gateway
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// How far back to look for duplicates instead of the policy's span, such as 120s or 30m; 0s: not
    /// at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duplicate_window: Option<prost_types::Duration>,
    /// The token of an earlier `confirm`, once the payer has said yes
    #[arg(long)]
    token: Option<String>,
    /// Print one JSON object, with the names of the wire contract
    #[arg(long)]
    json: bool,
    /// The language of the reasons
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Amount {
    /// How much, as people write it: 50.00
    #[arg(long, allow_negative_numbers = true)]
    amount: Option<String>,
    /// How much, counted in the currency's smallest unit: 5000
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    amount_minor: Option<i64>,
}

/// Runs `score`.
///
/// # Errors
/// When the arguments make no payment, or the server does not answer with an assessment.
pub fn run(arguments: &ScoreArguments, out: &mut dyn Write) -> Ended {
    let request = pb::ScorePaymentRequest {
        payment: Some(arguments.payment()?),
        confirmation_token: arguments.token.clone().unwrap_or_default(),
    };
    let response = block_on(async {
        let mut client = arguments.server.connect_about(&arguments.account).await?;
        Ok(client.score_payment(request).await?.into_inner())
    })?;
    let assessment = response.assessment.unwrap_or_default();
    if arguments.json {
        writeln!(out, "{}", json::assessment(&assessment))?;
    } else {
        show::table(out, &show::assessment_rows(&assessment, arguments.lang))?;
    }
    Ok(())
}

impl ScoreArguments {
    /// The payment as asked for. What makes an id or an amount valid is the server's to say.
    fn payment(&self) -> Result<pb::Payment, Failure> {
        let payment_id = match &self.payment_id {
            Some(payment_id) => payment_id.clone(),
            None => new_payment_id()?,
        };
        let payee_type = show::full_name("PAYEE_TYPE_", &self.payee_type);
        let kind = show::full_name("PAYMENT_KIND_", &self.kind);
        Ok(pb::Payment {
            payment_id,
            account_id: self.account.clone(),
            payee: Some(pb::Payee {
                id: self.payee.clone(),
                r#type: pb::PayeeType::from_str_name(&payee_type)
                    .unwrap_or_default()
                    .into(),
            }),
            money: Some(pb::Money {
                amount_minor: self.amount.minor(&self.currency)?,
                currency_code: self.currency.clone(),
            }),
            kind: pb::PaymentKind::from_str_name(&kind)
                .unwrap_or_default()
                .into(),
            order_id: self.order.clone(),
            device_id: self.device.clone(),
            session_id: self.session.clone(),
            duplicate_window: self.duplicate_window,
        })
    }
}

impl Amount {
    fn minor(&self, currency_code: &str) -> Result<i64, Failure> {
        match (self.amount_minor, &self.amount) {
            (Some(amount_minor), _) => Ok(amount_minor),
            (None, text) => {
                let text = text.as_deref().unwrap_or_default();
                let currency = Currency::from_code(currency_code)
                    .map_err(|error| Failure::Usage(format!("error: --currency: {error}")))?;
                amount_minor(text, currency)
                    .map_err(|problem| Failure::Usage(format!("error: --amount: {problem}")))
            }
        }
    }
}

/// `50.00` in a currency of two decimals is 5000. Exact: nothing is rounded.
fn amount_minor(text: &str, currency: Currency) -> Result<i64, String> {
    let decimals = usize::from(currency.exponent());
    let (major, minor) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if major.is_empty() || !is_number(major) || !is_number(minor) || text.ends_with('.') {
        return Err("must be a number such as 50 or 50.00".to_owned());
    }
    if minor.len() > decimals {
        return Err(format!("{currency} has {decimals} decimals"));
    }
    format!("{major}{minor:0<decimals$}")
        .parse()
        .map_err(|_| "is too large".to_owned())
}

fn duration(text: &str) -> Result<prost_types::Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "must be a length of time such as 120s, 30m or 500ms".to_owned())?;
    Ok(prost_types::Duration {
        seconds: span.as_secs(),
        nanos: span.subsec_nanos(),
    })
}

fn new_payment_id() -> Result<String, Failure> {
    let number =
        getrandom::u64().map_err(|error| Failure::at_work("making up a payment id", &error))?;
    Ok(format!("cli-{number:016x}"))
}

fn payee_types() -> PossibleValuesParser {
    PossibleValuesParser::new(PayeeType::ALL.iter().map(|known| known.name()))
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(PaymentKind::ALL.iter().map(|known| known.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        let read = |text, code| amount_minor(text, Currency::from_code(code).unwrap()).ok();
        assert_eq!(read("50.00", "CNY"), Some(5_000));
        assert_eq!(read("50", "CNY"), Some(5_000));
        assert_eq!(read("0.5", "CNY"), Some(50));
        assert_eq!(read("500", "JPY"), Some(500));
        assert_eq!(read("1.25", "KWD"), Some(1_250));
        assert_eq!(
            read("9007199254740.993", "KWD"),
            Some(9_007_199_254_740_993)
        );
        for (text, code) in [
            ("50.001", "CNY"),
            ("50.0", "JPY"),
            ("50.", "CNY"),
            (".5", "CNY"),
            ("-5", "CNY"),
            ("1e3", "CNY"),
            ("", "CNY"),
            ("99999999999999999999", "CNY"),
        ] {
            assert_eq!(read(text, code), None, "{text} {code}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_with_their_unit() {
        let read = |text| duration(text).map(|read| (read.seconds, read.nanos)).ok();
        assert_eq!(read("120s"), Some((120, 0)));
        assert_eq!(read("30m"), Some((1_800, 0)));
        assert_eq!(read("500ms"), Some((0, 500_000_000)));
        assert_eq!(read("0s"), Some((0, 0)));
        assert_eq!(read("soon"), None);
    }
}
