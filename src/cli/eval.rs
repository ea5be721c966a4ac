//! `doublecheck eval`: decisions against labels: what was caught, and who was disturbed for it.
//!
//! Labels are read here only. The engine never sees them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::replay::{self, BadLines, RecordedFile, Replay};
use super::{Ended, Failure, output};
use crate::config::policy_source::PolicySource;
use crate::scoring::policy::Policy;

mod labels;
mod answers;
mod statistics;
mod evaluation;
mod mistakes;
mod frauds;
mod ablation;

pub(super) use answers::{Answer, Answers};
pub(super) use evaluation::Evaluation;
pub(super) use frauds::TestWeeks;
pub(super) use labels::{Labelled, Labels};
pub(super) use mistakes::{Class, Mistakes, Tally};
pub(super) use statistics::shown;

/// Hold decisions against labels: what was caught, and who was disturbed for it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Labels are CSV with a header (.gz and .zst are read as they are), one row for each payment line of the stream:
  line,klass,sub,label,account_id,caught_by    mistakes: label is 1 (should be stopped), 0 (should be left alone)
                                               or empty (not measured); klass is its class, `base` for ordinary
                                               payments; caught_by is `decision`, or `replayed` where the payment
                                               comes again under its own id and is caught by the stored answer
  line,fraud,scenario,account_id,day           frauds: fraud is 0 or 1, days count from 0

Stopped means confirm or block. Intervals are Wilson's, 95 %. Frauds are tested week by week, each payment against
the score alone; an account whose fraud is known by then (--delay) is left out.

Examples:
  doublecheck eval stream.jsonl.gz --labels labels.csv.gz
  doublecheck eval stream.jsonl.gz --labels labels.csv.gz --policy cautious --subs
  doublecheck eval stream.jsonl.gz --labels labels.csv.gz --ablate
  doublecheck eval --decisions decisions.jsonl --labels labels.csv --json

Exit codes: 0 done, 1 a bad line or file, 2 wrong usage or policy.")]
pub struct EvalArguments {
    /// The stream to replay and evaluate, as `replay` reads it
    #[arg(required_unless_present = "decisions", conflicts_with = "decisions")]
    stream: Option<PathBuf>,
    /// Decisions to evaluate, as `replay` wrote them, instead of a stream
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// What each payment truly was
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// The policy to decide by: balanced, cautious or lenient, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "balanced", value_parser = replay::policy_source, conflicts_with = "decisions")]
    policy: PolicySource,
    /// Switch each signal off in turn, and tell what changes; the stream must be a file, no pipe
    #[arg(long, conflicts_with_all = ["decisions", "subs"])]
    ablate: bool,
    /// Tell of sub-classes too
    #[arg(long)]
    subs: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    test: TestWeeks,
}

/// Runs `eval`.
///
/// # Errors
/// When the policy is faulty, a file cannot be read, a line is bad, or decisions and labels are not of
/// the same stream.
pub fn run(arguments: &EvalArguments, out: &mut dyn Write) -> Ended {
    let read = [
        ("the stream", arguments.stream.as_deref()),
        ("--decisions", arguments.decisions.as_deref()),
        ("--labels", Some(arguments.labels.as_path())),
    ];
    output::keep_apart(&[], &read)?;
    let labels = Labels::read(&arguments.labels)?;
    let policy = arguments.policy.read();
    let policy = policy.map_err(|faults| Failure::faulty(&faults))?;
    let evaluate = |answers: &[Answer]| {
        Evaluation::new(&labels, answers, &arguments.test)
            .map_err(|reason| Failure::Work(format!("error: {reason}")))
    };
    let stream = match (&arguments.stream, &arguments.decisions) {
        (Some(stream), _) => stream,
        (None, Some(decisions)) => {
            let evaluation = evaluate(&answers::read(decisions, &labels)?)?;
            return told(&evaluation, arguments, out);
        }
        (None, None) => {
            let nothing = "error: neither a stream nor decisions to evaluate";
            return Err(Failure::Usage(nothing.to_owned()));
        }
    };
    if !arguments.ablate {
        let progress = replay::progress_bar();
        let answers = replayed(stream, &labels, policy, &progress)?;
        progress.finish_and_clear();
        return told(&evaluate(&answers)?, arguments, out);
    }
    if !is_file(stream) {
        let told = format!(
            "error: --ablate reads the stream many times: {} is no file",
            stream.display()
        );
        return Err(Failure::Usage(told));
    }
    let ablation = ablation::run(&policy, &|policy| {
        let hidden = ProgressBar::hidden();
        evaluate(&replayed(stream, &labels, policy, &hidden)?)
    })?;
    if arguments.json {
        writeln!(out, "{}", ablation.json())?;
    } else {
        ablation.write(out)?;
    }
    Ok(())
}

/// Whether what is at `path` can be read again from its beginning, as a pipe cannot. What is not there is told
/// by whoever reads it.
fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file()) || !path.exists()
}

fn told(evaluation: &Evaluation, arguments: &EvalArguments, out: &mut dyn Write) -> Ended {
    if arguments.json {
        writeln!(out, "{}", evaluation.json())?;
    } else {
        evaluation.write(out, arguments.subs)?;
    }
    Ok(())
}

/// What the engine answers to each labelled payment of `stream`.
fn replayed(
    stream: &Path,
    labels: &Labels,
    policy: Policy,
    progress: &ProgressBar,
) -> Result<Vec<Answer>, Failure> {
    let mut answers = Answers::to(labels);
    let file = RecordedFile::open(stream, BadLines::End, progress)?;
    Replay::new(policy).run(file, &mut |line, decided| {
        let account_id = decided.payment.account_id.as_str();
        answers
            .note(line, account_id, Answer::from(&decided.scored))
            .map_err(|reason| Failure::bad_line(stream, line, reason))
    })?;
    answers
        .complete()
        .map_err(|reason| Failure::Work(format!("error: {}: {reason}", stream.display())))
}
