//! Requests that are never ended (no END_STREAM), or late: a call is answered once its message is whole, and one whose
//! message never comes whole is not waited for.

use std::time::Duration;

use bytes::Bytes;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::pb;
use tonic::Code;

use crate::support::{PATIENT, Server, outcome_of, payment, payment_but, request, score_item};
use crate::wire::{
    BATCH, Begun, DATA, HEADERS, HEALTH, REPORT, Raw, SCORE, STREAM, WINDOW_UPDATE, Wire, frame,
    framed, headers, packed,
};

/// A call by another, which is answered.
async fn another(wire: &Wire, account_id: &str) {
    let payment = payment_but("p", |p| account_id.clone_into(&mut p.account_id));
    assert_eq!(wire.score(payment, "").await.end().await.code(), Code::Ok);
}

#[tokio::test]
async fn a_call_is_answered_once_its_message_is_whole_in_whatever_pieces_it_came() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let requests = vec![request(payment("p2"), "")];
    for (path, message) in [
        (SCORE, framed(&request(payment("p1"), ""))),
        (BATCH, framed(&pb::BatchScorePaymentsRequest { requests })),
        (REPORT, framed(&outcome_of("p1", pb::Outcome::Succeeded))),
    ] {
        for cut in [0, 3, 9] {
            let mut begun = wire.begin(path, &[]).await;
            another(&wire, &format!("{path}-{cut}-begun")).await;
            if cut > 0 {
                begun.body.send_data(message.slice(..cut), false).unwrap();
                another(&wire, &format!("{path}-{cut}")).await;
            }
            begun.body.send_data(message.slice(cut..), false).unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(10), begun.end()).await;
            assert_eq!(ended.unwrap().code(), Code::Ok, "{path} {cut}");
        }
    }
}

/// A server that waits so long for messages.
async fn hasty(message_ms: u64) -> Server {
    Server::start_within(Limits {
        message_ms,
        ..PATIENT
    })
    .await
}

/// How a call ends whose message does not come whole.
async fn unfinished(begun: Begun) {
    let ended = tokio::time::timeout(Duration::from_secs(20), begun.end());
    let status = ended.await.unwrap().status();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let said = status.message();
    assert!(said.contains("has not come whole within 100ms"), "{said}");
}

#[tokio::test]
async fn a_message_that_never_comes_whole_is_not_waited_for() {
    let server = hasty(100).await;
    let wire = Wire::connect(server.address).await;
    let message = framed(&request(payment("p1"), ""));
    for path in [SCORE, BATCH, REPORT, HEALTH] {
        for cut in [0, 3, 5, message.len() - 1] {
            let mut begun = wire.begin(path, &[]).await;
            begun.body.send_data(message.slice(..cut), false).unwrap();
            unfinished(begun).await;
        }
        // Neither when there is a little more of it all the time.
        let Begun { response, mut body } = wire.begin(path, &[]).await;
        let trickle = async {
            for byte in framed(&request(payment(&"p".repeat(1 << 14)), "")) {
                let _ = body.send_data(Bytes::copy_from_slice(&[byte]), false);
                another(&wire, "trickle").await;
            }
            panic!("it is waited for");
        };
        tokio::select! {
            answered = response => drop(answered.unwrap()),
            () = trickle => {}
        }
    }
}

#[tokio::test]
async fn a_stream_may_be_silent_between_its_items_and_not_within_one() {
    let server = hasty(100).await;
    let wire = Wire::connect(server.address).await;
    let Begun { response, mut body } = wire.begin(STREAM, &[]).await;
    let mut answers = response.await.unwrap().into_body();
    for nth in 0..2 {
        // For longer than a message may take.
        unfinished(wire.begin(SCORE, &[]).await).await;
        let item = framed(&score_item(nth, payment(&format!("p{nth}"))));
        body.send_data(item, false).unwrap();
        assert!(answers.data().await.unwrap().unwrap().len() > 5);
    }
    let item = framed(&score_item(2, payment("p2")));
    body.send_data(item.slice(..item.len() - 1), false).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), answers.trailers());
    let said = ended.await.unwrap().unwrap().unwrap();
    assert_eq!(said["grpc-status"], "4");
}

#[tokio::test]
async fn a_second_message_that_comes_with_the_rest_of_the_first_is_refused() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let message = framed(&request(payment("p1"), ""));
    let mut begun = wire.begin(SCORE, &[]).await;
    another(&wire, "another").await;
    let twice = [&message[..], &packed(0, &[])].concat();
    begun.body.send_data(Bytes::from(twice), false).unwrap();
    assert_eq!(begun.end().await.code(), Code::Internal);
    assert!(server.remembered().await.is_empty());
}

#[tokio::test]
async fn any_number_of_calls_is_answered_before_they_are_ended_and_their_late_ends_do_no_harm() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(server.address).await;
    let room = 1_u32 << 30;
    assert!(
        raw.send(&frame(WINDOW_UPDATE, 0, 0, &room.to_be_bytes()))
            .await
    );
    let (block, message) = (headers(SCORE), framed(&request(payment("p1"), "")));
    // More in all than HTTP/2 lets a client go on with that were cut short.
    for round in 0..40 {
        let streams = (0..100).map(|nth| 2 * (100 * round + nth) + 1);
        for stream in streams.clone() {
            let begin = frame(HEADERS, 4, stream, &block);
            let call = [begin, frame(DATA, 0, stream, &message)].concat();
            assert!(raw.send(&call).await);
            assert!(raw.answered(stream).await, "{stream}");
        }
        let ends: Vec<u8> = streams
            .flat_map(|stream| frame(DATA, 1, stream, &[]))
            .collect();
        assert!(raw.send(&ends).await);
    }
}
