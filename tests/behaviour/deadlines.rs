//! Deadlines: kept wherever a call waits, and what they leave behind.

use std::sync::Arc;

use doublecheck::grpc::pb;
use tonic::Code;

use crate::stalling_disk::StallingDisk;
use crate::support::{PATIENT, Server, bad_fields, in_band, payment, payment_but, request};
use crate::wire::{Ended, SCORE, STREAM, Wire, framed};

const EXCEEDED: &str = "grpc_server_handled_total{grpc_type=\"unary\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"ScorePayment\",grpc_code=\"DeadlineExceeded\"}";
const CANCELED: &str = "grpc_server_handled_total{grpc_type=\"unary\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"ScorePayment\",grpc_code=\"Canceled\"}";
const WAITING: &str = "doublecheck_journal_kept_lag_records";

/// A server that has written down what it began with.
async fn server_on(disk: &Arc<StallingDisk>) -> Server {
    let server = Server::start_within_on(PATIENT, Arc::clone(disk) as _).await;
    let other = payment_but("p0", |p| "other".clone_into(&mut p.account_id));
    server.score(other).await.unwrap();
    server
}

fn assert_exceeded(ended: &Ended) {
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
    assert_eq!(ended.http, 200);
}

#[tokio::test]
async fn a_payment_whose_deadline_is_over_is_not_scored() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    for timeout in ["0n", "1n", "0H"] {
        assert_exceeded(&wire.score(payment("p1"), timeout).await.end().await);
    }
    assert_eq!(server.metric(EXCEEDED), 3);
    assert!(server.remembered().await.is_empty());
    let scored = wire.score(payment("p1"), "1H").await.end().await;
    assert_eq!(scored.code(), Code::Ok);
    assert!(!scored.assessment().replayed);
}

#[tokio::test]
async fn what_is_no_time_out_is_refused_and_named() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let score = request(payment("p1"), "");
    for timeout in ["", "0", "soon", "-1S", "1s", "5 S", "100000000H"] {
        let begun = wire.ask(SCORE, &[("grpc-timeout", timeout)], &score).await;
        let status = begun.end().await.status();
        assert_eq!(status.code(), Code::InvalidArgument, "{timeout}");
        let fields = bad_fields(&in_band(&status));
        assert_eq!(fields, ["grpc-timeout"], "{timeout}");
    }
    assert!(server.remembered().await.is_empty());
    let farthest = wire.score(payment("p1"), "99999999H").await;
    assert_eq!(farthest.end().await.code(), Code::Ok);
}

#[tokio::test]
async fn a_call_that_waits_for_its_message_ends_in_time() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let headers = [("grpc-timeout", "20m")];
    let mut begun = wire.begin(SCORE, &headers).await;
    // A part of it does not help.
    let message = framed(&request(payment("p1"), ""));
    begun.body.send_data(message.slice(..9), false).unwrap();
    assert_exceeded(&begun.end().await);
    assert_eq!(server.metric(EXCEEDED), 1);
    assert_eq!(
        server.took_over("ScorePayment", "0.01"),
        1,
        "it took the 20 ms"
    );
    assert!(server.remembered().await.is_empty());
}

#[tokio::test]
async fn a_call_that_waits_for_the_journal_ends_in_time_and_a_retry_gets_its_answer() {
    let disk = StallingDisk::new();
    let server = server_on(&disk).await;
    let wire = Wire::connect(server.address).await;
    let stall = disk.stall();
    // The journal still waits: only the deadline can have ended it.
    assert_exceeded(&wire.score(payment("p1"), "20m").await.end().await);
    assert_eq!(server.metric(EXCEEDED), 1);
    assert_eq!(server.metric(WAITING), 1, "it was scored");
    drop(stall);
    let again = wire.score(payment("p1"), "").await.end().await;
    assert_eq!(again.code(), Code::Ok);
    assert!(again.assessment().replayed);
}

#[tokio::test]
async fn what_a_client_that_left_has_asked_stays_and_a_retry_gets_its_answer() {
    let disk = StallingDisk::new();
    let server = server_on(&disk).await;
    let wire = Wire::connect(server.address).await;
    let stall = disk.stall();
    let begun = wire.score(payment("p1"), "").await;
    server.until(WAITING, 1).await;
    begun.cancel();
    server.until(CANCELED, 1).await;
    drop(stall);
    let again = wire.score(payment("p1"), "").await.end().await;
    assert!(again.assessment().replayed);
    assert_eq!(server.remembered().await, ["p1"]);
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline_and_takes_nothing_more_in() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let begun = wire.begin(STREAM, &[("grpc-timeout", "20m")]).await;
    assert_exceeded(&begun.end().await);
    let item = |id: &str| framed(&crate::support::score_item(1, payment(id)));
    let mut over = wire.begin(STREAM, &[("grpc-timeout", "1n")]).await;
    over.body.send_data(item("p1"), true).unwrap();
    assert_exceeded(&over.end().await);
    assert!(server.remembered().await.is_empty());
    let mut in_time = wire.begin(STREAM, &[("grpc-timeout", "1H")]).await;
    in_time.body.send_data(item("p1"), true).unwrap();
    assert_eq!(in_time.end().await.code(), Code::Ok);
    assert_eq!(server.remembered().await, ["p1"]);
}

#[tokio::test]
async fn a_batch_ends_at_its_deadline_too() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let requests = vec![request(payment("p1"), ""), request(payment("p2"), "")];
    let batch = pb::BatchScorePaymentsRequest { requests };
    let path = "/doublecheck.v1.RiskService/BatchScorePayments";
    let begun = wire.ask(path, &[("grpc-timeout", "0n")], &batch).await;
    assert_exceeded(&begun.end().await);
    assert!(server.remembered().await.is_empty());
}
