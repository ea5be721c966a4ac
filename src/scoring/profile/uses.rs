//! How often a device or a payee was used, and when last.

use super::entry_list::{EntryList, HEAD};
use crate::scoring::time::Timestamp;

/// How often a device or a payee was used, and when last. Their entries begin with these twelve bytes, behind the
/// header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses {
    pub(super) times: u32,
    pub(super) last: Timestamp,
}

/// The offset behind them in an entry.
pub(super) const USES_END: usize = HEAD + Uses::BYTES;

impl Uses {
    const BYTES: usize = 12;

    pub(super) const fn once(time: Timestamp) -> Self {
        Self {
            times: 1,
            last: time,
        }
    }

    /// With one more, at `time`.
    pub(super) fn and_at(self, time: Timestamp) -> Self {
        Self {
            times: self.times.saturating_add(1),
            last: self.last.max(time),
        }
    }

    /// With one less.
    pub(super) const fn less_one(self) -> Self {
        Self {
            times: self.times.saturating_sub(1),
            last: self.last,
        }
    }

    /// Reads them from an entry.
    pub(super) fn read(entry: &[u8]) -> Option<Self> {
        let uses: &[u8; Self::BYTES] = entry.get(HEAD..)?.first_chunk()?;
        let (times, last) = uses.split_first_chunk()?;
        Some(Self {
            times: u32::from_le_bytes(*times),
            last: Timestamp::from_unix_ms(i64::from_le_bytes(*last.first_chunk()?)),
        })
    }

    /// Writes them into the entry at position `at`.
    pub(super) fn put(self, entries: &mut EntryList, at: usize) {
        entries.put(at, HEAD, self.to_bytes());
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.times.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = self.last.unix_ms().to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}
