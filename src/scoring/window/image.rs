//! The window as bytes, and back.

use super::detail::Detail;
use super::entry::{Entry, OUTCOME_AFTER_MS_MAX, PAID_AFTER_DOUBT, outcome};
use super::records::Records;
use super::tags::{Tags, TagsApart};
use super::totals::Running;
use super::{RETENTION, Window};
use crate::scoring::assessment::Decision;
use crate::scoring::image::{
    Image, ImageFault, currency, narrow, optional, put_currency, put_optional, put_time, time,
};
use crate::scoring::money::Money;
use crate::scoring::packing::{PackedId, Reader, put_varint};
use crate::scoring::time::{Span, Timestamp};

/// How many bytes a payment takes at least, its detail apart.
const ENTRY_BYTES_MIN: usize = 6;

// What a payment's flags say; the decision stands in the bits below.
const TOKEN_SPENT: u8 = 1 << 2;
const LEARNT: u8 = 1 << 3;
const PAYEE_WAS_KNOWN: u8 = 1 << 4;
const HELD_AGAINST_ANOTHER: u8 = 1 << 5;
const FLAGS: u8 = TOKEN_SPENT | LEARNT | PAYEE_WAS_KNOWN | HELD_AGAINST_ANOTHER;

impl Window {
    /// Appends the window; `latest` is when it last expired.
    pub(in crate::scoring) fn put_image(&self, latest: Timestamp, out: &mut Vec<u8>) {
        let Self {
            records,
            // They are in the details.
            tags: _,
            running,
            cut_short_until,
        } = self;
        let (details_before, details_end) = records.details_ends();
        let was_cut_short = *cut_short_until != Self::NEVER_CUT_SHORT;
        put_optional(out, was_cut_short.then_some(*cut_short_until), put_time);
        put_optional(out, running.currency(), put_currency);
        put_varint(out, details_before.into());
        put_varint(out, records.details_len() as u64);
        out.extend_from_slice(records.details());
        put_varint(out, records.len() as u64);
        let entries = records.entries();
        let firsts = entries.iter().map(|entry| entry.detail);
        let mut ends = firsts.clone().skip(1).chain([details_end]);
        let hole = firsts.clone().next().unwrap_or(details_end);
        put_varint(out, hole.wrapping_sub(details_before).into());
        let mut before = latest;
        for entry in entries.iter() {
            // The first stands before the latest moment, each other after the one before it.
            let apart = before.unix_ms().abs_diff(entry.score_time.unix_ms());
            put_varint(out, apart);
            let end = ends.next().unwrap_or(details_end);
            put_varint(out, end.wrapping_sub(entry.detail).into());
            put_entry(&entry, out);
            before = entry.score_time;
        }
        put_varint(out, records.settled() as u64);
    }

    /// Reads a window that last expired at `latest`.
    pub(in crate::scoring) fn from_image(
        image: &mut Image<'_>,
        latest: Timestamp,
    ) -> Result<Self, ImageFault> {
        let cut_short_until = image.part("end of a gap", |rest| optional(rest, time))?;
        let currency = image.part("window's currency", |rest| optional(rest, currency))?;
        let details_before = image.part("details", narrow)?;
        let details = image.part("details", |rest| {
            let bytes = u32::try_from(rest.varint()?).ok()?;
            rest.bytes(bytes as usize)
        })?;
        let entries = image.part("payment", |rest| {
            read_entries(rest, latest, details_before, details)
        })?;
        let settled = image.part("settled payments", |rest| {
            narrow(rest).filter(|settled: &u16| usize::from(*settled) <= entries.len())
        })?;
        let records = Records::of(&entries, details, details_before, settled);
        let mut tags = TagsApart::default();
        tags.follow(records.entries());
        Ok(Self {
            running: Running::counted(&entries, currency, latest),
            tags,
            records,
            cut_short_until: cut_short_until.unwrap_or(Self::NEVER_CUT_SHORT),
        })
    }
}

fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    let Entry {
        score_time: _,
        money,
        detail: _,
        outcome_after_ms,
        // These are in the detail.
        tags: _,
        payee_tag: _,
        device_tag: _,
        decision,
        outcome,
        // This is in the number of the outcome.
        paid_after_doubt: _,
        token_spent,
        learnt,
        payee_was_known,
        held_against_another,
    } = *entry;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(token_spent, TOKEN_SPENT)
        | flag(learnt, LEARNT)
        | flag(payee_was_known, PAYEE_WAS_KNOWN)
        | flag(held_against_another, HELD_AGAINST_ANOTHER);
    put_varint(out, money.amount_minor().cast_unsigned());
    put_currency(out, money.currency());
    out.push(flags | decision as u8);
    out.push(entry.outcome_number());
    if outcome.is_some() {
        put_varint(out, outcome_after_ms.into());
    }
}

/// The payments, oldest first: none later than `latest`, and all that is kept of them in `details`.
fn read_entries(
    rest: &mut Reader<'_>,
    latest: Timestamp,
    details_before: u32,
    details: &[u8],
) -> Option<Vec<Entry>> {
    // The totals count payments in sixteen bits.
    let count: u16 = narrow(rest)?;
    let count = usize::from(count);
    if count.checked_mul(ENTRY_BYTES_MIN)? > rest.len() {
        return None;
    }
    let mut details = Reader::new(details);
    let mut detail: u32 = narrow(rest)?;
    details.bytes(detail as usize)?;
    let mut entries = Vec::with_capacity(count);
    let mut score_time = latest;
    for nth in 0..count {
        let apart = i64::try_from(rest.varint()?).ok()?;
        score_time = if nth == 0 {
            Timestamp::from_unix_ms(latest.unix_ms().checked_sub(apart)?)
        } else {
            score_time.plus(Span::from_ms(apart))
        };
        let bytes: u32 = narrow(rest)?;
        let at = details_before.wrapping_add(detail);
        entries.push(read_entry(
            rest,
            score_time,
            at,
            details.bytes(bytes as usize)?,
        )?);
        detail = detail.checked_add(bytes)?;
    }
    let oldest = entries.first().map_or(latest, |entry| entry.score_time);
    let is_whole = details.len() == 0;
    (is_whole && score_time <= latest && oldest.within(RETENTION, latest)).then_some(entries)
}

/// A payment whose `bytes` lie at `detail`.
fn read_entry(
    rest: &mut Reader<'_>,
    score_time: Timestamp,
    detail: u32,
    bytes: &[u8],
) -> Option<Entry> {
    let amount_minor = i64::try_from(rest.varint()?).ok()?;
    let money = Money::new(amount_minor, currency(rest)?).ok()?;
    let [flags, number] = rest.array()?;
    let has = |flag: u8| flags & flag != 0;
    let outcome = match number {
        0 => None,
        number => Some(outcome(number)?),
    };
    let read = Detail::read(bytes).filter(Detail::is_sound)?;
    let (_, payee_id) = read.payee;
    let tag_or_zero = |id: Option<PackedId<'_>>| id.map_or(0, PackedId::tag);
    Some(Entry {
        score_time,
        money,
        detail,
        outcome_after_ms: match outcome {
            None => 0,
            Some(_) => narrow(rest).filter(|after_ms| *after_ms <= OUTCOME_AFTER_MS_MAX)?,
        },
        tags: Tags {
            payment_id: read.payment_id.tag(),
            order_id: tag_or_zero(read.order_id),
        },
        payee_tag: payee_id.tag(),
        device_tag: tag_or_zero(read.device_id),
        decision: *Decision::ALL.get(usize::from(flags & !FLAGS))?,
        outcome,
        paid_after_doubt: number == PAID_AFTER_DOUBT,
        token_spent: has(TOKEN_SPENT),
        learnt: has(LEARNT),
        payee_was_known: has(PAYEE_WAS_KNOWN),
        held_against_another: has(HELD_AGAINST_ANOTHER),
    })
}
