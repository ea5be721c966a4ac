//! Admission control: which calls are let in when there are more than can be answered in time.
//!
//! A call is scored in one go, so what calls wait for is the journal, and their turn on their thread. Both are
//! bounded here, for each worker by itself, so that cores do not contend for a counter. Always let in is what
//! relieves the service, or tells how it is: reports of outcomes, without which failed payments look like
//! duplicates; health; reflection. Reports are journalled too, so a journal that is behind refuses them like
//! payments. A stream is bounded by its client: while answers are not read, items are not read either. The
//! memory of unfinished messages is bounded for all methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::limits::Limits;
use super::status::Fault;
use crate::clock::Stopwatch;
use crate::telemetry::{CallRefused, Method};

/// The average length of a turn moves by one part in this many with each turn: few turns say little, as one may
/// have been a batch of 1,000.
const LATEST_SHARE: u64 = 16;

/// The longest that a turn is believed to take: longer than the longest batch. A thread that was away for
/// longer was not busy with calls.
const TURN_NS_MAX: u64 = 10_000_000;

/// What one worker admits.
#[derive(Debug)]
pub struct Admission {
    in_flight_max: usize,
    in_flight: AtomicUsize,
    queue_max: Duration,
    message_bytes_max: usize,
    held_bytes_max: usize,
    held_bytes: AtomicUsize,
    message_time_max: Duration,
    unread_max: Duration,
    queue: Queue,
}

/// The calls that wait for their turn on one thread.
#[derive(Debug)]
struct Queue {
    running: Stopwatch,
    waiting: AtomicU64,
    /// The batches that have begun and yield to others, and how many chunks of them are left.
    batches: AtomicU64,
    chunks: AtomicU64,
    /// When the last turn began, in nanoseconds since `running`.
    turned_ns: AtomicU64,
    /// The moving average of how long a turn takes, in nanoseconds.
    turn_ns: AtomicU64,
}

/// A call that waits for its turn on its thread, until this is dropped.
#[derive(Debug)]
pub(super) struct Queued {
    admission: Arc<Admission>,
    since_ns: u64,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.admission.queue.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    fn new() -> Self {
        Self {
            running: Stopwatch::start(),
            waiting: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
            turned_ns: AtomicU64::new(0),
            turn_ns: AtomicU64::new(0),
        }
    }

    fn now_ns(&self) -> u64 {
        in_ns(self.running.elapsed())
    }

    /// How long a call of this method would wait if it came now, in nanoseconds. A batch that has begun yields
    /// once to each new call; but a new batch would delay those that have begun with every chunk, until none is
    /// in time.
    fn wait_ns(&self, method: Option<Method>) -> u64 {
        let begun = match method {
            Some(Method::BatchScorePayments) => &self.chunks,
            _ => &self.batches,
        };
        let waiting = self.waiting.load(Ordering::Relaxed) + begun.load(Ordering::Relaxed);
        waiting.saturating_mul(self.turn_ns.load(Ordering::Relaxed))
    }

    /// Records a turn at `now_ns`, of a call that has waited this long. Called by this thread only.
    fn turn(&self, now_ns: u64, waited_ns: u64) {
        let took_ns = now_ns.saturating_sub(self.turned_ns.load(Ordering::Relaxed));
        self.turned_ns.store(now_ns, Ordering::Relaxed);
        // If the call came after the last turn began, the thread may have been idle in between.
        if took_ns <= waited_ns {
            let (turn_ns, took_ns) = (
                self.turn_ns.load(Ordering::Relaxed),
                took_ns.min(TURN_NS_MAX),
            );
            let turn_ns = turn_ns - turn_ns / LATEST_SHARE + took_ns / LATEST_SHARE;
            self.turn_ns.store(turn_ns, Ordering::Relaxed);
        }
    }
}

