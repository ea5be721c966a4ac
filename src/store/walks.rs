//! Visits to all states, or to random ones: to sweep, to copy, and to choose which to forget.

use std::borrow::Borrow;

use super::{Footprint, Held, Slot, Store};

/// How many states are ranked to choose the one to forget. The lowest of 16 random ones is among the lowest six
/// per cent. Source: Redis evicts by such sampling, of 5 to 10.
const RANKED_MAX: usize = 16;

/// How many slots are swept in one run: a fraction of a millisecond.
const RUN: u32 = 1_024;

impl<K: Borrow<str> + Clone + Footprint, V: Default + Footprint> Store<K, V> {
    /// Runs `step` on every state, one after the other, and forgets those for which it returns `false`. Nobody
    /// waits for more than one of these steps.
    pub fn sweep(&self, step: impl FnMut(&K, &mut V) -> bool) {
        self.sweep_in_runs(step, || true);
    }

    /// The same with a call of `rest` after each run; returning `false` ends the sweep.
    pub fn sweep_in_runs(
        &self,
        mut step: impl FnMut(&K, &mut V) -> bool,
        mut rest: impl FnMut() -> bool,
    ) {
        for number in 0..self.slab.taken() {
            if number % RUN == RUN - 1 && !rest() {
                return;
            }
            if let Some(slot) = self.slab.at(number) {
                let mut held = slot.lock();
                let before = held.heap_bytes();
                let Held { key, value } = &mut *held;
                if let Some(key) = key
                    && !step(key, value)
                {
                    self.empty(number, slot, &mut held, before);
                } else {
                    self.count_heap(before, held.heap_bytes());
                }
            }
        }
    }

    /// Runs `look` on every state, one after the other, and after each, with no lock held, `after`, which ends
    /// the visit by returning `false`.
    pub fn visit(&self, mut look: impl FnMut(&K, &V), mut after: impl FnMut() -> bool) {
        for slot in 0..self.slab.taken() {
            let looked = self.slab.at(slot).is_some_and(|slot| {
                let held = slot.lock();
                let key = held.key.as_ref();
                key.map(|key| look(key, &held.value)).is_some()
            });
            if looked && !after() {
                return;
            }
        }
    }

    /// The same states in no more slots than they need; the others are freed.
    #[must_use]
    pub fn compacted(self) -> Self {
        let compacted = Self::new();
        for Held { key, value } in self.slab.into_held() {
            if let Some(key) = key {
                compacted.place(&key, value);
            }
        }
        compacted
    }

    /// Forgets the lowest by `rank` of up to 16 states that random numbers choose. Returns its rank, or `None`
    /// if no state was hit. More than 16 numbers make up for those that hit no state. `farewell` is called with
    /// the key while nobody can create its state anew.
    pub fn evict<R: Ord>(
        &self,
        random: impl Iterator<Item = u64> + Clone,
        rank: impl Fn(&V) -> R,
        farewell: impl FnOnce(&K),
    ) -> Option<R> {
        let taken = u64::from(self.slab.taken());
        let slot_of = |random: u64| u32::try_from(random.checked_rem(taken)?).ok();
        let slots = random.filter_map(slot_of);
        let first = slots.clone().take(RANKED_MAX);
        first
            .filter_map(|slot| self.slab.at(slot))
            .for_each(Slot::fetch);
        let ranked = slots.filter_map(|slot| {
            let held = self.slab.at(slot)?.try_lock()?;
            held.key.as_ref()?;
            Some((rank(&held.value), slot))
        });
        let (lowest, number) = ranked.take(RANKED_MAX).min()?;
        let slot = self.slab.at(number)?;
        let mut held = slot.lock();
        // It may have been used meanwhile, or its slot reused.
        let now = rank(&held.value);
        let key = held.key.as_ref().filter(|_| now <= lowest)?;
        farewell(key);
        let before = held.heap_bytes();
        self.empty(number, slot, &mut held, before);
        Some(now)
    }
}
