//! One line of a replay file, as what it says.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::source::json_fault;
use crate::engine::OutcomeReport;
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{
    AccountId, DeviceId, InvalidId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId,
    PaymentKind, SessionId,
};
use crate::scoring::time::{Span, Timestamp};

/// What happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: Happening,
    /// The payment whose question this one answers with the payer's "yes".
    pub confirms: Option<PaymentId>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// Somebody is about to pay.
    Payment(Payment),
    /// It became known what came of it.
    Outcome(OutcomeReport),
}

/// Why a line says nothing: every fault of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEvent(Vec<String>);

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// A line as written: every field a text or a number, whatever the event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    event: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    payment_id: Cow<'a, str>,
    #[serde(borrow)]
    account_id: Cow<'a, str>,
    #[serde(borrow, default)]
    payee_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    payee_type: Option<Cow<'a, str>>,
    #[serde(default)]
    amount_minor: Option<i64>,
    #[serde(borrow, default)]
    currency_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    order_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    device_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    #[serde(default)]
    duplicate_window_ms: Option<i64>,
    #[serde(borrow, default)]
    confirms: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    outcome: Option<Cow<'a, str>>,
}

/// The fields of a line by what they hold.
const NEEDED_TEXTS: [&str; 4] = ["type", "time", "payment_id", "account_id"];
const TEXTS: [&str; 9] = [
    "payee_id",
    "payee_type",
    "currency_code",
    "kind",
    "order_id",
    "device_id",
    "session_id",
    "confirms",
    "outcome",
];
const NUMBERS: [&str; 2] = ["amount_minor", "duplicate_window_ms"];

/// Reads one line of JSON.
///
/// # Errors
/// [`BadEvent`] with every fault of the line.
pub fn parse(json: &[u8]) -> Result<Event, BadEvent> {
    let line: Line<'_> = serde_json::from_slice(json).map_err(|error| unreadable(json, &error))?;
    let mut faults = Faults::default();
    let time = faults.check("time", parse_time(&line.time));
    let what = match line.event.as_ref() {
        "payment" => payment(&line, &mut faults).map(Happening::Payment),
        "outcome" => outcome(&line, &mut faults).map(Happening::Outcome),
        _ => {
            faults.add("type", "must be payment or outcome");
            None
        }
    };
    let confirms = faults.optional("confirms", line.confirms.as_ref(), PaymentId::new);
    match (time, what, confirms) {
        (Some(time), Some(what), Some(confirms)) if faults.0.is_empty() => Ok(Event {
            time,
            what,
            confirms,
        }),
        _ => Err(BadEvent(faults.0)),
    }
}

/// Why a line is no event at all. Where it is JSON, the fields of another type are named, which `error`
/// does not do.
fn unreadable(json: &[u8], error: &serde_json::Error) -> BadEvent {
    let fields: Map<String, Value> = serde_json::from_slice(json).unwrap_or_default();
    let mut faults = Faults::default();
    for (name, value) in &fields {
        let name = name.as_str();
        let is_needed = NEEDED_TEXTS.contains(&name);
        if NUMBERS.contains(&name) && !(value.is_i64() || value.is_null()) {
            faults.add(name, "must be a whole number");
        } else if (is_needed || TEXTS.contains(&name))
            && !(value.is_string() || value.is_null() && !is_needed)
        {
            faults.add(name, "must be a text");
        }
    }
    if faults.0.is_empty() {
        faults.0.push(json_fault(json, error));
    }
    BadEvent(faults.0)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, field: &str, problem: impl fmt::Display) {
        self.0.push(format!("{field}: {problem}"));
    }

    fn check<T>(&mut self, field: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|problem| self.add(field, problem)).ok()
    }

    fn required<'a, T>(&mut self, field: &str, value: Option<&'a T>) -> Option<&'a T> {
        if value.is_none() {
            self.add(field, "is missing");
        }
        value
    }

    fn named<T: Copy>(
        &mut self,
        field: &str,
        text: Option<&Cow<'_, str>>,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.required(field, text)?;
        let value = all.iter().copied().find(|value| *name(*value) == **text);
        if value.is_none() {
            let names: Vec<&str> = all.iter().copied().map(name).collect();
            self.add(
                field,
                format_args!("`{text}` is none of {}", names.join(", ")),
            );
        }
        value
    }

    /// An id that may be absent; the outer `None` means a fault.
    #[expect(clippy::option_option, reason = "absent and faulty are two things")]
    fn optional<T>(
        &mut self,
        field: &str,
        text: Option<&Cow<'_, str>>,
        new: impl Fn(Box<str>) -> Result<T, InvalidId>,
    ) -> Option<Option<T>> {
        match text {
            None => Some(None),
            Some(text) => self.check(field, new(Box::from(text.as_ref()))).map(Some),
        }
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| "must be a time like 2018-04-01T00:00:31.123Z".to_owned())?;
    Ok(Timestamp::from_unix_ms(time.as_millisecond()))
}

