//! Answers that their clients do not read: how much of them is held, and for how long.

use std::time::Duration;

use bytes::BytesMut;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb;
use h2::Reason;
use tonic::Code;

use crate::support::{PATIENT, Server, payment, payment_but, request, score_item};
use crate::wire::{
    BATCH, Begun, DATA, HEADERS, Raw, SCORE, SETTINGS, STREAM, WINDOW_UPDATE, Wire, frame, framed,
    headers,
};

const REFUSED: &str = "doublecheck_admission_refusals_total{reason=\"messages\"}";

const ITEMS: &str = "grpc_server_msg_received_total{grpc_type=\"bidi_stream\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"StreamPayments\"}";

/// A batch whose answer is some 100 kB long: every item lacks all that a payment must have.
fn batch() -> pb::BatchScorePaymentsRequest {
    let requests = vec![pb::ScorePaymentRequest::default(); 600];
    pb::BatchScorePaymentsRequest { requests }
}

/// How a call was given up by the server; it does not take it a minute.
async fn given_up(begun: Begun) -> Option<Reason> {
    let ended = tokio::time::timeout(Duration::from_secs(20), begun.try_end());
    ended.await.unwrap().unwrap_err().reason()
}

#[tokio::test]
async fn of_answers_that_nobody_reads_so_much_is_held_and_no_more() {
    let server = Server::start_within(Limits {
        message_bytes: 200_000,
        unfinished_bytes: 200_000,
        ..PATIENT
    })
    .await;
    let greedy = Wire::connect_reading(server.address, 65_535, 0).await;
    let mut calls = Vec::new();
    while server.metric(REFUSED) == 0 {
        calls.push(greedy.ask(BATCH, &[], &batch()).await);
        tokio::task::yield_now().await;
        assert!(calls.len() < 1_000, "all are held");
    }
    let refused = calls.pop().map(given_up);
    assert_eq!(refused.unwrap().await, Some(Reason::ENHANCE_YOUR_CALM));
    // Who reads is answered all the same: what finds room at once is not held.
    let other = Wire::connect(server.address).await;
    let answered = other.ask(BATCH, &[], &batch()).await.end().await;
    assert_eq!(answered.code(), Code::Ok);
    assert!(
        answered.message.len() > 50_000,
        "{}",
        answered.message.len()
    );
    server.score(payment("p1")).await.unwrap();
    // What is given up leaves its room to others.
    calls.into_iter().for_each(Begun::cancel);
    let before = server.metric(REFUSED);
    let begun = loop {
        let begun = greedy
            .ask(BATCH, &[("grpc-timeout", "20m")], &batch())
            .await;
        match given_up(begun).await {
            Some(Reason::ENHANCE_YOUR_CALM) => {}
            other => break other,
        }
    };
    assert_eq!(begun, Some(Reason::CANCEL), "it was held to its deadline");
    assert!(server.metric(REFUSED) >= before);
}

/// Items in frames of their own, on streams that nobody reads: more than HTTP/2's library takes for peaceful.
#[tokio::test]
async fn who_does_not_read_its_streams_keeps_its_connection() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(server.address).await;
    assert!(raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await);
    let wider = 1_u32 << 30;
    assert!(
        raw.send(&frame(WINDOW_UPDATE, 0, 0, &wider.to_be_bytes()))
            .await
    );
    for nth in 0..30_u32 {
        let stream = 2 * nth + 1;
        let mut said = frame(HEADERS, 4, stream, &headers(STREAM));
        for item in 0..500 {
            let payment = payment_but("p", |p| p.account_id = format!("{nth}-{item}"));
            said.extend(frame(DATA, 0, stream, &framed(&score_item(item, payment))));
        }
        assert!(raw.send(&said).await);
    }
    let call = [
        frame(HEADERS, 4, 61, &headers(SCORE)),
        frame(DATA, 1, 61, &framed(&request(payment("p1"), ""))),
    ];
    assert!(raw.send(&call.concat()).await);
    assert!(raw.answered(61).await);
}

