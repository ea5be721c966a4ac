//! `doublecheck replay`: recorded payments through the same engine, under recorded time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::source::{self, Line};
use super::{Ended, Failure};
use crate::clock::{ManualClock, Stopwatch};
use crate::config::policy_source::PolicySource;
use crate::engine::{Engine, OutcomeReport};
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{PayeeId, Payment, PaymentId};
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;
use crate::token::TokenKey;

mod comparison;
pub mod event;
mod report;
mod summary;

use comparison::Comparison;
use event::{Event, Happening};
use report::{Report, ReportArguments};
use summary::Summary;

/// Run recorded payments through the engine, each at its recorded time
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file holds JSON Lines in time order (.gz and .zst are read as they are), one event a line:
  {\"type\":\"payment\",\"time\":\"2018-04-01T00:00:31.123Z\",\"payment_id\":\"p1\",\"account_id\":\"a1\",
   \"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\"amount_minor\":5000,\"currency_code\":\"CNY\",
   \"kind\":\"top_up\",\"order_id\":\"o1\",\"device_id\":\"d1\",\"session_id\":\"s1\"}      (the last three may be absent,
   as may \"duplicate_window_ms\":60000 and, where the payer said yes to a question, \"confirms\":\"p0\")
  {\"type\":\"outcome\",\"time\":\"2018-04-01T00:00:33Z\",\"account_id\":\"a1\",\"payment_id\":\"p1\",\"outcome\":\"succeeded\"}
One line comes out per payment, and a summary at the end.

Examples:
  doublecheck replay payments.jsonl.gz --out decisions.jsonl
  doublecheck replay payments.jsonl --out - | grep block
  doublecheck replay payments.jsonl --out decisions.jsonl --policy balanced --shadow ours.toml
  doublecheck replay payments.jsonl --report report.html

Exit codes: 0 done, 1 a bad line or file, 2 wrong usage or policy.")]
pub struct ReplayArguments {
    /// The file to replay
    file: PathBuf,
    /// Where the decisions go, one JSON line per payment; `-` is standard output
    #[arg(long, value_name = "FILE", required_unless_present = "report")]
    out: Option<PathBuf>,
    /// Report bad lines on standard error and go on, instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
    /// The policy to decide by: balanced, cautious or lenient, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "balanced", value_parser = policy_source)]
    policy: PolicySource,
    /// A second policy to compare with the first, payment by payment; it changes no decision
    #[arg(long, value_name = "NAME|FILE", value_parser = policy_source)]
    shadow: Option<PolicySource>,
    #[command(flatten)]
    report: ReportArguments,
}

/// Runs `replay`.
///
/// # Errors
/// When the policy is faulty, a file cannot be opened, read or written, or a line is bad.
pub fn run(arguments: &ReplayArguments) -> Ended {
    let policies = policies(arguments)?;
    let labels = arguments.report.labels()?;
    let mut report = Report::asked_for(&arguments.report, labels.as_ref());
    let progress = progress_bar();
    let file = RecordedFile::open(&arguments.file, arguments.skip_bad, &progress)?;
    let mut out = arguments.out.as_deref().map(open_out).transpose()?;

    let mut replay = Replay::new(policies);
    let mut comparison = Comparison::default();
    let stopwatch = Stopwatch::start();
    replay.run(file, &mut |number, decided| {
        comparison.add(number, &decided.payment, &decided.scored);
        if let Some(report) = &mut report {
            report.note(&arguments.file, number, decided)?;
        }
        if let Some(out) = &mut out {
            decided.write(number, out)?;
        }
        Ok(())
    })?;
    if let Some(mut out) = out {
        out.flush()?;
    }
    if let Some(report) = report {
        report.write(&arguments.file, &replay)?;
    }
    progress.finish_and_clear();
    let mut summary = replay.summary;
    summary.finish(&replay.engine, stopwatch.elapsed());
    // The decisions are the result where they go to standard output; else the summary is.
    let mut told: Box<dyn Write> = if arguments.out.as_deref() == Some(Path::new("-")) {
        Box::new(io::stderr())
    } else {
        Box::new(io::stdout())
    };
    writeln!(told, "{summary}")?;
    if let Some(comparison) = comparison.finish(&replay.engine) {
        write!(told, "\n{comparison}")?;
    }
    Ok(())
}

fn policies(arguments: &ReplayArguments) -> Result<Policies, Failure> {
    let read = |source: &PolicySource| source.read().map_err(|faults| Failure::faulty(&faults));
    let primary = read(&arguments.policy)?;
    let shadow = arguments.shadow.as_ref().map(read).transpose()?;
    Ok(Policies::new(primary, shadow))
}

pub(super) fn policy_source(text: &str) -> Result<PolicySource, &'static str> {
    PolicySource::named(text, Path::new(""))
}

pub(super) fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn open_out(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout().lock())));
    }
    let file = File::create(path).map_err(|error| Failure::at_work(path.display(), &error))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 18, file)))
}

