//! State by key, one exclusive step at a time. The only file that knows the map.
//!
//! Callers hand in a closure and get its result; no guard leaves this file. A closure must not come
//! back to the same store: the map's shards are locks.

use std::fmt;
use std::hash::{Hash, RandomState};

use dashmap::DashMap;

/// State of type `V` for each key.
///
/// Keys are chosen by outsiders, so they are hashed with SipHash under a key drawn at start: nobody can
/// aim at one bucket.
pub struct Store<K, V> {
    entries: DashMap<K, V, RandomState>,
}

impl<K: Eq + Hash + Clone, V: Default> Store<K, V> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: DashMap::with_hasher(RandomState::new()),
        }
    }

    /// Runs `step` on the state of `key`, made new if there is none. Nobody else sees or changes that
    /// state meanwhile.
    pub fn with<T>(&self, key: &K, step: impl FnOnce(&mut V) -> T) -> T {
        // A key seen before is found by reference; only a new one is copied.
        if let Some(mut entry) = self.entries.get_mut(key) {
            return step(entry.value_mut());
        }
        let mut entry = self.entries.entry(key.clone()).or_default();
        step(entry.value_mut())
    }

    /// Runs `step` on the state of `key`, if there is any.
    pub fn with_existing<T>(&self, key: &K, step: impl FnOnce(&mut V) -> T) -> Option<T> {
        let mut entry = self.entries.get_mut(key)?;
        Some(step(entry.value_mut()))
    }

    /// Runs `read` on the state of `key`, if there is any.
    pub fn read<T>(&self, key: &K, read: impl FnOnce(&V) -> T) -> Option<T> {
        let entry = self.entries.get(key)?;
        Some(read(entry.value()))
    }

    /// Brings the state of `key` nearer, if there is any, for a step that soon follows.
    pub fn touch(&self, key: &K) {
        // To find an entry is to read it: the keys lie beside the states.
        drop(self.entries.get(key));
    }

    /// Runs `step` on every state, one after the other, and forgets those for which it says `false`.
    pub fn sweep(&self, mut step: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(|key, value| step(key, value));
    }

    /// How many keys have state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Eq + Hash + Clone, V: Default> Default for Store<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash, V> fmt::Debug for Store<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.entries.len())
            .finish()
    }
}
