//! Clients whose work comes to nothing are read from slowly; who asks for something beside them notices nothing.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use doublecheck::access::Access;
use doublecheck::clock::SystemClock;
use doublecheck::grpc;
use doublecheck::grpc::auth::Auth;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb;
use h2::Reason;
use tokio::task::{JoinSet, yield_now};
use tonic::Code;

use crate::stalling_disk::StallingDisk;
use crate::support::{PATIENT, Server, payment, payment_but, request, score_item};
use crate::wire::{
    BATCH, HEALTH, PING, Raw, SCORE, SETTINGS, STREAM, WINDOW_UPDATE, Wire, frame, framed, packed,
};

const WASTE: &str = "doublecheck_connections_held_total{reason=\"waste\"}";
const ADDRESS: &str = "doublecheck_connections_held_total{reason=\"address\"}";
const BEGIN: &str = "doublecheck_connections_held_total{reason=\"begin\"}";

/// Where a dozen calls for nothing are too many.
const STRICT: Limits = Limits {
    waste_us: 100,
    ..PATIENT
};

/// As it is unless told otherwise.
const USUAL: Limits = Limits {
    waste_us: Limits::DEFAULT.waste_us,
    ..PATIENT
};

/// Waits until somebody was held up so.
async fn until_held(server: &Server, how: &str) {
    while server.metric(how) == 0 {
        yield_now().await;
    }
}

/// Another client of the same address, whose connection is there already, pays.
async fn others_pay(server: &Server, name: &str) {
    for nth in 0..20 {
        let payment = payment_but(&format!("{name}-{nth}"), |p| {
            p.account_id = format!("{name}-{nth}");
        });
        server.score(payment).await.unwrap();
    }
}

#[tokio::test]
async fn who_sends_what_carries_no_call_is_read_from_slowly() {
    for (name, frame) in [
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ] {
        let server = Server::start_within(STRICT).await;
        others_pay(&server, "before").await;
        let raw = Raw::greeted(server.address).await;
        let many = frame.repeat(100);
        // Half as many as end a connection.
        let flood = raw.flood(50, |_| many.clone());
        tokio::select! {
            cut = flood => panic!("{cut:?}"),
            () = until_held(&server, WASTE) => {}
        }
        others_pay(&server, name).await;
    }
}

