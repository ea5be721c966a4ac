//! The identity of a key: 128 bits of its hash under a secret key.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use siphasher::sip128::{Hash128, SipHasher13};

/// 128 bits that identify a key.
///
/// Keys are chosen by outsiders, so this is SipHash-1-3 under a secret drawn at the start, designed as a
/// pseudo-random function: nobody can aim at one shard of the map, or at another key's identity. Among a
/// billion keys two have the same identity with a probability of one in 10^21. Faster hashes will not do: as
/// texts are not compared, nobody must be able to find keys that often collide, and for aHash and foldhash such
/// keys are known (their issues 292 and 50).
///
/// Stored as halves, so that the map needs no padding between it and the slot number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Identity {
    place: [u32; 2],
    check: [u32; 2],
}

impl Identity {
    /// The half that the map is indexed by.
    pub(super) const fn place(self) -> u64 {
        let [low, high] = self.place;
        low as u64 | (high as u64) << u32::BITS
    }
}

#[expect(clippy::cast_possible_truncation, reason = "one half and the other")]
const fn halves(bits: u64) -> [u32; 2] {
    [bits as u32, (bits >> u32::BITS) as u32]
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.place());
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
        Identity {
            place: halves(h1),
            check: halves(h2),
        }
    }
}

/// Passes on the first half of an identity, which is a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, place: u64) {
        self.0 = place;
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
