//! The identity of a key: 128 bits of its hash under a secret key.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip128::{Hash128, SipHasher13};

/// 128 bits that identify a key.
///
/// Keys are chosen by outsiders, so this is SipHash-1-3 under a secret drawn at the start, designed as a
/// pseudo-random function: nobody can aim at one shard of the map, or at another key's identity. Among a
/// billion keys two have the same identity with a probability of one in 10^21. Faster hashes will not do: as
/// texts are not compared, nobody must be able to find keys that often collide, and for aHash and foldhash such
/// keys are known (their issues 292 and 50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Identity {
    place: u64,
    check: u64,
}

impl Identity {
    pub(super) const fn of(place: u64, check: u64) -> Self {
        Self { place, check }
    }

    /// The half that hints and map are indexed by.
    pub(super) const fn place(self) -> u64 {
        self.place
    }
}

/// An identity that is read without a lock. Its halves may be those of two keys, so it is trusted only where
/// nobody can change it meanwhile.
#[derive(Debug, Default)]
pub(super) struct SharedIdentity {
    place: AtomicU64,
    check: AtomicU64,
}

impl SharedIdentity {
    #[inline]
    pub(super) fn get(&self) -> Identity {
        Identity {
            place: self.place.load(Ordering::Relaxed),
            check: self.check.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set(&self, identity: Identity) {
        self.place.store(identity.place, Ordering::Relaxed);
        self.check.store(identity.check, Ordering::Relaxed);
    }
}

/// Computes identities.
pub(super) struct Hashing(SipHasher13);

impl Hashing {
    /// With a secret key of its own, from the randomness that the standard library seeds its hashers with.
    pub(super) fn new() -> Self {
        let [low, high] = [(); 2].map(|()| RandomState::new().hash_one(()));
        Self(SipHasher13::new_with_keys(low, high))
    }

    pub(super) fn identity_of(&self, key: &str) -> Identity {
        let Hash128 { h1, h2 } = self.0.hash(key.as_bytes());
        Identity::of(h1, h2)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn either_half_alone_tells_keys_apart_that_differ_in_one_place() {
        let hashing = Hashing::new();
        let (mut places, mut checks) = (BTreeSet::new(), BTreeSet::new());
        for len in 1..40 {
            for at in 0..=len {
                let mut text = "0".repeat(len + 1);
                text.replace_range(at..=at, "1");
                let identity = hashing.identity_of(&text);
                assert!(places.insert(identity.place), "{text}");
                assert!(checks.insert(identity.check), "{text}");
                assert_eq!(identity, hashing.identity_of(&text));
                assert_ne!(identity, Hashing::new().identity_of(&text));
            }
        }
    }
}
