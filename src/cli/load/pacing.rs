//! When calls are sent: in a closed loop as soon as another was answered, in an open loop when they are due,
//! however many are unanswered.

use std::cell::Cell;
use std::iter;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::poisson::PoissonArrivals;
use crate::clock::Stopwatch;

/// A call that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueCall {
    /// When it is due, counted from the start.
    pub(super) due: Duration,
    /// How many payments it carries.
    pub(super) payments: u64,
}

/// Where a load ends: at whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) duration: Duration,
    pub(super) payments: u64,
    /// How long answers are waited for once the time is over; without such an end, how long for any at all.
    pub(super) patience: Duration,
}

impl Bounds {
    /// How long a load took that did not get all of its answers: those came until it `heard` the last one, and
    /// could have come for as long as it was to go on. What was waited in vain after that is no part of it.
    pub(super) fn loaded(&self, heard: Duration, elapsed: Duration) -> Duration {
        match self.duration {
            Duration::MAX if heard.is_zero() => elapsed,
            Duration::MAX => heard,
            duration => heard.max(duration.min(elapsed)),
        }
    }
}

#[derive(Debug)]
pub(super) enum Pacing {
    Closed {
        stopwatch: Arc<Stopwatch>,
        duration: Duration,
        payments_left: Cell<u64>,
        call_payments: u64,
    },
    Open(Mutex<mpsc::UnboundedReceiver<DueCall>>),
}

impl Pacing {
    pub(super) const fn closed(
        stopwatch: Arc<Stopwatch>,
        bounds: Bounds,
        call_payments: u64,
    ) -> Self {
        Self::Closed {
            stopwatch,
            duration: bounds.duration,
            payments_left: Cell::new(bounds.payments),
            call_payments,
        }
    }

    /// Starts a thread that watches the time: a runtime's timers know milliseconds only.
    pub(super) fn open(
        stopwatch: Arc<Stopwatch>,
        bounds: Bounds,
        call_payments: u64,
        arrivals: PoissonArrivals,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name("arrivals".to_owned())
            .spawn(move || {
                for due_call in pacing(arrivals, bounds, call_payments) {
                    thread::sleep(due_call.due.saturating_sub(stopwatch.elapsed()));
                    if sender.send(due_call).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self::Open(Mutex::new(receiver)))
    }

    /// Waits for the next call to send; `None` once the load is over.
    pub(super) async fn next(&self) -> Option<DueCall> {
        match self {
            Self::Closed {
                stopwatch,
                duration,
                payments_left,
                call_payments,
            } => {
                let due = stopwatch.elapsed();
                let payments = payments_left.get().min(*call_payments);
                payments_left.set(payments_left.get() - payments);
                (payments > 0 && due < *duration).then_some(DueCall { due, payments })
            }
            Self::Open(due) => due.lock().await.recv().await,
        }
    }

    /// How many payments were not sent although they were due, or although only their number was to end the
    /// load. Removes them.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Closed {
                duration,
                payments_left,
                ..
            } if *duration == Duration::MAX => payments_left.take(),
            Self::Closed { .. } => 0,
            Self::Open(due) => {
                // Nobody waits for one any more.
                let Ok(mut due) = due.try_lock() else {
                    return 0;
                };
                iter::from_fn(|| due.try_recv().ok())
                    .map(|due_call| due_call.payments)
                    .sum()
            }
        }
    }
}

/// The calls of an open loop, each when it is due.
fn pacing(
    arrivals: PoissonArrivals,
    bounds: Bounds,
    call_payments: u64,
) -> impl Iterator<Item = DueCall> {
    let mut payments_left = bounds.payments;
    arrivals
        .take_while(move |due| *due < bounds.duration)
        .map_while(move |due| {
            let payments = payments_left.min(call_payments);
            payments_left -= payments;
            (payments > 0).then_some(DueCall { due, payments })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const fn bounds(duration: Duration, payments: u64) -> Bounds {
        Bounds {
            duration,
            payments,
            patience: Duration::MAX,
        }
    }

    #[test]
    fn what_was_waited_in_vain_is_no_part_of_the_load() {
        let seconds = Duration::from_secs;
        let timed = bounds(seconds(5), u64::MAX);
        assert_eq!(timed.loaded(seconds(2), seconds(35)), seconds(5));
        assert_eq!(timed.loaded(seconds(9), seconds(35)), seconds(9));
        assert_eq!(timed.loaded(seconds(2), seconds(3)), seconds(3));
        let counted = bounds(Duration::MAX, 10);
        assert_eq!(counted.loaded(seconds(2), seconds(32)), seconds(2));
        assert_eq!(counted.loaded(seconds(0), seconds(30)), seconds(30));
    }

    #[test]
    fn an_open_loop_ends_at_its_count_or_at_its_time() {
        let ended = |bounds, call_payments| {
            let arrivals = PoissonArrivals::new(Random::stream(1, 0), 1_000.0);
            pacing(arrivals, bounds, call_payments).collect::<Vec<_>>()
        };
        let counted = ended(bounds(Duration::MAX, 100), 64);
        let payments: Vec<u64> = counted.iter().map(|call| call.payments).collect();
        assert_eq!(payments, [64, 36]);
        let timed = ended(bounds(Duration::from_secs(1), u64::MAX), 1);
        assert!((850..1_150).contains(&timed.len()), "{}", timed.len());
        assert!(timed.iter().all(|call| call.due < Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_closed_loop_ends_at_its_count_or_at_its_time() {
        let closed = |bounds| Pacing::closed(Arc::new(Stopwatch::start()), bounds, 64);
        let counted = closed(bounds(Duration::MAX, 100));
        assert_eq!(counted.next().await.unwrap().payments, 64);
        assert_eq!(counted.next().await.unwrap().payments, 36);
        assert!(counted.next().await.is_none());
        assert_eq!(counted.left(), 0);
        let timed = closed(bounds(Duration::ZERO, 100));
        assert!(timed.next().await.is_none());
        // Its time was over: nobody was to send the rest.
        assert_eq!(timed.left(), 0);
        let cut_off = closed(bounds(Duration::MAX, 100));
        assert_eq!(cut_off.next().await.unwrap().payments, 64);
        assert_eq!(cut_off.left(), 36);
    }
}
