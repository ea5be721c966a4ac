//! An evaluation, whatever the labels speak of.

use std::io::{self, Write};

use serde_json::Value;

use super::answers::Answer;
use super::frauds::{Frauds, TestWeeks};
use super::labels::{Labels, Truths};
use super::mistakes::Mistakes;
use super::statistics::shown;

/// How answers did against labels.
#[derive(Debug)]
pub(in crate::cli) enum Evaluation {
    /// Of mistakes.
    Mistakes(Mistakes),
    /// Of frauds.
    Frauds(Frauds),
}

/// One number that sums up an evaluation, for comparing it with others.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Figure {
    pub(in crate::cli) name: String,
    pub(super) value: f64,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        Self { name, value }
    }

    /// How many digits tell it: rare things need more.
    pub(super) fn digits(&self) -> usize {
        if self.value.abs() < 0.01 { 5 } else { 4 }
    }

    pub(in crate::cli) fn shown(&self) -> String {
        shown(self.value, self.digits())
    }
}

impl Evaluation {
    /// Holds `answers` (in the order of the labels) against `labels`.
    ///
    /// # Errors
    /// When the labels hold nothing in the weeks to test.
    pub(in crate::cli) fn new(
        labels: &Labels,
        answers: &[Answer],
        test: &TestWeeks,
    ) -> Result<Self, String> {
        Ok(match labels.truths() {
            Truths::Mistakes(truths) => Self::Mistakes(Mistakes::new(truths, answers)),
            Truths::Frauds(truths) => {
                Self::Frauds(Frauds::new(labels.account_ids(), truths, answers, test)?)
            }
        })
    }

    pub(super) fn write(&self, out: &mut dyn Write, subs: bool) -> io::Result<()> {
        match self {
            Self::Mistakes(mistakes) => mistakes.write(out, subs),
            Self::Frauds(frauds) => frauds.write(out),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Mistakes(mistakes) => mistakes.json(),
            Self::Frauds(frauds) => frauds.json(),
        }
    }

    pub(in crate::cli) fn figures(&self) -> Vec<Figure> {
        match self {
            Self::Mistakes(mistakes) => mistakes.figures(),
            Self::Frauds(frauds) => frauds.figures(),
        }
    }
}
