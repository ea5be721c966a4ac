//! Which connections and calls were not let in, and why.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{CALLS_DENIED, CERTIFICATE_EXPIRY, HANDSHAKES_FAILED};
use super::page::Page;
use crate::access::Denial;
use crate::scoring::payment::named;
use crate::scoring::time::Timestamp;

named! {
    /// Why a TLS handshake failed.
    HandshakeFailure {
        /// The client sent no certificate.
        NoCertificate = "no_certificate",
        /// The client's certificate is not accepted.
        BadCertificate = "bad_certificate",
        /// The client does not accept the server's certificate.
        RefusedByClient = "refused_by_client",
        /// What the client sent is not TLS, or not a version that is supported.
        Protocol = "protocol",
        /// The client left.
        BrokenOff = "broken_off",
        /// The client took too long.
        Timeout = "timeout",
    }
}

/// Counters of what was not let in.
#[derive(Debug, Default)]
pub struct AuthCounters {
    failures: [AtomicU64; HandshakeFailure::ALL.len()],
    denials: [AtomicU64; Denial::REASONS.len()],
}

impl AuthCounters {
    /// Counts a TLS handshake that failed.
    pub fn add_failure(&self, failure: HandshakeFailure) {
        self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was denied.
    pub fn add_denial(&self, denial: Denial) {
        self.denials[denial.number()].fetch_add(1, Ordering::Relaxed);
    }

    /// Puts them on a page, with the end of the certificate's validity if there is one.
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
