//! Clients that want to harm, each beside an honest one that is answered throughout.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use tokio::task::{JoinHandle, JoinSet};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{
    PATIENT, Server, payment, payment_but, reason_and_fields, request, score_item,
};
use crate::wire::{
    BATCH, CONTINUATION, Cut, DATA, Ended, HEADERS, HEALTH, PING, PRIORITY, RST_STREAM, Raw, SCORE,
    SETTINGS, STREAM, WINDOW_UPDATE, Wire, frame, framed, headers, packed,
};

const FLOODED: &str = "doublecheck_connections_closed_total{reason=\"flood\"}";
const BROKEN: &str = "doublecheck_connections_closed_total{reason=\"broken\"}";

const UNFINISHED: &str = "doublecheck_admission_refusals_total{reason=\"messages\"}";
const IN_FLIGHT: &str = "doublecheck_admission_refusals_total{reason=\"in_flight\"}";
const EXHAUSTED: &str = "grpc_server_handled_total{grpc_type=\"unary\",\
    grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"ScorePayment\",grpc_code=\"ResourceExhausted\"}";

/// A client that pays all the time; how often, once it is told to stop.
struct Honest {
    stop: Arc<AtomicBool>,
    paid: JoinHandle<u32>,
}

impl Honest {
    fn beside(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut client) = (Arc::clone(&stop), server.client.clone());
        let paid = tokio::spawn(async move {
            let mut paid = 0;
            while !stopped.load(Ordering::Relaxed) {
                let payment = payment_but(&format!("h{paid}"), |p| {
                    p.account_id = format!("honest-{paid}");
                });
                let answer = client.score_payment(request(payment, "")).await;
                let assessment = answer.unwrap().into_inner().assessment.unwrap();
                assert_eq!(assessment.decision(), pb::Decision::Allow);
                paid += 1;
            }
            paid
        });
        Self { stop, paid }
    }

    async fn was_answered(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.paid.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn frames_without_calls_are_taken_up_to_a_number() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let floods = [
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("PING answered", frame(PING, 1, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 5])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0x42, 0, 0, b"noise")),
    ];
    for (nth, (name, frame)) in floods.into_iter().enumerate() {
        let many = frame.repeat(100);
        let raw = Raw::greeted(server.address).await;
        // Ten times as many as are taken: only the server can end this.
        raw.flood(1_000, |_| many.clone()).await;
        assert_eq!(server.metric(FLOODED), nth as u64 + 1, "{name}");
    }
    honest.was_answered().await;
}

#[tokio::test]
async fn calls_that_are_reset_as_they_come_end_the_connection() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let raw = Raw::greeted(server.address).await;
    let block = headers(SCORE);
    let call = |nth: usize| {
        let stream = u32::try_from(2 * nth + 1).unwrap();
        let begin = frame(HEADERS, 4, stream, &block);
        [begin, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    // Many at once, as an attacker would: what comes one by one is taken as it comes.
    let cut = raw
        .flood(100, |nth| {
            (100 * nth..100 * (nth + 1)).flat_map(call).collect()
        })
        .await;
    assert!(cut.reset || cut.goaway.is_some(), "{cut:?}");
    server.until(FLOODED, 1).await;
    honest.was_answered().await;
}

#[tokio::test]
async fn metadata_without_end_ends_the_connection() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let mut raw = Raw::greeted(server.address).await;
    raw.send(&frame(HEADERS, 0, 1, &headers(SCORE))).await;
    // A header that is never done, in small pieces and in large ones.
    let piece = frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']);
    let cut = raw.flood(100_000, |_| piece.clone()).await;
    assert!(cut != Cut::default(), "{cut:?}");
    server.until(BROKEN, 1).await;
    honest.was_answered().await;
}

#[tokio::test]
async fn metadata_that_is_too_long_is_refused_and_the_connection_lives() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let long = "x".repeat(40_000);
    let request = request(payment("p1"), "");
    let begun = wire.ask(SCORE, &[("long", &long)], &request).await;
    assert_eq!(begun.end().await.http, 431);
    let ended = wire.score(payment("p1"), "").await.end().await;
    assert!(!ended.assessment().replayed);
}

#[tokio::test]
async fn a_message_that_says_it_is_long_is_refused_before_it_comes() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let wire = Wire::connect(server.address).await;
    for length in [u32::MAX, (4 << 20) + 1] {
        let mut begun = wire.begin(SCORE, &[]).await;
        let head = [&[0][..], &length.to_be_bytes()].concat();
        begun.body.send_data(head.into(), false).unwrap();
        let ended = begun.end().await;
        assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
    }
    honest.was_answered().await;
}

