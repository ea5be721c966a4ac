//! How much memory an allocation really takes.

/// The size of the allocation of a vector or text with this capacity.
pub(super) const fn bytes_of<T>(capacity: usize) -> usize {
    taken_bytes(capacity.wrapping_mul(size_of::<T>()))
}

/// What an allocation of `bytes` takes: allocators round up to one of a few sizes, four between each power of
/// two and the next. Source: mimalloc's `mi_bin`; jemalloc has the same sizes.
///
/// No allocation has more than `isize::MAX` bytes, so nothing wraps here.
const fn taken_bytes(bytes: usize) -> usize {
    const SMALL_MAX: usize = 64;
    // Between two powers of two the sizes are a quarter of the lower one apart; small ones are 16 apart.
    let power = bytes.saturating_sub(1) | SMALL_MAX;
    let below_step = usize::MAX.wrapping_shr(power.leading_zeros().wrapping_add(3));
    bytes.wrapping_add(below_step) & !below_step
}

/// How many bytes to allocate for `bytes` that may grow: the next of the allocator's sizes, but only two
/// between each power of two and the next. With few sizes, an allocation that one account has outgrown soon
/// fits another.
pub(super) fn roomy_bytes(bytes: usize) -> usize {
    const LEAST: usize = 96;
    let power = bytes.max(LEAST).next_power_of_two();
    let below = power.saturating_sub(power / 4);
    if bytes <= below { below } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_to_grow_comes_in_few_sizes() {
        for (bytes, roomy) in [
            (0, 96),
            (96, 96),
            (97, 128),
            (129, 192),
            (193, 256),
            (257, 384),
            (385, 512),
            (1_537, 2_048),
            (2_049, 3_072),
        ] {
            assert_eq!(roomy_bytes(bytes), roomy, "{bytes}");
            assert_eq!(taken_bytes(roomy), roomy, "{bytes}");
        }
    }

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