/// A call that is refused for what it is.
struct BadCall {
    path: &'static str,
    metadata: Vec<(&'static str, String)>,
    body: Bytes,
    ends: bool,
}

fn bad_calls() -> Vec<BadCall> {
    let call = |path, body: &[u8]| BadCall {
        path,
        metadata: Vec::new(),
        body: Bytes::copy_from_slice(body),
        ends: true,
    };
    let good = framed(&request(payment("p1"), ""));
    vec![
        // Packed, and packed but not said how.
        BadCall {
            metadata: vec![("grpc-encoding", "gzip".to_owned())],
            ..call(SCORE, &packed(1, b"whatever"))
        },
        call(SCORE, &packed(1, b"whatever")),
        // No message.
        call(SCORE, &packed(0, &[0xff; 40])),
        // No payment.
        call(SCORE, &packed(0, &[])),
        // A message that says it is too long.
        BadCall {
            ends: false,
            ..call(SCORE, &[0, 0xff, 0xff, 0xff, 0xff])
        },
        // A batch of too many.
        call(BATCH, &packed(0, &[0x0a, 0].repeat(1_001))),
        // Batches of payments that are none.
        call(BATCH, &packed(0, &[0x0a, 0].repeat(100))),
        BadCall {
            metadata: vec![("grpc-encoding", "identity".to_owned())],
            ..call(BATCH, &packed(0, &[0x0a, 0]))
        },
        call("/doublecheck.v1.RiskService/Unheard", &good),
        BadCall {
            metadata: vec![("long", "x".repeat(40_000))],
            ..call(SCORE, &good)
        },
    ]
}

/// Makes the same bad call until it is held against the client.
async fn until_it_is_slow(server: &Server, call: &BadCall) {
    let wire = Wire::connect(server.address).await;
    let metadata = call.metadata.iter().map(|(name, text)| (*name, &**text));
    let metadata: Vec<_> = metadata.collect();
    let mut calls = JoinSet::new();
    while server.metric(WASTE) == 0 {
        // No more are under way than HTTP/2 takes.
        if calls.len() < 20 {
            let mut begun = wire.begin(call.path, &metadata).await;
            begun.body.send_data(call.body.clone(), call.ends).unwrap();
            calls.spawn(begun.try_end());
        }
        while calls.try_join_next().is_some() {}
        yield_now().await;
    }
}

#[tokio::test]
async fn who_makes_calls_that_are_refused_for_what_they_are_is_read_from_slowly() {
    for call in bad_calls() {
        let server = Server::start_within(STRICT).await;
        others_pay(&server, "before").await;
        until_it_is_slow(&server, &call).await;
        others_pay(&server, "after").await;
    }
}

#[tokio::test]
async fn who_may_not_call_is_read_from_slowly() {
    let server = server_for_nobody(STRICT).await;
    let good = BadCall {
        path: SCORE,
        metadata: Vec::new(),
        body: framed(&request(payment("p1"), "")),
        ends: true,
    };
    until_it_is_slow(&server, &good).await;
}

/// A server that nobody may ask to score.
async fn server_for_nobody(limits: Limits) -> Server {
    let nobody = Auth::new(
        Some(Access::default()),
        None,
        Arc::new(SystemClock::start()),
    );
    Server::start_with_settings(grpc::Settings {
        limits,
        auth: nobody,
        ..Default::default()
    })
    .await
}

/// Asks for health, as anybody may.
async fn ask_for_health(wire: &Wire) {
    let mut begun = wire.begin(HEALTH, &[]).await;
    begun.body.send_data(packed(0, &[]), true).unwrap();
    assert_eq!(begun.end().await.code(), Code::Ok);
}

#[tokio::test]
async fn who_asks_for_health_all_the_time_is_read_from_slowly_and_wastes_nothing_more_by_it() {
    for wastes in [false, true] {
        let server = server_for_nobody(STRICT).await;
        let wire = Wire::connect(server.address).await;
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 100, "it is never held");
            tokio::select! {
                () = until_held(&server, WASTE) => break,
                () = ask_for_health(&wire) => {}
            }
            if wastes {
                tokio::select! {
                    () = until_held(&server, WASTE) => break,
                    _ = async { wire.score(payment("p1"), "").await.end().await } => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn who_pays_may_ask_for_health_as_well() {
    let server = Server::start_within(USUAL).await;
    let wire = Wire::connect(server.address).await;
    for nth in 0..1_000 {
        ask_for_health(&wire).await;
        let payment = payment_but("p", |p| p.account_id = format!("payer-{nth}"));
        assert_eq!(wire.score(payment, "").await.end().await.code(), Code::Ok);
    }
    assert_eq!(server.metric(WASTE), 0);
}

#[tokio::test]
async fn who_may_not_call_is_told_after_a_while_that_nothing_more_is_waited_for() {
    let server = server_for_nobody(PATIENT).await;
    let wire = Wire::connect(server.address).await;
    let mut calls = Vec::new();
    for _ in 0..65 {
        calls.push(wire.begin(SCORE, &[]).await);
    }
    // One more than goes by at once is told at once.
    for nth in [64, 0] {
        let mut begun = calls.remove(nth);
        let told = poll_fn(|cx| begun.body.poll_reset(cx)).await;
        assert_eq!(told.unwrap(), Reason::NO_ERROR);
        assert_eq!(begun.end().await.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn a_message_that_never_comes_whole_is_work_for_nothing() {
    let server = Server::start_within(STRICT).await;
    let wire = Wire::connect(server.address).await;
    let long = payment_but("p1", |p| p.device_id = Some("0".repeat(30_000)));
    let message = framed(&request(long, ""));
    while server.metric(WASTE) == 0 {
        let mut begun = wire.begin(SCORE, &[]).await;
        let unfinished = message.slice(..message.len() - 1);
        begun.body.send_data(unfinished, false).unwrap();
        yield_now().await;
        begun.cancel();
    }
    others_pay(&server, "after").await;
}

#[tokio::test]
async fn whose_calls_come_to_something_is_read_from_as_ever() {
    let server = Server::start_within(USUAL).await;
    let wire = Wire::connect(server.address).await;
    let bad = packed(0, &[0xff; 40]);
    for nth in 0..1_000 {
        let mut begun = wire.begin(SCORE, &[]).await;
        begun.body.send_data(bad.clone(), true).unwrap();
        assert_eq!(begun.end().await.code(), Code::InvalidArgument);
        let payment = payment_but("p", |p| p.account_id = format!("payer-{nth}"));
        assert_eq!(wire.score(payment, "").await.end().await.code(), Code::Ok);
    }
    assert_eq!(server.metric(WASTE), 0);
}

#[tokio::test]
async fn what_a_busy_service_refuses_is_not_held_against_its_clients() {
    let limits = Limits {
        in_flight: 1,
        ..USUAL
    };
    let disk = StallingDisk::new();
    let server = Server::start_within_on(limits, Arc::clone(&disk) as _).await;
    let stall = disk.stall();
    let wire = Wire::connect(server.address).await;
    let waiting = wire.score(payment("p0"), "").await;
    server
        .until("doublecheck_journal_kept_lag_records", 1)
        .await;
    for nth in 0..2_000 {
        let refused = wire
            .score(payment(&format!("p{nth}")), "")
            .await
            .end()
            .await;
        assert_eq!(refused.code(), Code::ResourceExhausted);
    }
    // Nor what nobody waits for any more.
    for _ in 0..2_000 {
        let over = wire.score(payment("p1"), "1n").await.end().await;
        assert_eq!(over.code(), Code::DeadlineExceeded);
    }
    assert_eq!(server.metric(WASTE), 0);
    drop(stall);
    assert_eq!(waiting.end().await.code(), Code::Ok);
}

#[tokio::test]
async fn who_comes_back_owes_what_it_owed_and_waits_and_who_is_there_does_not() {
    let server = Server::start_within(STRICT).await;
    others_pay(&server, "before").await;
    // Connections that say nothing, and leave.
    while server.metric(BEGIN) == 0 {
        drop(Raw::silent(server.address).await);
        yield_now().await;
    }
    others_pay(&server, "after").await;
    assert_eq!((server.metric(WASTE), server.metric(ADDRESS)), (0, 0));
    // An honest one that comes now waits with the others, and is served.
    let wire = Wire::connect(server.address).await;
    let answer = wire.score(payment("p1"), "").await.end().await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test]
async fn in_an_address_that_owes_much_a_connection_has_little_for_free() {
    let server = Server::start_within(STRICT).await;
    others_pay(&server, "before").await;
    let raw = Raw::greeted(server.address).await;
    while server.metric(BEGIN) == 0 {
        drop(Raw::silent(server.address).await);
        yield_now().await;
    }
    // A hundred are free where nobody else owes anything.
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(100);
    tokio::select! {
        cut = raw.flood(1, |_| pings.clone()) => panic!("{cut:?}"),
        () = until_held(&server, ADDRESS) => {}
    }
    assert_eq!(server.metric(WASTE), 0);
    others_pay(&server, "after").await;
}

/// Items that say nothing, and a stream that is over or goes on.
fn garbage(items: usize) -> Bytes {
    packed(0, &[]).repeat(items).into()
}

#[tokio::test]
async fn who_streams_what_is_refused_for_what_it_is_is_read_from_slowly() {
    // Many in few streams, few in many, and what is no message.
    for (name, message) in [
        ("many", garbage(200)),
        ("one", garbage(1)),
        ("no message", packed(0, &[0xff; 40])),
    ] {
        let server = Server::start_within(STRICT).await;
        others_pay(&server, "before").await;
        let wire = Wire::connect(server.address).await;
        for _ in 0..100 {
            let mut stream = wire.begin(STREAM, &[]).await;
            stream.body.send_data(message.clone(), true).unwrap();
            tokio::select! {
                _ = stream.end() => {}
                () = until_held(&server, WASTE) => break,
            }
        }
        assert!(server.metric(WASTE) > 0, "{name}");
        others_pay(&server, name).await;
    }
}

#[tokio::test]
async fn a_stream_that_never_ends_and_says_nothing_of_use_is_read_from_slowly() {
    let server = Server::start_within(STRICT).await;
    let (say, said) = tokio::sync::mpsc::channel(1);
    let items = tokio_stream::wrappers::ReceiverStream::new(said);
    let answers = server.client.clone().stream_payments(items).await;
    let mut answers = answers.unwrap().into_inner();
    for _ in 0..1_000 {
        say.send(pb::StreamPaymentsRequest::default())
            .await
            .unwrap();
        tokio::select! {
            answer = answers.message() => assert!(answer.unwrap().is_some()),
            () = until_held(&server, WASTE) => break,
        }
    }
    assert!(server.metric(WASTE) > 0);
}

#[tokio::test]
async fn a_stream_of_which_something_is_of_use_is_read_from_as_ever() {
    let server = Server::start_within(USUAL).await;
    // Each chunk has one payment in it; and what comes by itself is of use every other time.
    let item = |nth: u64| match nth.is_multiple_of(50) {
        true => {
            let payment = payment_but(&format!("p{nth}"), |p| p.account_id = format!("a{nth}"));
            score_item(nth, payment)
        }
        false => pb::StreamPaymentsRequest::default(),
    };
    let answers = server.stream((0..20_000).map(item).collect()).await;
    assert_eq!(answers.len(), 20_000);
    for nth in 0..1_000 {
        server.stream(vec![item(nth * 50)]).await;
        server.stream(vec![item(1)]).await;
    }
    assert_eq!(server.metric(WASTE), 0);
}
