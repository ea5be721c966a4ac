//! Events as bytes, and back. This is format version 1; what it writes must be read for ever.

use std::borrow::Cow;

use super::codec::{
    DecodeError, DecodeFault, Decoded, Decoder, put_float, put_signed, put_text, put_varint,
};
use super::event::{Event, Evicted, EvictedKey, OutcomeReported, PaymentScored, Taught};
use crate::scoring::assessment::{Confirmation, Decision};
use crate::scoring::confirmation::{ConfirmationToken, PresentedToken};
use crate::scoring::memory::RiskChange;
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::{Outcome, PayeeRisk};
use crate::scoring::payment::{
    AccountId, DeviceId, ID_BYTES_MAX, InvalidId, OrderId, Payee, PayeeId, PayeeType, Payment,
    PaymentId, PaymentKind, SessionId,
};
use crate::scoring::time::{Span, Timestamp};

/// A closed set and the numbers that stand for it on disk, which never change.
macro_rules! codes {
    ($code:ident, $meaning:ident: $type:ty { $($variant:ident = $number:literal,)+ }) => {
        const fn $code(value: $type) -> u8 {
            match value { $(<$type>::$variant => $number,)+ }
        }

        const fn $meaning(code: u8) -> Option<$type> {
            match code { $($number => Some(<$type>::$variant),)+ _ => None }
        }
    };
}

mod policy;
mod surroundings;

const PAYMENT_SCORED: u8 = 1;
const OUTCOME_REPORTED: u8 = 2;
const EVICTED: u8 = 3;
const POLICY_IN_FORCE: u8 = 4;

codes! { payee_type_code, payee_type: PayeeType {
    Phone = 1, Merchant = 2, Wallet = 3, BankAccount = 4,
} }
codes! { kind_code, kind: PaymentKind {
    TopUp = 1, Transfer = 2, Purchase = 3, Bill = 4, Tip = 5, Gift = 6,
} }
codes! { decision_code, decision: Decision {
    Allow = 1, Confirm = 2, Block = 3,
} }
codes! { outcome_code, outcome: Outcome {
    Unknown = 1, Succeeded = 2, Declined = 3, Cancelled = 4, NotSent = 5, Refunded = 6,
    PayerMistake = 7, Fraud = 8,
} }
codes! { payee_risk_code, payee_risk: PayeeRisk {
    None = 1, Good = 2, Weak = 3, Strong = 4,
} }

/// What a scored payment has of what it may have: one bit each.
mod has {
    pub(super) const ORDER: u16 = 1;
    pub(super) const DEVICE: u16 = 1 << 1;
    pub(super) const SESSION: u16 = 1 << 2;
    pub(super) const DUPLICATE_WINDOW: u16 = 1 << 3;
    pub(super) const PRESENTED: u16 = 1 << 4;
    pub(super) const MINTED: u16 = 1 << 5;
    pub(super) const SHADOW: u16 = 1 << 6;
    pub(super) const PAYEE_FACTS: u16 = 1 << 7;
    pub(super) const DEVICE_FACTS: u16 = 1 << 8;
    pub(super) const ABOVE: u16 = 1 << 9;
    pub(super) const ALL: u16 = (1 << 10) - 1;
}

/// Writes `event` down.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::PaymentScored(scored) => put_payment_scored(scored, out),
        Event::OutcomeReported(reported) => put_outcome_reported(reported, out),
        Event::Evicted(evicted) => put_evicted(evicted, out),
        Event::PolicyInForce(in_force) => {
            out.push(POLICY_IN_FORCE);
            policy::put(in_force, out);
        }
    }
}

/// Reads the only event of `bytes`.
///
/// # Errors
/// [`DecodeError`] when they are no event, or more than one.
pub fn decode(bytes: &[u8]) -> Result<Event<'static>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let event = decode_next(&mut decoder)?;
    decoder.end("event")?;
    Ok(event)
}

