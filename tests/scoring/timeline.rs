//! Timelines: stories as text, played through the engine.
//!
//! One event a line: when, what, and after `:` what must come of it.
//!
//! ```text
//! 0s    p1 pays 50.00 to 13812345678            : allow
//! 3s    p2 pays 50.00 to 13812345678            : block DUPLICATE_IN_FLIGHT
//! 4s    p1 declined
//! 5s    p3 pays 50.00 to 13812345678 order=o1   : allow !DUPLICATE_IN_FLIGHT
//! 1d12h 20 times every 1d pays 50.00 to 13812345678
//! ```
//!
//! `CODE` must be among the reasons, `!CODE` must not; `none`, `partial`, `full` is the history,
//! `replayed` must be so. `20 times` makes ordinary payments that succeed; what comes of them is not
//! looked at. Options: account, order, device, session, kind, type, currency, window (duplicate
//! window), token (of which payment).

use std::collections::HashMap;
use std::sync::Arc;

use doublecheck::clock::ManualClock;
use doublecheck::engine::{Engine, OutcomeReport, Remembered, UnknownPayment};
use doublecheck::scoring::account::{Refusal, Scored};
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
    SessionId,
};
use doublecheck::scoring::policy::{Policies, Policy, Value};
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::token::TokenKey;

/// Midnight, so that the hours of a timeline are hours of the day.
pub const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// Plays `timeline` under `balanced`.
#[track_caller]
pub fn check(timeline: &str) -> Stage {
    check_with(&[], timeline)
}

/// Plays `timeline` under `balanced` with some settings changed.
#[track_caller]
pub fn check_with(settings: &[(&str, Value)], timeline: &str) -> Stage {
    let mut stage = Stage::new(settings);
    stage.play(timeline);
    stage
}

pub struct Stage {
    pub engine: Engine,
    clock: Arc<ManualClock>,
    pub answers: HashMap<String, Result<Scored, Refusal>>,
    made: u32,
}

impl Stage {
    pub fn new(settings: &[(&str, Value)]) -> Self {
        Self::under(Policy::from_settings("test", settings.iter().copied()).unwrap())
    }

    pub fn under(policies: impl Into<Policies>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        Self {
            engine: Engine::new(policies, clock.clone(), TokenKey::from_bytes(&[7; 32])),
            clock,
            answers: HashMap::new(),
            made: 0,
        }
    }

    pub fn with_memory_budget(self, bytes_max: u64) -> Self {
        Self {
            engine: self.engine.with_memory_budget(bytes_max),
            ..self
        }
    }

    #[track_caller]
    pub fn play(&mut self, timeline: &str) {
        for line in timeline
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (event, expected) = line.split_once(" : ").unwrap_or((line, ""));
            let words: Vec<&str> = event.split_whitespace().collect();
            let at = span(words[0]);
            if words[2] == "times" {
                self.repeat(at, words[1].parse().unwrap(), span(words[4]), &words[5..]);
            } else if words[2] == "pays" {
                self.clock.set(START.plus(at));
                let answer = self.pay(words[1], &words[2..]);
                judge(line, &answer, expected);
                self.answers.insert(words[1].to_owned(), answer);
            } else {
                self.clock.set(START.plus(at));
                let reported = self.report(words[1], words[2], &words[3..]);
                let said = match reported {
                    Ok(Remembered::Yes) => "",
                    Ok(Remembered::No) => "not remembered",
                    Err(UnknownPayment) => "unknown payment",
                };
                assert_eq!(said, expected.trim(), "{line}");
            }
        }
    }

    fn repeat(&mut self, from: Span, times: u32, every: Span, words: &[&str]) {
        for nth in 0..times {
            let at = START
                .plus(from)
                .plus(Span::from_ms(every.ms() * i64::from(nth)));
            self.made += 1;
            let id = format!("made-{}", self.made);
            self.clock.set(at);
            self.pay(&id, words).unwrap();
            self.clock.set(at.plus(Span::from_ms(500)));
            let account: Vec<&str> = words
                .iter()
                .copied()
                .filter(|word| word.starts_with("account="))
                .collect();
            self.report(&id, "succeeded", &account).unwrap();
        }
    }

    fn pay(&self, id: &str, words: &[&str]) -> Result<Scored, Refusal> {
        let token = option(words, "token").map(|of| match of {
            "garbled" => "nonsense".to_owned(),
            of => self.token_of(of),
        });
        self.engine.score(&payment(id, words), token.as_deref())
    }

    /// The token that payment `id` was asked with.
    pub fn token_of(&self, id: &str) -> String {
        let scored = self.answers[id].as_ref().unwrap();
        scored.assessment.confirmation.unwrap().token.to_string()
    }

    fn report(
        &self,
        id: &str,
        outcome: &str,
        words: &[&str],
    ) -> Result<Remembered, UnknownPayment> {
        self.engine.report_outcome(&OutcomeReport {
            account_id: AccountId::new(option(words, "account").unwrap_or("a")).unwrap(),
            payment_id: PaymentId::new(id).unwrap(),
            outcome: Outcome::from_name(outcome).unwrap(),
            payee_id: option(words, "payee").map(|payee| PayeeId::new(payee).unwrap()),
        })
    }
}