fn in_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Admission {
    /// The share of one worker out of `workers`.
    pub(super) fn new(limits: &Limits, workers: usize) -> Self {
        let number = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let share = |limit: u64| number(limit).div_ceil(workers.max(1));
        Self {
            in_flight_max: share(limits.in_flight),
            in_flight: AtomicUsize::new(0),
            queue_max: Duration::from_millis(limits.queue_ms),
            // There must be room for the longest message.
            held_bytes_max: share(limits.unfinished_bytes).max(number(limits.message_bytes)),
            message_bytes_max: number(limits.message_bytes),
            held_bytes: AtomicUsize::new(0),
            message_time_max: Duration::from_millis(limits.message_ms),
            unread_max: Duration::from_millis(limits.unread_ms),
            queue: Queue::new(),
        }
    }

    /// Whether a call of this method may be refused.
    const fn concerns(method: Method) -> bool {
        match method {
            Method::ScorePayment
            | Method::BatchScorePayments
            | Method::GetPayment
            | Method::ListPayments => true,
            Method::StreamPayments | Method::ReportOutcome | Method::Unknown => false,
        }
    }

    /// Queues a call of this method that came at `since`, unless it would wait too long.
    pub(super) fn queue(
        self: &Arc<Self>,
        method: Option<Method>,
        since: Stopwatch,
    ) -> Result<Queued, Fault> {
        let may_be_refused = method.is_some_and(Self::concerns);
        if may_be_refused && Duration::from_nanos(self.queue.wait_ns(method)) > self.queue_max {
            return Err(Fault::Busy(CallRefused::Queue));
        }
        self.queue.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Queued {
            admission: Arc::clone(self),
            since_ns: in_ns(since.started_after(self.queue.running)),
        })
    }

    /// Turns are taken one after the other from now on: the time since the last one was not spent on them.
    pub(super) fn begin_turns(&self) {
        let now_ns = self.queue.now_ns();
        self.queue.turned_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Whether a call may go on, now that its turn has come. Asked before its message is looked at.
    pub(super) fn turn(&self, queued: &Queued, method: Option<Method>) -> Result<(), Fault> {
        let now_ns = self.queue.now_ns();
        let waited_ns = now_ns.saturating_sub(queued.since_ns);
        self.queue.turn(now_ns, waited_ns);
        if !method.is_some_and(Self::concerns) {
            return Ok(());
        }
        self.let_on(Duration::from_nanos(waited_ns))
    }

    /// Whether a call that has `waited` this long may go on.
    fn let_on(&self, waited: Duration) -> Result<(), Fault> {
        if waited > self.queue_max {
            return Err(Fault::Busy(CallRefused::Queue));
        }
        if self.in_flight.load(Ordering::Relaxed) >= self.in_flight_max {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(())
    }

    /// Admits a call whose message has come. A call whose message never comes does not count.
    pub(super) fn enter(&self) -> Result<InFlight<'_>, Fault> {
        let in_flight = InFlight(&self.in_flight);
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.in_flight_max {
            return Err(Fault::Busy(CallRefused::InFlight));
        }
        Ok(in_flight)
    }

    /// Begins a batch of this many chunks.
    pub(super) fn begin(&self, chunks: usize) -> Unfinished<'_> {
        // The first chunk is the turn that has just come.
        let chunks_left = (chunks as u64).saturating_sub(1);
        if chunks_left > 0 {
            self.queue.batches.fetch_add(1, Ordering::Relaxed);
            self.queue.chunks.fetch_add(chunks_left, Ordering::Relaxed);
        }
        Unfinished {
            queue: &self.queue,
            since_ns: self.queue.now_ns(),
            chunks_left,
        }
    }

    pub(super) const fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Within what time a message must be whole.
    pub(super) const fn message_time_max(&self) -> Duration {
        self.message_time_max
    }

    /// For how long an answer may wait for its client to read any of it.
    pub(super) const fn unread_max(&self) -> Duration {
        self.unread_max
    }

    /// Counts this many bytes of unfinished messages as held, until they are released. Returns whether there is
    /// room; otherwise nothing is counted.
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

/// A batch that has begun, until this is dropped.
#[derive(Debug)]
pub(super) struct Unfinished<'a> {
    queue: &'a Queue,
    /// The next chunk waits for its turn since then, or longer.
    since_ns: u64,
    chunks_left: u64,
}

