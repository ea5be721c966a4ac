//! Entries and the closing of a snapshot as bytes, and back.

use super::super::codec::{DecodeFault, Decoded, Decoder, put_text, put_varint};
use super::super::event::{Event, PolicyInForce};
use super::super::record::{decode_next, encode};
use super::block::PAYLOAD_BYTES_MAX;
use super::{Counts, Entry, Key, State};
use crate::scoring::payment::ID_BYTES_MAX;

const ACCOUNT: u8 = 1;
const PAYEE: u8 = 2;
const DEVICE: u8 = 3;
const POLICY: u8 = 4;

pub(super) fn put_state(state: &State<'_>, out: &mut Vec<u8>) {
    let State {
        key,
        applied,
        image,
    } = *state;
    let (kind, key) = match key {
        Key::Account(key) => (ACCOUNT, key),
        Key::Payee(key) => (PAYEE, key),
        Key::Device(key) => (DEVICE, key),
    };
    out.push(kind);
    put_text(out, key);
    put_varint(out, applied);
    put_varint(out, image.len() as u64);
    out.extend_from_slice(image);
}

pub(super) fn put_policy(policy: PolicyInForce, out: &mut Vec<u8>) {
    out.push(POLICY);
    encode(&Event::PolicyInForce(policy), out);
}

pub(super) fn read<'a>(from: &mut Decoder<'a>) -> Decoded<Entry<'a>> {
    let unknown = from.fault("entry kind", DecodeFault::UnknownCode);
    let key: fn(&'a str) -> Key<'a> = match from.byte("entry kind")? {
        ACCOUNT => Key::Account,
        PAYEE => Key::Payee,
        DEVICE => Key::Device,
        POLICY => return policy(from).map(Entry::Policy),
        _ => return Err(unknown),
    };
    Ok(Entry::State(State {
        key: key(from.text(ID_BYTES_MAX, "key")?),
        applied: from.varint("applied")?,
        image: image(from)?,
    }))
}

fn image<'a>(from: &mut Decoder<'a>) -> Decoded<&'a [u8]> {
    let out_of_range = from.fault("image", DecodeFault::OutOfRange);
    let length: usize = from.narrow("image")?;
    if length > PAYLOAD_BYTES_MAX {
        return Err(out_of_range);
    }
    from.take(length, "image")
}

fn policy(from: &mut Decoder<'_>) -> Decoded<PolicyInForce> {
    let another = from.fault("policy", DecodeFault::UnknownCode);
    match decode_next(from)? {
        Event::PolicyInForce(policy) => Ok(policy),
        Event::PaymentScored(_) | Event::OutcomeReported(_) | Event::Evicted(_) => Err(another),
    }
}

/// What the last block says: the first sequence number that was not there, and what there is.
pub(super) fn put_closing(journal_to: u64, counts: Counts, out: &mut Vec<u8>) {
    let Counts {
        accounts,
        payees,
        devices,
        policies,
    } = counts;
    for number in [journal_to, accounts, payees, devices, policies] {
        put_varint(out, number);
    }
}

pub(super) fn read_closing(payload: &[u8]) -> Decoded<(u64, Counts)> {
    let mut from = Decoder::new(payload);
    let journal_to = from.varint("journal to")?;
    let counts = Counts {
        accounts: from.varint("accounts")?,
        payees: from.varint("payees")?,
        devices: from.varint("devices")?,
        policies: from.varint("policies")?,
    };
    from.end("closing block")?;
    Ok((journal_to, counts))
}
