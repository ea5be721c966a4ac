//! Asking for memory before it is needed. It changes nothing but how long the reads after it take.

use std::slice;

use prefetch_index::prefetch_index;

/// How much the processor fetches at once.
const LINE_BYTES: usize = 64;

/// Asks for all of `items`, and waits for nothing.
pub fn prefetch<T>(items: &[T]) {
    let each_line = const { items_of_a_line::<T>() };
    // Stepping over a range takes three times as long.
    for line in 0..items.len().div_ceil(each_line) {
        prefetch_index(items, line * each_line);
    }
}

/// Asks for the beginning of the `nth` of `items`, and waits for nothing.
pub fn prefetch_one<T>(items: &[T], nth: usize) {
    prefetch_index(items, nth);
}

/// Asks for the `bytes` that begin with `first`, and waits for nothing. What is behind it is not read: it
/// may belong to others.
pub fn prefetch_from(first: &u64, bytes: usize) {
    for line in 0..=bytes / LINE_BYTES {
        prefetch_index(
            slice::from_ref(first),
            line * const { items_of_a_line::<u64>() },
        );
    }
}

const fn items_of_a_line<T>() -> usize {
    match size_of::<T>() {
        0 | LINE_BYTES.. => 1,
        bytes => LINE_BYTES / bytes,
    }
}
