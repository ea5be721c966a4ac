//! Hashes that are the same on every machine and in every version. They protect nothing: what is found by one
//! is compared in full, and whoever makes ids collide only slows or blurs what is known of themselves.

/// A hash of `bytes`, eight bytes at a time: multiply and rotate, as in Firefox's and rustc's FxHash, with
/// the final mix of MurmurHash3 (Appleby), which spreads every bit over all.
pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    let hash = folded(bytes.len() as u64, bytes);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// Sixteen bits of a hash of a packed id, never zero: enough to rule out almost every other id.
pub(super) fn tag_of(form: u8, bytes: &[u8]) -> u16 {
    // The highest bits of a product depend on all below, and need no more mixing.
    let [.., low, high] = folded(form.into(), bytes).to_le_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

fn folded(seed: u64, bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let add = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = seed;
    for word in words {
        hash = add(hash, u64::from_le_bytes(*word));
    }
    let last = rest
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    add(hash, last)
}

/// FNV-1a with 64 bits, for texts. Source: Fowler, Noll and Vo; the constants are those of the 64-bit variant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fnv(u64);

impl Fnv {
    /// Nothing written yet.
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn write(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(super) const fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_one_place_have_different_hashes() {
        let mut seen = std::collections::BTreeSet::new();
        for len in 1..40 {
            for at in 0..len {
                let mut text = "0".repeat(len);
                text.replace_range(at..=at, "1");
                assert!(seen.insert(hash_of(text.as_bytes())), "{text}");
            }
            assert!(seen.insert(hash_of("0".repeat(len).as_bytes())));
        }
    }
}
