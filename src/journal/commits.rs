//! Waiting until records are kept, and waking the calls that wait.
//!
//! Thousands of calls wait for one write. If the writer's thread woke each, most would cost it a system call,
//! as each may be the first for its worker's thread. So they wait in lines, about one for each worker; the
//! writer wakes the first of a line, and that one, on its own thread, wakes those behind it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// How many lines there are. With more threads than that, some share one.
const LINES: usize = 16;

/// Whether an answer will survive what the journal promises to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It will.
    Yes,
    /// The journal has failed, and a restart may forget it.
    No,
}

/// Up to where everything is kept, and who waits for more.
#[derive(Debug)]
pub(super) struct Commits {
    /// The last sequence number that is kept, with everything before it.
    kept_to: AtomicU64,
    /// Whether nobody has to wait.
    degraded: AtomicBool,
    lines: [Mutex<Line>; LINES],
}

/// Calls that wait, ordered by the sequence number they wait for.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiting {
    sequence: u64,
    ticket: u64,
    waker: Waker,
}

impl Line {
    /// Joins the line, almost always at its end: sequence numbers are handed out in order.
    fn join(&mut self, sequence: u64, waker: &Waker) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        let behind = |other: &Waiting| other.sequence <= sequence;
        let place = self.waiting.partition_point(behind);
        let waker = waker.clone();
        self.waiting.insert(
            place,
            Waiting {
                sequence,
                ticket,
                waker,
            },
        );
        ticket
    }

    /// The position of the call that waits for `sequence` with this ticket; `None` once it was woken.
    fn place(&self, sequence: u64, ticket: u64) -> Option<usize> {
        let from = self
            .waiting
            .partition_point(|other| other.sequence < sequence);
        let alike = self.waiting.range(from..);
        let nth = alike
            .take_while(|other| other.sequence == sequence)
            .position(|other| other.ticket == ticket)?;
        Some(from + nth)
    }

    /// Removes the first call, if what it waits for is kept.
    fn leave(&mut self, done_to: u64) -> Option<Waker> {
        let first = self.waiting.front()?;
        if first.sequence > done_to {
            return None;
        }
        self.waiting.pop_front().map(|first| first.waker)
    }
}

thread_local! {
    static OWN_LINE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The line of the current thread.
fn own_line() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    OWN_LINE.get().unwrap_or_else(|| {
        let line = NEXT.fetch_add(1, Ordering::Relaxed) % LINES;
        OWN_LINE.set(Some(line));
        line
    })
}

impl Commits {
    pub(super) fn new(kept_to: u64) -> Self {
        Self {
            kept_to: AtomicU64::new(kept_to),
            degraded: AtomicBool::new(false),
            lines: Default::default(),
        }
    }

    pub(super) fn kept_to(&self) -> u64 {
        self.kept_to.load(Ordering::Acquire)
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Acquire)
    }

    /// Whether `sequence` is kept; `None` if that has to be waited for.
    pub(super) fn known(&self, sequence: u64) -> Option<Kept> {
        if self.kept_to() >= sequence {
            return Some(Kept::Yes);
        }
        self.is_degraded().then_some(Kept::No)
    }

    /// Everything up to `kept_to` is kept: wakes those that wait for it.
    pub(super) fn publish(&self, kept_to: u64) {
        self.kept_to.fetch_max(kept_to, Ordering::AcqRel);
        self.wake_the_first(self.kept_to());
    }

    /// Nobody has to wait any more.
    pub(super) fn degrade(&self) {
        self.degraded.store(true, Ordering::Release);
        self.wake_the_first(u64::MAX);
    }

    /// Everything up to `kept_to` is kept, and later records are waited for again.
    pub(super) fn restore(&self, kept_to: u64) {
        self.publish(kept_to);
        self.degraded.store(false, Ordering::Release);
    }

    fn wake_the_first(&self, done_to: u64) {
        for line in &self.lines {
            // A call that joins after this looks at what is kept again, under the same lock.
            let first = line.lock().leave(done_to);
            if let Some(first) = first {
                first.wake();
            }
        }
    }

    /// Waits until `sequence` is kept, or never will be.
    pub(super) fn wait(&self, sequence: u64) -> Committed<'_> {
        Committed {
            commits: self,
            sequence,
            place: None,
        }
    }

    /// Wakes the calls of `line` whose records are kept; done by the one that was first.
    fn pass_on(&self, line: usize) {
        let Some(line) = self.lines.get(line) else {
            return;
        };
        loop {
            let done_to = if self.is_degraded() {
                u64::MAX
            } else {
                self.kept_to()
            };
            let Some(next) = line.lock().leave(done_to) else {
                return;
            };
            next.wake();
        }
    }
}

/// Waits for one record to be kept.
#[derive(Debug)]
#[must_use = "it waits only where it is awaited"]
pub(super) struct Committed<'a> {
    commits: &'a Commits,
    sequence: u64,
    /// Its line and ticket; `None` before it has to wait, and after it was woken.
    place: Option<(usize, u64)>,
}

impl Committed<'_> {
    /// Joins a line or stays in it; returns what is known by then, if it need not wait.
    fn stand(&mut self, waker: &Waker) -> Option<Kept> {
        let number = self.place.map_or_else(own_line, |(number, _)| number);
        let mut line = self.commits.lines.get(number)?.lock();
        // The writer publishes what is kept before it takes this lock.
        if let Some(kept) = self.commits.known(self.sequence) {
            return Some(kept);
        }
        let place = self.place;
        let place = place.and_then(|(_, ticket)| line.place(self.sequence, ticket));
        match place.and_then(|place| line.waiting.get_mut(place)) {
            Some(own) => own.waker.clone_from(waker),
            None => self.place = Some((number, line.join(self.sequence, waker))),
        }
        None
    }

    /// Leaves the line. If it was woken as the first, it must wake those behind it, even if it was dropped and
    /// does not look any more.
    fn step_out(&mut self) {
        let Some((number, ticket)) = self.place.take() else {
            return;
        };
        let Some(line) = self.commits.lines.get(number) else {
            return;
        };
        let mut line = line.lock();
        if let Some(place) = line.place(self.sequence, ticket) {
            line.waiting.remove(place);
        }
        drop(line);
        self.commits.pass_on(number);
    }
}

impl Future for Committed<'_> {
    type Output = Kept;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Kept> {
        let known = self.commits.known(self.sequence);
        let Some(kept) = known.or_else(|| self.stand(context.waker())) else {
            return Poll::Pending;
        };
        self.step_out();
        Poll::Ready(kept)
    }
}

impl Drop for Committed<'_> {
    fn drop(&mut self) {
        self.step_out();
    }
}
