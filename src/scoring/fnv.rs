//! FNV-1a, 64 bits: tells texts apart, the same on every machine and in every version. Guards nothing.
//!
//! Source: Fowler, Noll and Vo; the constants are those of the 64-bit variant.

/// The hash of what has been written so far.
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
