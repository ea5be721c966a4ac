//! How much memory an allocation takes.

/// How many bytes the vector or text of `capacity` items of `T` takes.
pub(super) const fn bytes_of<T>(capacity: usize) -> usize {
    taken_bytes(capacity.wrapping_mul(size_of::<T>()))
}

/// How many bytes an allocation of `bytes` takes: allocators round up to one of a few sizes, four between
/// each power of two and the next. Source: mimalloc's `mi_bin`; jemalloc has the same sizes.
///
/// No allocation has more than `isize::MAX` bytes, so nothing wraps here.
const fn taken_bytes(bytes: usize) -> usize {
    const SMALL_MAX: usize = 64;
    // The sizes lie a quarter of the power of two below them apart, and 16 where they are small.
    let power = bytes.saturating_sub(1) | SMALL_MAX;
    let below_step = usize::MAX.wrapping_shr(power.leading_zeros().wrapping_add(3));
    bytes.wrapping_add(below_step) & !below_step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_rounded_up_to_the_sizes_of_the_allocator() {
        for (bytes, taken) in [
            (0, 0),
            (1, 16),
            (16, 16),
            (17, 32),
            (64, 64),
            (65, 80),
            (128, 128),
            (129, 160),
            (161, 192),
            (513, 640),
            (8_720, 10_240),
        ] {
            assert_eq!(taken_bytes(bytes), taken, "{bytes}");
        }
        assert_eq!(bytes_of::<u64>(9), 80);
    }
}
