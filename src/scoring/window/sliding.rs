//! A queue in contiguous memory: items are added at the end and forgotten from the start.

use crate::scoring::heap;

/// Unlike in a ring buffer all items are always one slice, so they are searched in one go. Forgotten items
/// leave room that is reused before more is allocated.
#[derive(Debug, Clone)]
pub(super) struct Sliding<T> {
    items: Vec<T>,
    /// How many at the start of `items` are forgotten.
    forgotten: u32,
}

impl<T> Default for Sliding<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            forgotten: 0,
        }
    }
}

impl<T: Copy + PartialEq> PartialEq for Sliding<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Copy> Sliding<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        self.items
            .get(self.forgotten as usize..)
            .unwrap_or_default()
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len().saturating_sub(self.forgotten as usize)
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        heap::bytes_of::<T>(self.items.capacity())
    }

    pub(super) fn push(&mut self, item: T) {
        self.make_room(1);
        self.items.push(item);
    }

    /// Forgets the oldest `count`. When none is left, an allocation for more than `keep` items is freed.
    pub(super) fn forget(&mut self, count: usize, keep: usize) {
        let forgotten = (self.forgotten as usize)
            .saturating_add(count)
            .min(self.items.len());
        self.forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        if forgotten == self.items.len() {
            self.items.clear();
            self.forgotten = 0;
            if self.items.capacity() > keep {
                self.items = Vec::new();
            }
        }
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<T> {
        let at = index.saturating_add(self.forgotten as usize);
        (at < self.items.len()).then(|| self.items.remove(at))
    }

    /// Makes room for `more`. Where a quarter or more is forgotten, the rest is moved to the start, as that
    /// room is or soon will be enough; otherwise half as much again is allocated.
    fn make_room(&mut self, more: usize) {
        let capacity = self.items.capacity();
        if self.items.len().saturating_add(more) <= capacity {
            return;
        }
        let forgotten = self.forgotten as usize;
        if forgotten > 0 && forgotten >= capacity / 4 {
            let left = self.len();
            self.items.copy_within(forgotten.., 0);
            self.items.truncate(left);
            self.forgotten = 0;
        }
        if self.items.len().saturating_add(more) > capacity {
            self.items.reserve_exact(more.max(capacity / 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_in_and_out_stays_in_order_and_in_little_room() {
        let mut sliding = Sliding::default();
        let (mut first, mut next) = (0_u32, 0_u32);
        for round in 0..10_000_u32 {
            for _ in 0..=(round % 3) {
                sliding.push(next);
                next += 1;
            }
            while next - first > 20 {
                sliding.forget(1, 8);
                first += 1;
            }
            assert!(sliding.as_slice().iter().copied().eq(first..next));
        }
        assert!(sliding.items.capacity() <= 48);
        sliding.forget(usize::MAX, 8);
        assert_eq!((sliding.len(), sliding.items.capacity()), (0, 0));
    }
}
