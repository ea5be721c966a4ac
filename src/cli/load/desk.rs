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
    pub(super) fn hear(&self, asked: Asked, answer: &pb::Assessment) {
        self.tally().answer(&asked, answer);
        self.payer.borrow_mut().hear(asked, answer.decision());
    }

    /// Takes what should be the answer to a payment, and is none.
    pub(super) fn wrong(&self, _: Asked, wrong: Wrong) {
        self.tally().wrong(wrong);
    }

    /// Takes what nobody has asked for.
    pub(super) fn stray(&self) {
        self.tally().wrong(Wrong::Misplaced);
    }

    /// A payment got no answer.
    pub(super) fn error(&self, _: Asked, code: Code) {
        self.tally().error(code);
    }

    /// A call that was due and sent then is answered now. What fails is not timed: that it fails fast, or
    /// late, says nothing of how soon answers come.
    pub(super) fn time(&self, due: Duration, sent: Duration) {
        let now = self.now();
        self.tally().time(due, sent, now);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counting does not panic half-way.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
