//! `StreamPayments`: answers come in the order of the items, one for each, and only as fast as they
//! are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doublecheck::grpc::pb::{self, Decision, Outcome};
use pb::risk_service_client::RiskServiceClient;
use pb::stream_payments_request::Item;
use pb::stream_payments_response::Answer;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{
    Server, bad_fields, connect, outcome_of, payment, payment_but, request, score_item,
};
use crate::wire::{STREAM, Wire, framed};

fn outcome_item(sequence: u64, payment_id: &str, outcome: Outcome) -> pb::StreamPaymentsRequest {
    pb::StreamPaymentsRequest {
        sequence,
        item: Some(Item::Outcome(outcome_of(payment_id, outcome))),
    }
}

#[tokio::test]
async fn answers_come_in_order_and_carry_the_sequence_of_their_item() {
    let server = Server::start().await;
    // Neither unique nor ascending: the number is the gateway's business.
    let sequences = [7, 0, u64::MAX, 7, 1];
    let items = sequences.iter().enumerate().map(|(nth, sequence)| {
        let payment = payment_but(&format!("p{nth}"), |p| {
            p.account_id = format!("payer-{nth}")
        });
        score_item(*sequence, payment)
    });
    let answers = server.stream(items.collect()).await;
    assert_eq!(answers.len(), sequences.len());
    for (nth, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.sequence, sequences[nth]);
        let Some(Answer::Assessment(assessment)) = answer.answer else {
            panic!("{answer:?}");
        };
        assert_eq!(assessment.payment_id, format!("p{nth}"));
    }
}

#[tokio::test]
async fn payments_and_outcomes_of_one_stream_follow_each_other() {
    let server = Server::start().await;
    let items = vec![
        score_item(1, payment("p1")),
        score_item(2, payment("p2")),
        outcome_item(3, "p1", Outcome::Declined),
        score_item(4, payment("p3")),
    ];
    let answers = server.stream(items).await;
    let answers: Vec<_> = answers.into_iter().map(|a| a.answer.unwrap()).collect();
    let [
        Answer::Assessment(first),
        Answer::Assessment(pressed_twice),
        Answer::OutcomeAccepted(accepted),
        Answer::Assessment(retried),
    ] = answers.as_slice()
    else {
        panic!("{answers:?}");
    };
    assert_eq!(first.decision(), Decision::Allow);
    assert_eq!(pressed_twice.decision(), Decision::Block);
    assert!(accepted.remembered);
    assert_eq!(retried.decision(), Decision::Allow, "the first one failed");
}

#[tokio::test]
async fn bad_items_are_answered_in_their_place_and_the_stream_lives_on() {
    let server = Server::start().await;
    let nothing = pb::StreamPaymentsRequest {
        sequence: 2,
        item: None,
    };
    let items = vec![
        outcome_item(1, "never seen", Outcome::Succeeded),
        nothing,
        outcome_item(3, "p1", Outcome::Unspecified),
        score_item(4, payment("p1")),
        score_item(5, payment_but("p1", |p| p.kind = 2)),
        score_item(6, payment("p1")),
    ];
    let answers = server.stream(items).await;
    let mut errors = Vec::new();
    for answer in answers {
        if let Some(Answer::Error(status)) = answer.answer {
            errors.push((answer.sequence, Code::from(status.code), status));
        } else {
            assert!([4, 6].contains(&answer.sequence), "{answer:?}");
        }
    }
    let codes: Vec<_> = errors
        .iter()
        .map(|(sequence, code, _)| (*sequence, *code))
        .collect();
    let expected = [
        (1, Code::NotFound),
        (2, Code::InvalidArgument),
        (3, Code::InvalidArgument),
        (5, Code::AlreadyExists),
    ];
    assert_eq!(codes, expected);
    assert_eq!(bad_fields(&errors[1].2), ["item"]);
    assert_eq!(bad_fields(&errors[2].2), ["outcome"]);
}

#[tokio::test]
async fn each_item_is_answered_before_the_next_one_is_sent() {
    let server = Server::start().await;
    let (items, inbound) = mpsc::channel(1);
    let inbound = ReceiverStream::new(inbound);
    let answers = server.client.clone().stream_payments(inbound).await;
    let mut answers = answers.unwrap().into_inner();
    for sequence in 0..100 {
        items
            .send(score_item(sequence, payment("p1")))
            .await
            .unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer.sequence, sequence);
    }
    drop(items);
    assert!(
        answers.next().await.is_none(),
        "the end of the items is the end"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_takes_nothing_with_it() {
    let server = Server::start().await;
    let (items, inbound) = mpsc::channel(1);
    let inbound = ReceiverStream::new(inbound);
    let answers = server.client.clone().stream_payments(inbound).await;
    let mut answers = answers.unwrap().into_inner();
    items.send(score_item(1, payment("p1"))).await.unwrap();
    answers.next().await.unwrap().unwrap();
    drop((items, answers));

    assert!(server.score(payment("p1")).await.unwrap().replayed);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    /// About 20 MB of items and more of answers: far beyond every buffer between the two ends.
    const ITEMS: u64 = 200_000;
    let server = Server::start().await;
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let items = (0..ITEMS).map(move |sequence| {
        counter.fetch_add(1, Ordering::Relaxed);
        score_item(sequence, payment("p1"))
    });
    let items = tokio_stream::iter(items);
    let unread = server.client.clone().stream_payments(items).await.unwrap();

    // Calls on another connection go through; between them, in the end, nothing more is taken.
    let mut other = RiskServiceClient::new(connect(server.address).await);
    let (mut before, mut still) = (0, 0);
    while still < 20 {
        let request = request(payment("p1"), "");
        other.score_payment(request).await.unwrap();
        let now = taken.load(Ordering::Relaxed);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    assert!(
        before < ITEMS,
        "all of them were taken, with no answer read"
    );

    // Once read, it goes on to the end.
    let mut unread = unread.into_inner();
    let mut answered = 0;
    while answered < before + 1_000 {
        assert_eq!(unread.next().await.unwrap().unwrap().sequence, answered);
        answered += 1;
    }
}

/// Clients in Go and Java send each item in a frame of its own. HTTP/2 takes many small ones that nobody has
/// read for an attack, and ends the connection: those of a client that is ahead must not count as many.
#[tokio::test]
async fn items_in_frames_of_their_own_may_be_sent_far_ahead() {
    const ITEMS: u64 = 10_000;
    const STREAMS: usize = 8;
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let mut calls = JoinSet::new();
    for _ in 0..STREAMS {
        let mut call = wire.begin(STREAM, &[]).await;
        for sequence in 0..ITEMS {
            let item = framed(&score_item(sequence, payment("p1")));
            call.body.send_data(item, sequence == ITEMS - 1).unwrap();
        }
        calls.spawn(call.end());
    }
    for ended in calls.join_all().await {
        assert_eq!(ended.code(), Code::Ok);
        assert_eq!(answered_in_order(&ended.message), ITEMS);
    }
}

/// How many answers there are, each to the item of its place.
fn answered_in_order(mut answers: &[u8]) -> u64 {
    let mut answered = 0;
    while let Some((head, rest)) = answers.split_at_checked(5) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let (answer, rest) = rest.split_at(length as usize);
        let answer = pb::StreamPaymentsResponse::decode(answer).unwrap();
        assert_eq!(answer.sequence, answered);
        answered += 1;
        answers = rest;
    }
    answered
}
