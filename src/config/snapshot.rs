//! How often a snapshot is taken.

use std::time::Duration;

/// How often a snapshot is taken: after so long, or once the journal has grown by so much, whichever comes
/// first. In between nothing is lost, but a restart has the more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEvery {
    /// After how long.
    pub interval: Duration,
    /// After how many bytes of journal.
    pub journal_bytes: u64,
}

impl SnapshotEvery {
    /// Whether one is due.
    #[must_use]
    pub fn is_due(&self, elapsed: Duration, journal_bytes: u64) -> bool {
        elapsed >= self.interval || journal_bytes >= self.journal_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_after_so_long_or_so_much() {
        let every = SnapshotEvery {
            interval: Duration::from_secs(60),
            journal_bytes: 2 << 20,
        };
        assert!(!every.is_due(Duration::from_secs(59), (2 << 20) - 1));
        assert!(every.is_due(Duration::from_secs(60), 0));
        assert!(every.is_due(Duration::ZERO, 2 << 20));
    }
}
