//! Responses: results of the domain as messages of the wire.

use prost::Message;

use super::page_token;
use crate::engine::{Kept, Listing, Remembered};
use crate::grpc::codec::writer::{
    ANSWER_BYTES, put_double, put_framed, put_known, put_number, put_text,
};
use crate::grpc::codec::{HEAD_BYTES, length};
use crate::grpc::pb;
use crate::grpc::status::Fault;
use crate::scoring::account::Scored;
use crate::scoring::assessment::{
    AmountSlip, Assessment, Challenge, Confirmation, Decision, Evidence, History, Reason,
    ReasonCode,
};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{PayeeType, Payment, PaymentId, PaymentKind};
use crate::scoring::signal::Signal;
use crate::scoring::text;
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::Record;

/// Writes the answer to `payment`, a `doublecheck.v1.Assessment`, as one that a restart does not forget.
pub(in crate::grpc) fn put_scored(payment: &Payment, scored: &Scored, into: &mut Vec<u8>) {
    put_assessment(payment, &scored.assessment, scored.replayed, into);
}

fn put_assessment(payment: &Payment, assessment: &Assessment, replayed: bool, into: &mut Vec<u8>) {
    put_text(1, payment.payment_id.as_str(), into);
    put_number(2, decision(assessment.decision) as u64, into);
    put_double(3, assessment.score, into);
    for reason in &assessment.reasons {
        put_known(4, &reason_of(payment, assessment.decision, reason), into);
    }
    put_number(5, challenge(assessment.challenge) as u64, into);
    if let Some(asked) = assessment.confirmation {
        put_known(6, &confirmation(asked), into);
    }
    if let Some(retry_after) = assessment.retry_after {
        put_known(7, &duration(retry_after), into);
    }
    put_number(8, history(assessment.history) as u64, into);
    put_text(9, &assessment.policy_version, into);
    put_number(10, replayed.into(), into);
    if let Some(shadow) = assessment.shadow_decision {
        put_number(12, decision(shadow) as u64, into);
    }
}

/// Framed messages that say whether a restart may forget their answers. Where it may, they are read back for a `note`
/// in each: that a journal fails is rare.
///
/// # Errors
/// When one cannot be read back.
pub(in crate::grpc) fn with_kept<M: Message + Default>(
    framed: Vec<u8>,
    kept: Kept,
    note: impl Fn(&mut M),
) -> Result<Vec<u8>, Fault> {
    if kept == Kept::Yes {
        return Ok(framed);
    }
    let mut framed = &*framed;
    let mut noted = Vec::with_capacity(framed.len());
    while !framed.is_empty() {
        let (message, rest) = length(framed)
            .and_then(|bytes| framed.split_at_checked(bytes))
            .ok_or_else(|| Fault::Unreadable("it is cut off".to_owned()))?;
        let mut message: M = read_back(message.get(HEAD_BYTES..).unwrap_or_default())?;
        note(&mut message);
        put_framed(&mut noted, |into| message.encode_raw(into));
        framed = rest;
    }
    Ok(noted)
}

/// What was written here, as a message. Whoever asked would be told nothing, as if it were an answer, were this to
/// fail unheard.
fn read_back<M: Message + Default>(written: &[u8]) -> Result<M, Fault> {
    M::decode(written).map_err(|error| Fault::Unreadable(error.to_string()))
}

/// The answer to a report.
pub(in crate::grpc) const fn outcome_accepted(remembered: Remembered) -> pb::OutcomeAccepted {
    pb::OutcomeAccepted {
        remembered: match remembered {
            Remembered::Yes => true,
            Remembered::No => false,
        },
    }
}

/// A page of records, and the token of the next one if `records` holds more than fit.
///
/// # Errors
/// When what was answered cannot be read back.
pub(in crate::grpc) fn page(
    listing: &Listing,
    records: &[Record],
    account_alias: String,
) -> Result<pb::ListPaymentsResponse, Fault> {
    let page = &records[..records.len().min(listing.limit.saturating_sub(1))];
    let next_page_token = match page.last() {
        Some(last) if page.len() < records.len() => page_token::write(
            (last.score_time, &last.payment.payment_id),
            &listing.account_id,
            listing.duplicates_only,
        ),
        Some(_) | None => String::new(),
    };
    Ok(pb::ListPaymentsResponse {
        records: page.iter().map(record).collect::<Result<_, _>>()?,
        next_page_token,
        account_alias,
    })
}