fn payment(line: &Line<'_>, faults: &mut Faults) -> Option<Payment> {
    let payment_id = faults.check("payment_id", PaymentId::new(line.payment_id.as_ref()));
    let account_id = faults.check("account_id", AccountId::new(line.account_id.as_ref()));
    let payee_id = faults
        .required("payee_id", line.payee_id.as_ref())
        .and_then(|text| faults.check("payee_id", PayeeId::new(text.as_ref())));
    let payee_type = faults.named(
        "payee_type",
        line.payee_type.as_ref(),
        PayeeType::ALL,
        PayeeType::name,
    );
    let kind = faults.named(
        "kind",
        line.kind.as_ref(),
        PaymentKind::ALL,
        PaymentKind::name,
    );
    let currency = faults
        .required("currency_code", line.currency_code.as_ref())
        .and_then(|code| faults.check("currency_code", Currency::from_code(code)));
    let amount = faults
        .required("amount_minor", line.amount_minor.as_ref())
        .copied();
    let money = amount
        .zip(currency)
        .and_then(|(amount, currency)| faults.check("amount_minor", Money::new(amount, currency)));
    let order_id = faults.optional("order_id", line.order_id.as_ref(), OrderId::new);
    let device_id = faults.optional("device_id", line.device_id.as_ref(), DeviceId::new);
    let session_id = faults.optional("session_id", line.session_id.as_ref(), SessionId::new);
    let duplicate_window = match line.duplicate_window_ms {
        // Nothing is that long ago: it would look for no duplicates at all.
        Some(..0) => {
            faults.add("duplicate_window_ms", "must not be negative");
            None
        }
        window_ms => Some(window_ms.map(Span::from_ms)),
    };
    if line.outcome.is_some() {
        faults.add("outcome", "has no place in a payment");
    }
    Some(Payment {
        payment_id: payment_id?,
        account_id: account_id?,
        payee: Payee {
            id: payee_id?,
            payee_type: payee_type?,
        },
        money: money?,
        kind: kind?,
        order_id: order_id?,
        device_id: device_id?,
        session_id: session_id?,
        duplicate_window: duplicate_window?,
    })
}

