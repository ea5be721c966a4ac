//! A long batch or stream does not keep a thread to itself: other calls have their turn between its chunks.

use std::time::{Duration, Instant};

use doublecheck::grpc::pb;
use pb::batch_score_payments_response::result::Answer;
use prost::Message as _;
use tokio::task::yield_now;
use tonic::Code;

use crate::support::{Server, payment_but, request, score_item, scored};
use crate::wire::{BATCH, Ended, SCORE, STREAM, Wire, framed};

const ACCOUNTS: &str = "doublecheck_accounts";

/// More than two chunks, and little enough to be read in one turn.
const FEW: usize = 140;

/// Payments that do not resemble each other.
fn payments(count: usize) -> Vec<pb::Payment> {
    let nth_payment =
        |nth: usize| payment_but(&format!("p{nth}"), |p| p.account_id = format!("a{nth}"));
    (0..count).map(nth_payment).collect()
}

fn batch_of(payments: Vec<pb::Payment>) -> pb::BatchScorePaymentsRequest {
    let requests = payments.into_iter().map(|payment| request(payment, ""));
    pb::BatchScorePaymentsRequest {
        requests: requests.collect(),
    }
}

/// Which of the payments of a batch were scored before.
fn replayed(ended: &Ended) -> Vec<bool> {
    let answer = pb::BatchScorePaymentsResponse::decode(&ended.message[5..]).unwrap();
    let results = answer.results.into_iter();
    let replayed = results.map(|result| match result.answer.unwrap() {
        Answer::Assessment(assessment) => assessment.replayed,
        Answer::Error(status) => panic!("{status:?}"),
    });
    replayed.collect()
}

#[tokio::test]
async fn a_payment_has_its_turn_before_a_long_batch_is_done() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let payments = payments(FEW);
    // The last one of the batch comes by itself too, after it.
    let batch = wire.ask(BATCH, &[], &batch_of(payments.clone())).await;
    let single = wire.score(payments[FEW - 1].clone(), "").await;
    assert!(!single.end().await.assessment().replayed);
    let replayed = replayed(&batch.end().await);
    let expected: Vec<bool> = (1..=FEW).map(|nth| nth == FEW).collect();
    assert_eq!(replayed, expected);
}

#[tokio::test]
async fn a_payment_has_its_turn_before_a_stream_has_said_all() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let payments = payments(FEW);
    let mut stream = wire.begin(STREAM, &[]).await;
    let mut single = wire.begin(SCORE, &[]).await;
    let items = (0..).zip(&payments);
    let items = items.map(|(nth, payment)| framed(&score_item(nth, payment.clone())));
    let items: Vec<_> = items.collect();
    let last = framed(&request(payments[FEW - 1].clone(), ""));
    // The last one of the stream comes by itself too, right after it.
    stream.body.send_data(items.concat().into(), true).unwrap();
    single.body.send_data(last, true).unwrap();
    assert!(!single.end().await.assessment().replayed);
    let answers = stream.end().await.message;
    let mut answers = &*answers;
    for nth in 1..=FEW {
        let (head, rest) = answers.split_at(5);
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let answer = pb::StreamPaymentsResponse::decode(&rest[..length]).unwrap();
        assert_eq!(scored(answer).unwrap().replayed, nth == FEW, "{nth}");
        answers = &rest[length..];
    }
}

#[tokio::test]
async fn a_batch_of_one_chunk_is_done_in_one_turn() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let payments = payments(64);
    let batch = wire.ask(BATCH, &[], &batch_of(payments.clone())).await;
    let single = wire.score(payments[63].clone(), "").await;
    assert!(single.end().await.assessment().replayed);
    assert_eq!(replayed(&batch.end().await), [false; 64]);
}

/// How many of the payments have been scored once the first chunk was.
async fn scored_so_far(server: &Server) -> usize {
    while server.metric(ACCOUNTS) == 0 {
        yield_now().await;
    }
    usize::try_from(server.metric(ACCOUNTS)).unwrap()
}

/// What a retry of a batch is told of which the first so many were scored.
async fn retry_is_told(wire: &Wire, payments: Vec<pb::Payment>, scored: usize) {
    let count = payments.len();
    assert!(scored < count, "{scored}");
    let again = wire.ask(BATCH, &[], &batch_of(payments)).await.end().await;
    let expected: Vec<bool> = (0..count).map(|nth| nth < scored).collect();
    assert_eq!(replayed(&again), expected);
}

#[tokio::test]
async fn a_deadline_that_passes_within_a_batch_leaves_the_rest_unscored_and_a_retry_is_told() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let payments = payments(1_000);
    let headers = [("grpc-timeout", "2S")];
    let begun = wire.ask(BATCH, &headers, &batch_of(payments.clone())).await;
    let scored = scored_so_far(&server).await;
    // It is the turn of others, and they take it until the deadline is over, which counts since the call came.
    let since_then = Instant::now();
    while since_then.elapsed() <= DEADLINE + Duration::from_millis(10) {
        std::hint::spin_loop();
    }
    let ended = begun.end().await;
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
    assert_eq!(server.metric(ACCOUNTS), scored as u64);
    retry_is_told(&wire, payments, scored).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_batch_leaves_the_rest_unscored_and_a_retry_is_told() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let payments = payments(1_000);
    let begun = wire.ask(BATCH, &[], &batch_of(payments.clone())).await;
    scored_so_far(&server).await;
    begun.cancel();
    let canceled = "grpc_server_handled_total{grpc_type=\"unary\",\
        grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"BatchScorePayments\",\
        grpc_code=\"Canceled\"}";
    server.until(canceled, 1).await;
    let scored = usize::try_from(server.metric(ACCOUNTS)).unwrap();
    retry_is_told(&wire, payments, scored).await;
}
