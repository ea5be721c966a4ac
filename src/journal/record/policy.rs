//! A policy as it came into force, whole.

use std::sync::Arc;

use super::super::codec::{
    DecodeFault, Decoded, Decoder, put_float, put_signed, put_text, put_varint,
};
use super::super::event::{PolicyInForce, PolicyText};
use crate::scoring::policy::{Preset, Value};

/// The most bytes a policy's texts may have: far beyond any, as what was written must be read.
const TEXT_BYTES_MAX: usize = 1 << 16;

/// The most settings a policy may give, likewise.
const SETTINGS_MAX: usize = 1 << 16;

codes! { preset_code, preset: Preset {
    Balanced = 1, Cautious = 2, Lenient = 3,
} }

pub(super) fn put(in_force: &PolicyInForce, out: &mut Vec<u8>) {
    put_signed(out, in_force.time.unix_ms());
    put_varint(out, u64::from(in_force.number));
    put_policy_text(&in_force.policy, out);
    out.push(u8::from(in_force.shadow.is_some()));
    if let Some(shadow) = &in_force.shadow {
        put_policy_text(shadow, out);
    }
}

pub(super) fn read(from: &mut Decoder<'_>) -> Decoded<PolicyInForce> {
    Ok(PolicyInForce {
        time: super::time(from, "time")?,
        number: from.narrow("policy number")?,
        policy: policy_text(from)?,
        shadow: match from.code(super::flag, "shadow")? {
            true => Some(policy_text(from)?),
            false => None,
        },
    })
}

fn put_policy_text(policy: &PolicyText, out: &mut Vec<u8>) {
    let PolicyText {
        version,
        preset,
        given,
    } = policy;
    put_text(out, version);
    out.push(preset_code(*preset));
    put_varint(out, given.len() as u64);
    for (path, value) in given {
        put_text(out, path);
        put_value(*value, out);
    }
}

fn policy_text(from: &mut Decoder<'_>) -> Decoded<PolicyText> {
    let version = Arc::from(from.text(TEXT_BYTES_MAX, "policy version")?);
    let preset = from.code(preset, "preset")?;
    let too_many = from.fault("settings", DecodeFault::OutOfRange);
    let settings: usize = from.narrow("settings")?;
    if settings > SETTINGS_MAX {
        return Err(too_many);
    }
    let mut given = Vec::new();
    for _ in 0..settings {
        let path = from.text(TEXT_BYTES_MAX, "setting")?;
        given.push((path.to_owned(), value(from)?));
    }
    Ok(PolicyText {
        version,
        preset,
        given,
    })
}

fn put_value(value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => {
            out.push(1);
            put_signed(out, number);
        }
        Value::Number(number) => {
            out.push(2);
            put_float(out, number);
        }
        Value::Flag(flag) => out.extend_from_slice(&[3, u8::from(flag)]),
        Value::Other => out.push(4),
    }
}

fn value(from: &mut Decoder<'_>) -> Decoded<Value> {
    let unknown = from.fault("value", DecodeFault::UnknownCode);
    Ok(match from.byte("value")? {
        1 => Value::Integer(from.signed("value")?),
        2 => Value::Number(from.float("value")?),
        3 => Value::Flag(from.code(super::flag, "value")?),
        4 => Value::Other,
        _ => return Err(unknown),
    })
}
