//! Connections that are not served: each is counted, and one in a while is told of. Whoever is refused tries again
//! and again, and the metrics of calls do not know of it.

use std::array;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::telemetry::{ConnectionRefused, EdgeCounters, Seldom};

/// How often refusals are told of at most, for each reason.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// When refusals were told of last, for all workers.
#[derive(Debug)]
pub(super) struct Refusals([Seldom; ConnectionRefused::ALL.len()]);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| Seldom::every(TOLD_EVERY)))
    }

    /// A connection from `address` had no place.
    pub(super) fn no_place(
        &self,
        counters: &EdgeCounters,
        why: ConnectionRefused,
        address: IpAddr,
    ) {
        if let Some(refused) = self.count(counters, why) {
            tracing::warn!(
                target: "doublecheck", %address, refused,
                "connections are refused: limits.{why} are open; this is the last one's address"
            );
        }
    }

    /// A connection could not be accepted.
    pub(super) fn not_accepted(&self, counters: &EdgeCounters, error: &io::Error) {
        if let Some(refused) = self.count(counters, ConnectionRefused::Accept) {
            tracing::warn!(target: "doublecheck", %error, refused, "connections could not be accepted");
        }
    }

    /// Counts one. How many are to be told of, if any are.
    fn count(&self, counters: &EdgeCounters, why: ConnectionRefused) -> Option<u64> {
        counters.refused(why);
        self.0[why as usize].takes()
    }
}
