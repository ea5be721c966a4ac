//! The engine under recorded time, and the file that it is fed from.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;

use super::event::{self, Event, Happening};
use super::summary::Summary;
use crate::cli::source::{self, Line};
use crate::cli::{Ended, Failure, tell};
use crate::clock::ManualClock;
use crate::engine::{Engine, OutcomeReport};
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{PayeeId, Payment, PaymentId};
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;
use crate::token::TokenKey;

/// What becomes of lines that are no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum BadLines {
    /// The first is the end.
    End,
    /// The same, but `--skip-bad` would have passed over it.
    EndUnlessSkipped,
    /// They are told of, and passed over.
    Skip,
}

impl BadLines {
    /// For a command that has the flag `--skip-bad`.
    pub(in crate::cli) const fn skipped_if(skip_bad: bool) -> Self {
        match skip_bad {
            true => Self::Skip,
            false => Self::EndUnlessSkipped,
        }
    }
}

/// A file of recorded payments, opened.
pub(in crate::cli) struct RecordedFile<'a> {
    path: &'a Path,
    bad_lines: BadLines,
    source: Box<dyn BufRead>,
    progress: &'a ProgressBar,
}

impl<'a> RecordedFile<'a> {
    /// # Errors
    /// When the file cannot be opened.
    pub(in crate::cli) fn open(
        path: &'a Path,
        bad_lines: BadLines,
        progress: &'a ProgressBar,
    ) -> Result<Self, Failure> {
        let source = source::open(path, progress);
        Ok(Self {
            path,
            bad_lines,
            source: source.map_err(|error| Failure::at_work(path.display(), &error))?,
            progress,
        })
    }

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// When it cannot be read or decompressed.
    pub(in crate::cli) fn is_empty(&mut self) -> Result<bool, Failure> {
        let start = self.source.fill_buf();
        let start = start.map_err(|error| Failure::at_work(self.path.display(), &error))?;
        Ok(start.is_empty())
    }
}

/// The engine under recorded time.
pub(in crate::cli) struct Replay {
    clock: Arc<ManualClock>,
    engine: Engine,
    latest: Timestamp,
    /// The line that it was in.
    latest_line: u64,
    /// Who was paid, by account and payment: a gateway knows, and says so when an outcome comes long
    /// after the payment.
    payees: HashMap<Box<str>, PayeeId>,
    /// The tokens that were handed out, by account and payment.
    tokens: HashMap<Box<str>, ConfirmationToken>,
    summary: Summary,
    /// Whether the payments were made, whatever the policy says to them.
    imports: bool,
    /// Up to when anything can have happened.
    until: Timestamp,
}

/// A payment and its answer.
pub(in crate::cli) struct Decided {
    pub(in crate::cli) payment: Payment,
    pub(in crate::cli) scored: Scored,
}

