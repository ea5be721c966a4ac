//! Calls that their clients cancel, by a reset or by closing the connection: not scored if that is known in time, and
//! counted as cancelled.

use doublecheck::grpc::pb;

use crate::support::{Server, payment, payment_but, request};
use crate::wire::{BATCH, DATA, HEADERS, REPORT, RST_STREAM, Raw, SCORE, frame, framed, headers};

/// How many calls to this method were cancelled.
fn cancelled(method: &str) -> String {
    format!(
        "grpc_server_handled_total{{grpc_type=\"unary\",\
         grpc_service=\"doublecheck.v1.RiskService\",grpc_method=\"{method}\",grpc_code=\"Canceled\"}}"
    )
}

fn score(payment_id: &str) -> Vec<u8> {
    framed(&request(payment(payment_id), "")).to_vec()
}

fn batch(payment_id: &str) -> Vec<u8> {
    let requests = vec![request(payment(payment_id), "")];
    framed(&pb::BatchScorePaymentsRequest { requests }).to_vec()
}

/// The payment of somebody else.
fn others() -> Vec<u8> {
    let other = payment_but("p", |p| "other".clone_into(&mut p.account_id));
    framed(&request(other, "")).to_vec()
}

fn begin(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, 4, stream, &headers(path))
}

fn end(stream: u32, message: &[u8]) -> Vec<u8> {
    frame(DATA, 1, stream, message)
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

#[tokio::test]
async fn a_call_that_is_cancelled_with_its_message_is_not_scored() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(server.address).await;
    for nth in 0..20 {
        let (single, many, last) = (6 * nth + 1, 6 * nth + 3, 6 * nth + 5);
        let together = [
            begin(single, SCORE),
            end(single, &score("single")),
            cancel(single),
            begin(many, BATCH),
            end(many, &batch("many")),
            cancel(many),
            begin(last, SCORE),
            end(last, &others()),
        ];
        assert!(raw.send(&together.concat()).await);
        assert!(raw.answered(last).await);
    }
    server.until(&cancelled("ScorePayment"), 20).await;
    server.until(&cancelled("BatchScorePayments"), 20).await;
    assert!(server.remembered().await.is_empty());
}

#[tokio::test]
async fn a_call_that_is_cancelled_as_its_message_comes_at_last_is_not_scored() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(server.address).await;
    let begun = [
        begin(1, SCORE),
        begin(3, BATCH),
        begin(5, SCORE),
        end(5, &others()),
    ];
    assert!(raw.send(&begun.concat()).await);
    assert!(raw.answered(5).await);
    let together = [
        end(1, &score("single")),
        cancel(1),
        end(3, &batch("many")),
        cancel(3),
        begin(7, SCORE),
        end(7, &others()),
    ];
    assert!(raw.send(&together.concat()).await);
    assert!(raw.answered(7).await);
    server.until(&cancelled("ScorePayment"), 1).await;
    server.until(&cancelled("BatchScorePayments"), 1).await;
    assert!(server.remembered().await.is_empty());
}

#[tokio::test]
async fn who_leaves_before_its_message_is_whole_has_cancelled() {
    let server = Server::start().await;
    for (path, method) in [
        (SCORE, "ScorePayment"),
        (BATCH, "BatchScorePayments"),
        (REPORT, "ReportOutcome"),
    ] {
        for (nth, part) in [&[][..], &[0, 0, 0, 0, 9, 0x0a]].into_iter().enumerate() {
            let mut raw = Raw::greeted(server.address).await;
            let part = frame(DATA, 0, 1, part);
            let whole = [begin(3, SCORE), end(3, &others())].concat();
            assert!(raw.send(&[begin(1, path), part, whole].concat()).await);
            assert!(raw.answered(3).await);
            drop(raw);
            server.until(&cancelled(method), nth as u64 + 1).await;
        }
    }
}
