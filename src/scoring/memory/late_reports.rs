//! Which reports came too late for the account's window.

use crate::scoring::packing::Reader;

/// How many are remembered, so that the same report again changes nothing.
const KEPT: usize = 8;

/// Marks of the last few such reports.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct LateReports {
    marks: [u64; KEPT],
    next: u8,
}

impl LateReports {
    pub(super) fn put_image(out: &mut Vec<u8>, late_reports: &Self) {
        let Self { marks, next } = late_reports;
        out.push(*next);
        for mark in marks {
            out.extend_from_slice(&mark.to_le_bytes());
        }
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let next = rest.byte()?;
        let mut marks = [0; KEPT];
        for mark in &mut marks {
            *mark = rest.array().map(u64::from_le_bytes)?;
        }
        Some(Self { marks, next })
    }

    /// Remembers a report by its mark; `false` if it is remembered already.
    pub(super) fn add(&mut self, mark: u64) -> bool {
        if self.marks.contains(&mark) {
            return false;
        }
        let next = usize::from(self.next) % KEPT;
        if let Some(place) = self.marks.get_mut(next) {
            *place = mark;
        }
        self.next = self.next.wrapping_add(1);
        true
    }
}
