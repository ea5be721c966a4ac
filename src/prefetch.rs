//! Asking for memory before it is needed. It changes nothing but how long the reads after it take.

use std::slice;

use prefetch_index::prefetch_index;

/// How much the processor fetches at once.
const LINE_BYTES: usize = 64;

/// Asks for all of `items`, and waits for nothing.
pub fn prefetch<T>(items: &[T]) {
    let each_line = (LINE_BYTES / size_of::<T>().max(1)).max(1);
    for nth in (0..items.len()).step_by(each_line) {
        prefetch_index(items, nth);
    }
}

/// Asks for the `bytes` that begin with `first`, and waits for nothing. What is behind it is not read: it
/// may belong to others.
pub fn prefetch_from(first: &u64, bytes: usize) {
    for offset in (0..=bytes).step_by(LINE_BYTES) {
        prefetch_index(slice::from_ref(first), offset / size_of::<u64>());
    }
}
