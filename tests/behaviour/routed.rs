//! A call that was routed by another account than it is about is refused, and leaves no trace.

use doublecheck::grpc::pb;
use tokio_stream::StreamExt as _;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{
    ACCOUNT, Server, list_of, outcome_of, payment, payment_but, request, score_item, scored,
};

/// A request that a proxy routed by these accounts.
fn routed<T>(message: T, accounts: &[&str]) -> Request<T> {
    let mut request = Request::new(message);
    for account in accounts {
        let value: AsciiMetadataValue = account.parse().unwrap();
        request.metadata_mut().append("x-account-id", value);
    }
    request
}

#[track_caller]
fn assert_refused(status: &Status) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "ACCOUNT_HEADER_MISMATCH");
    assert_eq!(info.metadata["header"], "x-account-id");
}

#[tokio::test]
async fn the_header_must_be_the_account_where_it_is_there() {
    let server = Server::start().await;
    let score = async |payment_id: &str, accounts: &[&str]| {
        let request = routed(request(payment(payment_id), ""), accounts);
        server.client.clone().score_payment(request).await
    };
    for accounts in [
        &["other"][..],
        &[""],
        &[ACCOUNT, "other"],
        &["other", ACCOUNT],
    ] {
        assert_refused(&score("p-1", accounts).await.unwrap_err());
    }
    assert_eq!(server.remembered().await, [""; 0]);
    score("p-1", &[ACCOUNT]).await.unwrap();
    score("p-1", &[ACCOUNT, ACCOUNT]).await.unwrap();
    score("p-1", &[]).await.unwrap();
    assert_eq!(server.remembered().await, ["p-1"]);
}

#[tokio::test]
async fn so_it_is_for_outcomes_and_evidence() {
    let server = Server::start().await;
    server.score(payment("p-1")).await.unwrap();
    let mut client = server.client.clone();
    let report = || outcome_of("p-1", pb::Outcome::Fraud);
    let refused = client.report_outcome(routed(report(), &["other"])).await;
    assert_refused(&refused.unwrap_err());
    let get = || pb::GetPaymentRequest {
        account_id: ACCOUNT.to_owned(),
        payment_id: "p-1".to_owned(),
    };
    let refused = client.get_payment(routed(get(), &["other"])).await;
    assert_refused(&refused.unwrap_err());
    let refused = client
        .list_payments(routed(list_of(ACCOUNT), &["other"]))
        .await;
    assert_refused(&refused.unwrap_err());

    let record = client.get_payment(routed(get(), &[ACCOUNT])).await.unwrap();
    let record = record.into_inner().record.unwrap();
    assert_eq!(record.outcome(), pb::Outcome::Unspecified);
    client
        .report_outcome(routed(report(), &[ACCOUNT]))
        .await
        .unwrap();
    let list = routed(list_of(ACCOUNT), &[ACCOUNT]);
    client.list_payments(list).await.unwrap();
}

#[tokio::test]
async fn a_batch_of_several_accounts_under_one_header_is_refused_whole() {
    let server = Server::start().await;
    let of_another = payment_but("p-2", |payment| payment.account_id = "other".to_owned());
    let batch = |payments: &[pb::Payment], accounts: &[&str]| {
        let requests = payments.iter().map(|payment| request(payment.clone(), ""));
        let requests = requests.collect();
        routed(pb::BatchScorePaymentsRequest { requests }, accounts)
    };
    let mut client = server.client.clone();
    let mixed = [payment("p-1"), of_another];
    let refused = client.batch_score_payments(batch(&mixed, &[ACCOUNT])).await;
    assert_refused(&refused.unwrap_err());
    assert_eq!(server.remembered().await, [""; 0]);
    client
        .batch_score_payments(batch(&mixed, &[]))
        .await
        .unwrap();
    // An item that is none fails alone, as ever.
    let nobody = payment_but("p-3", |payment| payment.account_id.clear());
    let with_none = batch(&[payment("p-4"), nobody], &[ACCOUNT]);
    let answers = client.batch_score_payments(with_none).await.unwrap();
    assert_eq!(answers.into_inner().results.len(), 2);
}

#[tokio::test]
async fn a_stream_is_of_the_account_of_its_header() {
    let server = Server::start().await;
    let of_another = payment_but("p-2", |payment| payment.account_id = "other".to_owned());
    let mut report = outcome_of("p-2", pb::Outcome::Succeeded);
    report.account_id = "other".to_owned();
    let report = pb::StreamPaymentsRequest {
        sequence: 3,
        item: Some(pb::stream_payments_request::Item::Outcome(report)),
    };
    let items = [
        score_item(1, payment("p-1")),
        score_item(2, of_another),
        report,
        score_item(4, payment("p-4")),
    ];
    let stream = routed(tokio_stream::iter(items), &[ACCOUNT]);
    let answers = server.client.clone().stream_payments(stream).await.unwrap();
    let answers: Vec<_> = answers
        .into_inner()
        .map(|item| scored(item.unwrap()))
        .collect()
        .await;
    let is_ok: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(is_ok, [true, false, false, true]);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code, i32::from(Code::FailedPrecondition));
        assert!(refused.message.contains("x-account-id"), "{refused:?}");
    }
    assert_eq!(server.remembered().await, ["p-4", "p-1"]);
}
