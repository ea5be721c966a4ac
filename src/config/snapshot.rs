//! How often a snapshot is taken.

use std::fmt;
use std::time::Duration;

/// How often a snapshot is taken: after so long, or once the journal has grown by so much, whichever comes
/// first. In between nothing is lost, but a restart has the more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEvery {
    /// After how long, in seconds.
    pub interval: SnapshotInterval,
    /// After how many bytes of journal.
    pub journal: SnapshotJournal,
}

/// After how long a snapshot is taken: 10 seconds to a day, and 15 minutes unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInterval(Duration);

/// After how many MiB of journal one is taken: 1 to 1,048,576, and 512 unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotJournal(u64);

impl SnapshotEvery {
    /// Whether one is due.
    #[must_use]
    pub fn is_due(&self, elapsed: Duration, journal_bytes: u64) -> bool {
        elapsed >= self.interval.0 || journal_bytes >= self.journal.0 << 20
    }
}

impl SnapshotInterval {
    /// What the setting must be.
    pub(super) const EXPECTED: &str = "a whole number of seconds from 10 to 86400";

    /// Takes `text` as a number of seconds.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(secs @ 10..=86_400) => Ok(Self(Duration::from_secs(secs))),
            Ok(_) | Err(_) => Err(Self::EXPECTED),
        }
    }
}

impl SnapshotJournal {
    /// What the setting must be.
    pub(super) const EXPECTED: &str = "a whole number of MiB from 1 to 1048576";

    /// Takes `text` as a number of MiB.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(mib @ 1..=1_048_576) => Ok(Self(mib)),
            Ok(_) | Err(_) => Err(Self::EXPECTED),
        }
    }
}

impl Default for SnapshotInterval {
    fn default() -> Self {
        Self(Duration::from_secs(15 * 60))
    }
}

impl Default for SnapshotJournal {
    fn default() -> Self {
        Self(512)
    }
}

impl fmt::Display for SnapshotInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())
    }
}

impl fmt::Display for SnapshotJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_after_so_long_or_so_much() {
        let every = SnapshotEvery {
            interval: SnapshotInterval::parse("60").unwrap(),
            journal: SnapshotJournal::parse("2").unwrap(),
        };
        assert!(!every.is_due(Duration::from_secs(59), (2 << 20) - 1));
        assert!(every.is_due(Duration::from_secs(60), 0));
        assert!(every.is_due(Duration::ZERO, 2 << 20));
    }

    #[test]
    fn both_are_whole_numbers_within_bounds() {
        for bad in ["", "9", "86401", "-1", "1.5"] {
            assert!(SnapshotInterval::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "1048577", "-1", "1.5"] {
            assert!(SnapshotJournal::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(SnapshotInterval::default().to_string(), "900");
        assert_eq!(SnapshotJournal::default().to_string(), "512");
    }
}
