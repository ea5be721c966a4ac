//! The memory budget: when it is used up, what is missed least is forgotten first.

use std::borrow::{Borrow, Cow};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Engine;
use crate::journal::event::{Event, Evicted as Forgotten, EvictedKey};
use crate::random;
use crate::scoring::account::{Account, Loss};
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::scoring::payment::{AccountId, DeviceId, PayeeId};
use crate::scoring::time::Timestamp;
use crate::store::{Footprint, Store};
use crate::telemetry::Evicted;

/// How many random numbers are drawn to find 16 keys: enough where three slots in four are free.
const DRAWS: u64 = 64;

/// Slots for keys may take one part in this many of the budget, as only a start gives them back: if a flood of
/// unknown accounts took all of it, nothing would be left for what known ones remember when they come back. An
/// account of four payments takes as much for its slots as for its payments.
const SLOTS_PART: u64 = 2;

/// How many slots of a kind are kept free once the budget is used up, and which part of all. This many calls
/// may be between taking a slot and freeing one. With a single free slot, a call that finds the one that
/// another has freed would free none itself, and slots would grow for as long as calls race.
const FREE_MIN: usize = 64;
const FREE_PART: usize = 16;

/// How many keys of a kind one call may forget that may have brought a new one: one for that key, and one
/// towards the slots to be kept free.
const FORGOTTEN_MAX: u32 = 2;

/// How many accounts one call may forget because others have grown.
const EVICTIONS_MAX: u32 = 4;

/// How many one run of a sweep may forget.
const TRIMMED_MAX: u32 = 256;

/// The limit on memory, and the random numbers that choose what to forget.
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

    /// How many bytes of it slots for keys may take.
    const fn slots_bytes_max(&self) -> u64 {
        self.bytes_max / SLOTS_PART
    }

    fn candidates(&self) -> impl Iterator<Item = u64> + Clone {
        let from = self.random.fetch_add(DRAWS, Ordering::Relaxed);
        (from..from.wrapping_add(DRAWS)).map(random::nth)
    }
}

/// How many bytes the remembered state takes, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Accounts.
    pub accounts_bytes: u64,
    /// Payees, for all accounts.
    pub payees_bytes: u64,
    /// Devices, for all accounts.
    pub devices_bytes: u64,
}

impl MemoryUse {
    /// All of it.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.accounts_bytes + self.payees_bytes + self.devices_bytes
    }
}

impl Engine {
    /// The same engine with a memory budget. What does not fit is forgotten at once, which takes some
    /// microseconds a key.
    #[must_use]
    pub fn with_memory_budget(mut self, bytes_max: u64) -> Self {
        self.budget = Budget::of(bytes_max);
        let now = self.clock.now();
        if self.has_too_many_slots() {
            // Keys that were forgotten during recovery left free slots.
            self.compact();
        }
        if self.has_too_many_slots() {
            let (accounts, payees, devices) = (&self.accounts, &self.payees, &self.devices);
            let keys_max = [accounts.slots(), payees.slots(), devices.slots()];
            let [accounts_max, payees_max, devices_max] = keys_max.map(|keys| self.part_of(keys));
            self.shrink(|it| &mut it.accounts, accounts_max, Self::evict_account);
            self.shrink(|it| &mut it.payees, payees_max, Self::evict_payee);
            self.shrink(|it| &mut it.devices, devices_max, Self::evict_device);
        }
        while self.is_over_budget() && !self.accounts.is_empty() {
            self.evict_account(now);
            self.wait_for_journal();
        }
        self
    }

    /// Whether slots take more than a quarter beyond their part of the budget, which is what another start may
    /// need for the same keys.
    fn has_too_many_slots(&self) -> bool {
        let bytes_max = self.budget.slots_bytes_max();
        self.slots_bytes() > bytes_max.saturating_add(bytes_max / 4)
    }

    /// How many of this many keys may stay for slots to keep to their part of the budget. A tenth less than in
    /// proportion, as slots are allocated many at a time.
    fn part_of(&self, keys: usize) -> usize {
        let bytes_max = u128::from(self.budget.slots_bytes_max());
        let part = keys as u128 * bytes_max * 9 / 10 / u128::from(self.slots_bytes().max(1));
        usize::try_from(part).unwrap_or(keys)
    }

    fn compact(&mut self) {
        self.accounts = mem::take(&mut self.accounts).compacted();
        self.payees = mem::take(&mut self.payees).compacted();
        self.devices = mem::take(&mut self.devices).compacted();
    }

