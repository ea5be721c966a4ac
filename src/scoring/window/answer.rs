//! The answer to a remembered payment, packed into bytes.

use std::sync::Arc;

use crate::scoring::assessment::{
    AmountSlip, Assessment, Challenge, Confirmation, Decision, Evidence, History, Reason,
    ReasonCode,
};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::Outcome;
use crate::scoring::packing::{Reader, put_f64, put_id, put_signed, put_varint};
use crate::scoring::payment::{ID_BYTES_MAX, PayeeId, PaymentId};
use crate::scoring::signal::Signal;
use crate::scoring::time::{Span, Timestamp};

const HAS_CONFIRMATION: u8 = 1;
const HAS_RETRY_AFTER: u8 = 1 << 1;
const HAS_REASONS: u8 = 1 << 2;

/// The code of `PAYER_CONFIRMED` among those of signals.
const PAYER_CONFIRMED: u8 = u8::MAX;
/// Precedes a number that is not a whole one below it.
const NOT_WHOLE: u8 = u8::MAX;
/// Stands for no shadow decision.
const NO_SHADOW: u8 = 3;

/// About how many bytes a confirmation takes, and a reason with its evidence.
const QUESTION_BYTES: usize = 24;
const REASON_BYTES: usize = 28;

/// About how many bytes [`write`] will append beyond the minimum.
pub(super) fn expected_bytes(assessment: &Assessment) -> usize {
    let question = if assessment.confirmation.is_some() {
        QUESTION_BYTES
    } else {
        0
    };
    let reasons = assessment.reasons.len().saturating_mul(REASON_BYTES);
    question.saturating_add(reasons)
}

/// Appends `assessment` without its decision. `policy_number` stands for the policy's version.
pub(super) fn write(out: &mut Vec<u8>, assessment: &Assessment, policy_number: u16) {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let shadow = assessment.shadow_decision;
    let flags = flag(assessment.confirmation.is_some(), HAS_CONFIRMATION)
        | flag(assessment.retry_after.is_some(), HAS_RETRY_AFTER)
        | flag(!assessment.reasons.is_empty(), HAS_REASONS);
    let names = assessment.challenge as u8
        | (assessment.history as u8) << 2
        | shadow.map_or(NO_SHADOW, |shadow| shadow as u8) << 4;
    out.extend_from_slice(&[flags, names]);
    // Early, because tokens are looked for there.
    if let Some(Confirmation { token, expire_time }) = assessment.confirmation {
        out.extend_from_slice(token.as_bytes());
        put_signed(out, expire_time.unix_ms());
    }
    put_varint(out, policy_number.into());
    put_number(out, assessment.score);
    if let Some(span) = assessment.retry_after {
        put_signed(out, span.ms());
    }
    if !assessment.reasons.is_empty() {
        put_varint(out, assessment.reasons.len() as u64);
        for reason in &assessment.reasons {
            write_reason(out, reason);
        }
    }
}

fn write_reason(out: &mut Vec<u8>, reason: &Reason) {
    out.push(match reason.code {
        ReasonCode::Signal(signal) => signal as u8,
        ReasonCode::PayerConfirmed => PAYER_CONFIRMED,
    });
    put_number(out, reason.strength);
    write_evidence(out, &reason.evidence);
}

