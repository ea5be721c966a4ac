//! Tags of the ids that are looked for among all records of a window.

use super::entry::Entries;
use super::sliding::Sliding;
use crate::scoring::heap;
use crate::scoring::submission::{Submission, tag_or_zero};

/// With this many records, their tags are also kept side by side. Fewer records are in a few cache lines
/// anyway, and most accounts never have more.
const APART_FROM: usize = 16;

/// The tags of one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tags {
    pub(super) payment_id: u16,
    /// 0: no order.
    pub(super) order_id: u16,
}

impl Tags {
    pub(super) fn of(submission: &Submission<'_>) -> Self {
        Self {
            payment_id: submission.payment_id.tag,
            order_id: tag_or_zero(submission.order_id.as_ref()),
        }
    }
}

/// The tags of all records, side by side; empty while there are few.
#[derive(Debug, Clone, Default)]
pub(super) struct TagsApart(Option<Box<Sliding<Tags>>>);

/// Derived from the records, which are compared.
impl PartialEq for TagsApart {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl TagsApart {
    pub(super) fn as_slice(&self) -> &[Tags] {
        self.0.as_deref().map_or(&[], Sliding::as_slice)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |tags| {
            heap::bytes_of::<Sliding<Tags>>(1).saturating_add(tags.heap_bytes())
        })
    }

    /// Adds the tags of the newest entry, or of all once there are enough.
    pub(super) fn follow(&mut self, entries: Entries<'_>) {
        if entries.len() < APART_FROM {
            self.0 = None;
            return;
        }
        let tags = self.0.get_or_insert_default();
        for newer in entries.tags_from(tags.len()) {
            tags.push(newer);
        }
    }

    pub(super) fn forget(&mut self, count: usize) {
        if let Some(tags) = &mut self.0 {
            tags.forget(count, 0);
            if tags.len() == 0 {
                self.0 = None;
            }
        }
    }

    pub(super) fn remove(&mut self, nth: usize) {
        if let Some(tags) = &mut self.0 {
            tags.remove(nth);
        }
    }
}