pub(super) fn decode_next(from: &mut Decoder<'_>) -> Decoded<Event<'static>> {
    let unknown = from.fault("event kind", DecodeFault::UnknownCode);
    match from.byte("event kind")? {
        PAYMENT_SCORED => payment_scored(from).map(Event::PaymentScored),
        OUTCOME_REPORTED => outcome_reported(from).map(Event::OutcomeReported),
        EVICTED => evicted(from).map(Event::Evicted),
        POLICY_IN_FORCE => policy::read(from).map(Event::PolicyInForce),
        _ => Err(unknown),
    }
}

fn put_payment_scored(scored: &PaymentScored<'_>, out: &mut Vec<u8>) {
    let PaymentScored {
        time,
        payment,
        presented,
        surroundings,
        policy_number,
        decision,
        score,
        shadow_decision,
        minted,
        above_doublings,
    } = scored;
    out.push(PAYMENT_SCORED);
    put_varint(out, u64::from(parts_of(scored)));
    put_signed(out, time.unix_ms());
    put_payment(payment, out);
    if let Some(PresentedToken { token, expire_time }) = presented {
        put_token(token, *expire_time, out);
    }
    surroundings::put(surroundings, out);
    put_varint(out, u64::from(*policy_number));
    out.push(decision_code(*decision));
    put_float(out, *score);
    if let Some(shadow_decision) = shadow_decision {
        out.push(decision_code(*shadow_decision));
    }
    if let Some(Confirmation { token, expire_time }) = minted {
        put_token(token, *expire_time, out);
    }
    if let Some(above_doublings) = above_doublings {
        put_float(out, *above_doublings);
    }
}

fn parts_of(scored: &PaymentScored<'_>) -> u16 {
    let payment = &scored.payment;
    let (payee_facts, device_facts) = surroundings::known(&scored.surroundings);
    [
        (payment.order_id.is_some(), has::ORDER),
        (payment.device_id.is_some(), has::DEVICE),
        (payment.session_id.is_some(), has::SESSION),
        (payment.duplicate_window.is_some(), has::DUPLICATE_WINDOW),
        (scored.presented.is_some(), has::PRESENTED),
        (scored.minted.is_some(), has::MINTED),
        (scored.shadow_decision.is_some(), has::SHADOW),
        (payee_facts, has::PAYEE_FACTS),
        (device_facts, has::DEVICE_FACTS),
        (scored.above_doublings.is_some(), has::ABOVE),
    ]
    .into_iter()
    .fold(0, |parts, (has, part)| parts | if has { part } else { 0 })
}

fn payment_scored(from: &mut Decoder<'_>) -> Decoded<PaymentScored<'static>> {
    let unknown = from.fault("parts", DecodeFault::UnknownCode);
    let parts: u16 = from.narrow("parts")?;
    if parts & !has::ALL != 0 {
        return Err(unknown);
    }
    let has = |part: u16| parts & part != 0;
    Ok(PaymentScored {
        time: time(from, "time")?,
        payment: Cow::Owned(payment(from, &has)?),
        presented: when(has(has::PRESENTED), || {
            let (token, expire_time) = token(from, "presented token")?;
            Ok(PresentedToken { token, expire_time })
        })?,
        surroundings: surroundings::read(from, has(has::PAYEE_FACTS), has(has::DEVICE_FACTS))?,
        policy_number: from.narrow("policy number")?,
        decision: from.code(decision, "decision")?,
        score: from.float("score")?,
        shadow_decision: when(has(has::SHADOW), || from.code(decision, "shadow decision"))?,
        minted: when(has(has::MINTED), || {
            let (token, expire_time) = token(from, "token")?;
            Ok(Confirmation { token, expire_time })
        })?,
        above_doublings: when(has(has::ABOVE), || from.float("doublings"))?,
    })
}

fn when<T>(there: bool, read: impl FnOnce() -> Decoded<T>) -> Decoded<Option<T>> {
    there.then(read).transpose()
}

fn put_payment(payment: &Payment, out: &mut Vec<u8>) {
    let Payment {
        payment_id,
        account_id,
        payee: Payee { id, payee_type },
        money,
        kind,
        order_id,
        device_id,
        session_id,
        duplicate_window,
    } = payment;
    put_text(out, payment_id.as_str());
    put_text(out, account_id.as_str());
    put_text(out, id.as_str());
    out.push(payee_type_code(*payee_type));
    put_varint(out, money.amount_minor().cast_unsigned());
    put_currency(out, money.currency());
    out.push(kind_code(*kind));
    let ids = [
        order_id.as_ref().map(OrderId::as_str),
        device_id.as_ref().map(DeviceId::as_str),
        session_id.as_ref().map(SessionId::as_str),
    ];
    for id in ids.into_iter().flatten() {
        put_text(out, id);
    }
    if let Some(window) = duplicate_window {
        put_varint(out, window.ms().cast_unsigned());
    }
}

fn payment(from: &mut Decoder<'_>, has: &dyn Fn(u16) -> bool) -> Decoded<Payment> {
    Ok(Payment {
        payment_id: id(from, PaymentId::new, "payment id")?,
        account_id: id(from, AccountId::new, "account id")?,
        payee: Payee {
            id: id(from, PayeeId::new, "payee id")?,
            payee_type: from.code(payee_type, "payee type")?,
        },
        money: money(from)?,
        kind: from.code(kind, "kind")?,
        order_id: when(has(has::ORDER), || id(from, OrderId::new, "order id"))?,
        device_id: when(has(has::DEVICE), || id(from, DeviceId::new, "device id"))?,
        session_id: when(has(has::SESSION), || id(from, SessionId::new, "session id"))?,
        duplicate_window: when(has(has::DUPLICATE_WINDOW), || {
            Ok(Span::from_ms(from.narrow("duplicate window")?))
        })?,
    })
}

fn money(from: &mut Decoder<'_>) -> Decoded<Money> {
    let out_of_range = from.fault("amount", DecodeFault::OutOfRange);
    let amount_minor = from.narrow("amount")?;
    let currency = currency(from)?;
    Money::new(amount_minor, currency).map_err(|_| out_of_range)
}

fn put_currency(out: &mut Vec<u8>, currency: Currency) {
    out.extend_from_slice(currency.code().as_bytes());
}

fn currency(from: &mut Decoder<'_>) -> Decoded<Currency> {
    let unknown = from.fault("currency", DecodeFault::UnknownCode);
    let code = from.array::<3>("currency")?;
    let code = std::str::from_utf8(&code).map_err(|_| unknown)?;
    Currency::from_code(code).map_err(|_| unknown)
}

fn id<T>(
    from: &mut Decoder<'_>,
    new: impl FnOnce(Box<str>) -> Result<T, InvalidId>,
    field: &'static str,
) -> Decoded<T> {
    let fault = from.fault(field, DecodeFault::Ended);
    let text = from.text(ID_BYTES_MAX, field)?;
    new(Box::from(text)).map_err(|invalid| DecodeError {
        fault: DecodeFault::Id(invalid),
        ..fault
    })
}

fn time(from: &mut Decoder<'_>, field: &'static str) -> Decoded<Timestamp> {
    Ok(Timestamp::from_unix_ms(from.signed(field)?))
}

fn put_token(token: &ConfirmationToken, expire_time: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(token.as_bytes());
    put_signed(out, expire_time.unix_ms());
}

fn token(from: &mut Decoder<'_>, field: &'static str) -> Decoded<(ConfirmationToken, Timestamp)> {
    let token = ConfirmationToken::from_bytes(from.array(field)?);
    Ok((token, time(from, field)?))
}

fn put_outcome_reported(reported: &OutcomeReported<'_>, out: &mut Vec<u8>) {
    let OutcomeReported {
        time,
        account_id,
        payment_id,
        outcome,
        payee_id,
        taught,
    } = reported;
    out.push(OUTCOME_REPORTED);
    put_signed(out, time.unix_ms());
    put_text(out, account_id.as_str());
    put_text(out, payment_id.as_str());
    out.push(outcome_code(*outcome));
    // No id is empty: an empty text says that there is none.
    put_text(out, payee_id.as_ref().map_or("", |id| id.as_str()));
    match taught {
        Taught::Nothing => out.push(1),
        Taught::Change(payee_id, RiskChange { before, after }) => {
            out.push(2);
            put_text(out, payee_id.as_str());
            out.extend_from_slice(&[payee_risk_code(*before), payee_risk_code(*after)]);
        }
        Taught::Late => out.push(3),
    }
}

fn outcome_reported(from: &mut Decoder<'_>) -> Decoded<OutcomeReported<'static>> {
    Ok(OutcomeReported {
        time: time(from, "time")?,
        account_id: Cow::Owned(id(from, AccountId::new, "account id")?),
        payment_id: Cow::Owned(id(from, PaymentId::new, "payment id")?),
        outcome: from.code(outcome, "outcome")?,
        payee_id: match from.clone().byte("payee id")? {
            0 => {
                from.byte("payee id")?;
                None
            }
            _ => Some(Cow::Owned(id(from, PayeeId::new, "payee id")?)),
        },
        taught: taught(from)?,
    })
}

fn taught(from: &mut Decoder<'_>) -> Decoded<Taught<'static>> {
    let unknown = from.fault("what was taught", DecodeFault::UnknownCode);
    match from.byte("what was taught")? {
        1 => Ok(Taught::Nothing),
        2 => {
            let payee_id = Cow::Owned(id(from, PayeeId::new, "taught payee")?);
            let before = from.code(payee_risk, "risk before")?;
            let after = from.code(payee_risk, "risk after")?;
            Ok(Taught::Change(payee_id, RiskChange { before, after }))
        }
        3 => Ok(Taught::Late),
        _ => Err(unknown),
    }
}

fn put_evicted(evicted: &Evicted<'_>, out: &mut Vec<u8>) {
    out.push(EVICTED);
    put_signed(out, evicted.time.unix_ms());
    let (code, key) = match &evicted.what {
        EvictedKey::Account(id) => (1, id.as_str()),
        EvictedKey::Payee(id) => (2, id.as_str()),
        EvictedKey::Device(id) => (3, id.as_str()),
    };
    out.push(code);
    put_text(out, key);
}

fn evicted(from: &mut Decoder<'_>) -> Decoded<Evicted<'static>> {
    let time = time(from, "time")?;
    let unknown = from.fault("evicted kind", DecodeFault::UnknownCode);
    let what = match from.byte("evicted kind")? {
        1 => EvictedKey::Account(Cow::Owned(id(from, AccountId::new, "evicted account")?)),
        2 => EvictedKey::Payee(Cow::Owned(id(from, PayeeId::new, "evicted payee")?)),
        3 => EvictedKey::Device(Cow::Owned(id(from, DeviceId::new, "evicted device")?)),
        _ => return Err(unknown),
    };
    Ok(Evicted { time, what })
}

const fn flag(code: u8) -> Option<bool> {
    match code {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
