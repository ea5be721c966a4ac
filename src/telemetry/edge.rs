//! What becomes of connections, and which calls are refused before anything is done for them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{
    ADMISSION_REFUSALS, CONNECTIONS_ACCEPTED, CONNECTIONS_CLOSED, CONNECTIONS_HELD,
    CONNECTIONS_OPEN, CONNECTIONS_REFUSED,
};
use super::page::{Family, Page};
use crate::scoring::payment::named;

named! {
    /// Why a connection is not served.
    ConnectionRefused {
        /// So many are open already.
        Connections = "connections",
        /// So many are from its address.
        ConnectionsPerAddress = "connections_per_address",
        /// It could not be accepted: the process has no more files, or the client left before.
        Accept = "accept",
    }
}

named! {
    /// How a connection ended.
    ConnectionClosed {
        /// The client left.
        Client = "client",
        /// The client vanished, or broke the protocol.
        Broken = "broken",
        /// What the client began with is not HTTP/2.
        NotHttp2 = "not_http2",
        /// The client did not say in time what every client begins with.
        Handshake = "handshake",
        /// No call was open for long.
        Idle = "idle",
        /// It was old.
        Age = "age",
        /// The client sent many frames that carry no call.
        Flood = "flood",
        /// The service stopped.
        Shutdown = "shutdown",
    }
}

named! {
    /// Why a connection is not read from for a while.
    ConnectionHeld {
        /// More of what it sent came to nothing than may.
        Waste = "waste",
        /// Some of it did, and of its address so much that nobody there has it for free.
        Address = "address",
        /// It has just come, from such an address.
        Begin = "begin",
    }
}

named! {
    /// Why a call, or an item of a stream, is refused before anything is done for it.
    CallRefused {
        /// So many wait for their answer.
        InFlight = "in_flight",
        /// It waited for its turn for too long.
        Queue = "queue",
        /// The journal is behind.
        Journal = "journal",
        /// Messages that are not whole take so much.
        Messages = "messages",
    }
}

/// Counts of what becomes of connections, and of calls that are refused.
#[derive(Debug, Default)]
pub struct EdgeCounters {
    accepted: AtomicU64,
    refused: [AtomicU64; ConnectionRefused::ALL.len()],
    closed: [AtomicU64; ConnectionClosed::ALL.len()],
    held: [AtomicU64; ConnectionHeld::ALL.len()],
    calls_refused: [AtomicU64; CallRefused::ALL.len()],
}

impl EdgeCounters {
    /// A connection was accepted and has a slot.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// One was not.
    pub fn refused(&self, why: ConnectionRefused) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One that was accepted has ended.
    pub fn closed(&self, why: ConnectionClosed) {
        self.closed[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One is not read from for a while.
    pub fn held(&self, why: ConnectionHeld) {
        self.held[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many calls or items were refused.
    pub fn calls_refused(&self, why: CallRefused, calls: usize) {
        self.calls_refused[why as usize].fetch_add(calls as u64, Ordering::Relaxed);
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let counts = |counters: &[AtomicU64]| -> Vec<u64> {
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            counters.iter().map(load).collect()
        };
        // In this order, so that no connection counts as closed before it counts as accepted.
        let closed = counts(&self.closed);
        let accepted = self.accepted.load(Ordering::Relaxed);
        page.one(&CONNECTIONS_OPEN, accepted - closed.iter().sum::<u64>());
        page.one(&CONNECTIONS_ACCEPTED, accepted);
        let mut put = |family: &Family, names: Vec<&str>, counts: Vec<u64>| {
            let mut samples = page.family(family);
            for (name, count) in names.into_iter().zip(counts) {
                samples.put(&[name], count);
            }
        };
        let names = ConnectionRefused::ALL.iter().map(|why| why.name());
        put(&CONNECTIONS_REFUSED, names.collect(), counts(&self.refused));
        let names = ConnectionClosed::ALL.iter().map(|why| why.name());
        put(&CONNECTIONS_CLOSED, names.collect(), closed);
        let names = ConnectionHeld::ALL.iter().map(|why| why.name());
        put(&CONNECTIONS_HELD, names.collect(), counts(&self.held));
        let names = CallRefused::ALL.iter().map(|why| why.name());
        put(
            &ADMISSION_REFUSALS,
            names.collect(),
            counts(&self.calls_refused),
        );
    }
}
