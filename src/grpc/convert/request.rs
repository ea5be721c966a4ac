//! Requests, validated: the only way from the wire into the domain.

use super::{Checks, InvalidRequest, page_token};
use crate::engine::{Listing, OutcomeReport};
use crate::grpc::codec::raw;
use crate::grpc::pb;
use crate::scoring::money::{Currency, Money};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
    SessionId,
};
use crate::scoring::time::Span;

/// The most payments in one batch.
const BATCH_MAX: usize = 1_000;

/// The records on a page when the request does not say.
const PAGE_SIZE_DEFAULT: usize = 50;

/// The most records on a page.
const PAGE_SIZE_MAX: usize = 256;

const ENUM_UNSET: &str = "must be set";
const ENUM_UNKNOWN: &str = "must be one of the values listed in the contract";

/// A payment to score and the token that it came with.
pub(in crate::grpc) fn score(
    request: &raw::ScorePaymentRequest<'_>,
) -> Result<(Payment, Option<String>), InvalidRequest> {
    let mut checks = Checks::default();
    let payment = checks
        .required("payment", request.payment.as_ref())
        .and_then(|payment| check_payment(&mut checks, payment));
    // A token that is not UTF-8 was never handed out.
    let token = request.confirmation_token;
    let token = (!token.is_empty()).then(|| String::from_utf8_lossy(token).into_owned());
    Ok((checks.finish(payment)?, token))
}

/// The items of a batch, themselves unchecked: a bad one fails alone.
pub(in crate::grpc) fn batch(
    request: raw::BatchScorePaymentsRequest<'_>,
) -> Result<Vec<raw::ScorePaymentRequest<'_>>, InvalidRequest> {
    match request.requests.len() {
        0 => Err(batch_size_invalid()),
        count => batch_size_so_far(count).map(|()| request.requests),
    }
}

/// Fails once too many items of a batch have come.
pub(in crate::grpc) fn batch_size_so_far(count: usize) -> Result<(), InvalidRequest> {
    match count {
        0..=BATCH_MAX => Ok(()),
        _ => Err(batch_size_invalid()),
    }
}

fn batch_size_invalid() -> InvalidRequest {
    let problem = format_args!("must hold 1 to {BATCH_MAX} payments");
    InvalidRequest::field("requests", problem)
}

/// A report of what became of a payment.
pub(in crate::grpc) fn outcome_report(
    request: pb::ReportOutcomeRequest,
) -> Result<OutcomeReport, InvalidRequest> {
    let mut checks = Checks::default();
    let account_id = checks.check("account_id", AccountId::new(request.account_id));
    let payment_id = checks.check("payment_id", PaymentId::new(request.payment_id));
    let outcome = checks.check("outcome", outcome(request.outcome));
    let payee_id = checks.optional("payee_id", request.payee_id, PayeeId::new);
    let report = || {
        Some(OutcomeReport {
            account_id: account_id?,
            payment_id: payment_id?,
            outcome: outcome?,
            payee_id: payee_id?,
        })
    };
    checks.finish(report())
}

/// The names of one payment.
pub(in crate::grpc) fn payment_name(
    request: pb::GetPaymentRequest,
) -> Result<(AccountId, PaymentId), InvalidRequest> {
    let mut checks = Checks::default();
    let account_id = checks.check("account_id", AccountId::new(request.account_id));
    let payment_id = checks.check("payment_id", PaymentId::new(request.payment_id));
    checks.finish(account_id.zip(payment_id))
}

/// A page of an account's payments. The limit is one more than fits on the page: that one tells
/// whether another page follows.
pub(in crate::grpc) fn listing(
    request: pb::ListPaymentsRequest,
) -> Result<Listing, InvalidRequest> {
    let duplicates_only = request.duplicates_only;
    let mut checks = Checks::default();
    let account_id = checks.check("account_id", AccountId::new(request.account_id));
    let page_size = checks.check("page_size", page_size(request.page_size));
    // Whose list a token belongs to can only be told once the account is known.
    let after = match &account_id {
        Some(account_id) if !request.page_token.is_empty() => checks
            .check(
                "page_token",
                page_token::read(&request.page_token, account_id, duplicates_only),
            )
            .map(Some),
        Some(_) | None => Some(None),
    };
    let listing = || {
        Some(Listing {
            account_id: account_id?,
            duplicates_only,
            after: after?,
            limit: page_size? + 1,
        })
    };
    checks.finish(listing())
}

fn check_payment(checks: &mut Checks, payment: &raw::Payment<'_>) -> Option<Payment> {
    let payment_id = PaymentId::from_utf8(payment.payment_id);
    let payment_id = checks.check("payment.payment_id", payment_id);
    let account_id = AccountId::from_utf8(payment.account_id);
    let account_id = checks.check("payment.account_id", account_id);
    let payee = checks
        .required("payment.payee", payment.payee)
        .and_then(|payee| check_payee(checks, payee));
    let money = checks
        .required("payment.money", payment.money)
        .and_then(|money| check_money(checks, money));
    let kind = checks.check("payment.kind", kind(payment.kind));
    let order_id = checks.optional("payment.order_id", payment.order_id, OrderId::from_utf8);
    let device_id = checks.optional("payment.device_id", payment.device_id, DeviceId::from_utf8);
    let session_id = checks.optional(
        "payment.session_id",
        payment.session_id,
        SessionId::from_utf8,
    );
    let duplicate_window =
        checks.optional("payment.duplicate_window", payment.duplicate_window, span);
    Some(Payment {
        payment_id: payment_id?,
        account_id: account_id?,
        payee: payee?,
        money: money?,
        kind: kind?,
        order_id: order_id?,
        device_id: device_id?,
        session_id: session_id?,
        duplicate_window: duplicate_window?,
    })
}