/// Who asks for health needs no token: such calls must take nothing from those that score.
#[tokio::test]
async fn health_takes_no_room_from_payments() {
    let server = server_that_holds_little().await;
    let wire = Wire::connect(server.address).await;
    // The head of a message of 300 kB.
    let head = [0, 0, 4, 0x93, 0xe0];
    for _ in 0..20 {
        let mut begun = wire.begin(HEALTH, &[]).await;
        begun.body.send_data(head.to_vec().into(), false).unwrap();
        assert_eq!(begun.end().await.code(), Code::ResourceExhausted);
    }
    // And of those that never say what they ask a connection has few.
    let mut open = JoinSet::new();
    for _ in 0..20 {
        open.spawn(wire.begin(HEALTH, &[]).await.end());
    }
    let _held = refused(open, 4).await;
    assert_eq!(server.metric(UNFINISHED), 0);
    assert_eq!(server.metric(IN_FLIGHT), 0, "it is of others that it tells");
    server.score(payment_but("p1", |_| ())).await.unwrap();
}

/// The service, or its machine, stood still for a moment, and a client gave up all that it had asked.
#[tokio::test]
async fn who_gives_up_many_calls_at_once_keeps_its_connection() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(server.address).await;
    let (block, message) = (headers(SCORE), framed(&request(payment("p1"), "")));
    let call = |stream: u32| {
        let begin = frame(HEADERS, 4, stream, &block);
        [begin, frame(DATA, 1, stream, &message)].concat()
    };
    for round in 0..40 {
        let streams = (0..60).map(|nth| 2 * (61 * round + nth) + 1);
        let asked = streams.clone().flat_map(call);
        let given_up = streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        let together: Vec<u8> = asked.chain(given_up).collect();
        let last = 2 * (61 * round + 60) + 1;
        assert!(raw.send(&[together, call(last)].concat()).await);
        assert!(raw.answered(last).await, "{round}");
    }
}

/// A server that holds a mebibyte of messages that are not whole, and takes messages as long.
/// Two bytes on the wire are an empty payment, and what is made of it takes a hundred times as much.
#[tokio::test]
async fn a_batch_of_too_many_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let wire = Wire::connect(server.address).await;
    // Behind them stands what is no message: who reads it says so.
    let too_many = [[0x0a, 0].repeat(1_001), vec![0xff; 40_000]].concat();
    // More calls than HTTP/2 lets a client have refused that goes on sending.
    for _ in 0..1_100 {
        let mut begun = wire.begin(BATCH, &[]).await;
        begun.body.send_data(packed(0, &too_many), true).unwrap();
        let ended = begun.end().await;
        assert_eq!(ended.code(), Code::InvalidArgument, "{ended:?}");
        let invalid = ended.status().get_details_bad_request().unwrap();
        assert_eq!(invalid.field_violations[0].field, "requests");
    }
    let counted = "grpc_server_handled_total{grpc_type=\"unary\",\
        grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"BatchScorePayments\",\
        grpc_code=\"InvalidArgument\"}";
    assert_eq!(server.metric(counted), 1_100);
    honest.was_answered().await;
}

#[tokio::test]
async fn a_batch_of_too_many_took_as_long_as_it_came() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let too_many = packed(0, &[0x0a, 0].repeat(1_001));
    let mut batch = wire.begin(BATCH, &[]).await;
    batch.body.send_data(too_many, false).unwrap();
    // Another call waits for its message in vain, for 20 ms.
    let vain = wire.begin(SCORE, &[("grpc-timeout", "20m")]).await;
    assert_eq!(vain.end().await.code(), Code::DeadlineExceeded);
    batch.body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(batch.end().await.code(), Code::InvalidArgument);
    assert_eq!(server.took_over("BatchScorePayments", "0.01"), 1);
}

async fn server_that_holds_little() -> Server {
    Server::start_within(Limits {
        message_bytes: 1 << 20,
        unfinished_bytes: 1 << 20,
        ..PATIENT
    })
    .await
}

