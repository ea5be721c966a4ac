//! What came of a load: answers by decision, errors by code, wrong answers by what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status};

use super::check::{Twin, Wrong, check};
use super::latency::Latencies;
use super::mistakes::Mistake;
use super::payer::Asked;
use crate::cli::Failure;
use crate::grpc::{code_name, pb};

/// What calls end with that no server answered: it was not there, or not any more.
const GONE: [Code; 3] = [Code::Unavailable, Code::Cancelled, Code::Unknown];

#[derive(Debug, Clone)]
pub(super) struct Tally {
    twin: Twin,
    /// Payments that were answered with an assessment, right or wrong.
    pub(super) answered: u64,
    /// Of these, by decision.
    pub(super) allowed: u64,
    pub(super) confirmed: u64,
    pub(super) blocked: u64,
    /// Of these, the stored answers of retries.
    pub(super) replayed: u64,
    /// Of these, the mistakes.
    pub(super) mistakes: [u64; Mistake::ALL.len()],
    /// Of these, the wrong ones.
    pub(super) wrong: [u64; Wrong::ALL.len()],
    /// Payments without an assessment, by the name of the gRPC code.
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// What the first of them was told.
    pub(super) first_error: Option<String>,
    /// Payments that were waited for in vain.
    pub(super) unanswered: u64,
    /// Payments that should have been sent, and were not for want of answers to earlier ones.
    pub(super) unsent: u64,
    pub(super) latencies: Latencies,
}

impl Tally {
    pub(super) fn new(twin: Twin) -> Self {
        Self {
            twin,
            answered: 0,
            allowed: 0,
            confirmed: 0,
            blocked: 0,
            replayed: 0,
            mistakes: [0; _],
            wrong: [0; _],
            errors: BTreeMap::new(),
            first_error: None,
            unanswered: 0,
            unsent: 0,
            latencies: Latencies::new(),
        }
    }

    /// One payment was answered.
    pub(super) fn answer(&mut self, asked: &Asked, answer: &pb::Assessment) {
        self.answered += 1;
        match answer.decision() {
            pb::Decision::Allow => self.allowed += 1,
            pb::Decision::Confirm => self.confirmed += 1,
            pb::Decision::Block => self.blocked += 1,
            pb::Decision::Unspecified => {}
        }
        self.replayed += u64::from(answer.replayed);
        if let Some(mistake) = asked.mistake {
            self.mistakes[mistake as usize] += 1;
        }
        if let Err(wrong) = check(self.twin, asked, answer) {
            self.wrong(wrong);
        }
    }

    pub(super) const fn wrong(&mut self, wrong: Wrong) {
        self.wrong[wrong as usize] += 1;
    }

    /// One payment got no assessment.
    pub(super) fn error(&mut self, status: &Status) {
        *self.errors.entry(code_name(status.code())).or_default() += 1;
        self.first_error.get_or_insert_with(|| {
            let told = Failure::from(status.clone()).to_string();
            told.trim_start_matches("error: ").to_owned()
        });
    }

    /// One call took this long: see [`Latencies::record`].
    pub(super) fn time(&mut self, due: Duration, sent: Duration, answered: Duration) {
        self.latencies.record(due, sent, answered);
    }

    /// So many payments are not waited for any longer, and so many not sent.
    pub(super) const fn give_up(&mut self, unanswered: u64, unsent: u64) {
        self.unanswered += unanswered;
        self.unsent += unsent;
    }

    pub(super) fn wrongs(&self) -> u64 {
        self.wrong.iter().sum()
    }

    /// Payments that no server answered.
    pub(super) fn gone(&self) -> u64 {
        let gone = GONE.map(code_name);
        gone.iter().filter_map(|code| self.errors.get(code)).sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.allowed += other.allowed;
        self.confirmed += other.confirmed;
        self.blocked += other.blocked;
        self.replayed += other.replayed;
        for (mine, more) in self.mistakes.iter_mut().zip(other.mistakes) {
            *mine += more;
        }
        self.add_wrongs(other);
        for (code, more) in &other.errors {
            *self.errors.entry(code).or_default() += more;
        }
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.latencies.add(&other.latencies);
    }

    /// Takes over the wrong answers of `other`, and nothing else.
    pub(super) fn add_wrongs(&mut self, other: &Self) {
        for (mine, more) in self.wrong.iter_mut().zip(other.wrong) {
            *mine += more;
        }
    }
}

/// The error that answers one item of a batch or stream.
pub(super) fn of_item(error: tonic_types::Status) -> Status {
    Status::new(Code::from_i32(error.code), error.message)
}
