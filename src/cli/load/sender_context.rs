//! What the tasks of one sending thread share: when to send, what to send, and where answers are counted.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::Status;

use super::check::Wrong;
use super::pacing::{Bounds, DueCall, Pacing};
use super::payer::{Asked, Payer};
use super::tally::Tally;
use crate::clock::Stopwatch;
use crate::grpc::pb;

#[derive(Debug)]
pub(super) struct SenderContext {
    stopwatch: Arc<Stopwatch>,
    pacing: Pacing,
    payer: RefCell<Payer>,
    /// Read by whoever shows the progress, and by nobody else meanwhile.
    tally: Arc<Mutex<Tally>>,
    /// Payments that are neither answered nor failed.
    under_way: Cell<u64>,
    /// When one of them last was.
    heard: Cell<Duration>,
    /// Since when there are any, or one of them came to something.
    waiting_since: Cell<Duration>,
}

impl SenderContext {
    pub(super) const fn new(
        stopwatch: Arc<Stopwatch>,
        pacing: Pacing,
        payer: Payer,
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        Self {
            stopwatch,
            pacing,
            payer: RefCell::new(payer),
            tally,
            under_way: Cell::new(0),
            heard: Cell::new(Duration::ZERO),
            waiting_since: Cell::new(Duration::ZERO),
        }
    }

    pub(super) async fn next(&self) -> Option<DueCall> {
        self.pacing.next().await
    }

    pub(super) fn now(&self) -> Duration {
        self.stopwatch.elapsed()
    }

    /// Makes up a payment.
    pub(super) fn pay(&self) -> (pb::ScorePaymentRequest, Asked) {
        if self.under_way.get() == 0 {
            self.waiting_since.set(self.now());
        }
        self.under_way.set(self.under_way.get() + 1);
        self.payer.borrow_mut().next()
    }

    /// Takes the answer to a payment.
    pub(super) fn hear(&self, asked: Asked, answer: &pb::Assessment) {
        self.settle();
        self.tally().answer(&asked, answer);
        self.payer.borrow_mut().hear(asked, answer.decision());
    }

    /// Takes what should be the answer to a payment, and is none.
    pub(super) fn wrong(&self, _: Asked, wrong: Wrong) {
        self.settle();
        self.tally().wrong(wrong);
    }

    /// Takes what nobody has asked for.
    pub(super) fn stray(&self) {
        self.tally().wrong(Wrong::Misplaced);
    }

    /// A payment got no answer.
    pub(super) fn error(&self, _: Asked, status: &Status) {
        self.settle();
        self.tally().error(status);
    }

    /// A call that was due and sent then is answered now. What fails is not timed: that it fails fast, or
    /// late, says nothing of how soon answers come.
    pub(super) fn time(&self, due: Duration, sent: Duration) {
        let now = self.now();
        self.tally().time(due, sent, now);
    }

    /// A payment came to something.
    fn settle(&self) {
        let now = self.now();
        self.under_way.set(self.under_way.get() - 1);
        self.heard.set(now);
        self.waiting_since.set(now);
    }

    /// Completes once answers are waited for no longer.
    pub(super) async fn out_of_patience(&self, bounds: Bounds) {
        loop {
            let since = match bounds.duration {
                Duration::MAX if self.under_way.get() == 0 => self.now(),
                Duration::MAX => self.waiting_since.get(),
                duration => duration,
            };
            let left = since.saturating_add(bounds.patience);
            let left = left.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Answers are not waited for any longer: counts what did not get one, and what was not even sent.
    pub(super) fn give_up(&self) {
        let unsent = self.pacing.left();
        self.tally().give_up(self.under_way.get(), unsent);
    }

    /// When the last answer came.
    pub(super) const fn heard(&self) -> Duration {
        self.heard.get()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counting does not panic half-way.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
