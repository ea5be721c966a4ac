//! Answers: what Doublecheck said to each labelled payment.

use std::borrow::Cow;
use std::path::Path;

use indicatif::ProgressBar;
use serde::Deserialize;

use super::labels::Labels;
use crate::cli::Failure;
use crate::cli::source::{self, Line, json_fault};
use crate::scoring::account::Scored;
use crate::scoring::assessment::Decision;

/// What was answered to a payment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct Answer {
    pub(super) decision: Decision,
    pub(super) score: f64,
    /// Whether it is an earlier answer, given again.
    pub(super) replayed: bool,
}

impl From<&Scored> for Answer {
    fn from(scored: &Scored) -> Self {
        Self {
            decision: scored.assessment.decision,
            score: scored.assessment.score,
            replayed: scored.replayed,
        }
    }
}

/// Answers as they come in, held against the labels that await them.
#[derive(Debug)]
pub(in crate::cli) struct Answers<'a> {
    labels: &'a Labels,
    answers: Vec<Option<Answer>>,
}

impl<'a> Answers<'a> {
    pub(in crate::cli) fn to(labels: &'a Labels) -> Self {
        Self {
            labels,
            answers: vec![None; labels.len()],
        }
    }

    /// Takes down the answer to the payment in line `line` of the stream.
    ///
    /// # Errors
    /// When the labels are those of another stream.
    pub(in crate::cli) fn note(
        &mut self,
        line: u64,
        account_id: &str,
        answer: Answer,
    ) -> Result<(), String> {
        let Some((at, labelled)) = self.labels.find(line) else {
            return Err(format!(
                "line {line} has a decision but no label: are these the labels of this stream?"
            ));
        };
        if labelled != account_id {
            return Err(format!(
                "line {line} is of account {account_id} here and of {labelled} in the labels"
            ));
        }
        match self.answers.get_mut(at) {
            Some(place @ None) => *place = Some(answer),
            Some(Some(_)) | None => return Err(format!("line {line} is decided twice")),
        }
        Ok(())
    }

    /// All answers, in the order of the labels.
    ///
    /// # Errors
    /// When a labelled payment has none.
    pub(in crate::cli) fn complete(self) -> Result<Vec<Answer>, String> {
        let missing = |answer: &Option<Answer>| answer.is_none();
        if let Some(first) = self.answers.iter().position(missing) {
            return Err(format!(
                "{} of {} labelled payments have no decision, the first in line {}",
                self.answers.iter().filter(|answer| missing(answer)).count(),
                self.answers.len(),
                self.labels.line(first).unwrap_or_default()
            ));
        }
        Ok(self.answers.into_iter().flatten().collect())
    }
}

/// A decision as `replay` wrote it; what else it says does not matter here.
#[derive(Debug, Deserialize)]
struct DecisionLine<'a> {
    line: u64,
    #[serde(borrow)]
    account_id: Cow<'a, str>,
    #[serde(borrow)]
    decision: Cow<'a, str>,
    score: f64,
    replayed: bool,
}

/// Reads the decisions at `path`, as `replay` wrote them.
///
/// # Errors
/// When the file cannot be read, a line is bad, or the labels are those of another stream.
pub(super) fn read(path: &Path, labels: &Labels) -> Result<Vec<Answer>, Failure> {
    let in_error = |error| Failure::at_work(path.display(), &error);
    let mut source = source::open(path, &ProgressBar::hidden()).map_err(in_error)?;
    let mut answers = Answers::to(labels);
    let mut buffer = Vec::new();
    let mut number = 0;
    while let Some(line) = source::next_line(source.as_mut(), &mut buffer).map_err(in_error)? {
        number += 1;
        note_line(&mut answers, &line).map_err(|reason| Failure::bad_line(path, number, reason))?;
    }
    answers
        .complete()
        .map_err(|reason| Failure::Work(format!("error: {}: {reason}", path.display())))
}

fn note_line(answers: &mut Answers<'_>, line: &Line<'_>) -> Result<(), String> {
    let Line::Text(json) = line else {
        return Err("the line is longer than any decision".to_owned());
    };
    let line: DecisionLine<'_> =
        serde_json::from_slice(json).map_err(|error| json_fault(json, &error))?;
    let decision = Decision::from_name(&line.decision)
        .ok_or_else(|| format!("decision: `{}` is none", line.decision))?;
    let answer = Answer {
        decision,
        score: line.score,
        replayed: line.replayed,
    };
    answers.note(line.line, &line.account_id, answer)
}
