//! How changed files were taken.

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::families::RELOADS;
use super::page::Page;
use crate::scoring::payment::named;

named! {
    /// What is read again while the service runs.
    Reloaded {
        /// The policy, and the one in its shadow.
        Policy = "policy",
        /// Who may call what.
        Tokens = "tokens",
        /// Certificates and key.
        Certificates = "certificates",
    }
}

/// Counts of what was read again, by how it was taken.
#[derive(Debug)]
pub struct ReloadCounters([[AtomicU64; 2]; Reloaded::ALL.len()]);

/// What the counts are called.
const RESULTS: [&str; 2] = ["taken", "refused"];

impl Default for ReloadCounters {
    fn default() -> Self {
        Self(array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl ReloadCounters {
    /// Counts what became of one of them.
    pub fn add<T, E>(&self, reloaded: Reloaded, result: &Result<T, E>) {
        let nth = usize::from(result.is_err());
        self.0[reloaded as usize][nth].fetch_add(1, Ordering::Relaxed);
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut samples = page.family(&RELOADS);
        for (reloaded, counts) in Reloaded::ALL.iter().zip(&self.0) {
            for (result, count) in RESULTS.iter().zip(counts) {
                samples.put(&[reloaded.name(), result], count.load(Ordering::Relaxed));
            }
        }
    }
}