#[tokio::test]
async fn messages_that_are_not_whole_are_held_up_to_a_limit() {
    let server = server_that_holds_little().await;
    let honest = Honest::beside(&server);
    let wire = Wire::connect(server.address).await;
    // Whether one lacks all but its head or its last byte is the same.
    let calls = unfinished(&wire, SCORE, [HALF, 1, 1, 1, HALF]).await;
    // Of each, 16 KiB are not counted: two have room.
    let mut calls = refused(calls, 3).await;
    assert_eq!(server.metric(UNFINISHED), 3);
    assert_eq!(server.metric(EXHAUSTED), 3);
    // What is let go leaves its room to others.
    calls.abort_all();
    let long = payment_but("p1", |p| p.device_id = Some("0".repeat(512 << 10)));
    loop {
        let long = request(long.clone(), "");
        match wire.ask(SCORE, &[], &long).await.end().await.code() {
            Code::ResourceExhausted => tokio::task::yield_now().await,
            other => break assert_eq!(other, Code::InvalidArgument),
        }
    }
    honest.was_answered().await;
}

#[tokio::test]
async fn a_stream_holds_no_more_than_the_message_that_is_not_whole() {
    let server = server_that_holds_little().await;
    let long = |nth: u64| {
        let long = |p: &mut pb::Payment| p.device_id = Some("0".repeat(300 << 10));
        score_item(nth, payment_but("p", long))
    };
    // Many times what may be held, but each of them whole.
    let answers = server.stream((0..20).map(long).collect()).await;
    assert_eq!(answers.len(), 20);
    assert_eq!(server.metric(UNFINISHED), 0);
    let wire = Wire::connect(server.address).await;
    let calls = unfinished(&wire, STREAM, [HALF, 1, 1, 1, HALF]).await;
    let _held = refused(calls, 3).await;
    assert_eq!(server.metric(UNFINISHED), 3);
}

/// Half a mebibyte, in the id of a device.
const HALF: usize = 512 << 10;

/// Calls with messages of half a mebibyte and a little, which each lack so much.
async fn unfinished(wire: &Wire, path: &str, lacking: [usize; 5]) -> JoinSet<Ended> {
    let long = payment_but("p", |p| p.device_id = Some("0".repeat(HALF)));
    let message = framed(&request(long, ""));
    let mut calls = JoinSet::new();
    for lacking in lacking {
        let mut begun = wire.begin(path, &[]).await;
        let sent = message.slice(..message.len() - lacking);
        begun.body.send_data(sent, false).unwrap();
        calls.spawn(begun.end());
    }
    calls
}

/// Waits until so many are refused; the others are held.
async fn refused(mut calls: JoinSet<Ended>, count: usize) -> JoinSet<Ended> {
    for _ in 0..count {
        let ended = calls.join_next().await.unwrap().unwrap();
        assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
        assert_eq!(reason_and_fields(&ended.status()).0, "OVERLOADED");
    }
    calls
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let server = Server::start().await;
    let honest = Honest::beside(&server);
    let large = payment_but("p1", |p| p.device_id = Some("0".repeat(64 << 20)));
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&request(large, "").encode_to_vec()).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() * 1_000 < 68 << 20, "{} bytes", bomb.len());
    let wire = Wire::connect(server.address).await;
    for encoding in ["gzip", "deflate", "zstd"] {
        let mut begun = wire.begin(SCORE, &[("grpc-encoding", encoding)]).await;
        begun.body.send_data(packed(1, &bomb), true).unwrap();
        let ended = begun.end().await;
        assert_eq!(ended.code(), Code::Unimplemented, "{ended:?}");
        assert_eq!(ended.said("grpc-accept-encoding"), "identity");
    }
    // Packed, but not said how.
    let mut begun = wire.begin(SCORE, &[]).await;
    begun.body.send_data(packed(1, &bomb), true).unwrap();
    assert_eq!(begun.end().await.code(), Code::Internal);
    honest.was_answered().await;
}

#[tokio::test]
async fn a_client_that_measures_its_line_with_each_call_is_no_flood() {
    const CALLS: u32 = 5_000;
    let server = Server::start().await;
    let raw = Raw::greeted(server.address).await;
    let message = framed(&request(payment("p1"), ""));
    let block = headers(SCORE);
    let window = 1_000_u32.to_be_bytes();
    let call = |nth: usize| {
        let stream = 2 * u32::try_from(nth).unwrap() + 1;
        let frames = [
            frame(HEADERS, 4, stream, &block),
            frame(WINDOW_UPDATE, 0, stream, &window),
            frame(DATA, 1, stream, &message),
            frame(WINDOW_UPDATE, 0, 0, &window),
            frame(PING, 0, 0, &[7; 8]),
            frame(PING, 0, 0, &[8; 8]),
        ];
        frames.concat()
    };
    tokio::select! {
        cut = raw.flood(CALLS as usize, call) => panic!("{cut:?}"),
        () = server.until("doublecheck_retries_replayed_total", u64::from(CALLS) - 1) => {}
    }
    assert_eq!(server.metric(FLOODED), 0);
}
