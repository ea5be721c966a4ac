//! Which reports came too late for the account's window.

/// How many are remembered, so that the same report again changes nothing.
const KEPT: usize = 8;

/// Marks of the last few such reports.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct LateReports {
    marks: [u64; KEPT],
    next: u8,
}

impl LateReports {
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
