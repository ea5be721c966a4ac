//! `replay --report`: what a replay decided, as one page for people. It needs no network and no
//! scripts, and the same replay gives the same page.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Decided;
use crate::cli::eval::{Answer, Answers, Evaluation, Labels, TestWeeks};
use crate::cli::output::Output;
use crate::cli::{Ended, Failure};
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;

mod examples;
mod gathered;
mod html;
mod page;
mod plots;

use gathered::Gathered;
use page::Facts;

/// Where the page goes, and what else it tells.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArguments {
    /// Draw what was decided into one HTML page, for people; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// What each payment truly was, for the page to tell (`eval` shows the format)
    #[arg(long, value_name = "FILE", requires = "report")]
    pub(super) labels: Option<PathBuf>,
}

impl ReportArguments {
    /// # Errors
    /// When the labels cannot be read.
    pub(super) fn labels(&self) -> Result<Option<Labels>, Failure> {
        self.labels.as_deref().map(Labels::read).transpose()
    }
}

/// A page in the making.
pub(super) struct Report<'a> {
    output: Output,
    gathered: Gathered,
    labels: Option<&'a Labels>,
    answers: Option<Answers<'a>>,
}

impl<'a> Report<'a> {
    /// The page that is asked for, if one is.
    ///
    /// # Errors
    /// When the page cannot be written.
    pub(super) fn asked_for(
        arguments: &ReportArguments,
        labels: Option<&'a Labels>,
    ) -> Result<Option<Self>, Failure> {
        let output = arguments.report.as_deref().map(Output::open).transpose()?;
        Ok(output.map(|output| Self {
            output,
            gathered: Gathered::default(),
            labels,
            answers: labels.map(Answers::to),
        }))
    }

    /// Takes down the answer in line `line` of `stream`.
    ///
    /// # Errors
    /// When the labels are those of another stream.
    pub(super) fn note(&mut self, stream: &Path, line: u64, decided: &Decided) -> Ended {
        self.gathered.add(line, decided, self.labels);
        if let Some(answers) = &mut self.answers {
            let account_id = decided.payment.account_id.as_str();
            answers
                .note(line, account_id, Answer::from(&decided.scored))
                .map_err(|reason| Failure::bad_line(stream, line, reason))?;
        }
        Ok(())
    }

    /// Writes the page of what was decided under `policies`.
    ///
    /// # Errors
    /// When a labelled payment has no answer, or the page cannot be written.
    pub(super) fn write(mut self, stream: &Path, policies: &Policies) -> Ended {
        let evaluation = match (self.labels, self.answers) {
            (Some(labels), Some(answers)) => {
                let answers = answers.complete().map_err(|reason| {
                    Failure::Work(format!("error: {}: {reason}", stream.display()))
                })?;
                Some(Evaluation::new(labels, &answers, &TestWeeks::default()))
            }
            (None, _) | (_, None) => None,
        };
        let facts = Facts {
            file: stream.display().to_string(),
            policy: policies.primary(),
            evaluation,
        };
        let page = page::page(&facts, &self.gathered);
        self.output.write_all(page.as_bytes())?;
        self.output.finish()
    }
}

/// A moment as people read it, in UTC.
fn moment(time: Timestamp) -> String {
    written(time.unix_ms(), "%Y-%m-%d %H:%M:%S")
}

fn written(unix_ms: i64, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => format!("{unix_ms} ms"),
    }
}
