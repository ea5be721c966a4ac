//! A run of things that grows at its end and is forgotten from its start, side by side in memory.

use crate::scoring::heap;

/// What was put in last stands last; what was forgotten leaves room that is used again before more is
/// asked for. Unlike in a ring the things are always one slice, so they are searched in one go.
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

    /// Forgets the oldest `count`. When nothing is left, room for more than `keep` is given back.
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

    /// Room for `more`: where a quarter or more is forgotten that room is enough or soon will be, so
    /// what is left moves down; else there is to be half as much again.
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
