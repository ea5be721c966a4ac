//! More calls than can be answered: some are, in time, and the others are told at once to come later.

use std::sync::Arc;

use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_types::StatusExt as _;

use crate::stalling_disk::{Stall, StallingDisk};
use crate::support::{PATIENT, Server, outcome_of, payment, payment_but, request};
use crate::wire::{Begun, Ended, HEALTH, REPORT, SCORE, Wire, framed};

const STARTED: &str = "grpc_server_started_total{grpc_type=\"unary\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"ScorePayment\"}";
const REFUSED: &str = "grpc_server_handled_total{grpc_type=\"unary\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"ScorePayment\",grpc_code=\"ResourceExhausted\"}";
const IN_FLIGHT: &str = "doublecheck_admission_refusals_total{reason=\"in_flight\"}";
const QUEUE: &str = "doublecheck_admission_refusals_total{reason=\"queue\"}";
const JOURNAL: &str = "doublecheck_admission_refusals_total{reason=\"journal\"}";

fn is_refused(ended: &Ended) -> bool {
    if ended.code() == Code::Ok {
        return false;
    }
    assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
    assert_eq!(ended.said("grpc-retry-pushback-ms"), "100");
    let details = ended.status().get_error_details();
    let delay = details.retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(delay.as_millis(), 100);
    assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    true
}

/// A payment that no other resembles.
fn other_payment(nth: usize) -> pb::Payment {
    payment_but(&format!("p{nth}"), |p| {
        p.account_id = format!("payer-{nth}")
    })
}

#[tokio::test]
async fn in_an_open_loop_as_many_as_are_let_in_wait_and_all_others_are_told_at_once() {
    const LET_IN: usize = 16;
    const CONNECTIONS: usize = 8;
    const CALLS: usize = 100;
    let limits = Limits {
        in_flight: LET_IN as u64,
        ..PATIENT
    };
    let disk = StallingDisk::new();
    let server = Server::start_within_on(limits, Arc::clone(&disk) as _).await;
    let stall = disk.stall();
    let mut calls = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let wire = Wire::connect(server.address).await;
        for nth in 0..CALLS {
            let begun = wire
                .score(other_payment(connection * CALLS + nth), "")
                .await;
            calls.spawn(begun.end());
        }
    }
    // The journal still stands: whoever is let in waits, and everybody else has an answer.
    let refused = CONNECTIONS * CALLS - LET_IN;
    for _ in 0..refused {
        assert!(is_refused(&calls.join_next().await.unwrap().unwrap()));
    }
    assert_eq!(server.metric(IN_FLIGHT), refused as u64);
    assert_eq!(server.metric(REFUSED), refused as u64);
    assert_eq!(server.metric(STARTED), (CONNECTIONS * CALLS) as u64);
    assert_eq!(server.metric("doublecheck_accounts"), LET_IN as u64);
    drop(stall);
    while let Some(answered) = calls.join_next().await {
        assert!(!answered.unwrap().assessment().replayed);
    }
    assert_eq!(server.metric("doublecheck_accounts"), LET_IN as u64);
    // What was refused is as if it had not been asked.
    let wire = Wire::connect(server.address).await;
    for nth in 0..LET_IN * 2 {
        let answer = wire.score(other_payment(nth), "").await.end().await;
        assert_eq!(answer.assessment().decision(), pb::Decision::Allow);
    }
}

/// A server that has no place for another call, and one that has the last and waits until the disk is let go.
struct Full {
    server: Server,
    wire: Wire,
    waiting: Begun,
    stall: Stall,
}

/// Payment `p1` is there already, `p2` waits.
async fn full() -> Full {
    let limits = Limits {
        in_flight: 1,
        ..PATIENT
    };
    let disk = StallingDisk::new();
    let server = Server::start_within_on(limits, Arc::clone(&disk) as _).await;
    server.score(payment("p1")).await.unwrap();
    let stall = disk.stall();
    let wire = Wire::connect(server.address).await;
    let waiting = wire.score(payment("p2"), "").await;
    server
        .until("doublecheck_journal_kept_lag_records", 1)
        .await;
    Full {
        server,
        wire,
        waiting,
        stall,
    }
}

