//! `doublecheck replay`: recorded payments through the same engine, under recorded time.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::output::{self, Output};
use super::{Ended, Failure, tell};
use crate::clock::Stopwatch;
use crate::config::policy_source::PolicySource;
use crate::scoring::policy::Policies;

mod comparison;
pub mod event;
mod recorded;
mod report;
mod summary;

use comparison::Comparison;
pub(super) use recorded::{BadLines, Decided, RecordedFile, Replay};
use report::{Report, ReportArguments};

/// Run recorded payments through the engine, each at its recorded time
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("results").args(["out", "report"]).required(true).multiple(true))]
#[command(after_help = "\
The file holds JSON Lines in time order (.gz and .zst are read as they are), one event a line:
  {\"type\":\"payment\",\"time\":\"2018-04-01T00:00:31.123Z\",\"payment_id\":\"p1\",\"account_id\":\"a1\",
   \"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\"amount_minor\":5000,\"currency_code\":\"CNY\",
   \"kind\":\"top_up\",\"order_id\":\"o1\",\"device_id\":\"d1\",\"session_id\":\"s1\"}      (the last three may be absent,
   as may \"duplicate_window_ms\":60000 and, where the payer said yes to a question, \"confirms\":\"p0\")
  {\"type\":\"outcome\",\"time\":\"2018-04-01T00:00:33Z\",\"account_id\":\"a1\",\"payment_id\":\"p1\",\"outcome\":\"succeeded\"}
One line comes out per payment, and a summary at the end. A payment that confirms what the policy did not ask, or
too late for it, is scored without that.

Examples:
  doublecheck replay payments.jsonl.gz --out decisions.jsonl
  doublecheck replay payments.jsonl --out - | grep block
  doublecheck replay payments.jsonl --out decisions.jsonl --policy balanced --shadow ours.toml
  doublecheck replay payments.jsonl --report report.html

Exit codes: 0 done, 1 a bad line or file, 2 wrong usage or policy.")]
pub struct ReplayArguments {
    /// The file to replay; `-` is standard input
    file: PathBuf,
    /// Where the decisions go, one JSON line per payment; `-` is standard output. A file takes its place
    /// when all of it is there. This or --report is needed, or both
    #[arg(long, value_name = "FILE")]
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
    arguments.keep_files_apart()?;
    let policies = policies(arguments)?;
    let labels = arguments.report.labels()?;
    let progress = progress_bar();
    let bad_lines = BadLines::skipped_if(arguments.skip_bad);
    let file = RecordedFile::open(&arguments.file, bad_lines, &progress)?;
    let mut out = arguments.out.as_deref().map(Output::open).transpose()?;
    let mut report = Report::asked_for(&arguments.report, labels.as_ref())?;

    let mut replay = Replay::new(policies);
    let mut comparison = Comparison::default();
    let stopwatch = Stopwatch::start();
    replay.run(file, &mut |number, decided| {
        comparison.add(number, &decided.payment, &decided.scored);
        if let Some(report) = &mut report {
            report.note(&arguments.file, number, decided)?;
        }
        if let Some(open) = &mut out
            && let Err(error) = decided.write(number, open)
        {
            // Whoever reads the decisions may leave; the report is made all the same.
            match Failure::from(error) {
                Failure::ReaderGone if report.is_some() => out = None,
                failure => return Err(failure),
            }
        }
        Ok(())
    })?;
    match out.map_or(Ok(()), Output::finish) {
        Err(Failure::ReaderGone) if report.is_some() => {}
        ended => ended?,
    }
    let (summary, engine) = replay.finish(stopwatch.elapsed());
    if let Some(report) = report {
        report.write(&arguments.file, &engine.policies())?;
    }
    progress.finish_and_clear();
    let told = match comparison.finish(&engine) {
        Some(comparison) => format!("{summary}\n\n{comparison}"),
        None => summary.to_string(),
    };
    // Decisions or a page on standard output are the result there; else the summary is.
    let mut outputs = arguments.outputs().into_iter();
    if outputs.any(|(_, path)| path.is_some_and(output::is_standard)) {
        tell(told.trim_end());
    } else {
        writeln!(io::stdout(), "{}", told.trim_end())?;
    }
    Ok(())
}

impl ReplayArguments {
    fn outputs(&self) -> [(&'static str, Option<&Path>); 2] {
        [
            ("--out", self.out.as_deref()),
            ("--report", self.report.report.as_deref()),
        ]
    }

    /// # Errors
    /// When what is written would take the place of what is read, or of what else is written.
    fn keep_files_apart(&self) -> Ended {
        let inputs = [
            ("the file to replay", Some(self.file.as_path())),
            ("--labels", self.report.labels.as_deref()),
        ];
        output::keep_apart(&self.outputs(), &inputs)
    }
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
