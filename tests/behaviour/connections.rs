//! Connections: how many there may be, and how long they may say and do nothing.

use std::time::Duration;

use doublecheck::grpc::limits::Limits;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{PATIENT, Server, connect, payment, request, score_item};
use crate::wire::{DATA, HEADERS, PREFACE, Raw, SCORE, SETTINGS, frame, framed, headers};

const OPEN: &str = "doublecheck_connections_open";
const HANDSHAKE: &str = "doublecheck_connections_closed_total{reason=\"handshake\"}";
const NOT_HTTP2: &str = "doublecheck_connections_closed_total{reason=\"not_http2\"}";
const BROKEN: &str = "doublecheck_connections_closed_total{reason=\"broken\"}";
const IDLE: &str = "doublecheck_connections_closed_total{reason=\"idle\"}";
const AGE: &str = "doublecheck_connections_closed_total{reason=\"age\"}";

const NO_ERROR: Option<u32> = Some(0);

#[tokio::test]
async fn beyond_the_limits_connections_are_closed_at_once_and_places_are_given_back() {
    for (limits, reason) in [
        (
            Limits {
                connections: 8,
                ..PATIENT
            },
            "connections",
        ),
        (
            Limits {
                connections_per_address: 8,
                ..PATIENT
            },
            "connections_per_address",
        ),
    ] {
        let server = Server::start_within(limits).await;
        let refused = format!("doublecheck_connections_refused_total{{reason=\"{reason}\"}}");
        let mut held = Vec::new();
        // The server's own client has the first place.
        for _ in 1..8 {
            held.push(Raw::greeted(server.address).await);
        }
        server.until(OPEN, 8).await;
        for nth in 1..=50 {
            let cut = Raw::silent(server.address).await.cut().await;
            assert_eq!(cut.goaway, None, "it never had a slot");
            assert_eq!(server.metric(&refused), nth);
        }
        server.score(payment("p1")).await.unwrap();
        drop(held.pop());
        server.until(OPEN, 7).await;
        let mut again = Raw::greeted(server.address).await;
        server.until(OPEN, 8).await;
        // Whoever has a place is served: it is asked to leave only at the end.
        let served = server.shut_down();
        again.asked_to_leave().await;
        drop((held, again));
        served.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_does_not_greet_in_time_is_out() {
    let limits = Limits {
        handshake_ms: 50,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    let greeting = [PREFACE, &settings].concat();
    for (nth, said) in [0, 1, 23, 24, 30, greeting.len() - 1]
        .into_iter()
        .enumerate()
    {
        let mut raw = Raw::silent(server.address).await;
        raw.send(&greeting[..said]).await;
        raw.cut().await;
        server.until(HANDSHAKE, nth as u64 + 1).await;
    }
    // An honest client, which greeted long ago, has no such deadline.
    server.score(payment("p1")).await.unwrap();
    assert_eq!(server.metric(OPEN), 1);
}

#[tokio::test]
async fn until_a_client_has_greeted_nothing_is_said_to_it() {
    let limits = Limits {
        handshake_ms: 50,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    for length in [0, 1, PREFACE.len() - 1] {
        let mut raw = Raw::silent(server.address).await;
        raw.send(&PREFACE[..length]).await;
        // HTTP/2's library begins with its settings: it is not there yet.
        assert!(raw.heard().await.is_empty(), "{length}");
    }
    assert_eq!(server.metric(HANDSHAKE), 3);
    let mut raw = Raw::silent(server.address).await;
    raw.send(PREFACE).await;
    assert_eq!(raw.heard().await[3], SETTINGS);
}

#[tokio::test]
async fn a_greeting_in_pieces_is_one() {
    let server = Server::start().await;
    let mut raw = Raw::silent(server.address).await;
    for byte in PREFACE.chunks(1) {
        raw.send(byte).await;
        // Each piece is taken by itself.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let call = [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, 4, 1, &headers(SCORE)),
        frame(DATA, 1, 1, &framed(&request(payment("p1"), ""))),
    ];
    raw.send(&call.concat()).await;
    server.until("doublecheck_accounts", 1).await;
    assert_eq!(server.metric(OPEN), 2);
}

#[tokio::test]
async fn what_is_not_http2_is_closed_at_once_and_told_apart() {
    // Whoever waits for the time-out waits for ten minutes.
    let limits = Limits {
        handshake_ms: 600_000,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let mut wrong: Vec<Vec<u8>> = vec![
        b"G".to_vec(),
        b"GET /metrics HTTP/1.1\r\n\r\n".to_vec(),
        // The beginning of TLS.
        vec![22, 3, 1, 2, 0, 1, 0],
    ];
    for nth in [0, 3, PREFACE.len() - 1] {
        let mut greeting = PREFACE.to_vec();
        greeting[nth] ^= 1;
        wrong.push(greeting);
    }
    for (nth, said) in wrong.iter().enumerate() {
        let mut raw = Raw::silent(server.address).await;
        raw.send(said).await;
        assert!(raw.heard().await.is_empty(), "{said:?}");
        server.until(NOT_HTTP2, nth as u64 + 1).await;
    }
    // Who leaves has said nothing wrong.
    let mut gone = Raw::silent(server.address).await;
    gone.send(&PREFACE[..5]).await;
    drop(gone);
    server.until(BROKEN, 1).await;
    server.score(payment("p1")).await.unwrap();
    assert_eq!(server.metric(NOT_HTTP2), wrong.len() as u64);
}

#[tokio::test]
async fn who_was_there_before_the_end_is_heard_and_asked_to_leave() {
    let limits = Limits {
        handshake_ms: 600_000,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let mut raw = Raw::silent(server.address).await;
    raw.send(&PREFACE[..5]).await;
    server.until(OPEN, 2).await;
    let served = server.shut_down();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let rest = [&PREFACE[5..], &frame(SETTINGS, 0, 0, &[])].concat();
    raw.send(&rest).await;
    raw.asked_to_leave().await;
    drop(raw);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_asked_to_leave_and_one_that_watches_is_not() {
    let limits = Limits {
        idle_s: 1,
        handshake_ms: 50,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let channel = connect(server.address).await;
    let watch = HealthClient::new(channel)
        .watch(HealthCheckRequest::default())
        .await;
    let mut watch = watch.unwrap().into_inner();
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::Serving);
    // It does not even answer when it is asked to leave, and has to.
    let cut = Raw::greeted(server.address).await.cut().await;
    assert_eq!(cut.goaway, NO_ERROR);
    server.until(IDLE, 2).await;
    // The one that watches is open still, and the server's own client comes back by itself.
    assert_eq!(server.metric(OPEN), 1);
    server.score(payment("p1")).await.unwrap();
    let _served = server.shut_down();
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
}

#[tokio::test]
async fn an_old_connection_is_asked_to_leave_and_closed_after_its_grace() {
    let limits = Limits {
        connection_age_s: 1,
        connection_grace_s: 1,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let watch = HealthClient::new(connect(server.address).await)
        .watch(HealthCheckRequest::default())
        .await;
    let mut watch = watch.unwrap().into_inner();
    while watch.message().await.is_ok_and(|status| status.is_some()) {}
    // The server's own client left when it was asked to; the watch did not, and was closed.
    server.until(AGE, 2).await;
    server.score(payment("p1")).await.unwrap();
}

#[tokio::test]
async fn who_was_asked_to_leave_and_says_nothing_is_closed_once_no_call_is_open() {
    let limits = Limits {
        connection_age_s: 1,
        handshake_ms: 50,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    // It does not answer the PING by which HTTP/2 knows that it was heard.
    let cut = Raw::greeted(server.address).await.cut().await;
    assert_eq!(cut.goaway, NO_ERROR);
    server.until(AGE, 2).await;
}

#[tokio::test]
async fn the_end_waits_for_open_calls_and_for_nothing_else() {
    let server = Server::start_draining_for(Duration::from_secs(3_600)).await;
    // One that says nothing, and one that was answered and never says that nothing follows.
    let _silent = Raw::greeted(server.address).await;
    let mut answered = Raw::greeted(server.address).await;
    let call = [
        frame(HEADERS, 4, 1, &headers(SCORE)),
        frame(DATA, 0, 1, &framed(&request(payment("p1"), ""))),
    ];
    assert!(answered.send(&call.concat()).await);
    assert!(answered.answered(1).await);
    server.until(OPEN, 3).await;
    let served = server.shut_down();
    let ended = tokio::time::timeout(Duration::from_secs(60), served).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_is_open_at_the_end_has_the_time_for_draining() {
    let limits = Limits {
        handshake_ms: 50,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let (items, inbound) = mpsc::channel(1);
    let mut client = server.client.clone();
    let answers = client.stream_payments(ReceiverStream::new(inbound)).await;
    let mut answers = answers.unwrap().into_inner();
    let served = server.shut_down();
    // Well after it would have been looked at whether the client has greeted.
    let looked_at = Duration::from_millis(200);
    let silence = tokio::time::timeout(looked_at, answers.message()).await;
    assert!(silence.is_err(), "{silence:?}");
    items.send(score_item(7, payment("p1"))).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 7);
    drop(items);
    assert!(answers.message().await.unwrap().is_none());
    served.await.unwrap().unwrap();
}
