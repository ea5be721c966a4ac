//! What the lanes of one thread share: when to send, what to send, and where answers are counted.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::Code;

use super::check::Wrong;
use super::departures::{Departure, Departures};
use super::payer::{Asked, Payer};
use super::tally::Tally;
use crate::clock::Stopwatch;
use crate::grpc::pb;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) stopwatch: Arc<Stopwatch>,
    pub(super) departures: Departures,
    pub(super) payer: RefCell<Payer>,
    /// Read by whoever shows the progress, and by nobody else meanwhile.
    pub(super) tally: Arc<Mutex<Tally>>,
}

impl Desk {
    pub(super) async fn next(&self) -> Option<Departure> {
        self.departures.next().await
    }

    pub(super) fn now(&self) -> Duration {
        self.stopwatch.elapsed()
    }

    /// Makes up a payment.
    pub(super) fn pay(&self) -> (pb::ScorePaymentRequest, Asked) {
        self.payer.borrow_mut().next()
    }

    /// Takes the answer to a payment.
    pub(super) fn hear(&self, asked: Asked, answer: Option<&pb::Assessment>) {
        let Some(answer) = answer else {
            return self.wrong(Wrong::Empty);
        };
        self.tally().answer(&asked, answer);
        self.payer.borrow_mut().hear(asked, answer.decision());
    }

    pub(super) fn wrong(&self, wrong: Wrong) {
        self.tally().wrong(wrong);
    }

    /// A payment got no answer.
    pub(super) fn error(&self, code: Code) {
        self.tally().error(code);
    }

    /// A call that was due and sent then has its answer now.
    pub(super) fn time(&self, due: Duration, sent: Duration) {
        let now = self.now();
        self.tally().time(due, sent, now);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counting does not panic half-way.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
