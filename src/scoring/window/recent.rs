//! The newest records of a window, read in place.

use super::Window;
use super::entry::{Entry, Packed};
use super::record::RecordRef;
use crate::scoring::time::Timestamp;

/// Some of the newest payments, or all.
#[derive(Debug, Clone, Copy)]
pub struct Recent<'a> {
    /// Oldest first.
    pub(super) packed: &'a [Packed],
    pub(super) window: &'a Window,
}

impl<'a> Recent<'a> {
    /// Those after `moment`.
    pub(super) fn after(self, moment: Timestamp) -> Self {
        // They are in time order. The first is found at once, so that callers need not check each.
        let mut packed = self.packed.iter();
        let older = packed.rposition(|packed| Entry::score_time_of(packed) <= moment);
        let from = older.map_or(0, |nth| nth.saturating_add(1));
        let packed = self.packed.get(from..).unwrap_or_default();
        Self { packed, ..self }
    }

    /// At most so many of them.
    #[must_use]
    pub fn newest(self, count_max: usize) -> Self {
        let from = self.packed.len().saturating_sub(count_max);
        let packed = self.packed.get(from..).unwrap_or_default();
        Self { packed, ..self }
    }

    /// All but the newest `count`.
    #[must_use]
    pub fn but_newest(self, count: usize) -> Self {
        let to = self.packed.len().saturating_sub(count);
        let packed = self.packed.get(..to).unwrap_or_default();
        Self { packed, ..self }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.packed.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.packed.is_empty()
    }

    /// Each, newest first.
    pub fn iter(self) -> impl Iterator<Item = RecordRef<'a>> + Clone {
        let window = self.window;
        let packed = self.packed.iter().rev();
        packed.map(move |packed| RecordRef { packed, window })
    }

    /// When the `nth` newest was made of those that count; 1 is the newest.
    #[must_use]
    pub fn nth_newest(self, nth: u32, counts: impl Fn(RecordRef<'_>) -> bool) -> Option<Timestamp> {
        let mut counted = self.iter().filter(|record| counts(*record));
        let found = counted.nth((nth as usize).checked_sub(1)?);
        found.map(RecordRef::score_time)
    }

    /// The record with this index; the newest has index 0.
    #[must_use]
    pub fn get(self, nth: usize) -> Option<RecordRef<'a>> {
        let place = self.packed.len().checked_sub(nth)?.checked_sub(1)?;
        Some(RecordRef {
            packed: self.packed.get(place)?,
            window: self.window,
        })
    }
}