/// Streams that nobody reads are not read from either: what waits for them takes all that the server has room for on
/// their connection.
#[tokio::test]
async fn streams_that_nobody_reads_hold_other_calls_of_their_connection_up_for_so_long() {
    let server = Server::start_within(Limits {
        unread_ms: 1_000,
        ..PATIENT
    })
    .await;
    let unread = Wire::connect_reading(server.address, 65_535, 0).await;
    let mut streams = Vec::new();
    for nth in 0..200 {
        let mut begun = unread.begin(STREAM, &[]).await;
        let mut said = BytesMut::new();
        // As much as its answers have no room for, and as may wait to be read.
        for item in 0..700 {
            let payment = payment_but(&"p".repeat(100), |p| {
                p.account_id = format!("{nth:050}-{item:050}");
            });
            said.extend_from_slice(&framed(&score_item(item, payment)));
        }
        begun.body.send_data(said.freeze(), false).unwrap();
        streams.push(begun);
    }
    // Until nothing more of them is read.
    let (mut before, mut read) = (0, 1);
    while read > before {
        before = read;
        for nth in 0..50 {
            let payment = payment_but("p", |p| p.account_id = format!("{read}-{nth}"));
            server.score(payment).await.unwrap();
        }
        read = server.metric(ITEMS);
    }
    let other = unread.score(payment("p1"), "").await;
    let answered = tokio::time::timeout(Duration::from_secs(20), other.answer()).await;
    assert!(answered.is_ok(), "its message has found room");
    for begun in streams {
        assert_eq!(given_up(begun).await, Some(Reason::ENHANCE_YOUR_CALM));
    }
    // Who reads has not noticed.
    server.score(payment("p2")).await.unwrap();
}

/// The other way round: what a client takes before it reads is taken up by the first.
#[tokio::test]
async fn an_answer_that_is_not_read_is_held_for_so_long_and_no_longer() {
    let server = Server::start_within(Limits {
        unread_ms: 200,
        ..PATIENT
    })
    .await;
    let unread = Wire::connect_reading(server.address, 65_535, 1 << 20).await;
    // It leaves all of the first answer, some of the second and nothing of the third.
    let mut first = unread.ask(BATCH, &[], &batch()).await.answer().await;
    let mut second = unread.ask(BATCH, &[], &batch()).await.answer().await;
    let third = unread.ask(BATCH, &[], &batch()).await;
    assert_eq!(given_up(third).await, Some(Reason::ENHANCE_YOUR_CALM));
    let ended = loop {
        match second.data().await.unwrap() {
            Ok(bytes) => assert!(bytes.len() < 50_000),
            Err(error) => break error,
        }
    };
    assert_eq!(ended.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    assert!(first.data().await.unwrap().is_ok());
}

/// Slowly is not never.
#[tokio::test]
async fn an_answer_that_is_read_slowly_is_read_to_its_end() {
    let server = Server::start_within(Limits {
        unread_ms: 400,
        ..PATIENT
    })
    .await;
    let slow = Wire::connect_reading(server.address, 65_535, 20_000).await;
    let other = Wire::connect_reading(server.address, 65_535, 0).await;
    let begun = slow.ask(BATCH, &[], &batch()).await;
    let mut answer = begun.answer().await;
    let mut pieces = 0;
    while let Some(piece) = answer.data().await {
        let bytes = piece.unwrap().len();
        // A hundredth of a second for each kilobyte: longer in all than any of it may wait.
        let timeout = format!("{}m", bytes / 100);
        let headers = [("grpc-timeout", &*timeout)];
        let waited = other.ask(BATCH, &headers, &batch()).await;
        assert_eq!(given_up(waited).await, Some(Reason::CANCEL));
        answer.flow_control().release_capacity(bytes).unwrap();
        pieces += 1;
    }
    assert!(pieces > 4, "{pieces}");
    assert!(answer.trailers().await.unwrap().is_some());
}

#[tokio::test]
async fn a_long_answer_is_read_in_small_pieces() {
    let server = Server::start().await;
    for answer_bytes in [1_000, 20_000] {
        let slow = Wire::connect_reading(server.address, 65_535, answer_bytes).await;
        let answered = slow.ask(BATCH, &[], &batch()).await.end().await;
        assert_eq!(answered.code(), Code::Ok);
        assert!(answered.message.len() > 50_000);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_held_to_its_deadline() {
    let server = Server::start().await;
    let unread = Wire::connect_reading(server.address, 65_535, 0).await;
    let begun = unread
        .ask(BATCH, &[("grpc-timeout", "20m")], &batch())
        .await;
    assert_eq!(given_up(begun).await, Some(Reason::CANCEL));
}
