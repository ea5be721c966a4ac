//! The devices that an account has paid from, packed.

use super::listed::{HEAD, Listed};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::submission::Submission;
use crate::scoring::time::Timestamp;
use crate::scoring::window::RecordRef;

const TIMES: usize = HEAD;
const LAST: usize = TIMES + 4;
const ID: usize = LAST + 8;

/// The devices that the account knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Devices {
    pub(super) listed: Listed,
}

/// A device that the account has paid from.
#[derive(Debug, Clone, Copy)]
struct KnownDevice<'a> {
    id: PackedId<'a>,
    times_used: u32,
    last_used: Timestamp,
}

impl<'a> KnownDevice<'a> {
    fn read(entry: &'a [u8]) -> Option<Self> {
        let mut rest = Reader::new(entry.get(HEAD..)?);
        Some(Self {
            times_used: rest.array().map(u32::from_le_bytes)?,
            last_used: rest
                .array()
                .map(i64::from_le_bytes)
                .map(Timestamp::from_unix_ms)?,
            id: rest.id()?,
        })
    }
}

impl Devices {
    /// How many are known.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.listed.len()
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the account has paid from the device of this payment; that of none is not known.
    #[must_use]
    pub fn knows_the_device_of(&self, submission: &Submission<'_>) -> bool {
        let id = submission.device_id.as_ref();
        id.is_some_and(|id| self.find(id.tag, id.id()).is_some())
    }

    /// Learns that `record` went well; returns how many devices were forgotten for want of room.
    pub(super) fn learn(&mut self, record: RecordRef<'_>, devices_max: u32) -> u32 {
        let Some((tag, id)) = record.packed_device() else {
            return 0;
        };
        let time = record.score_time();
        if let Some((at, known)) = self.find(tag, id) {
            let (times, last) = (known.times_used, known.last_used.max(time));
            self.put(at, times.saturating_add(1), last);
            return 0;
        }
        // Those used least lately go first.
        let worth = |entry: &[u8]| KnownDevice::read(entry).map(|known| known.last_used);
        let forgotten = self.listed.forget_least(devices_max, worth);
        self.listed
            .push(tag, ID.saturating_add(id.packed_bytes()), |out| {
                out.extend_from_slice(&1_u32.to_le_bytes());
                out.extend_from_slice(&time.unix_ms().to_le_bytes());
                id.put(out);
            });
        forgotten
    }

    /// Takes back that `record` went well.
    pub(super) fn unlearn(&mut self, record: RecordRef<'_>) {
        let Some((tag, id)) = record.packed_device() else {
            return;
        };
        let Some((at, known)) = self.find(tag, id) else {
            return;
        };
        let (times, last) = (known.times_used.saturating_sub(1), known.last_used);
        if times == 0 {
            self.listed.remove(at);
        } else {
            self.put(at, times, last);
        }
    }

    fn find(&self, tag: u16, id: PackedId<'_>) -> Option<(usize, KnownDevice<'_>)> {
        let mut tagged = self.listed.tagged(tag);
        tagged.find_map(|(at, entry)| {
            let known = KnownDevice::read(entry)?;
            (known.id == id).then_some((at, known))
        })
    }

    fn put(&mut self, at: usize, times_used: u32, last_used: Timestamp) {
        self.listed.put(at, TIMES, &times_used.to_le_bytes());
        self.listed
            .put(at, LAST, &last_used.unix_ms().to_le_bytes());
    }
}
