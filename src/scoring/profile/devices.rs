//! The devices that an account has paid from.

use super::entry_list::{EntryList, Kind};
use super::uses::{USES_END, Uses};
use crate::scoring::packing::{PackedId, Reader};
use crate::scoring::submission::Submission;
use crate::scoring::window::RecordRef;

/// The devices that the account knows.
#[derive(Debug, Clone, Copy)]
pub struct Devices<'a>(pub(super) &'a EntryList);

impl Devices<'_> {
    /// How many are known.
    #[must_use]
    pub fn len(self) -> u32 {
        let count = self.0.of_kind(Kind::Device).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.of_kind(Kind::Device).next().is_none()
    }

    /// How many payments from the device of this one went well; 0 where it names no device.
    #[must_use]
    pub fn payments_from_that_of(self, submission: &Submission<'_>) -> u32 {
        let id = submission.device_id.as_ref();
        let known = id.and_then(|id| find(self.0, id.tag, id.id()));
        known.map_or(0, |(_, uses)| uses.times)
    }

    /// How many devices there are for each payment that came from one of them, 0–1: 1 if each device was used once,
    /// near 0 if one is used always.
    #[must_use]
    pub fn per_payment(self) -> f64 {
        let entries = self.0.of_kind(Kind::Device);
        let uses = entries.filter_map(|(_, entry)| Uses::read(entry));
        let (devices, payments) = uses.fold((0.0, 0.0), |(devices, payments), uses| {
            (devices + 1.0, payments + f64::from(uses.times))
        });
        if payments > 0.0 {
            devices / payments
        } else {
            0.0
        }
    }
}

/// Learns that `record` went well; returns how many devices were forgotten for want of room.
pub(super) fn learn(entries: &mut EntryList, record: RecordRef<'_>, devices_max: u32) -> u32 {
    let Some((tag, id)) = record.packed_device() else {
        return 0;
    };
    let time = record.score_time();
    if let Some((at, uses)) = find(entries, tag, id) {
        uses.and_at(time).put(entries, at);
        return 0;
    }
    // Those used least lately go first.
    let worth = |entry: &[u8]| Uses::read(entry).map(|uses| uses.last);
    let forgotten = entries.forget_least(Kind::Device, devices_max, worth);
    let expected = USES_END.saturating_add(id.packed_bytes());
    entries.push(Kind::Device, tag, expected, |out| {
        out.extend_from_slice(&Uses::once(time).to_bytes());
        id.put(out);
    });
    forgotten
}

/// Takes back that `record` went well.
pub(super) fn unlearn(entries: &mut EntryList, record: RecordRef<'_>) {
    let device = record.packed_device();
    let Some((at, uses)) = device.and_then(|(tag, id)| find(entries, tag, id)) else {
        return;
    };
    if uses.times <= 1 {
        entries.remove(at);
    } else {
        uses.less_one().put(entries, at);
    }
}

/// Checks, when an image is read, that these bytes are an entry of this tag.
pub(super) fn check(entry: &[u8], tag: u16) -> Option<()> {
    let mut rest = Reader::new(entry.get(USES_END..)?);
    let id = rest.id()?;
    (id.is_sound() && id.tag() == tag && rest.len() == 0).then_some(())
}

fn find(entries: &EntryList, tag: u16, id: PackedId<'_>) -> Option<(usize, Uses)> {
    entries.find(Kind::Device, tag, |entry| {
        let known = Reader::new(entry.get(USES_END..)?).id()?;
        (known == id).then(|| Uses::read(entry)).flatten()
    })
}
