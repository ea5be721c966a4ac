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

/// The tags of all records, side by side; none while there are few. Each kind by itself: looking for one of
/// 256 payments reads eight cache lines.
#[derive(Debug, Clone, Default)]
pub(super) struct TagsApart(Option<Box<Columns>>);

#[derive(Debug, Clone, Default)]
struct Columns {
    payment_ids: Sliding<u16>,
    order_ids: Sliding<u16>,
}

/// Derived from the records, which are compared.
impl PartialEq for TagsApart {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl TagsApart {
    /// Those of the payments, oldest first; empty while there are few.
    pub(super) fn payment_ids(&self) -> &[u16] {
        self.column(|columns| &columns.payment_ids)
    }

    /// Those of the orders.
    pub(super) fn order_ids(&self) -> &[u16] {
        self.column(|columns| &columns.order_ids)
    }

    fn column(&self, column: impl FnOnce(&Columns) -> &Sliding<u16>) -> &[u16] {
        self.0
            .as_deref()
            .map_or(&[], |columns| column(columns).as_slice())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |columns| {
            heap::bytes_of::<Columns>(1)
                .saturating_add(columns.payment_ids.heap_bytes())
                .saturating_add(columns.order_ids.heap_bytes())
        })
    }

    /// Adds the tags of the newest entry, or of all once there are enough.
    pub(super) fn follow(&mut self, entries: Entries<'_>) {
        if entries.len() < APART_FROM {
            self.0 = None;
            return;
        }
        let columns = self.0.get_or_insert_default();
        for newer in entries.tags_from(columns.payment_ids.len()) {
            columns.payment_ids.push(newer.payment_id);
            columns.order_ids.push(newer.order_id);
        }
    }

    pub(super) fn forget(&mut self, count: usize) {
        if let Some(columns) = &mut self.0 {
            columns.payment_ids.forget(count, 0);
            columns.order_ids.forget(count, 0);
            if columns.payment_ids.len() == 0 {
                self.0 = None;
            }
        }
    }

    pub(super) fn remove(&mut self, nth: usize) {
        if let Some(columns) = &mut self.0 {
            columns.payment_ids.remove(nth);
            columns.order_ids.remove(nth);
        }
    }
}