impl Replay {
    pub(in crate::cli) fn new(policies: impl Into<Policies>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(i64::MIN)));
        // Tokens of a replay open nothing, and the same file must give the same tokens.
        let token_key = TokenKey::from_bytes(&[0; 32]);
        Self {
            engine: Engine::new(policies, clock.clone(), token_key),
            clock,
            latest: Timestamp::from_unix_ms(i64::MIN),
            latest_line: 0,
            payees: HashMap::new(),
            tokens: HashMap::new(),
            summary: Summary::default(),
            imports: false,
            until: Timestamp::from_unix_ms(i64::MAX),
        }
    }

    /// One that takes every payment for made, whatever the policy says to it, if it comes not after `until`.
    pub(in crate::cli) fn importing(policies: impl Into<Policies>, until: Timestamp) -> Self {
        Self {
            imports: true,
            until,
            ..Self::new(policies)
        }
    }

    /// What it came to, and the engine that remembers it.
    pub(in crate::cli) fn finish(self, elapsed: Duration) -> (Summary, Engine) {
        let Self {
            mut summary,
            engine,
            ..
        } = self;
        summary.finish(&engine, elapsed);
        (summary, engine)
    }

    /// Runs every event of `file` through the engine, and shows `observe` each answered payment with
    /// the number of its line.
    ///
    /// # Errors
    /// When the file cannot be read, a line is bad, or `observe` fails.
    pub(in crate::cli) fn run(
        &mut self,
        mut file: RecordedFile<'_>,
        observe: &mut dyn FnMut(u64, &Decided) -> Ended,
    ) -> Ended {
        let in_error = |error| Failure::at_work(file.path.display(), &error);
        let mut buffer = Vec::new();
        let mut number = 0;
        while let Some(line) =
            source::next_line(file.source.as_mut(), &mut buffer).map_err(in_error)?
        {
            number += 1;
            match self.line(number, &line) {
                Ok(None) => {}
                Ok(Some(decided)) => observe(number, &decided)?,
                Err(reason) => {
                    let hint = match file.bad_lines {
                        BadLines::Skip => {
                            self.summary.add_bad_line();
                            let bad = format!("{}:{number}: {reason}", file.path.display());
                            file.progress.suspend(|| tell(bad));
                            continue;
                        }
                        BadLines::EndUnlessSkipped => " (`--skip-bad` passes over bad lines)",
                        BadLines::End => "",
                    };
                    let reason = format!("{reason}{hint}");
                    return Err(Failure::bad_line(file.path, number, reason));
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, number: u64, line: &Line<'_>) -> Result<Option<Decided>, String> {
        let Line::Text(json) = line else {
            return Err("the line is longer than any event".to_owned());
        };
        let Event {
            time,
            what,
            confirms,
        } = event::parse(json).map_err(|bad| bad.to_string())?;
        if time < self.latest {
            let latest = self.latest_line;
            return Err(format!(
                "time: must not be earlier than that of line {latest}"
            ));
        }
        if time > self.until {
            return Err("time: is later than now".to_owned());
        }
        self.latest = time;
        self.latest_line = number;
        self.clock.set(time);
        match what {
            Happening::Payment(payment) => self.payment(payment, confirms.as_ref()).map(Some),
            Happening::Outcome(report) => {
                self.outcome(report);
                Ok(None)
            }
        }
    }

    fn payment(
        &mut self,
        payment: Payment,
        confirms: Option<&PaymentId>,
    ) -> Result<Decided, String> {
        // Another policy may not have asked, and then there is nothing to confirm; or it asks for a shorter
        // time, and the answer comes too late.
        let token = confirms.and_then(|asked| {
            let key = payment_key(payment.account_id.as_str(), asked.as_str());
            self.tokens.get(&key).map(ToString::to_string)
        });
        let scored = if self.imports {
            self.take_back_asked(&payment, confirms);
            self.engine.import(&payment)
        } else {
            match self.engine.score(&payment, token.as_deref()) {
                Err(Refusal::Token(_)) => {
                    self.summary.add_confirmation_not_taken();
                    self.engine.score(&payment, None)
                }
                scored => scored,
            }
        };
        let scored = scored.map_err(|refusal| told(&refusal))?;
        self.summary.add_payment(&scored);
        let key = payment_key(payment.account_id.as_str(), payment.payment_id.as_str());
        if let Some(confirmation) = &scored.assessment.confirmation {
            self.tokens.insert(key.clone(), confirmation.token);
        }
        self.payees.insert(key, payment.payee.id.clone());
        Ok(Decided { payment, scored })
    }

    /// A payment that another one confirms was asked about, and never made itself.
    fn take_back_asked(&self, payment: &Payment, confirms: Option<&PaymentId>) {
        if let Some(asked) = confirms.filter(|asked| **asked != payment.payment_id) {
            let report = OutcomeReport {
                account_id: payment.account_id.clone(),
                payment_id: asked.clone(),
                outcome: Outcome::NotSent,
                payee_id: None,
            };
            // The question may be older than what the account remembers, and then it is no matter.
            let _ = self.engine.report_outcome(&report);
        }
    }

    fn outcome(&mut self, mut report: OutcomeReport) {
        if report.payee_id.is_none() {
            let key = payment_key(report.account_id.as_str(), report.payment_id.as_str());
            report.payee_id = self.payees.get(&key).cloned();
        }
        match self.engine.report_outcome(&report) {
            Ok(_) => self.summary.add_outcome(),
            Err(_unknown) => self.summary.add_unknown_outcome(),
        }
    }
}

/// Why a payment was refused, naming the field of its line.
fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Conflict(fields) => {
            let paths: Vec<&str> = fields.iter().map(|field| field.path()).collect();
            format!(
                "payment_id: submitted before with other content: {}",
                paths.join(", ")
            )
        }
        Refusal::Token(fault) => fault.to_string(),
    }
}

/// Ids hold no control characters, so a zero byte keeps the two apart.
fn payment_key(account_id: &str, payment_id: &str) -> Box<str> {
    format!("{account_id}\0{payment_id}").into_boxed_str()
}