fn write_evidence(out: &mut Vec<u8>, evidence: &Evidence) {
    match evidence {
        Evidence::None => out.push(0),
        Evidence::Duplicate {
            earlier_payment_id,
            elapsed,
            earlier_outcome,
            other_money,
        } => {
            out.push(if other_money.is_some() { 10 } else { 1 });
            put_earlier(out, earlier_payment_id, *elapsed, *earlier_outcome);
            other_money.iter().for_each(|money| put_money(out, *money));
        }
        Evidence::Velocity {
            window,
            count,
            sum_minor,
            limit,
            usual,
        } => {
            out.push(2);
            put_signed(out, window.ms());
            put_varint(out, (*count).into());
            put_signed(out, *sum_minor);
            put_signed(out, *limit);
            put_number(out, *usual);
        }
        Evidence::Amount {
            usual_minor,
            usual_for_payee,
            ratio,
            slip,
        } => {
            out.push(if *usual_for_payee { 9 } else { 3 });
            put_signed(out, *usual_minor);
            put_number(out, *ratio);
            put_choice(out, slip.map(|slip| slip as u8));
        }
        Evidence::Payee {
            similar_payee_id,
            times_paid,
            last_paid_time,
        } => {
            out.push(if similar_payee_id.is_some() { 5 } else { 4 });
            if let Some(id) = similar_payee_id {
                put_id(out, id.as_str());
            }
            put_varint(out, (*times_paid).into());
            put_choice(out, last_paid_time.map(|_| 0));
            put_signed(out, last_paid_time.unwrap_or_default().unix_ms());
        }
        Evidence::Reports { reported, payers } => {
            out.push(6);
            put_number(out, *reported);
            put_varint(out, (*payers).into());
        }
        Evidence::Device {
            known_devices,
            accounts,
        } => {
            out.push(7);
            put_varint(out, (*known_devices).into());
            put_varint(out, (*accounts).into());
        }
        Evidence::Hour { hour, share } => {
            out.extend_from_slice(&[8, *hour]);
            put_number(out, *share);
        }
    }
}

fn put_earlier(out: &mut Vec<u8>, id: &PaymentId, elapsed: Span, outcome: Option<Outcome>) {
    put_id(out, id.as_str());
    put_signed(out, elapsed.ms());
    put_choice(out, outcome.map(|outcome| outcome as u8));
}

fn put_money(out: &mut Vec<u8>, money: Money) {
    put_varint(out, money.amount_minor().cast_unsigned());
    out.push(money.currency().number());
}

/// One of few values, or none.
fn put_choice(out: &mut Vec<u8>, choice: Option<u8>) {
    out.push(choice.map_or(0, |nth| nth.saturating_add(1)));
}

/// A number to the last bit; a small whole number takes one byte.
fn put_number(out: &mut Vec<u8>, value: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what does not fit differs from what was cast"
    )]
    let whole = value as u8;
    if whole < NOT_WHOLE && f64::from(whole).to_bits() == value.to_bits() {
        out.push(whole);
    } else {
        out.push(NOT_WHOLE);
        put_f64(out, value);
    }
}

/// The confirmation that was asked for, if any.
pub(super) fn read_question(mut rest: Reader<'_>) -> Option<Confirmation> {
    let [flags, _] = rest.array()?;
    read_confirmation(&mut rest, flags)?
}

/// The answer. `version` gives the policy's version by its number.
pub(super) fn read(
    rest: Reader<'_>,
    decision: Decision,
    version: impl FnOnce(u16) -> Arc<str>,
) -> Option<Assessment> {
    let (policy_number, assessment) = read_all_but(rest)?;
    Some(assessment(decision, version(policy_number)))
}

/// Whether these bytes are an answer.
pub(super) fn is_whole(rest: Reader<'_>) -> bool {
    read_all_but(rest).is_some()
}

/// The answer without its decision and policy version: returns the policy's number, and a function of the two.
fn read_all_but(
    mut rest: Reader<'_>,
) -> Option<(u16, impl FnOnce(Decision, Arc<str>) -> Assessment)> {
    let rest = &mut rest;
    let [flags, names] = rest.array()?;
    let confirmation = read_confirmation(rest, flags)?;
    let policy_number = u16::try_from(rest.varint()?).ok()?;
    let score = read_number(rest)?;
    let retry_after = if flags & HAS_RETRY_AFTER != 0 {
        Some(Span::from_ms(rest.signed()?))
    } else {
        None
    };
    let reasons = if flags & HAS_REASONS != 0 {
        let count = rest.varint()?;
        (0..count)
            .map(|_| read_reason(rest))
            .collect::<Option<_>>()?
    } else {
        Vec::new()
    };
    let challenge = nth(Challenge::ALL, names & 3)?;
    let history = nth(History::ALL, names >> 2 & 3)?;
    let assessment = move |decision, policy_version| Assessment {
        decision,
        score,
        reasons,
        challenge,
        confirmation,
        retry_after,
        history,
        policy_version,
        shadow_decision: nth(Decision::ALL, names >> 4),
    };
    Some((policy_number, assessment))
}

