//! The same `payment_id` again is a retry: the same answer, and nothing moves.

use doublecheck::grpc::pb;
use prost::Message as _;
use tonic::Code;

use crate::support::{
    Change, Server, in_band, money, payment, payment_but, reason_and_fields, request, score_item,
    scored,
};

/// `again` is `first` once more: said to be a replay, and otherwise equal to the last byte.
fn assert_replays(first: &pb::Assessment, again: &pb::Assessment) {
    assert!(!first.replayed);
    assert!(again.replayed);
    let first = pb::Assessment {
        replayed: true,
        ..first.clone()
    };
    assert_eq!(again.encode_to_vec(), first.encode_to_vec());
}

#[tokio::test]
async fn each_decision_is_answered_again_byte_for_byte() {
    let server = Server::start().await;
    let mut first = vec![server.score(payment("p1")).await.unwrap()];
    first.push(server.score(payment("p2")).await.unwrap());
    server.advance_secs(30);
    first.push(server.score(payment("p3")).await.unwrap());
    let decisions: Vec<_> = first.iter().map(pb::Assessment::decision).collect();
    use pb::Decision::{Allow, Block, Confirm};
    assert_eq!(decisions, [Allow, Block, Confirm]);

    // What has happened since must not show, nor the time that has passed.
    server.report("p1", pb::Outcome::Declined).await.unwrap();
    server.advance_secs(299);
    for first in &first {
        let again = server.score(payment(&first.payment_id)).await.unwrap();
        assert_replays(first, &again);
    }
    // A question is good for five minutes; the others stand.
    server.advance_secs(3_600);
    for first in &first[..2] {
        let again = server.score(payment(&first.payment_id)).await.unwrap();
        assert_replays(first, &again);
    }
}

#[tokio::test]
async fn a_retry_moves_nothing() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    let before = server.record("p1").await.unwrap();
    server.advance_secs(1);
    for _ in 0..40 {
        // More than the policy lets one account make in a minute.
        server.score(payment("p1")).await.unwrap();
    }
    assert_eq!(server.record("p1").await.unwrap(), before);
    assert_eq!(server.remembered().await, ["p1"]);
    let another = payment_but("p2", |p| p.payee.as_mut().unwrap().id = "10086".to_owned());
    let decision = server.score(another).await.unwrap().decision();
    assert_eq!(decision, pb::Decision::Allow);
}

#[tokio::test]
async fn volatile_fields_may_differ() {
    let server = Server::start().await;
    let first = server.score(payment("p1")).await.unwrap();
    let again = payment_but("p1", |p| {
        p.device_id = Some("other phone".to_owned());
        p.session_id = Some("other session".to_owned());
        p.duplicate_window = Some(prost_types::Duration::default());
    });
    assert_replays(&first, &server.score(again).await.unwrap());
}

#[tokio::test]
async fn another_content_under_the_same_id_is_a_conflict_that_says_what_differs() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    let before = server.record("p1").await.unwrap();
    let conflicts: &[(Change, &str)] = &[
        (
            |p| p.payee.as_mut().unwrap().id = "10086".to_owned(),
            "payment.payee.id",
        ),
        (
            |p| p.payee.as_mut().unwrap().set_type(pb::PayeeType::Wallet),
            "payment.payee.type",
        ),
        (
            |p| p.money = Some(money(5_001, "CNY")),
            "payment.money.amount_minor",
        ),
        (
            |p| p.money = Some(money(5_000, "JPY")),
            "payment.money.currency_code",
        ),
        (|p| p.set_kind(pb::PaymentKind::Gift), "payment.kind"),
        (|p| p.order_id = Some("o1".to_owned()), "payment.order_id"),
        (
            |p| {
                p.set_kind(pb::PaymentKind::Gift);
                p.money = Some(money(1, "CNY"));
            },
            "payment.money.amount_minor,payment.kind",
        ),
    ];
    for &(change, fields) in conflicts {
        let status = server.score(payment_but("p1", change)).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists);
        let (reason, named) = reason_and_fields(&status);
        assert_eq!(
            (reason.as_str(), named.as_str()),
            ("PAYMENT_ID_CONFLICT", fields)
        );
        assert!(status.message().contains(fields), "{status}");
    }
    assert_eq!(server.record("p1").await.unwrap(), before);
}

#[tokio::test]
async fn another_account_may_use_the_same_id() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    let other = payment_but("p1", |p| p.account_id = "other".to_owned());
    assert!(!server.score(other).await.unwrap().replayed);
}

#[tokio::test]
async fn a_payment_is_remembered_for_24_hours_and_no_longer() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    server.advance_ms(24 * 3_600_000 - 1);
    assert!(server.score(payment("p1")).await.unwrap().replayed);
    server.advance_ms(1);
    assert!(!server.score(payment("p1")).await.unwrap().replayed);
}

#[tokio::test]
async fn retries_and_conflicts_are_the_same_in_a_batch() {
    let server = Server::start().await;
    let conflict = payment_but("p1", |p| p.set_kind(pb::PaymentKind::Bill));
    let requests = [payment("p1"), payment("p1"), conflict.clone()].map(|p| request(p, ""));
    let results = server.batch(requests.to_vec()).await.unwrap();
    assert_replays(results[0].as_ref().unwrap(), results[1].as_ref().unwrap());
    let status = server.score(conflict).await.unwrap_err();
    assert_eq!(*results[2].as_ref().unwrap_err(), in_band(&status));
}

#[tokio::test]
async fn retries_and_conflicts_are_the_same_in_a_stream() {
    let server = Server::start().await;
    let conflict = payment_but("p1", |p| p.set_kind(pb::PaymentKind::Bill));
    let items = [payment("p1"), payment("p1"), conflict.clone()].map(|p| score_item(0, p));
    let answers = server.stream(items.to_vec()).await;
    let answers: Vec<_> = answers.into_iter().map(scored).collect();
    assert_replays(answers[0].as_ref().unwrap(), answers[1].as_ref().unwrap());
    let status = server.score(conflict).await.unwrap_err();
    assert_eq!(*answers[2].as_ref().unwrap_err(), in_band(&status));
}
