//! How many calls there are, how they end and how long they take, in the names that dashboards of gRPC
//! expect.

use std::array;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{CALL_SECONDS, CALLS_HANDLED, CALLS_STARTED, ITEMS_RECEIVED, ITEMS_SENT};
use super::page::{Distribution, Page};
use super::sharded::Sharded;
use crate::clock::Stopwatch;
use crate::scoring::payment::named;

/// The service, as the wire contract calls it.
const SERVICE: &str = "doublecheck.v1.RiskService";

named! {
    /// A method of the service, as the wire contract calls it.
    Method {
        /// Scores a payment.
        ScorePayment = "ScorePayment",
        /// Scores some together.
        BatchScorePayments = "BatchScorePayments",
        /// Scores a stream of them.
        StreamPayments = "StreamPayments",
        /// Takes what became of one.
        ReportOutcome = "ReportOutcome",
        /// Tells what is remembered of one.
        GetPayment = "GetPayment",
        /// Tells what is remembered of an account.
        ListPayments = "ListPayments",
        /// Whatever else is called by a name that the service does not have.
        Unknown = "unknown",
    }
}

impl Method {
    const fn call_type(self) -> &'static str {
        match self {
            Self::StreamPayments => "bidi_stream",
            Self::ScorePayment
            | Self::BatchScorePayments
            | Self::ReportOutcome
            | Self::GetPayment
            | Self::ListPayments
            | Self::Unknown => "unary",
        }
    }

    /// The method of this name, or what stands for one that there is not.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::Unknown)
    }

    const fn labels(self) -> [&'static str; 3] {
        [self.call_type(), SERVICE, self.name()]
    }
}

/// The status codes by their number, as Go's library calls them and dashboards therefore do.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

const OK: usize = 0;
const CANCELED: usize = 1;
const UNKNOWN: usize = 2;

/// The greatest time of each bucket but the last. A call that waits for no disk takes some microseconds,
/// one that waits for a sync some milliseconds, and beyond a second it does not matter how late it is.
const BOUNDS_US: [u64; 15] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    1_000_000,
];

/// Counts of all calls.
#[derive(Debug, Default)]
pub struct CallCounters {
    calls: Sharded<[Counters; Method::ALL.len()]>,
    items: Sharded<Items>,
}

#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    handled: [AtomicU64; CODES.len()],
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// What streams carried.
#[derive(Debug, Default)]
struct Items {
    received: AtomicU64,
    sent: AtomicU64,
}

/// A call under way. However it ends, it is counted.
pub struct Call<C: AsRef<CallCounters>> {
    counters: C,
    method: Method,
    stopwatch: Stopwatch,
    /// The number of the status it ends with.
    code: usize,
}

impl<C: AsRef<CallCounters>> Call<C> {
    /// A call that came when its `stopwatch` was started. Unless its end is told it was cancelled.
    pub fn begun(counters: C, method: Method, stopwatch: Stopwatch) -> Self {
        let own = &counters.as_ref().calls.own()[method as usize];
        own.started.fetch_add(1, Ordering::Relaxed);
        Self {
            counters,
            method,
            stopwatch,
            code: CANCELED,
        }
    }

    /// The same call, counted by way of something else that has these counters.
    pub fn counted_by<D: AsRef<CallCounters>>(self, counters: D) -> Call<D> {
        let carried = Call {
            counters,
            method: self.method,
            stopwatch: self.stopwatch,
            code: self.code,
        };
        // It has not ended.
        mem::forget(self);
        carried
    }

    /// It ends well once this value is dropped.
    pub const fn succeed(&mut self) {
        self.code = OK;
    }

    /// It ends with the status of this number.
    pub fn fail(&mut self, code: i32) {
        self.code = known(code);
    }

    /// Where it is counted.
    pub const fn counters(&self) -> &C {
        &self.counters
    }

    /// So many items have come.
    pub fn received(&self, items: usize) {
        let counter = &self.counters.as_ref().items.own().received;
        counter.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// So many are answered.
    pub fn sent(&self, items: usize) {
        let counter = &self.counters.as_ref().items.own().sent;
        counter.fetch_add(items as u64, Ordering::Relaxed);
    }
}

/// The code of this number, or what stands for one that there is not.
fn known(code: i32) -> usize {
    let code = usize::try_from(code).ok();
    code.filter(|code| *code < CODES.len()).unwrap_or(UNKNOWN)
}

impl<C: AsRef<CallCounters>> Drop for Call<C> {
    fn drop(&mut self) {
        let took = self.stopwatch.elapsed();
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let own = &self.counters.as_ref().calls.own()[self.method as usize];
        let bucket = BOUNDS_US.partition_point(|bound_us| bound_us * 1_000 < took_ns);
        own.handled[self.code].fetch_add(1, Ordering::Relaxed);
        own.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        own.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
    }
}

impl<C: AsRef<CallCounters>> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("stopwatch", &self.stopwatch)
            .finish_non_exhaustive()
    }
}

impl CallCounters {
    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut started = page.family(&CALLS_STARTED);
        for method in Method::ALL {
            started.put(&method.labels(), self.sum(*method, |own| &own.started));
        }
        let mut handled = page.family(&CALLS_HANDLED);
        for method in Method::ALL {
            for (number, code) in CODES.iter().enumerate() {
                let [call_type, service, name] = method.labels();
                let count = self.sum(*method, |own| &own.handled[number]);
                handled.put(&[call_type, service, name, code], count);
            }
        }
        let bounds = BOUNDS_US.map(|us| us as f64 / 1e6);
        let mut seconds = page.family(&CALL_SECONDS);
        for method in Method::ALL {
            let counts: [u64; BOUNDS_US.len() + 1] =
                array::from_fn(|bucket| self.sum(*method, |own| &own.buckets[bucket]));
            let distribution = Distribution {
                bounds: &bounds,
                counts: &counts,
                sum: self.sum(*method, |own| &own.sum_ns) as f64 / 1e9,
            };
            seconds.put_distribution(&method.labels(), &distribution);
        }
        let stream = Method::StreamPayments.labels();
        let items = |counter: fn(&Items) -> &AtomicU64| {
            self.items
                .sum(|items| counter(items).load(Ordering::Relaxed))
        };
        let received = items(|items| &items.received);
        page.family(&ITEMS_RECEIVED).put(&stream, received);
        page.family(&ITEMS_SENT)
            .put(&stream, items(|items| &items.sent));
    }

    fn sum(&self, method: Method, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.calls
            .sum(|own| counter(&own[method as usize]).load(Ordering::Relaxed))
    }
}
