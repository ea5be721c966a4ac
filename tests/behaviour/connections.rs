//! Connections: how many there may be, and how long they may say and do nothing.

use doublecheck::grpc::limits::Limits;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Server, connect, payment};
use crate::wire::{PREFACE, Raw, SETTINGS, frame};

const OPEN: &str = "doublecheck_connections_open";
const HANDSHAKE: &str = "doublecheck_connections_closed_total{reason=\"handshake\"}";
const IDLE: &str = "doublecheck_connections_closed_total{reason=\"idle\"}";
const AGE: &str = "doublecheck_connections_closed_total{reason=\"age\"}";

const NO_ERROR: Option<u32> = Some(0);

#[tokio::test]
async fn beyond_the_limits_connections_are_closed_at_once_and_places_are_given_back() {
    for (limits, reason) in [
        (
            Limits {
                connections: 8,
                ..Limits::default()
            },
            "connections",
        ),
        (
            Limits {
                connections_per_address: 8,
                ..Limits::default()
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
            assert_eq!(cut.goaway, None, "it never had a place");
            assert_eq!(server.metric(&refused), nth);
        }
        server.score(payment("p1")).await.unwrap();
        drop(held.pop());
        server.until(OPEN, 7).await;
        let mut again = Raw::greeted(server.address).await;
        server.until(OPEN, 8).await;
        // Whoever has a place is served: it is asked to leave only at the end.
        let served = server.shut_down();
        assert_eq!(again.cut().await.goaway, NO_ERROR);
        drop(held);
        served.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_does_not_greet_in_time_is_out() {
    let limits = Limits {
        handshake_ms: 50,
        ..Limits::default()
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
async fn an_idle_connection_is_asked_to_leave_and_one_that_watches_is_not() {
    let limits = Limits {
        idle_s: 1,
        handshake_ms: 50,
        ..Limits::default()
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
        ..Limits::default()
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