fn check_payee(checks: &mut Checks, payee: raw::Payee<'_>) -> Option<Payee> {
    let id = checks.check("payment.payee.id", PayeeId::from_utf8(payee.id));
    let payee_type = checks.check("payment.payee.type", payee_type(payee.payee_type));
    Some(Payee {
        id: id?,
        payee_type: payee_type?,
    })
}

fn check_money(checks: &mut Checks, money: raw::Money<'_>) -> Option<Money> {
    // Checked apart from the currency, so that both are named when both are wrong.
    checks.check(
        "payment.money.amount_minor",
        Money::check_amount(money.amount_minor),
    );
    // No code is empty, and none is anything but UTF-8.
    let code = str::from_utf8(money.currency_code).unwrap_or_default();
    let currency = checks.check("payment.money.currency_code", Currency::from_code(code));
    Money::new(money.amount_minor, currency?).ok()
}

fn payee_type(value: i32) -> Result<PayeeType, &'static str> {
    match pb::PayeeType::try_from(value).map_err(|_| ENUM_UNKNOWN)? {
        pb::PayeeType::Unspecified => Err(ENUM_UNSET),
        pb::PayeeType::Phone => Ok(PayeeType::Phone),
        pb::PayeeType::Merchant => Ok(PayeeType::Merchant),
        pb::PayeeType::Wallet => Ok(PayeeType::Wallet),
        pb::PayeeType::BankAccount => Ok(PayeeType::BankAccount),
    }
}

fn kind(value: i32) -> Result<PaymentKind, &'static str> {
    match pb::PaymentKind::try_from(value).map_err(|_| ENUM_UNKNOWN)? {
        pb::PaymentKind::Unspecified => Err(ENUM_UNSET),
        pb::PaymentKind::TopUp => Ok(PaymentKind::TopUp),
        pb::PaymentKind::Transfer => Ok(PaymentKind::Transfer),
        pb::PaymentKind::Purchase => Ok(PaymentKind::Purchase),
        pb::PaymentKind::Bill => Ok(PaymentKind::Bill),
        pb::PaymentKind::Tip => Ok(PaymentKind::Tip),
        pb::PaymentKind::Gift => Ok(PaymentKind::Gift),
    }
}

fn outcome(value: i32) -> Result<Outcome, &'static str> {
    match pb::Outcome::try_from(value).map_err(|_| ENUM_UNKNOWN)? {
        pb::Outcome::Unspecified => Err(ENUM_UNSET),
        pb::Outcome::Succeeded => Ok(Outcome::Succeeded),
        pb::Outcome::Declined => Ok(Outcome::Declined),
        pb::Outcome::Cancelled => Ok(Outcome::Cancelled),
        pb::Outcome::NotSent => Ok(Outcome::NotSent),
        pb::Outcome::Unknown => Ok(Outcome::Unknown),
        pb::Outcome::Refunded => Ok(Outcome::Refunded),
        pb::Outcome::PayerMistake => Ok(Outcome::PayerMistake),
        pb::Outcome::Fraud => Ok(Outcome::Fraud),
    }
}

/// Whole milliseconds; what lies below one is dropped.
fn span(duration: prost_types::Duration) -> Result<Span, &'static str> {
    const SECONDS_MAX: i64 = 315_576_000_000;
    const NANOS_MAX: i32 = 999_999_999;
    let prost_types::Duration { seconds, nanos } = duration;
    let malformed = !(-SECONDS_MAX..=SECONDS_MAX).contains(&seconds)
        || !(-NANOS_MAX..=NANOS_MAX).contains(&nanos)
        || (seconds > 0 && nanos < 0)
        || (seconds < 0 && nanos > 0);
    if malformed {
        Err("must be a well-formed google.protobuf.Duration")
    } else if seconds < 0 || nanos < 0 {
        Err("must not be negative")
    } else {
        Ok(Span::from_ms(
            seconds * 1_000 + i64::from(nanos / 1_000_000),
        ))
    }
}

fn page_size(value: i32) -> Result<usize, &'static str> {
    match usize::try_from(value) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
        Err(_) => Err("must not be negative"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(seconds: i64, nanos: i32) -> Result<i64, &'static str> {
        span(prost_types::Duration { seconds, nanos }).map(Span::ms)
    }

    #[test]
    fn durations_keep_milliseconds_and_drop_what_is_below() {
        assert_eq!(duration(0, 0), Ok(0));
        assert_eq!(duration(1, 1_000_000), Ok(1_001));
        assert_eq!(duration(0, 999_999), Ok(0));
        assert_eq!(duration(2, 999_999_999), Ok(2_999));
        assert_eq!(duration(315_576_000_000, 0), Ok(315_576_000_000_000));
    }

    #[test]
    fn durations_that_are_none_are_told_from_negative_ones() {
        for (seconds, nanos) in [
            (0, 1_000_000_000),
            (0, -1_000_000_000),
            (1, -1),
            (-1, 1),
            (315_576_000_001, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (0, i32::MIN),
        ] {
            let problem = duration(seconds, nanos).unwrap_err();
            assert!(problem.contains("well-formed"), "{seconds} {nanos}");
        }
        for (seconds, nanos) in [(-1, 0), (0, -1), (-1, -999_999_999)] {
            assert_eq!(duration(seconds, nanos), Err("must not be negative"));
        }
    }

    #[test]
    fn page_sizes_are_held_within_their_bounds() {
        assert_eq!(page_size(0), Ok(PAGE_SIZE_DEFAULT));
        assert_eq!(page_size(1), Ok(1));
        assert_eq!(page_size(256), Ok(256));
        assert_eq!(page_size(257), Ok(256));
        assert_eq!(page_size(i32::MAX), Ok(256));
        assert!(page_size(-1).is_err());
    }
}
