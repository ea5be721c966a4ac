//! What a decision read of other keys' memories. Of a payee or a device that nobody knows nothing is
//! written.

use super::super::codec::{Decoded, Decoder, put_float, put_signed, put_varint};
use super::{currency, put_currency, time, when};
use crate::scoring::memory::{
    AmountLevel, AmountLevelParts, DeviceFacts, PayeeFacts, PriceLevel, Reports, Surroundings,
};

/// Whether anything is known of the payee, and of the device.
pub(super) fn known(surroundings: &Surroundings) -> (bool, bool) {
    let Surroundings { payee, device } = surroundings;
    (
        *payee != PayeeFacts::default(),
        *device != DeviceFacts::default(),
    )
}

pub(super) fn put(surroundings: &Surroundings, out: &mut Vec<u8>) {
    let (payee, device) = known(surroundings);
    if payee {
        put_payee_facts(&surroundings.payee, out);
    }
    if device {
        let DeviceFacts { accounts_recent } = surroundings.device;
        put_varint(out, u64::from(accounts_recent));
    }
}

pub(super) fn read(from: &mut Decoder<'_>, payee: bool, device: bool) -> Decoded<Surroundings> {
    Ok(Surroundings {
        payee: when(payee, || payee_facts(from))?.unwrap_or_default(),
        device: when(device, || {
            let accounts_recent = from.narrow("accounts on the device")?;
            Ok(DeviceFacts { accounts_recent })
        })?
        .unwrap_or_default(),
    })
}

fn put_payee_facts(facts: &PayeeFacts, out: &mut Vec<u8>) {
    let PayeeFacts {
        payers,
        payers_recent,
        payers_usual,
        first_seen,
        amounts,
        prices,
        reports,
        reports_lately,
    } = facts;
    put_varint(out, u64::from(*payers));
    put_varint(out, u64::from(*payers_recent));
    put_float(out, *payers_usual);
    out.push(u8::from(first_seen.is_some()));
    if let Some(first_seen) = first_seen {
        put_signed(out, first_seen.unix_ms());
    }
    put_amounts(*amounts, out);
    put_varint(out, u64::from(prices.payments()));
    put_float(out, prices.above_doublings());
    put_reports(*reports, out);
    put_reports(*reports_lately, out);
}

fn payee_facts(from: &mut Decoder<'_>) -> Decoded<PayeeFacts> {
    Ok(PayeeFacts {
        payers: from.narrow("payers")?,
        payers_recent: from.narrow("recent payers")?,
        payers_usual: from.float("usual payers")?,
        first_seen: {
            let seen = from.code(super::flag, "first seen")?;
            when(seen, || time(from, "first seen"))?
        },
        amounts: amounts(from)?,
        prices: prices(from)?,
        reports: reports(from)?,
        reports_lately: reports(from)?,
    })
}

fn put_amounts(level: AmountLevel, out: &mut Vec<u8>) {
    let AmountLevelParts {
        currency,
        payments,
        middle_doublings,
        absolute_deviation_doublings,
    } = level.into();
    out.push(u8::from(currency.is_some()));
    if let Some(currency) = currency {
        put_currency(out, currency);
    }
    put_varint(out, u64::from(payments));
    put_float(out, middle_doublings);
    put_float(out, absolute_deviation_doublings);
}

fn amounts(from: &mut Decoder<'_>) -> Decoded<AmountLevel> {
    let paid = from.code(super::flag, "usual amounts")?;
    let parts = AmountLevelParts {
        currency: when(paid, || currency(from))?,
        payments: from.narrow("usual amounts")?,
        middle_doublings: from.float("usual amounts")?,
        absolute_deviation_doublings: from.float("usual amounts")?,
    };
    Ok(parts.into())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it was written of an f32, so nothing is cut off"
)]
fn prices(from: &mut Decoder<'_>) -> Decoded<PriceLevel> {
    let payments = from.narrow("usual prices")?;
    Ok(PriceLevel::known(
        payments,
        from.float("usual prices")? as f32,
    ))
}

fn put_reports(reports: Reports, out: &mut Vec<u8>) {
    let Reports {
        settled,
        weak,
        strong,
    } = reports;
    for count in [settled, weak, strong] {
        put_float(out, count);
    }
}

fn reports(from: &mut Decoder<'_>) -> Decoded<Reports> {
    Ok(Reports {
        settled: from.float("reports")?,
        weak: from.float("reports")?,
        strong: from.float("reports")?,
    })
}