fn read_confirmation(rest: &mut Reader<'_>, flags: u8) -> Option<Option<Confirmation>> {
    if flags & HAS_CONFIRMATION == 0 {
        return Some(None);
    }
    Some(Some(Confirmation {
        token: rest.array().map(ConfirmationToken::from_bytes)?,
        expire_time: Timestamp::from_unix_ms(rest.signed()?),
    }))
}

fn nth<T: Copy>(all: &[T], nth: u8) -> Option<T> {
    all.get(usize::from(nth)).copied()
}

fn read_number(rest: &mut Reader<'_>) -> Option<f64> {
    match rest.byte()? {
        NOT_WHOLE => rest.f64(),
        whole => Some(f64::from(whole)),
    }
}

fn read_choice<T: Copy>(rest: &mut Reader<'_>, all: &[T]) -> Option<Option<T>> {
    Some(rest.byte()?.checked_sub(1).and_then(|at| nth(all, at)))
}

fn read_u32(rest: &mut Reader<'_>) -> Option<u32> {
    u32::try_from(rest.varint()?).ok()
}

fn read_money(rest: &mut Reader<'_>) -> Option<Money> {
    let amount_minor = i64::try_from(rest.varint()?).ok()?;
    Money::new(amount_minor, Currency::from_number(rest.byte()?)?).ok()
}

fn read_text<'t>(rest: &mut Reader<'_>, room: &'t mut [u8; ID_BYTES_MAX]) -> Option<&'t str> {
    Some(rest.id()?.text(room))
}

fn read_reason(rest: &mut Reader<'_>) -> Option<Reason> {
    let code = match rest.byte()? {
        PAYER_CONFIRMED => ReasonCode::PayerConfirmed,
        signal => ReasonCode::Signal(nth(Signal::ALL, signal)?),
    };
    Some(Reason {
        code,
        strength: read_number(rest)?,
        evidence: read_evidence(rest)?,
    })
}

fn read_evidence(rest: &mut Reader<'_>) -> Option<Evidence> {
    let room = &mut [0; ID_BYTES_MAX];
    Some(match rest.byte()? {
        0 => Evidence::None,
        form @ (1 | 10) => Evidence::Duplicate {
            earlier_payment_id: PaymentId::new(read_text(rest, room)?).ok()?,
            elapsed: Span::from_ms(rest.signed()?),
            earlier_outcome: read_choice(rest, Outcome::ALL)?,
            other_money: if form == 10 {
                Some(read_money(rest)?)
            } else {
                None
            },
        },
        2 => Evidence::Velocity {
            window: Span::from_ms(rest.signed()?),
            count: read_u32(rest)?,
            sum_minor: rest.signed()?,
            limit: rest.signed()?,
            usual: read_number(rest)?,
        },
        form @ (3 | 9) => Evidence::Amount {
            usual_for_payee: form == 9,
            usual_minor: rest.signed()?,
            ratio: read_number(rest)?,
            slip: read_choice(rest, AmountSlip::ALL)?,
        },
        form @ 4..=5 => Evidence::Payee {
            similar_payee_id: if form == 5 {
                Some(PayeeId::new(read_text(rest, room)?).ok()?)
            } else {
                None
            },
            times_paid: read_u32(rest)?,
            last_paid_time: {
                let is_some = read_choice(rest, &[()])?;
                let time = Timestamp::from_unix_ms(rest.signed()?);
                is_some.map(|()| time)
            },
        },
        6 => Evidence::Reports {
            reported: read_number(rest)?,
            payers: read_u32(rest)?,
        },
        7 => Evidence::Device {
            known_devices: read_u32(rest)?,
            accounts: read_u32(rest)?,
        },
        8 => Evidence::Hour {
            hour: rest.byte()?,
            share: read_number(rest)?,
        },
        _ => return None,
    })
}