    /// Forgets keys until `keys_max` are left, and gives back the slots of the others. Only during a start,
    /// when nobody else uses the store.
    fn shrink<K, V>(
        &mut self,
        store_of: impl Fn(&mut Self) -> &mut Store<K, V>,
        keys_max: usize,
        evict: impl Fn(&Self, Timestamp),
    ) where
        K: Borrow<str> + Clone + Footprint,
        V: Default + Footprint,
    {
        let now = self.clock.now();
        while store_of(self).len() > keys_max {
            let store = store_of(self);
            // Where most slots are free, random picks would find too few keys to choose from.
            let fewer = keys_max.max(store.slots() / 3);
            for _ in fewer..store.len() {
                evict(self, now);
                self.wait_for_journal();
            }
            let store = store_of(self);
            *store = mem::take(store).compacted();
        }
    }

    /// Waits until the journal has room for more.
    fn wait_for_journal(&self) {
        if let Some(journal) = &self.journal
            && !journal.has_room()
        {
            journal.wait_until_committed(journal.counts().appended_to);
        }
    }

    /// How many bytes the remembered state takes, by kind.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        MemoryUse {
            accounts_bytes: self.accounts.bytes() as u64,
            payees_bytes: self.payees.bytes() as u64,
            devices_bytes: self.devices.bytes() as u64,
        }
    }

    /// The memory budget; `None` without one.
    #[must_use]
    pub const fn memory_budget_bytes(&self) -> Option<u64> {
        match self.budget.is_unlimited() {
            true => None,
            false => Some(self.budget.bytes_max),
        }
    }

    /// How many bytes the remembered state takes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_use().bytes()
    }

    /// How full the budget is, or the part of it for slots if that is fuller; above 1 it is used up. 0 without
    /// a budget.
    #[must_use]
    pub fn memory_fullness(&self) -> f64 {
        if self.budget.is_unlimited() {
            return 0.0;
        }
        let full = |bytes: u64, bytes_max: u64| bytes as f64 / bytes_max.max(1) as f64;
        let slots = full(self.slots_bytes(), self.budget.slots_bytes_max());
        slots.max(full(self.memory_bytes(), self.budget.bytes_max))
    }

    /// Once the budget, or the part of it for slots, is used up: forgets some keys of each kind, so that new
    /// ones find slots without more memory; and, where known accounts have grown, as many accounts as one call
    /// may have to wait for.
    pub(super) fn keep_to_budget(&self, now: Timestamp) {
        if !self.is_used_up() {
            return;
        }
        free_slots(&self.payees, || self.evict_payee(now));
        free_slots(&self.devices, || self.evict_device(now));
        free_slots(&self.accounts, || self.evict_account(now));
        self.evict_accounts(EVICTIONS_MAX, now);
    }

    /// Forgets accounts until the budget is kept, or as many as one run of a sweep may.
    pub(super) fn trim_to_budget(&self, now: Timestamp) {
        self.evict_accounts(TRIMMED_MAX, now);
    }

    /// Whether the budget, or the part of it for slots, is used up.
    fn is_used_up(&self) -> bool {
        if self.budget.is_unlimited() {
            return false;
        }
        let slots_bytes = self.slots_bytes();
        slots_bytes > self.budget.slots_bytes_max()
            || slots_bytes + self.heap_bytes() > self.budget.bytes_max
    }

    fn slots_bytes(&self) -> u64 {
        let (accounts, payees, devices) = (&self.accounts, &self.payees, &self.devices);
        (accounts.slots_bytes() + payees.slots_bytes() + devices.slots_bytes()) as u64
    }

    fn heap_bytes(&self) -> u64 {
        let (accounts, payees, devices) = (&self.accounts, &self.payees, &self.devices);
        (accounts.heap_bytes() + payees.heap_bytes() + devices.heap_bytes()) as u64
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

    fn evict_payee(&self, now: Timestamp) {
        let loss = self.payees.evict(
            self.budget.candidates(),
            |payee| payee.state.loss(),
            |id| self.append_evicted(EvictedKey::Payee(Cow::Borrowed(id)), now),
        );
        self.count_evicted(loss.map(|_| Evicted::Payee));
    }

    fn evict_device(&self, now: Timestamp) {
        let loss = self.devices.evict(
            self.budget.candidates(),
            |device| device.state.last_used(),
            |id| self.append_evicted(EvictedKey::Device(Cow::Borrowed(id)), now),
        );
        self.count_evicted(loss.map(|_| Evicted::Device));
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

/// Forgets keys until enough slots are free, or as many as one call may.
fn free_slots<K, V>(store: &Store<K, V>, evict: impl Fn())
where
    K: Borrow<str> + Clone + Footprint,
    V: Default + Footprint,
{
    let free_min = (store.slots() / FREE_PART).clamp(1, FREE_MIN);
    for _ in 0..FORGOTTEN_MAX {
        if store.slots_free() >= free_min {
            return;
        }
        evict();
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

footprints! { PayeeMemory, DeviceMemory, AccountId, PayeeId, DeviceId }

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::clock::ManualClock;
    use crate::scoring::assessment::Decision;
    use crate::scoring::money::{Currency, Money};
    use crate::scoring::payment::{Payee, PayeeType, Payment, PaymentId, PaymentKind};
    use crate::scoring::policy::Policy;
    use crate::token::TokenKey;

    /// A payment of an account, to a payee and from a device that nobody has seen.
    fn of_stranger(nth: u32) -> Payment {
        Payment {
            payment_id: PaymentId::new(format!("p{nth}")).unwrap(),
            account_id: AccountId::new(format!("a{nth}")).unwrap(),
            payee: Payee {
                id: PayeeId::new(format!("m{nth}")).unwrap(),
                payee_type: PayeeType::Merchant,
            },
            money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
            kind: PaymentKind::Purchase,
            order_id: None,
            device_id: Some(DeviceId::new(format!("d{nth}")).unwrap()),
            session_id: None,
            duplicate_window: None,
        }
    }

    const BUDGET_BYTES: u64 = 16 << 20;

    fn engine() -> Engine {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
        Engine::new(Policy::default(), clock, TokenKey::from_bytes(&[7; 32]))
    }

    fn assert_keeps_to_the_budget(engine: &Engine) {
        let bytes = engine.memory_bytes();
        assert!(bytes <= BUDGET_BYTES / 100 * 105, "{bytes}");
    }

    #[test]
    fn what_was_remembered_under_a_larger_budget_is_fitted_into_a_smaller_one() {
        let engine = engine();
        let score = |engine: &Engine, nth| engine.score(&of_stranger(nth), None).unwrap();
        let regulars = 0..200;
        for nth in 0..100_000 {
            score(&engine, nth);
        }
        // Who is known for a few payments is forgotten last.
        for (nth, more) in regulars.clone().flat_map(|nth| [(nth, 1), (nth, 2)]) {
            let mut payment = of_stranger(nth);
            payment.payment_id = PaymentId::new(format!("p{nth}-{more}")).unwrap();
            payment.payee.id = PayeeId::new(format!("m{}", nth + more)).unwrap();
            engine.score(&payment, None).unwrap();
        }
        assert!(engine.memory_bytes() > 3 * BUDGET_BYTES);
        let engine = engine.with_memory_budget(BUDGET_BYTES);
        assert_keeps_to_the_budget(&engine);
        let kept = engine.accounts();
        assert!(kept > 5_000, "{kept}");
        assert_eq!(
            engine.bounds_counts().accounts_evicted,
            100_000 - kept as u64
        );
        // Strangers displace strangers from then on.
        for nth in 100_000..120_000 {
            score(&engine, nth);
            assert_keeps_to_the_budget(&engine);
        }
        assert!(engine.accounts() > kept / 2, "{}", engine.accounts());
        for nth in regulars {
            let mut again = of_stranger(nth);
            again.payment_id = PaymentId::new(format!("r{nth}")).unwrap();
            let scored = engine.score(&again, None).unwrap();
            assert_eq!(scored.assessment.decision, Decision::Block, "{nth}");
        }
    }

    #[test]
    fn the_budget_is_seen_to_fill_up_before_anything_is_forgotten() {
        let engine = engine().with_memory_budget(BUDGET_BYTES);
        let mut fullest = engine.memory_fullness();
        for nth in 0.. {
            engine.score(&of_stranger(nth), None).unwrap();
            if engine.bounds_counts().accounts_evicted > 0 {
                break;
            }
            fullest = engine.memory_fullness();
        }
        assert!((0.95..1.05).contains(&fullest), "{fullest}");
        // Of strangers, slots are used up long before all of the budget is.
        assert!(engine.memory_bytes() < BUDGET_BYTES * 3 / 4);
    }

    #[test]
    fn strangers_that_race_keep_to_the_budget_too() {
        const THREADS: u32 = 8;
        const EACH: u32 = 30_000;
        let engine = engine().with_memory_budget(BUDGET_BYTES);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let engine = &engine;
                scope.spawn(move || {
                    for nth in 0..EACH {
                        let payment = of_stranger(thread * EACH + nth);
                        engine.score(&payment, None).unwrap();
                        assert_keeps_to_the_budget(engine);
                    }
                });
            }
        });
    }
}