fn outcome(line: &Line<'_>, faults: &mut Faults) -> Option<OutcomeReport> {
    let payment_id = faults.check("payment_id", PaymentId::new(line.payment_id.as_ref()));
    let account_id = faults.check("account_id", AccountId::new(line.account_id.as_ref()));
    // What is not read is not checked either: whoever writes it means something by it.
    for (field, is_given) in [
        ("payee_type", line.payee_type.is_some()),
        ("amount_minor", line.amount_minor.is_some()),
        ("currency_code", line.currency_code.is_some()),
        ("kind", line.kind.is_some()),
        ("order_id", line.order_id.is_some()),
        ("device_id", line.device_id.is_some()),
        ("session_id", line.session_id.is_some()),
        ("duplicate_window_ms", line.duplicate_window_ms.is_some()),
        ("confirms", line.confirms.is_some()),
    ] {
        if is_given {
            faults.add(field, "has no place in an outcome");
        }
    }
    let outcome = faults.named(
        "outcome",
        line.outcome.as_ref(),
        Outcome::ALL,
        Outcome::name,
    );
    let payee_id = faults.optional("payee_id", line.payee_id.as_ref(), PayeeId::new);
    Some(OutcomeReport {
        account_id: account_id?,
        payment_id: payment_id?,
        outcome: outcome?,
        payee_id: payee_id?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENT: &str = r#"{"type":"payment","time":"2018-04-01T00:00:31.123Z","payment_id":"p","account_id":"a","payee_id":"13812345678","payee_type":"phone","amount_minor":1234,"currency_code":"CNY","kind":"top_up"}"#;

    fn faults_of(json: &str) -> String {
        parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_payment_and_an_outcome_are_read() {
        let event = parse(PAYMENT.as_bytes()).unwrap();
        assert_eq!(event.time, Timestamp::from_unix_ms(1_522_540_831_123));
        let Happening::Payment(payment) = event.what else {
            panic!("no payment: {event:?}");
        };
        assert_eq!(payment.money.to_string(), "12.34 CNY");
        assert_eq!(payment.order_id, None);
        let event = parse(
            br#"{"type":"outcome","time":"2018-04-01T00:00:31Z","account_id":"a","payment_id":"p","outcome":"succeeded"}"#,
        );
        assert!(matches!(
            event.unwrap().what,
            Happening::Outcome(OutcomeReport {
                outcome: Outcome::Succeeded,
                ..
            })
        ));
    }

    #[test]
    fn every_fault_of_a_line_is_named() {
        let bad = PAYMENT
            .replace("phone", "fax")
            .replace("1234,", "0,")
            .replace("\"p\"", "\"\"")
            .replace(",\"kind\":\"top_up\"", "");
        assert_eq!(
            faults_of(&bad),
            "payment_id: must not be empty; payee_type: `fax` is none of phone, merchant, wallet, bank_account; kind: is missing; \
             amount_minor: must be 1 to 1000000000000000 minor units"
        );
        assert_eq!(
            faults_of(&PAYMENT.replace("2018-04-01T00:00:31.123Z", "yesterday")),
            "time: must be a time like 2018-04-01T00:00:31.123Z"
        );
        assert_eq!(
            faults_of(&PAYMENT.replace("\"payment\"", "\"refund\"")),
            "type: must be payment or outcome"
        );
    }

    #[test]
    fn a_duplicate_window_is_not_negative() {
        let with =
            |window: &str| PAYMENT.replace('}', &format!(",\"duplicate_window_ms\":{window}}}"));
        assert_eq!(
            faults_of(&with("-1")),
            "duplicate_window_ms: must not be negative"
        );
        for window in ["0", "60000", "null"] {
            assert!(parse(with(window).as_bytes()).is_ok(), "{window}");
        }
    }

    #[test]
    fn a_number_is_read_to_the_last_digit_or_refused() {
        let of = |amount: &str| PAYMENT.replace(":1234,", &format!(":{amount},"));
        for exact in [1, 999_999_999_999_999, 1_000_000_000_000_000] {
            let line = of(&exact.to_string());
            let Happening::Payment(payment) = parse(line.as_bytes()).unwrap().what else {
                panic!("{line}");
            };
            assert_eq!(payment.money.amount_minor(), exact);
        }
        // The least that a double takes for its neighbour, and what is an integer of 64 bits or is not any more.
        for large in [
            "1000000000000001",
            "9007199254740993",
            "9223372036854775807",
            "-1",
            "0",
        ] {
            let told = faults_of(&of(large));
            assert_eq!(
                told,
                "amount_minor: must be 1 to 1000000000000000 minor units"
            );
        }
        for other in [
            "9223372036854775808",
            "1e3",
            "1.0",
            "12.5",
            "-0",
            "\"12\"",
            "true",
        ] {
            let told = faults_of(&of(other));
            assert_eq!(told, "amount_minor: must be a whole number", "{other}");
        }
        for none in ["1e400", "01", "+1", ".5", "NaN"] {
            let told = faults_of(&of(none));
            assert!(told.contains(" at column "), "{none}: {told}");
        }
        let window = |text: &str| format!(",\"duplicate_window_ms\":{text}}}");
        let parsed = parse(PAYMENT.replace('}', &window("9007199254740993")).as_bytes());
        let Happening::Payment(payment) = parsed.unwrap().what else {
            panic!("it is a payment");
        };
        assert_eq!(
            payment.duplicate_window,
            Some(Span::from_ms(9_007_199_254_740_993))
        );
        let told = faults_of(&PAYMENT.replace('}', &window("1e3")));
        assert_eq!(told, "duplicate_window_ms: must be a whole number");
    }

    #[test]
    fn an_outcome_takes_nothing_that_only_payments_have() {
        let outcome = PAYMENT
            .replace("\"payment\"", "\"outcome\"")
            .replace('}', ",\"outcome\":\"succeeded\",\"confirms\":\"q\"}");
        assert_eq!(
            faults_of(&outcome),
            "payee_type: has no place in an outcome; amount_minor: has no place in an outcome; \
             currency_code: has no place in an outcome; kind: has no place in an outcome; \
             confirms: has no place in an outcome"
        );
    }

    #[test]
    fn what_is_no_json_or_has_fields_nobody_knows_is_told_with_its_place() {
        for empty in ["", " ", "\t "] {
            assert_eq!(faults_of(empty), "the line is empty");
        }
        let broken_off = "{\"type\":";
        assert_eq!(
            faults_of(broken_off),
            "EOF while parsing a value at column 8"
        );
        assert!(
            faults_of("[]").ends_with(" at column 2"),
            "{}",
            faults_of("[]")
        );
        assert!(faults_of(&PAYMENT.replace("kind", "kin")).contains("unknown field `kin`"));
        let wrong = PAYMENT.replace("1234", "12.5").replace("\"a\"", "7");
        assert_eq!(
            faults_of(&wrong),
            "account_id: must be a text; amount_minor: must be a whole number"
        );
    }
}
