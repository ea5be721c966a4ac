//! What became of a payment, told late, twice and out of order, and what it means for the next one.

use doublecheck::grpc::pb::{self, Decision, Outcome, ReasonCode};
use tonic::Code;

use crate::support::{ACCOUNT, START, Server, codes, outcome_of, payment, reason_and_fields};

#[tokio::test]
async fn every_outcome_is_noted_as_it_was_reported() {
    for value in 1..=8 {
        let outcome = Outcome::try_from(value).unwrap();
        let server = Server::start().await;
        server.score(payment("p1")).await.unwrap();
        server.advance_ms(1_234);
        assert!(server.report("p1", outcome).await.unwrap());
        let record = server.record("p1").await.unwrap();
        assert_eq!(record.outcome(), outcome);
        let outcome_time = record.outcome_time.unwrap();
        assert_eq!(outcome_time.seconds, START.unix_ms() / 1_000 + 1);
        assert_eq!(outcome_time.nanos, 234_000_000);
    }
    assert!(Outcome::try_from(9).is_err(), "a new outcome wants a test");
}

#[tokio::test]
async fn the_same_report_again_changes_nothing() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    server.report("p1", Outcome::Succeeded).await.unwrap();
    let before = server.record("p1").await.unwrap();
    server.advance_secs(5);
    assert!(server.report("p1", Outcome::Succeeded).await.unwrap());
    assert_eq!(server.record("p1").await.unwrap(), before);
}

#[tokio::test]
async fn of_two_reports_the_one_that_the_contract_names_wins() {
    use Outcome::{Declined, Fraud, PayerMistake, Refunded, Succeeded, Unknown};
    for (first, second, winner) in [
        (Unknown, Succeeded, Succeeded),
        (Succeeded, Unknown, Succeeded),
        (Declined, Unknown, Declined),
        (Succeeded, Refunded, Refunded),
        (Refunded, Succeeded, Refunded),
        (PayerMistake, Succeeded, PayerMistake),
        (Fraud, Succeeded, Fraud),
        (Fraud, Refunded, Fraud),
        (Fraud, PayerMistake, Fraud),
        (Refunded, Fraud, Fraud),
        (Declined, Succeeded, Succeeded),
        (Fraud, Declined, Declined),
    ] {
        let server = Server::start().await;
        server.score(payment("p1")).await.unwrap();
        server.report("p1", first).await.unwrap();
        assert!(server.report("p1", second).await.unwrap());
        let outcome = server.record("p1").await.unwrap().outcome();
        assert_eq!(outcome, winner, "{first:?}, then {second:?}");
    }
}

/// What the same payment a minute later gets, with this outcome in between.
async fn repeat_after(outcome: Option<Outcome>) -> (Decision, Vec<ReasonCode>) {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    server.advance_secs(30);
    if let Some(outcome) = outcome {
        server.report("p1", outcome).await.unwrap();
    }
    server.advance_secs(30);
    let repeat = server.score(payment("p2")).await.unwrap();
    (repeat.decision(), codes(&repeat))
}

#[tokio::test]
async fn a_repeat_is_asked_about_unless_the_first_was_not_paid() {
    let in_flight = (Decision::Confirm, vec![ReasonCode::DuplicateInFlight]);
    let recent = (Decision::Confirm, vec![ReasonCode::DuplicateRecent]);
    let fine = Decision::Allow;
    assert_eq!(repeat_after(None).await, in_flight);
    assert_eq!(repeat_after(Some(Outcome::Unknown)).await, in_flight);
    assert_eq!(repeat_after(Some(Outcome::Succeeded)).await, recent);
    assert_eq!(repeat_after(Some(Outcome::Declined)).await.0, fine);
    assert_eq!(repeat_after(Some(Outcome::Cancelled)).await.0, fine);
    assert_eq!(repeat_after(Some(Outcome::NotSent)).await.0, fine);
    assert_eq!(repeat_after(Some(Outcome::Refunded)).await.0, fine);
}

#[tokio::test]
async fn a_payment_that_is_not_remembered_is_not_found() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    server.advance_secs(24 * 3_600);
    for payment_id in ["p1", "never seen"] {
        let status = server
            .report(payment_id, Outcome::Succeeded)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(reason_and_fields(&status).0, "PAYMENT_UNKNOWN");
    }
}

#[tokio::test]
async fn a_report_that_names_the_payee_is_never_too_late() {
    let server = Server::start().await;
    let before = server.score(payment("p1")).await.unwrap();
    assert!(!codes(&before).contains(&ReasonCode::PayeeReported));

    for nth in 0..50 {
        let report = pb::ReportOutcomeRequest {
            account_id: format!("victim-{nth}"),
            payee_id: payment("").payee.map(|payee| payee.id),
            ..outcome_of("long ago", Outcome::Fraud)
        };
        let answer = server.client.clone().report_outcome(report).await.unwrap();
        assert!(!answer.into_inner().accepted.unwrap().remembered);
    }
    server.report("p1", Outcome::Declined).await.unwrap();
    let after = server.score(payment("p2")).await.unwrap();
    assert!(
        codes(&after).contains(&ReasonCode::PayeeReported),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_report_for_a_remembered_payment_says_so_whether_or_not_it_names_the_payee() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    let report = pb::ReportOutcomeRequest {
        payee_id: Some("whoever".to_owned()),
        ..outcome_of("p1", Outcome::Succeeded)
    };
    assert_eq!(report.account_id, ACCOUNT);
    let answer = server.client.clone().report_outcome(report).await.unwrap();
    assert!(answer.into_inner().accepted.unwrap().remembered);
}