impl Unfinished<'_> {
    /// The turn of the next chunk has come.
    pub(super) fn go_on(&mut self) {
        let now_ns = self.queue.now_ns();
        self.queue
            .turn(now_ns, now_ns.saturating_sub(self.since_ns));
        self.since_ns = now_ns;
        self.leave(1.min(self.chunks_left));
    }

    fn leave(&mut self, chunks: u64) {
        if chunks > 0 {
            self.chunks_left -= chunks;
            self.queue.chunks.fetch_sub(chunks, Ordering::Relaxed);
            if self.chunks_left == 0 {
                self.queue.batches.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.leave(self.chunks_left);
    }
}

/// Like [`InFlight`], but owning its counter, for a call that goes on as a task of its own.
#[derive(Debug)]
pub(super) struct StillInFlight(Arc<Admission>);

impl InFlight<'_> {
    /// The same for a call that goes on as a task of its own.
    pub(super) fn go_on(self, admission: &Arc<Admission>) -> StillInFlight {
        self.0.fetch_add(1, Ordering::Relaxed);
        StillInFlight(Arc::clone(admission))
    }
}

impl Drop for StillInFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An admitted call, until this is dropped.
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

    /// Calls take their turns one after the other, this far apart, each having waited.
    fn turns(queue: &Queue, count: u64, took_ns: u64) {
        for _ in 0..count {
            let now_ns = queue.turned_ns.load(Ordering::Relaxed) + took_ns;
            queue.turn(now_ns, took_ns);
        }
    }

    #[test]
    fn who_would_wait_too_long_is_refused_on_arrival_and_nobody_else() {
        let admission = Arc::new(admission(1, 1));
        turns(&admission.queue, 200, 1_000_000);
        let score = Some(Method::ScorePayment);
        let queue = |method| admission.queue(method, Stopwatch::start());
        let five = [(); 5].map(|()| queue(score).unwrap());
        let sixth = queue(score).unwrap();
        let full = Err(Fault::Busy(CallRefused::Queue));
        assert_eq!(queue(score).map(drop), full);
        let others = [Some(Method::ReportOutcome), None];
        let others = others.map(|method| queue(method).unwrap());
        assert_eq!(queue(score).map(drop), full);
        drop((sixth, others));
        assert!(queue(score).is_ok());
        drop(five);
    }

    #[test]
    fn a_batch_waits_for_all_of_those_that_have_begun_and_a_payment_for_a_turn_of_each() {
        let admission = Arc::new(admission(1, 1));
        turns(&admission.queue, 200, 1_000_000);
        let wait_ms = |method| admission.queue.wait_ns(Some(method)).div_ceil(1_000_000);
        let waits = || {
            (
                wait_ms(Method::BatchScorePayments),
                wait_ms(Method::ScorePayment),
            )
        };
        let one_chunk = admission.begin(1);
        assert_eq!(waits(), (0, 0));
        let mut sixteen = admission.begin(16);
        let mut two = admission.begin(2);
        assert_eq!(waits(), (16, 2));
        let queued = admission.queue(Some(Method::BatchScorePayments), Stopwatch::start());
        let full = Err(Fault::Busy(CallRefused::Queue));
        assert_eq!(queued.map(drop), full);
        two.leave(1);
        sixteen.leave(12);
        assert_eq!(waits(), (3, 1));
        drop((one_chunk, two, sixteen));
        assert_eq!(waits(), (0, 0));
    }

    #[test]
    fn how_long_turns_take_follows_what_they_take_of_late() {
        let queue = Queue::new();
        let turn_us = |queue: &Queue| queue.turn_ns.load(Ordering::Relaxed) / 1_000;
        turns(&queue, 200, 400_000);
        assert!((390..=400).contains(&turn_us(&queue)));
        turns(&queue, 200, 10_000);
        assert!((9..=11).contains(&turn_us(&queue)));
        // The thread was away for long; and a call with nobody before it.
        turns(&queue, 1, 3_000_000_000);
        assert!((600..700).contains(&turn_us(&queue)));
        let before = turn_us(&queue);
        queue.turn(u64::MAX, 1_000);
        assert_eq!(turn_us(&queue), before);
    }

    #[test]
    fn who_waited_too_long_for_its_turn_is_refused() {
        let admission = admission(1, 64);
        assert_eq!(admission.let_on(Duration::from_millis(5)), Ok(()));
        let refused = admission.let_on(Duration::from_micros(5_001));
        assert_eq!(refused, Err(Fault::Busy(CallRefused::Queue)));
    }
}
