//! Messages of the contract as JSON: names as in the proto files, enum values in full, durations as
//! `42s`, times in RFC 3339.
//!
//! As protobuf's own JSON, but numbers of 64 bits stay numbers (they all lie below 2^53), and fields
//! with their default value are there: a program that reads this always finds them. Messages are
//! taken apart field by field, so that a new field cannot be left out by oversight.

use serde_json::{Map, Value, json};

use super::show;
use crate::grpc::pb;
use pb::reason::Evidence;

pub(super) fn assessment(assessment: &pb::Assessment) -> Value {
    let pb::Assessment {
        payment_id,
        decision: _,
        score,
        reasons,
        challenge: _,
        confirmation,
        retry_after,
        history: _,
        policy_version,
        replayed,
        degraded,
        shadow_decision: _,
    } = assessment;
    let mut object = json!({
        "payment_id": payment_id,
        "decision": assessment.decision().as_str_name(),
        "score": score,
        "reasons": reasons.iter().map(reason).collect::<Vec<_>>(),
        "challenge": assessment.challenge().as_str_name(),
        "history": assessment.history().as_str_name(),
        "policy_version": policy_version,
        "replayed": replayed,
        "degraded": degraded,
        "shadow_decision": assessment.shadow_decision().as_str_name(),
    });
    if let Some(pb::Confirmation { token, expire_time }) = confirmation {
        object["confirmation"] = json!({
            "token": token,
            "expire_time": expire_time.map(show::time),
        });
    }
    if let Some(retry_after) = retry_after {
        object["retry_after"] = json!(show::duration(*retry_after));
    }
    object
}

fn reason(reason: &pb::Reason) -> Value {
    let pb::Reason {
        code: _,
        strength,
        message,
        evidence: found,
    } = reason;
    let mut object = json!({
        "code": reason.code().as_str_name(),
        "strength": strength,
    });
    if let Some(pb::LocalizedText { en, zh }) = message {
        object["message"] = json!({ "en": en, "zh": zh });
    }
    if let Some(found) = found {
        let (name, value) = evidence(found);
        object[name] = value;
    }
    object
}

fn evidence(evidence: &Evidence) -> (&'static str, Value) {
    match evidence {
        Evidence::Duplicate(duplicate) => ("duplicate", duplicate_evidence(duplicate)),
        Evidence::Velocity(pb::VelocityEvidence {
            window,
            count,
            sum_minor,
            limit,
            usual,
        }) => {
            let window = window.map(show::duration);
            let object = json!({
                "window": window, "count": count, "sum_minor": sum_minor, "limit": limit, "usual": usual,
            });
            ("velocity", object)
        }
        Evidence::Amount(amount) => {
            let pb::AmountEvidence {
                usual_minor,
                ratio,
                slip: _,
            } = amount;
            let slip = amount.slip().as_str_name();
            let object = json!({ "usual_minor": usual_minor, "ratio": ratio, "slip": slip });
            ("amount", object)
        }
        Evidence::Payee(pb::PayeeEvidence {
            similar_payee_id,
            times_paid,
            last_paid_time,
        }) => {
            let mut object = json!({
                "similar_payee_id": similar_payee_id, "times_paid": times_paid,
            });
            if let Some(time) = last_paid_time {
                object["last_paid_time"] = json!(show::time(*time));
            }
            ("payee", object)
        }
        Evidence::Reports(pb::ReportsEvidence { reported, payers }) => {
            ("reports", json!({ "reported": reported, "payers": payers }))
        }
        Evidence::Device(pb::DeviceEvidence {
            known_devices,
            accounts,
        }) => {
            let object = json!({ "known_devices": known_devices, "accounts": accounts });
            ("device", object)
        }
        Evidence::Hour(pb::HourEvidence { hour, share }) => {
            ("hour", json!({ "hour": hour, "share": share }))
        }
    }
}

fn duplicate_evidence(duplicate: &pb::DuplicateEvidence) -> Value {
    let pb::DuplicateEvidence {
        earlier_payment_id,
        elapsed,
        earlier_outcome: _,
    } = duplicate;
    json!({
        "earlier_payment_id": earlier_payment_id,
        "elapsed": elapsed.map(show::duration),
        "earlier_outcome": duplicate.earlier_outcome().as_str_name(),
    })
}

pub(super) fn record(record: &pb::PaymentRecord) -> Value {
    let pb::PaymentRecord {
        payment: asked,
        assessment: answered,
        score_time,
        outcome: _,
        outcome_time,
        held_against,
        confirms,
        confirmed_as,
    } = record;
    let mut object = json!({
        "payment": asked.as_ref().map(payment),
        "assessment": answered.as_ref().map(assessment),
        "score_time": score_time.map(show::time),
        "outcome": record.outcome().as_str_name(),
        "held_against": held_against,
        "confirms": confirms,
        "confirmed_as": confirmed_as,
    });
    if let Some(time) = outcome_time {
        object["outcome_time"] = json!(show::time(*time));
    }
    object
}

fn payment(payment: &pb::Payment) -> Value {
    let pb::Payment {
        payment_id,
        account_id,
        payee,
        money,
        kind: _,
        order_id,
        device_id,
        session_id,
        duplicate_window,
    } = payment;
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("payment_id", json!(payment_id));
    put("account_id", json!(account_id));
    if let Some(payee) = payee {
        let payee_type = payee.r#type().as_str_name();
        put("payee", json!({ "id": payee.id, "type": payee_type }));
    }
    if let Some(pb::Money {
        amount_minor,
        currency_code,
    }) = money
    {
        let money = json!({ "amount_minor": amount_minor, "currency_code": currency_code });
        put("money", money);
    }
    put("kind", json!(payment.kind().as_str_name()));
    for (name, id) in [
        ("order_id", order_id),
        ("device_id", device_id),
        ("session_id", session_id),
    ] {
        if let Some(id) = id {
            put(name, json!(id));
        }
    }
    if let Some(window) = duplicate_window {
        put("duplicate_window", json!(show::duration(*window)));
    }
    Value::Object(object)
}
