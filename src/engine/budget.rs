//! Memory within a budget: what is missed least is forgotten first.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Engine;
use crate::journal::event::{Event, Evicted as Forgotten, EvictedKey};
use crate::random;
use crate::scoring::account::{Account, Loss};
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::scoring::payment::{AccountId, DeviceId, PayeeId};
use crate::scoring::time::Timestamp;
use crate::store::Footprint;
use crate::telemetry::Evicted;

/// How many random numbers there are to find 16 with: where three places in four are free, enough.
const DRAWN: u64 = 64;

/// Of how many parts of the budget one may go to places for keys, which are never given back: if a flood
/// of strangers took all, nothing would be left for what regulars remember when they come back. A regular
/// of four payments takes as much for its places as for its payments.
const PLACES_PART: u64 = 2;

/// How many accounts are forgotten at most for one call, because others have grown.
const EVICTIONS_MAX: u32 = 4;

/// How many are forgotten at most at one stop of a sweep.
const TRIMMED_MAX: u32 = 256;

/// How much memory may be used.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    /// How many random numbers have been drawn.
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

    const fn is_unlimited(&self) -> bool {
        self.bytes_max == u64::MAX
    }

    fn candidates(&self) -> impl Iterator<Item = u64> + Clone {
        let from = self.random.fetch_add(DRAWN, Ordering::Relaxed);
        (from..from.wrapping_add(DRAWN)).map(random::nth)
    }
}

/// How many bytes what is remembered takes, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What accounts take.
    pub accounts_bytes: u64,
    /// What payees take, for all accounts.
    pub payees_bytes: u64,
    /// What devices take, for all accounts.
    pub devices_bytes: u64,
}

impl MemoryUse {
    /// What all of it takes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.accounts_bytes + self.payees_bytes + self.devices_bytes
    }
}

impl Engine {
    /// How many bytes what is remembered takes, by kind.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        MemoryUse {
            accounts_bytes: self.accounts.bytes() as u64,
            payees_bytes: self.payees.bytes() as u64,
            devices_bytes: self.devices.bytes() as u64,
        }
    }

    /// How many bytes it may take; `None` where any number.
    #[must_use]
    pub const fn memory_budget_bytes(&self) -> Option<u64> {
        match self.budget.is_unlimited() {
            true => None,
            false => Some(self.budget.bytes_max),
        }
    }

    /// How many bytes all that is remembered takes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_use().bytes()
    }

    /// Once the budget is used up, or the part of it for places: forgets one of a kind for each new one, in
    /// whose place the next one comes. Where known accounts have grown, it forgets more accounts, as many
    /// as one call may be made to wait for.
    pub(super) fn keep_to_budget(&self, now: Timestamp) {
        if !self.is_used_up() {
            return;
        }
        if !self.payees.has_free_slot() {
            let loss = self.payees.evict(
                self.budget.candidates(),
                |payee| payee.state.loss(),
                |id| self.append_evicted(EvictedKey::Payee(Cow::Borrowed(id)), now),
            );
            self.count_evicted(loss.map(|_| Evicted::Payee));
        }
        if !self.devices.has_free_slot() {
            let loss = self.devices.evict(
                self.budget.candidates(),
                |device| device.state.last_used(),
                |id| self.append_evicted(EvictedKey::Device(Cow::Borrowed(id)), now),
            );
            self.count_evicted(loss.map(|_| Evicted::Device));
        }
        if !self.accounts.has_free_slot() {
            self.evict_account(now);
        }
        self.evict_accounts(EVICTIONS_MAX, now);
    }

    /// Forgets accounts until the budget is kept, or as many as one stop of a sweep may take.
    pub(super) fn trim_to_budget(&self, now: Timestamp) {
        self.evict_accounts(TRIMMED_MAX, now);
    }

    /// Whether the budget is used up, or the part of it for places.
    fn is_used_up(&self) -> bool {
        if self.budget.is_unlimited() {
            return false;
        }
        let Self {
            accounts,
            payees,
            devices,
            ..
        } = self;
        let places = accounts.places_bytes() + payees.places_bytes() + devices.places_bytes();
        let heap = accounts.heap_bytes() + payees.heap_bytes() + devices.heap_bytes();
        let bytes_max = self.budget.bytes_max;
        places as u64 > bytes_max / PLACES_PART || (places + heap) as u64 > bytes_max
    }

    fn is_over_budget(&self) -> bool {
        self.memory_bytes() > self.budget.bytes_max
    }

    fn evict_accounts(&self, count_max: u32, now: Timestamp) {
        for _ in 0..count_max {
            if !self.is_over_budget() {
                return;
            }
            self.evict_account(now);
        }
    }

    fn evict_account(&self, now: Timestamp) {
        let policies = self.in_force.now();
        let guard = policies.primary().signals.duplicate_in_flight.window_ms;
        let loss = self.accounts.evict(
            self.budget.candidates(),
            |account| account.state.loss(guard, now),
            |id| self.append_evicted(EvictedKey::Account(Cow::Borrowed(id)), now),
        );
        self.count_evicted(loss.map(|Loss { guard, .. }| Evicted::Account { guard_live: guard }));
    }

    fn append_evicted(&self, what: EvictedKey<'_>, time: Timestamp) {
        if let Some(journal) = &self.journal {
            journal.append(&Event::Evicted(Forgotten { time, what }));
        }
    }

    fn count_evicted(&self, evicted: Option<Evicted>) {
        if let Some(evicted) = evicted {
            self.bounds.add_evicted(evicted);
        }
    }
}

impl Footprint for Account {
    const READS_HEAP: bool = true;

    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn fetch(&self) {
        self.fetch();
    }
}

macro_rules! footprints {
    ($($held:ty),+) => {
        $(impl Footprint for $held {
            fn heap_bytes(&self) -> usize {
                self.heap_bytes()
            }
        })+
    };
}

footprints! { PayeeMemory, AccountId, PayeeId, DeviceId }

impl Footprint for DeviceMemory {
    fn heap_bytes(&self) -> usize {
        0
    }
}