/// The evidence for one payment, without its confirmation token: that would let a payment through, and whoever reads
/// evidence is not the payer.
///
/// # Errors
/// When what was answered cannot be read back.
pub(in crate::grpc) fn record(record: &Record) -> Result<pb::PaymentRecord, Fault> {
    let mut answered = Vec::with_capacity(ANSWER_BYTES);
    put_assessment(&record.payment, &record.assessment, false, &mut answered);
    let answered = pb::Assessment {
        confirmation: None,
        ..read_back(&answered)?
    };
    let id_or_empty = |id: Option<&PaymentId>| id.map(ToString::to_string).unwrap_or_default();
    Ok(pb::PaymentRecord {
        payment: Some(payment(&record.payment)),
        assessment: Some(answered),
        score_time: Some(timestamp(record.score_time)),
        outcome: reported_outcome(record.outcome).into(),
        outcome_time: record.outcome_time.map(timestamp),
        held_against: id_or_empty(record.assessment.held_against()),
        confirms: id_or_empty(record.confirms.as_ref()),
        confirmed_as: id_or_empty(record.confirmed_as.as_ref()),
    })
}

fn payment(payment: &Payment) -> pb::Payment {
    pb::Payment {
        payment_id: payment.payment_id.to_string(),
        account_id: payment.account_id.to_string(),
        payee: Some(pb::Payee {
            id: payment.payee.id.to_string(),
            r#type: payee_type(payment.payee.payee_type).into(),
        }),
        money: Some(pb::Money {
            amount_minor: payment.money.amount_minor(),
            currency_code: payment.money.currency().code().to_owned(),
        }),
        kind: kind(payment.kind).into(),
        order_id: payment.order_id.as_ref().map(ToString::to_string),
        device_id: payment.device_id.as_ref().map(ToString::to_string),
        session_id: payment.session_id.as_ref().map(ToString::to_string),
        duplicate_window: payment.duplicate_window.map(duration),
    }
}

fn reason_of(payment: &Payment, decision: Decision, reason: &Reason) -> pb::Reason {
    let text::Message { en, zh } = text::message(payment, decision, reason);
    pb::Reason {
        code: reason_code(reason.code).into(),
        strength: reason.strength,
        message: Some(pb::LocalizedText { en, zh }),
        evidence: evidence(&reason.evidence),
    }
}

fn evidence(evidence: &Evidence) -> Option<pb::reason::Evidence> {
    use pb::reason::Evidence as Wire;
    Some(match evidence {
        Evidence::None => return None,
        Evidence::Duplicate {
            earlier_payment_id,
            elapsed,
            earlier_outcome,
            other_money: _,
        } => Wire::Duplicate(pb::DuplicateEvidence {
            earlier_payment_id: earlier_payment_id.to_string(),
            elapsed: Some(duration(*elapsed)),
            earlier_outcome: reported_outcome(*earlier_outcome).into(),
        }),
        Evidence::Velocity {
            window,
            count,
            sum_minor,
            limit,
            usual,
        } => Wire::Velocity(pb::VelocityEvidence {
            window: Some(duration(*window)),
            count: (*count).into(),
            sum_minor: *sum_minor,
            limit: *limit,
            usual: *usual,
        }),
        Evidence::Amount {
            usual_minor,
            ratio,
            slip,
            ..
        } => Wire::Amount(pb::AmountEvidence {
            usual_minor: *usual_minor,
            ratio: *ratio,
            slip: amount_slip(*slip).into(),
        }),
        Evidence::Payee {
            similar_payee_id,
            times_paid,
            last_paid_time,
        } => Wire::Payee(pb::PayeeEvidence {
            similar_payee_id: similar_payee_id
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            times_paid: (*times_paid).into(),
            last_paid_time: last_paid_time.map(timestamp),
        }),
        Evidence::Reports { reported, payers } => Wire::Reports(pb::ReportsEvidence {
            reported: *reported,
            payers: (*payers).into(),
        }),
        Evidence::Device {
            known_devices,
            accounts,
        } => Wire::Device(pb::DeviceEvidence {
            known_devices: (*known_devices).into(),
            accounts: (*accounts).into(),
        }),
        Evidence::Hour { hour, share } => Wire::Hour(pb::HourEvidence {
            hour: (*hour).into(),
            share: *share,
        }),
    })
}

fn confirmation(confirmation: Confirmation) -> pb::Confirmation {
    pb::Confirmation {
        token: confirmation.token.to_string(),
        expire_time: Some(timestamp(confirmation.expire_time)),
    }
}

