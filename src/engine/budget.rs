//! Memory within a budget: what is missed least is forgotten first.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Engine;
use crate::scoring::account::{Account, Loss};
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::scoring::payment::{AccountId, DeviceId, PayeeId};
use crate::scoring::time::Timestamp;
use crate::store::Footprint;
use crate::telemetry::Evicted;

/// How many are looked at to find the one to forget. Of 16 taken at random the least is among the lowest
/// six in a hundred. Source: the sampling that Redis evicts by, with 5 to 10.
const CANDIDATES: u64 = 16;

/// How many accounts are forgotten at most for one payment, because others have grown.
const EVICTIONS_MAX: u32 = 4;

/// How much memory may be used.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    /// The state of a generator of pseudo-random numbers.
    random: AtomicU64,
}

impl Budget {
    pub(super) const fn unlimited() -> Self {
        Self::of(u64::MAX)
    }

    pub(super) const fn of(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            random: AtomicU64::new(0),
        }
    }

    /// Pseudo-random numbers. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014 (SplitMix64).
    fn candidates(&self) -> impl Iterator<Item = u64> + Clone {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let from = self.random.fetch_add(CANDIDATES, Ordering::Relaxed);
        (from..from.wrapping_add(CANDIDATES)).map(|nth| {
            let mut mixed = nth.wrapping_mul(GAMMA);
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        })
    }
}

impl Engine {
    /// How many bytes all that is remembered takes, but for what the allocator adds.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let bytes = self.accounts.bytes() + self.payees.bytes() + self.devices.bytes();
        bytes as u64
    }

    /// Once the budget is used up: forgets one of a kind for each new one, in whose place the next one
    /// comes, and more accounts where known ones have grown, as many as one call may be made to wait for.
    pub(super) fn keep_to_budget(&self, now: Timestamp) {
        let is_over = || self.memory_bytes() > self.budget.bytes_max;
        if !is_over() {
            return;
        }
        if !self.payees.has_free_slot() {
            let loss = self
                .payees
                .evict(self.budget.candidates(), PayeeMemory::loss);
            self.count_evicted(loss.map(|_| Evicted::Payee));
        }
        if !self.devices.has_free_slot() {
            let candidates = self.budget.candidates();
            let loss = self.devices.evict(candidates, DeviceMemory::last_used);
            self.count_evicted(loss.map(|_| Evicted::Device));
        }
        if !self.accounts.has_free_slot() {
            self.evict_account(now);
        }
        for _ in 0..EVICTIONS_MAX {
            if !is_over() {
                return;
            }
            self.evict_account(now);
        }
    }

    fn evict_account(&self, now: Timestamp) {
        let guard = self.policy().signals.duplicate_in_flight.window_ms;
        let candidates = self.budget.candidates();
        let loss = self
            .accounts
            .evict(candidates, |account| account.loss(guard, now));
        self.count_evicted(loss.map(|Loss { guard, .. }| Evicted::Account { guard_live: guard }));
    }

    fn count_evicted(&self, evicted: Option<Evicted>) {
        if let Some(evicted) = evicted {
            self.bounds.add_evicted(evicted);
        }
    }
}

impl Footprint for Account {
    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn warm(&self) -> u64 {
        self.warm()
    }
}

macro_rules! footprints {
    ($($flat:ty),+; $($id:ty),+) => {
        $(impl Footprint for $flat {
            fn heap_bytes(&self) -> usize {
                0
            }
        })+
        $(impl Footprint for $id {
            fn heap_bytes(&self) -> usize {
                self.heap_bytes()
            }
        })+
    };
}

footprints! { PayeeMemory, DeviceMemory; AccountId, PayeeId, DeviceId }