/// A file of recorded payments, opened.
pub(super) struct RecordedFile<'a> {
    path: &'a Path,
    /// Whether to pass over bad lines, telling of them, instead of stopping at the first.
    skip_bad: bool,
    source: Box<dyn BufRead>,
    progress: &'a ProgressBar,
}

impl<'a> RecordedFile<'a> {
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(
        path: &'a Path,
        skip_bad: bool,
        progress: &'a ProgressBar,
    ) -> Result<Self, Failure> {
        let source = source::open(path, progress);
        Ok(Self {
            path,
            skip_bad,
            source: source.map_err(|error| Failure::at_work(path.display(), &error))?,
            progress,
        })
    }
}

/// The engine under recorded time.
pub(super) struct Replay {
    clock: Arc<ManualClock>,
    engine: Engine,
    latest: Timestamp,
    /// Who was paid, by account and payment: a gateway knows, and says so when an outcome comes long
    /// after the payment.
    payees: HashMap<Box<str>, PayeeId>,
    /// The tokens that were handed out, by account and payment.
    tokens: HashMap<Box<str>, ConfirmationToken>,
    summary: Summary,
    /// Whether the payments were made, whatever the policy says to them.
    imports: bool,
}

/// A payment and its answer.
pub(super) struct Decided {
    pub(super) payment: Payment,
    pub(super) scored: Scored,
}

impl Replay {
    pub(super) fn new(policies: impl Into<Policies>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(i64::MIN)));
        // Tokens of a replay open nothing, and the same file must give the same tokens.
        let token_key = TokenKey::from_bytes(&[0; 32]);
        Self {
            engine: Engine::new(policies, clock.clone(), token_key),
            clock,
            latest: Timestamp::from_unix_ms(i64::MIN),
            payees: HashMap::new(),
            tokens: HashMap::new(),
            summary: Summary::default(),
            imports: false,
        }
    }

    /// One that takes every payment for made, whatever the policy says to it.
    pub(super) fn importing(policies: impl Into<Policies>) -> Self {
        Self {
            imports: true,
            ..Self::new(policies)
        }
    }

    /// What it came to, and the engine that remembers it.
    pub(super) fn finish(self, elapsed: Duration) -> (Summary, Engine) {
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
    pub(super) fn run(
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
            match self.line(&line) {
                Ok(None) => {}
                Ok(Some(decided)) => observe(number, &decided)?,
                Err(reason) => {
                    let bad = format!("{}:{number}: {reason}", file.path.display());
                    if !file.skip_bad {
                        return Err(Failure::Work(format!(
                            "error: {bad} (`--skip-bad` passes over bad lines)"
                        )));
                    }
                    self.summary.add_bad_line();
                    file.progress.suspend(|| writeln!(io::stderr(), "{bad}"))?;
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<Option<Decided>, String> {
        let Line::Text(json) = line else {
            return Err("the line is longer than any event".to_owned());
        };
        let Event {
            time,
            what,
            confirms,
        } = event::parse(json).map_err(|bad| bad.to_string())?;
        if time < self.latest {
            return Err("time: must not be earlier than that of the line before".to_owned());
        }
        self.latest = time;
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
        // Another policy may not have asked: then there is nothing to confirm.
        let token = confirms.and_then(|asked| {
            let key = payment_key(payment.account_id.as_str(), asked.as_str());
            self.tokens.get(&key).map(ToString::to_string)
        });
        let scored = if self.imports {
            self.take_back_asked(&payment, confirms);
            self.engine.import(&payment)
        } else {
            self.engine.score(&payment, token.as_deref())
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

/// A decision as `replay` writes it.
#[derive(Serialize)]
struct DecisionLine<'a> {
    line: u64,
    payment_id: &'a str,
    account_id: &'a str,
    decision: &'static str,
    score: f64,
    replayed: bool,
    reasons: Vec<&'static str>,
}

impl Decided {
    fn write(&self, line: u64, out: &mut dyn Write) -> io::Result<()> {
        let assessment = &self.scored.assessment;
        let line = DecisionLine {
            line,
            payment_id: self.payment.payment_id.as_str(),
            account_id: self.payment.account_id.as_str(),
            decision: assessment.decision.name(),
            score: assessment.score,
            replayed: self.scored.replayed,
            reasons: assessment
                .reasons
                .iter()
                .map(|reason| reason.code.name())
                .collect(),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }
}