const fn decision(decision: Decision) -> pb::Decision {
    match decision {
        Decision::Allow => pb::Decision::Allow,
        Decision::Confirm => pb::Decision::Confirm,
        Decision::Block => pb::Decision::Block,
    }
}

const fn challenge(challenge: Challenge) -> pb::Challenge {
    match challenge {
        Challenge::None => pb::Challenge::None,
        Challenge::Acknowledge => pb::Challenge::Acknowledge,
        Challenge::SecondFactor => pb::Challenge::SecondFactor,
        Challenge::Biometric => pb::Challenge::Biometric,
    }
}

const fn history(history: History) -> pb::History {
    match history {
        History::Full => pb::History::Full,
        History::Partial => pb::History::Partial,
        History::None => pb::History::None,
    }
}

const fn reason_code(code: ReasonCode) -> pb::ReasonCode {
    let signal = match code {
        ReasonCode::Signal(signal) => signal,
        ReasonCode::PayerConfirmed => return pb::ReasonCode::PayerConfirmed,
    };
    match signal {
        Signal::DuplicateInFlight => pb::ReasonCode::DuplicateInFlight,
        Signal::DuplicateOrder => pb::ReasonCode::DuplicateOrder,
        Signal::DuplicateRecent => pb::ReasonCode::DuplicateRecent,
        Signal::RapidRepeat => pb::ReasonCode::RapidRepeat,
        Signal::SpendSurge => pb::ReasonCode::SpendSurge,
        Signal::SmallPaymentBurst => pb::ReasonCode::SmallPaymentBurst,
        Signal::FailureBurst => pb::ReasonCode::FailureBurst,
        Signal::AmountUnusual => pb::ReasonCode::AmountUnusual,
        Signal::AmountSlip => pb::ReasonCode::AmountSlip,
        Signal::PayeeNew => pb::ReasonCode::PayeeNew,
        Signal::PayeeLookalike => pb::ReasonCode::PayeeLookalike,
        Signal::PayeeReported => pb::ReasonCode::PayeeReported,
        Signal::PayeeFanIn => pb::ReasonCode::PayeeFanIn,
        Signal::DeviceFanOut => pb::ReasonCode::DeviceFanOut,
        Signal::DeviceNew => pb::ReasonCode::DeviceNew,
        Signal::DeviceSwitch => pb::ReasonCode::DeviceSwitch,
        Signal::HourUnusual => pb::ReasonCode::HourUnusual,
    }
}

const fn reported_outcome(outcome: Option<Outcome>) -> pb::Outcome {
    match outcome {
        None => pb::Outcome::Unspecified,
        Some(Outcome::Unknown) => pb::Outcome::Unknown,
        Some(Outcome::Succeeded) => pb::Outcome::Succeeded,
        Some(Outcome::Declined) => pb::Outcome::Declined,
        Some(Outcome::Cancelled) => pb::Outcome::Cancelled,
        Some(Outcome::NotSent) => pb::Outcome::NotSent,
        Some(Outcome::Refunded) => pb::Outcome::Refunded,
        Some(Outcome::PayerMistake) => pb::Outcome::PayerMistake,
        Some(Outcome::Fraud) => pb::Outcome::Fraud,
    }
}

const fn amount_slip(slip: Option<AmountSlip>) -> pb::AmountSlip {
    match slip {
        None => pb::AmountSlip::Unspecified,
        Some(AmountSlip::ExtraDigit) => pb::AmountSlip::ExtraDigit,
        Some(AmountSlip::LostDigit) => pb::AmountSlip::LostDigit,
        Some(AmountSlip::DoubledDigit) => pb::AmountSlip::DoubledDigit,
        Some(AmountSlip::NeighbourKey) => pb::AmountSlip::NeighbourKey,
        Some(AmountSlip::DecimalShift) => pb::AmountSlip::DecimalShift,
    }
}

const fn payee_type(payee_type: PayeeType) -> pb::PayeeType {
    match payee_type {
        PayeeType::Phone => pb::PayeeType::Phone,
        PayeeType::Merchant => pb::PayeeType::Merchant,
        PayeeType::Wallet => pb::PayeeType::Wallet,
        PayeeType::BankAccount => pb::PayeeType::BankAccount,
    }
}

