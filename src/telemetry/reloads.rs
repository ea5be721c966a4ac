//! How changed files were taken.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::families::{RELOAD_REFUSED, RELOADS};
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

/// Counts of what was read again, by how it was taken, and which of it was refused the last time.
#[derive(Debug, Default)]
pub struct ReloadCounters {
    results: [[AtomicU64; 2]; Reloaded::ALL.len()],
    refused: [AtomicBool; Reloaded::ALL.len()],
}

/// What the counts are called.
const RESULTS: [&str; 2] = ["taken", "refused"];

impl ReloadCounters {
    /// Counts what became of one of them.
    pub fn add<T, E>(&self, reloaded: Reloaded, result: &Result<T, E>) {
        let is_refused = result.is_err();
        self.results[reloaded as usize][usize::from(is_refused)].fetch_add(1, Ordering::Relaxed);
        self.refused[reloaded as usize].store(is_refused, Ordering::Relaxed);
    }

    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut samples = page.family(&RELOADS);
        for (reloaded, counts) in Reloaded::ALL.iter().zip(&self.results) {
            for (result, count) in RESULTS.iter().zip(counts) {
                samples.put(&[reloaded.name(), result], count.load(Ordering::Relaxed));
            }
        }
        let mut samples = page.family(&RELOAD_REFUSED);
        for (reloaded, refused) in Reloaded::ALL.iter().zip(&self.refused) {
            let is_refused = u8::from(refused.load(Ordering::Relaxed));
            samples.put(&[reloaded.name()], is_refused);
        }
    }
}
