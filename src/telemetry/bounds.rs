//! What the bounds on memory cost.

use std::sync::atomic::{AtomicU64, Ordering};

use super::families::{
    DEVICES_FORGOTTEN, EVICTIONS, GUARDS_EVICTED, PAYEES_FORGOTTEN, PAYMENTS_DROPPED,
};
use super::page::Page;
use crate::scoring::account::BoundsCost;

/// What the bounds on memory cost. Nothing is forgotten silently: each loss is counted.
#[derive(Debug, Default)]
pub struct BoundsCounters {
    payments: AtomicU64,
    payees: AtomicU64,
    devices: AtomicU64,
    accounts_evicted: AtomicU64,
    guards_evicted: AtomicU64,
    payees_evicted: AtomicU64,
    devices_evicted: AtomicU64,
}

/// What was forgotten to keep to the memory budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// An account.
    Account {
        /// Whether its latest payment was still guarded against being made twice.
        guard_live: bool,
    },
    /// What all accounts know of a payee.
    Payee,
    /// What all accounts know of a device.
    Device,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BoundsCounts {
    /// Payments forgotten before their time, because their account made more than are kept.
    pub payments_dropped: u64,
    /// Payees forgotten by the account that paid them.
    pub payees_forgotten: u64,
    /// Devices forgotten by the account that used them.
    pub devices_forgotten: u64,
    /// Accounts forgotten for the memory budget.
    pub accounts_evicted: u64,
    /// Those among them whose latest payment was still guarded against being made twice.
    pub guards_evicted: u64,
    /// Payees that all accounts forgot for it.
    pub payees_evicted: u64,
    /// Devices that all accounts forgot for it.
    pub devices_evicted: u64,
}

impl BoundsCounters {
    /// Adds what one step cost.
    pub fn add(&self, cost: BoundsCost) {
        if cost == BoundsCost::default() {
            return;
        }
        let add = |counter: &AtomicU64, more: u32| {
            counter.fetch_add(u64::from(more), Ordering::Relaxed);
        };
        add(&self.payments, cost.dropped.payments);
        add(&self.payees, cost.forgotten.payees);
        add(&self.devices, cost.forgotten.devices);
    }

    /// Adds what the memory budget cost.
    pub fn add_evicted(&self, evicted: Evicted) {
        let counter = match evicted {
            Evicted::Account { guard_live } => {
                if guard_live {
                    self.guards_evicted.fetch_add(1, Ordering::Relaxed);
                }
                &self.accounts_evicted
            }
            Evicted::Payee => &self.payees_evicted,
            Evicted::Device => &self.devices_evicted,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> BoundsCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BoundsCounts {
            payments_dropped: count(&self.payments),
            payees_forgotten: count(&self.payees),
            devices_forgotten: count(&self.devices),
            accounts_evicted: count(&self.accounts_evicted),
            guards_evicted: count(&self.guards_evicted),
            payees_evicted: count(&self.payees_evicted),
            devices_evicted: count(&self.devices_evicted),
        }
    }
}

impl BoundsCounts {
    /// Puts them on a page.
    pub fn put_on(&self, page: &mut Page) {
        let mut evictions = page.family(&EVICTIONS);
        evictions.put(&["account"], self.accounts_evicted);
        evictions.put(&["payee"], self.payees_evicted);
        evictions.put(&["device"], self.devices_evicted);
        page.one(&GUARDS_EVICTED, self.guards_evicted);
        page.one(&PAYMENTS_DROPPED, self.payments_dropped);
        page.one(&PAYEES_FORGOTTEN, self.payees_forgotten);
        page.one(&DEVICES_FORGOTTEN, self.devices_forgotten);
    }
}
