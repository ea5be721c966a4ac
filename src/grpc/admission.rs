//! Which calls are let in when there are more than can be answered in time.
//!
//! A call is scored in one go, so calls do not wait for each other in a queue of ours: they wait for the
//! journal, and for their turn on their thread. Both are bounded here, for each worker by itself, so that
//! no two cores fight for a number. What relieves the service, or says how it is, is let in all the same:
//! reports of outcomes, without which payments that failed look like duplicates; health; reflection. A
//! stream is bounded by its client: what was not answered is not read on. The room of messages that are not
//! whole is bounded for all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::limits::Limits;
use super::status::Fault;
use crate::telemetry::{CallRefused, Method};

/// What one worker lets in.
#[derive(Debug)]
pub struct Admission {
    in_flight_max: usize,
    in_flight: AtomicUsize,
    queue_max: Duration,
    message_bytes_max: usize,
    held_bytes_max: usize,
    held_bytes: AtomicUsize,
}

impl Admission {
    /// The share of one of so many workers.
    pub(super) fn new(limits: &Limits, workers: usize) -> Self {
        let number = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let share = |limit: u64| number(limit).div_ceil(workers.max(1));
        Self {
            in_flight_max: share(limits.in_flight),
            in_flight: AtomicUsize::new(0),
            queue_max: Duration::from_millis(limits.queue_ms),
            // The longest message must have room.
            held_bytes_max: share(limits.unfinished_bytes).max(number(limits.message_bytes)),
            message_bytes_max: number(limits.message_bytes),
            held_bytes: AtomicUsize::new(0),
        }
    }

    /// Whether a call of this method may be refused.
    pub(super) const fn concerns(method: Method) -> bool {
        match method {
            Method::ScorePayment
            | Method::BatchScorePayments
            | Method::GetPayment
            | Method::ListPayments => true,
            Method::StreamPayments | Method::ReportOutcome | Method::Unknown => false,
        }
    }

    /// Whether a call goes on that has `waited` for its turn: asked before its message is looked at.
    pub(super) fn let_on(&self, waited: Duration) -> Result<(), Fault> {
        if waited > self.queue_max {
            return Err(Fault::Busy(CallRefused::Queue));
        }
        if self.in_flight.load(Ordering::Relaxed) >= self.in_flight_max {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(())
    }

    /// Lets a call in whose message is there: one that never sends it takes no place.
    pub(super) fn enter(&self) -> Result<InFlight<'_>, Fault> {
        let in_flight = InFlight(&self.in_flight);
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.in_flight_max {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(in_flight)
    }

    pub(super) const fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Holds the room of a message that is not whole, until it is released; whether there is room for it.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = held + bytes <= self.held_bytes_max;
        if !has_room {
            self.release(bytes);
        }
        has_room
    }

    pub(super) fn release(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A call that was let in, until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(in_flight: u64, workers: usize) -> Admission {
        let limits = Limits {
            in_flight,
            queue_ms: 5,
            ..Limits::DEFAULT
        };
        Admission::new(&limits, workers)
    }

    #[test]
    fn workers_share_the_places_and_a_place_is_given_back() {
        let admission = admission(5, 2);
        let places: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
        let full = Fault::Busy(CallRefused::InFlight);
        assert_eq!(admission.enter().unwrap_err(), full);
        assert_eq!(admission.let_on(Duration::ZERO), Err(full));
        drop(places);
        assert_eq!(admission.let_on(Duration::ZERO), Ok(()));
        assert_eq!(admission.in_flight.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_waited_too_long_for_its_turn_is_refused() {
        let admission = admission(1, 64);
        assert_eq!(admission.let_on(Duration::from_millis(5)), Ok(()));
        let refused = admission.let_on(Duration::from_micros(5_001));
        assert_eq!(refused, Err(Fault::Busy(CallRefused::Queue)));
    }
}
