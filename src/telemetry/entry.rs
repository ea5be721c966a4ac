//! Who was not let in, and why.

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{CALLS_DENIED, CERTIFICATE_EXPIRY, HANDSHAKES_FAILED};
use super::page::Page;
use crate::access::Denial;
use crate::scoring::payment::named;
use crate::scoring::time::Timestamp;

named! {
    /// Why TLS was not agreed on.
    HandshakeFailure {
        /// The client showed no certificate.
        NoCertificate = "no_certificate",
        /// The client's certificate is none that is let in.
        BadCertificate = "bad_certificate",
        /// The client did not like what it was shown.
        RefusedByClient = "refused_by_client",
        /// What the client said is not TLS, or not the TLS that is spoken.
        Protocol = "protocol",
        /// The client left.
        BrokenOff = "broken_off",
        /// The client took too long.
        Timeout = "timeout",
    }
}

/// Counts of who was not let in.
#[derive(Debug)]
pub struct EntryCounters {
    failures: [AtomicU64; HandshakeFailure::ALL.len()],
    denials: [AtomicU64; Denial::REASONS.len()],
}

impl Default for EntryCounters {
    fn default() -> Self {
        Self {
            failures: array::from_fn(|_| AtomicU64::new(0)),
            denials: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl EntryCounters {
    /// Counts a connection without agreement on TLS.
    pub fn add_failure(&self, failure: HandshakeFailure) {
        self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was not allowed.
    pub fn add_denial(&self, denial: Denial) {
        let mut reasons = Denial::REASONS.iter();
        if let Some(nth) = reasons.position(|reason| *reason == denial.reason()) {
            self.denials[nth].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts them on a page, with when the certificate ends where there is one.
    pub fn put_on(&self, page: &mut Page, valid_to: Option<Timestamp>) {
        let mut samples = page.family(&HANDSHAKES_FAILED);
        for (failure, count) in HandshakeFailure::ALL.iter().zip(&self.failures) {
            samples.put(&[failure.name()], count.load(Ordering::Relaxed));
        }
        let mut samples = page.family(&CALLS_DENIED);
        for (reason, count) in Denial::REASONS.iter().zip(&self.denials) {
            samples.put(&[reason], count.load(Ordering::Relaxed));
        }
        let mut samples = page.family(&CERTIFICATE_EXPIRY);
        if let Some(valid_to) = valid_to {
            samples.put(&[], valid_to.unix_ms() as f64 / 1e3);
        }
    }
}
