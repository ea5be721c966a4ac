//! The profile as bytes, and back.

use super::entry_list::{EntryList, HEAD, Kind};
use super::level::by_currency;
use super::{AMOUNTS_KEPT, Amounts, KnownPayee, Level, Pace, Profile, devices};
use crate::scoring::image::{Image, ImageFault, narrow, put_time, time};
use crate::scoring::money::Currency;
use crate::scoring::packing::put_varint;

impl Profile {
    /// Appends the profile.
    pub(in crate::scoring) fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            payments_learnt,
            payees_met,
            first_learnt,
            sitting_since,
            entries,
            level,
            hours,
            pace,
        } = self;
        put_varint(out, (*payments_learnt).into());
        put_varint(out, (*payees_met).into());
        put_time(out, *first_learnt);
        put_time(out, *sitting_since);
        entries.put_image(out);
        level.put_image(out);
        out.extend_from_slice(hours);
        pace.put_image(out);
    }

    /// Reads a profile.
    pub(in crate::scoring) fn from_image(image: &mut Image<'_>) -> Result<Self, ImageFault> {
        Ok(Self {
            payments_learnt: image.part("payments learnt", narrow)?,
            payees_met: image.part("payees met", narrow)?,
            first_learnt: image.part("first payment learnt", time)?,
            sitting_since: image.part("beginning of a sitting", time)?,
            entries: image.part("amounts, devices or payees", |rest| {
                EntryList::read_image(rest, check)
            })?,
            level: image.part("level of sums", Level::read_image)?,
            hours: image.part("hours", |rest| rest.array())?,
            pace: image.part("pace", Pace::read_image)?,
        })
    }
}

/// Checks that an entry of the list is one that a profile may have written.
fn check(kind: Kind, tag: u16, entry: &[u8]) -> Option<()> {
    match kind {
        Kind::Amounts => {
            Currency::from_number(u8::try_from(tag).ok()?)?;
            Amounts::are_sound(entry.get(HEAD..)?, AMOUNTS_KEPT).then_some(())
        }
        Kind::Device => devices::check(entry, tag),
        Kind::Payee => KnownPayee::check(entry, tag),
        Kind::Level => by_currency::check(entry, tag),
    }
}
