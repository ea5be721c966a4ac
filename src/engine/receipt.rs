//! When an answer may be sent: once the journal has what it says.

use super::Engine;
use crate::journal::Condition;
pub use crate::journal::Kept;

/// How far the journal must have got before an answer may be sent. The greater of two receipts covers both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Receipt(pub(super) u64);

impl Engine {
    /// Whether the journal has room for another event. Asked before a call is begun.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.journal
            .as_ref()
            .is_none_or(|journal| journal.has_room())
    }

    /// Whether a restart will remember what is answered now, as configured. Always `true` without a journal,
    /// which promises nothing.
    #[must_use]
    pub fn keeps_its_promise(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_none_or(|journal| matches!(journal.condition(), Condition::Sound))
    }

    /// How many bytes the journal has, including those that recovery read.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        let journal = self.journal.as_ref();
        let written = journal.map_or(0, |journal| journal.counts().bytes);
        self.journal_bytes_read + written
    }

    /// Whether the journal has what the receipt stands for (or never will); `None` if that has to be
    /// [awaited](Self::committed).
    #[must_use]
    pub fn kept(&self, Receipt(sequence): Receipt) -> Option<Kept> {
        let journal = self.journal.as_ref();
        journal.map_or(Some(Kept::Yes), |journal| journal.known(sequence))
    }

    /// Waits until the journal has what the receipt stands for, or never will.
    pub async fn committed(&self, Receipt(sequence): Receipt) -> Kept {
        match &self.journal {
            Some(journal) => journal.committed(sequence).await,
            None => Kept::Yes,
        }
    }
}