#[tokio::test]
async fn reports_and_health_are_let_in_where_payments_are_not() {
    let Full {
        server,
        wire,
        waiting,
        stall,
    } = full().await;
    assert!(is_refused(&wire.score(payment("p3"), "").await.end().await));
    let everything = HealthCheckRequest::default();
    let health = wire.ask(HEALTH, &[], &everything).await.end().await;
    assert_eq!(health.code(), Code::Ok);
    let report = outcome_of("p1", pb::Outcome::Succeeded);
    let report = wire.ask(REPORT, &[], &report).await;
    server
        .until("doublecheck_journal_kept_lag_records", 2)
        .await;
    drop(stall);
    assert_eq!(report.end().await.code(), Code::Ok);
    assert_eq!(waiting.end().await.code(), Code::Ok);
    assert_eq!(server.metric(IN_FLIGHT), 1);
}

#[tokio::test]
async fn who_is_refused_learns_so_before_its_message_has_come() {
    let Full {
        server,
        wire,
        waiting,
        stall,
    } = full().await;
    let message = framed(&request(payment("p3"), ""));
    // More calls than HTTP/2 lets a client have refused that goes on sending.
    for nth in 0..1_500 {
        let mut begun = wire.begin(SCORE, &[]).await;
        // Of some nothing has come, of some a part, and of some all but the word that nothing follows.
        let sent = message.slice(..nth % 3 * message.len() / 2);
        if !sent.is_empty() {
            begun.body.send_data(sent, false).unwrap();
        }
        assert!(is_refused(&begun.end().await));
    }
    drop(stall);
    assert_eq!(waiting.end().await.code(), Code::Ok);
    assert_eq!(server.metric(IN_FLIGHT), 1_500);
    let answer = wire.score(payment("p3"), "").await.end().await;
    assert!(!answer.assessment().replayed);
}

#[tokio::test]
async fn a_call_that_never_sends_its_message_takes_no_place() {
    let limits = Limits {
        in_flight: 1,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    let wire = Wire::connect(server.address).await;
    let mut begun = Vec::new();
    for _ in 0..50 {
        begun.push(wire.begin(SCORE, &[]).await);
    }
    let answer = wire.score(payment("p1"), "").await.end().await;
    assert_eq!(answer.code(), Code::Ok);
    assert_eq!(server.metric(IN_FLIGHT), 0);
    // And the one that sends it late has a place then.
    let message = framed(&request(payment("p2"), ""));
    for mut call in begun {
        call.body.send_data(message.clone(), true).unwrap();
        assert_eq!(call.end().await.code(), Code::Ok);
    }
}

#[tokio::test]
async fn a_call_that_waits_too_long_for_its_turn_is_refused_and_not_scored() {
    // So many at once that they cannot all have their turn within a millisecond.
    const CALLS: usize = 5_000;
    let limits = Limits {
        queue_ms: 1,
        streams_per_connection: CALLS as u64,
        ..PATIENT
    };
    let server = Server::start_within(limits).await;
    // It reads them in the order of their calls, and they come in another: all of them have room until then.
    let wire = Wire::connect_with(server.address, 4 << 20).await;
    let mut begun = Vec::new();
    for nth in 0..CALLS {
        begun.push(wire.score(other_payment(nth), "").await);
    }
    let mut answered = 0;
    for call in begun {
        let ended = call.end().await;
        answered += u64::from(!is_refused(&ended));
    }
    let refused = server.metric(QUEUE);
    assert!(refused > 0, "{answered} answered");
    assert_eq!(answered + refused, CALLS as u64);
    assert_eq!(server.metric("doublecheck_accounts"), answered);
    assert_eq!((server.metric(IN_FLIGHT), server.metric(JOURNAL)), (0, 0));
}