const fn kind(kind: PaymentKind) -> pb::PaymentKind {
    match kind {
        PaymentKind::TopUp => pb::PaymentKind::TopUp,
        PaymentKind::Transfer => pb::PaymentKind::Transfer,
        PaymentKind::Purchase => pb::PaymentKind::Purchase,
        PaymentKind::Bill => pb::PaymentKind::Bill,
        PaymentKind::Tip => pb::PaymentKind::Tip,
        PaymentKind::Gift => pb::PaymentKind::Gift,
    }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = seconds_and_nanos(time.unix_ms());
    prost_types::Timestamp { seconds, nanos }
}

fn duration(span: Span) -> prost_types::Duration {
    let (seconds, nanos) = seconds_and_nanos(span.ms());
    prost_types::Duration { seconds, nanos }
}

fn seconds_and_nanos(ms: i64) -> (i64, i32) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder of 1,000 is 0–999"
    )]
    let ms_within = ms.rem_euclid(1_000) as i32;
    (ms.div_euclid(1_000), ms_within * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value on the wire is called as in the domain, in capitals after the name of the enum.
    fn assert_named(prefix: &str, on_the_wire: &str, name: &str) {
        assert_eq!(on_the_wire, format!("{prefix}_{}", name.to_uppercase()));
    }

    #[test]
    fn every_value_goes_by_the_same_name_on_the_wire() {
        for &it in Decision::ALL {
            assert_named("DECISION", decision(it).as_str_name(), it.name());
        }
        for &it in Challenge::ALL {
            assert_named("CHALLENGE", challenge(it).as_str_name(), it.name());
        }
        for &it in History::ALL {
            assert_named("HISTORY", history(it).as_str_name(), it.name());
        }
        for &it in AmountSlip::ALL {
            assert_named(
                "AMOUNT_SLIP",
                amount_slip(Some(it)).as_str_name(),
                it.name(),
            );
        }
        for &it in Outcome::ALL {
            assert_named(
                "OUTCOME",
                reported_outcome(Some(it)).as_str_name(),
                it.name(),
            );
        }
        for &it in PayeeType::ALL {
            assert_named("PAYEE_TYPE", payee_type(it).as_str_name(), it.name());
        }
        for &it in PaymentKind::ALL {
            assert_named("PAYMENT_KIND", kind(it).as_str_name(), it.name());
        }
        let signals = Signal::ALL.iter().copied().map(ReasonCode::Signal);
        for it in signals.chain([ReasonCode::PayerConfirmed]) {
            assert_named("REASON_CODE", reason_code(it).as_str_name(), it.name());
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_back_is_an_error_and_never_an_empty_answer() {
        let noted = |framed: &[u8]| {
            let note = |answer: &mut pb::ScorePaymentResponse| answer.assessment = None;
            with_kept(framed.to_vec(), Kept::No, note)
        };
        assert!(noted(&[]).unwrap().is_empty());
        let good = [0, 0, 0, 0, 2, 10, 0];
        assert_eq!(noted(&good).unwrap(), [0, 0, 0, 0, 0]);
        let bad: [&[u8]; 3] = [&[0, 0, 0, 0, 2, 10, 9], &[0, 0, 0, 0, 3, 10, 0], &[0, 0]];
        for bad in bad {
            for framed in [bad.to_vec(), [&good, bad].concat()] {
                let fault = noted(&framed).unwrap_err();
                assert!(matches!(fault, Fault::Unreadable(_)), "{framed:?}");
            }
        }
    }

    #[test]
    fn moments_before_the_epoch_have_their_fraction_counted_forward() {
        let wire = timestamp(Timestamp::from_unix_ms(-1));
        assert_eq!((wire.seconds, wire.nanos), (-1, 999_000_000));
        let wire = duration(Span::from_ms(1_001));
        assert_eq!((wire.seconds, wire.nanos), (1, 1_000_000));
    }

    #[test]
    fn evidence_keeps_its_numbers_apart() {
        use pb::reason::Evidence as Wire;
        let velocity = Evidence::Velocity {
            window: Span::from_minutes(1),
            count: 2,
            sum_minor: 3,
            limit: 4,
            usual: 5.0,
        };
        let expected = pb::VelocityEvidence {
            window: Some(duration(Span::from_minutes(1))),
            count: 2,
            sum_minor: 3,
            limit: 4,
            usual: 5.0,
        };
        assert_eq!(evidence(&velocity), Some(Wire::Velocity(expected)));
        let device = Evidence::Device {
            known_devices: 1,
            accounts: 2,
        };
        let expected = pb::DeviceEvidence {
            known_devices: 1,
            accounts: 2,
        };
        assert_eq!(evidence(&device), Some(Wire::Device(expected)));
        assert_eq!(evidence(&Evidence::None), None);
    }
}
