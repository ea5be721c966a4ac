//! Requests memory before it is needed (prefetching). It changes nothing but how long later reads take.

use std::slice;

use prefetch_index::prefetch_index;

/// The size of a cache line.
const LINE_BYTES: usize = 64;

/// Requests all of `items`, without waiting.
pub fn prefetch<T>(items: &[T]) {
    let each_line = const { items_of_a_line::<T>() };
    // Iterating over a range takes three times as long.
    for line in 0..items.len().div_ceil(each_line) {
        prefetch_index(items, line * each_line);
    }
}

/// Requests the beginning of the `nth` of `items`, without waiting.
pub fn prefetch_one<T>(items: &[T], nth: usize) {
    prefetch_index(items, nth);
}

/// Requests the `bytes` that begin with `first`, at the start of a cache line, without waiting. Nothing behind them is
/// read: it may belong to others.
pub fn prefetch_from<T>(first: &T, bytes: usize) {
    let each_line = const { items_of_a_line::<T>() };
    for line in 0..bytes.div_ceil(LINE_BYTES) {
        prefetch_index(slice::from_ref(first), line * each_line);
    }
}

const fn items_of_a_line<T>() -> usize {
    match size_of::<T>() {
        0 | LINE_BYTES.. => 1,
        bytes => LINE_BYTES / bytes,
    }
}
