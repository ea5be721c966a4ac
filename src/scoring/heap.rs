//! How much memory an allocation takes.

/// How many bytes the vector or text of `capacity` items of `T` takes.
pub(super) const fn bytes_of<T>(capacity: usize) -> usize {
    taken_bytes(capacity.saturating_mul(size_of::<T>()))
}

/// How many bytes an allocation of `bytes` takes: allocators round up to one of a few sizes, four between
/// each power of two and the next. Source: mimalloc's `mi_bin`; jemalloc has the same sizes.
const fn taken_bytes(bytes: usize) -> usize {
    const SMALL_MAX: usize = 64;
    const SMALL_STEP: usize = 16;
    let step = if bytes <= SMALL_MAX {
        SMALL_STEP
    } else {
        1 << bytes.saturating_sub(1).ilog2().saturating_sub(2)
    };
    match bytes.checked_next_multiple_of(step) {
        Some(taken) => taken,
        None => bytes,
    }
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
            (usize::MAX, usize::MAX),
        ] {
            assert_eq!(taken_bytes(bytes), taken, "{bytes}");
        }
        assert_eq!(bytes_of::<u64>(9), 80);
    }
}