/// Makes a payment of `pays 50.00 to PAYEE` and options.
pub fn payment(id: &str, words: &[&str]) -> Payment {
    assert_eq!((words[0], words[2]), ("pays", "to"), "{words:?}");
    let currency = Currency::from_code(option(words, "currency").unwrap_or("CNY")).unwrap();
    let minor = words[1].replace('.', "").parse().unwrap();
    Payment {
        payment_id: PaymentId::new(id).unwrap(),
        account_id: AccountId::new(option(words, "account").unwrap_or("a")).unwrap(),
        payee: Payee {
            id: PayeeId::new(words[3]).unwrap(),
            payee_type: PayeeType::from_name(option(words, "type").unwrap_or("phone")).unwrap(),
        },
        money: Money::new(minor, currency).unwrap(),
        kind: PaymentKind::from_name(option(words, "kind").unwrap_or("transfer")).unwrap(),
        order_id: option(words, "order").map(|id| OrderId::new(id).unwrap()),
        device_id: option(words, "device").map(|id| DeviceId::new(id).unwrap()),
        session_id: option(words, "session").map(|id| SessionId::new(id).unwrap()),
        duplicate_window: option(words, "window").map(span),
    }
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words
        .iter()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// `1d2h3m4s`, `500ms`.
pub fn span(text: &str) -> Span {
    if let Some(ms) = text.strip_suffix("ms") {
        return Span::from_ms(ms.parse().unwrap());
    }
    let mut total_secs = 0;
    let mut number = 0;
    for letter in text.chars() {
        match letter {
            'd' => total_secs += std::mem::take(&mut number) * 86_400,
            'h' => total_secs += std::mem::take(&mut number) * 3_600,
            'm' => total_secs += std::mem::take(&mut number) * 60,
            's' => total_secs += std::mem::take(&mut number),
            digit => number = number * 10 + i64::from(digit.to_digit(10).unwrap()),
        }
    }
    assert_eq!(number, 0, "{text}: a number without a unit");
    Span::from_secs(total_secs)
}

#[track_caller]
fn judge(line: &str, answer: &Result<Scored, Refusal>, expected: &str) {
    let scored = match answer {
        Err(refusal) => {
            let said = match refusal {
                Refusal::Conflict(fields) => {
                    let paths: Vec<&str> = fields.iter().map(|field| field.path()).collect();
                    format!("conflict {}", paths.join(" "))
                }
                Refusal::Token(fault) => fault.reason().to_owned(),
            };
            assert_eq!(said, expected.trim(), "{line}");
            return;
        }
        Ok(scored) => scored,
    };
    let assessment = &scored.assessment;
    let reasons: Vec<&str> = assessment.reasons.iter().map(|r| r.code.name()).collect();
    let told = format!(
        "{line}\n  got: {} {:.2} {reasons:?} {} {:?}",
        assessment.decision, assessment.score, assessment.history, assessment.reasons
    );
    for word in expected.split_whitespace() {
        let holds = match word {
            "allow" | "confirm" | "block" => assessment.decision.name() == word,
            "stopped" => assessment.decision.name() != "allow",
            "none" | "partial" | "full" => assessment.history.name() == word,
            "replayed" => scored.replayed,
            "fresh" => !scored.replayed,
            "acknowledge" | "second_factor" | "biometric" => assessment.challenge.name() == word,
            word => match word.strip_prefix('!') {
                Some(code) => !reasons.contains(&code),
                None => reasons.contains(&word),
            },
        };
        assert!(holds, "`{word}` does not hold: {told}");
    }
}
