//! When an answer may leave: once the journal has what it says.

use super::Engine;
use crate::journal::Condition;
pub use crate::journal::Kept;

/// What of the journal an answer waits for before it may leave. The greater of two waits for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Receipt(pub(super) u64);

impl Engine {
    /// Whether what is asked now can be written down: to be asked before a call is taken up.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.journal
            .as_ref()
            .is_none_or(|journal| journal.has_room())
    }

    /// Whether a restart will remember what is answered now. Without a journal nothing is promised, and
    /// nothing is broken.
    #[must_use]
    pub fn keeps_its_promise(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_none_or(|journal| matches!(journal.condition(), Condition::Sound))
    }

    /// How many bytes have been written to the journal so far, those included that the start had to read.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        let journal = self.journal.as_ref();
        let written = journal.map_or(0, |journal| journal.counts().bytes);
        self.journal_bytes_read + written
    }

    /// Whether the journal has what the receipt stands for, or never will; `None` where that is to be
    /// [waited for](Self::committed).
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
