use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;

#[derive(Debug, Clone)]
struct Key(String);

impl Key {
    fn of(nth: u64) -> Self {
        Self(nth.to_string())
    }
}

#[derive(Debug, Default)]
struct Count {
    times: u64,
    /// Two steps at once would be seen here.
    busy: bool,
    grown: Vec<u8>,
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Footprint for Key {
    fn heap_bytes(&self) -> usize {
        3
    }
}

impl Footprint for Count {
    const READS_HEAP: bool = true;

    fn heap_bytes(&self) -> usize {
        self.grown.capacity()
    }
}

impl Count {
    fn step(&mut self) {
        assert!(!std::mem::replace(&mut self.busy, true));
        self.times += 1;
        self.grown.push(0);
        self.busy = false;
    }
}

const THREADS: u64 = 8;
/// A power of two, so that the multiples of an odd number are all keys.
const KEYS: u64 = 4_096;
const ROUNDS: u64 = 20;

/// Every thread steps on every key, each in an order of its own; `meanwhile` happens between finding a
/// key and stepping on it.
fn race(store: &Store<Key, Count>, meanwhile: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for nth in 0..THREADS {
            let meanwhile = &meanwhile;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    for key in 0..KEYS {
                        let key = (key * (2 * nth + 1) + round) % KEYS;
                        let text = Key::of(key);
                        let mut sought = store.seek(&text);
                        store.find(&mut sought);
                        meanwhile(key);
                        store.with(&mut sought, Count::step);
                    }
                }
            });
        }
    });
}

#[test]
fn a_state_is_placed_where_there_is_none_and_where_there_is_one() {
    let store: Store<Key, Count> = Store::new();
    let key = Key::of(1);
    for times in [7, 8] {
        let grown = vec![0; 100];
        store.place(
            &key,
            Count {
                times,
                grown,
                ..Count::default()
            },
        );
        let found = store.read(&mut store.find_and_fetch(&key), |count| count.times);
        assert_eq!(found, Some(times));
        assert_eq!(store.len(), 1);
        assert_eq!(store.heap_bytes(), sizes::with_leftover(3 + 100));
    }
    // The place that was taken for nothing is free again.
    store.place(&Key::of(2), Count::default());
    assert_eq!(store.slab.taken(), 2);
}

#[test]
fn compacted_it_has_the_same_states_in_no_more_slots_than_they_take() {
    let store: Store<Key, Count> = Store::new();
    for key in 0..KEYS {
        let grown = vec![0; 10];
        let times = key;
        store.place(
            &Key::of(key),
            Count {
                times,
                grown,
                busy: false,
            },
        );
    }
    for key in (0..KEYS).filter(|key| key % 5 > 0) {
        store.forget_if(&Key::of(key), |_| true);
    }
    let (slots, bytes) = (store.slots(), store.bytes());
    let store = store.compacted();
    assert_eq!(store.len(), store.slots());
    assert_eq!(store.slots_free(), 0);
    assert!(store.slots() * 4 < slots && store.bytes() * 2 < bytes);
    assert_eq!(store.heap_bytes(), sizes::with_leftover(store.len() * 13));
    for key in 0..KEYS {
        let found = store.read(&mut store.find_and_fetch(&Key::of(key)), |count| {
            count.times
        });
        assert_eq!(found, (key % 5 == 0).then_some(key), "{key}");
    }
}

#[test]
fn no_step_is_lost_or_runs_beside_another() {
    let store = Store::new();
    race(&store, |key| {
        let key = Key::of(key + 1);
        store.find_and_fetch(&key);
    });
    assert_eq!(store.len() as u64, KEYS);
    for key in 0..KEYS {
        let times = store.read(&mut store.seek(&Key::of(key)), |count| count.times);
        assert_eq!(times, Some(THREADS * ROUNDS));
    }
    let unknown = Key::of(KEYS);
    assert_eq!(store.read(&mut store.seek(&unknown), |_| ()), None);
    assert_eq!(store.with_existing(&mut store.seek(&unknown), |_| ()), None);
}

#[test]
fn what_is_forgotten_while_others_step_on_it_is_forgotten_whole() {
    let store = Store::new();
    let (forgotten, swept) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                store.sweep(|_, count: &mut Count| {
                    let keep = count.times % 5 != 4;
                    if !keep {
                        swept.fetch_add(count.times, Ordering::Relaxed);
                    }
                    keep
                });
            }
        });
        race(&store, |key| {
            if key % 3 == 0 {
                // Those of the lowest rank are those that have been stepped on least.
                let times = store.evict(
                    [key, key + 1, key + 2].into_iter(),
                    |count| count.times,
                    |_| (),
                );
                forgotten.fetch_add(times.unwrap_or(0), Ordering::Relaxed);
            }
        });
        over.store(true, Ordering::Relaxed);
    });
    let mut left = 0;
    let mut heap = 0;
    store.sweep(|_, count| {
        left += count.times;
        heap += count.grown.capacity() + 3;
        true
    });
    let gone = forgotten.load(Ordering::Relaxed) + swept.load(Ordering::Relaxed);
    assert!(gone > 0);
    assert_eq!(left + gone, THREADS * ROUNDS * KEYS);
    assert_eq!(store.counts.heap_bytes.load(Ordering::Relaxed), heap);

    store.sweep(|_, _| false);
    assert_eq!((store.len(), store.map.len()), (0, 0));
    assert_eq!(store.counts.heap_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn slots_are_used_again() {
    let store = Store::<Key, Count>::new();
    for key in 0..10_000 {
        store.with(&mut store.seek(&Key::of(key)), Count::step);
        if key >= 100 {
            store.evict([key].into_iter(), |count| count.times, |_| ());
        }
    }
    assert!(store.slab.taken() < 1_000, "{}", store.slab.taken());
}

#[test]
fn a_slot_where_another_key_is_by_now_is_never_taken_for_the_one_remembered() {
    let store = Store::<Key, Count>::new();
    let (first, second) = (Key::of(1), Key::of(2));
    let mut remembered = store.seek(&first);
    store.with(&mut remembered, Count::step);
    assert!(
        store
            .evict([0].into_iter(), |count| count.times, |_| ())
            .is_some()
    );
    let mut others = store.seek(&second);
    for _ in 0..2 {
        store.with(&mut others, Count::step);
    }
    let slots = [&remembered, &others].map(|sought| sought.slot.slot().unwrap());
    assert!(std::ptr::eq(slots[0], slots[1]));

    assert_eq!(store.read(&mut remembered, |_| ()), None);
    store.with(&mut remembered, Count::step);
    for (sought, times) in [(&mut remembered, 1), (&mut others, 2)] {
        assert_eq!(store.read(sought, |count| count.times), Some(times));
    }
}
