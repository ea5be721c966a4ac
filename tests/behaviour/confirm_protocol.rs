//! Asked once, answered once: what a confirmation token does, and what it does not.

use std::sync::Arc;

use doublecheck::grpc::pb::{self, ReasonCode};
use pb::risk_service_client::RiskServiceClient;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{
    Change, START, Server, codes, connect, money, payment, payment_but, reason_and_fields, request,
};

/// How long a token is good for.
const TOKEN_TTL_MS: i64 = 300_000;

/// Presents `token` with `payment`: is refused for this reason, naming these fields, and not
/// remembered.
async fn assert_refused(
    server: &Server,
    payment: pb::Payment,
    token: &str,
    expected: (&str, &str),
) {
    let before = server.remembered().await;
    let status = server.score_with(payment, token).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let (reason, fields) = reason_and_fields(&status);
    assert_eq!((reason.as_str(), fields.as_str()), expected, "{status}");
    assert_eq!(server.remembered().await, before);
}

const WRONG: (&str, &str) = ("CONFIRMATION_TOKEN_WRONG", "");
const SPENT: (&str, &str) = ("CONFIRMATION_TOKEN_SPENT", "");
const EXPIRED: (&str, &str) = ("CONFIRMATION_TOKEN_EXPIRED", "");

const fn foreign(fields: &str) -> (&str, &str) {
    ("CONFIRMATION_TOKEN_FOREIGN", fields)
}

#[tokio::test]
async fn a_question_says_how_to_ask_and_until_when() {
    let server = Server::start().await;
    server.ask("p1", "p2").await;
    let asked = server.score(payment("p2")).await.unwrap();
    assert_eq!(asked.challenge(), pb::Challenge::Acknowledge);
    assert_eq!(codes(&asked), [ReasonCode::DuplicateInFlight]);
    let message = asked.reasons[0].message.clone().unwrap();
    assert!(message.en.ends_with("Pay again?"), "{message:?}");
    assert!(message.zh.ends_with("要再付一次吗？"), "{message:?}");
    let expire_time = asked.confirmation.unwrap().expire_time.unwrap();
    let asked_at = START.unix_ms() / 1_000 + 30;
    assert_eq!(expire_time.seconds, asked_at + TOKEN_TTL_MS / 1_000);
}

#[tokio::test]
async fn the_same_payment_with_the_token_is_allowed_once() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let confirmed = server.score_with(payment("p2"), &token).await.unwrap();
    assert_eq!(confirmed.decision(), pb::Decision::Allow);
    assert_eq!(codes(&confirmed)[0], ReasonCode::PayerConfirmed);
    assert_eq!(confirmed.confirmation, None);
    assert!(!confirmed.replayed);

    // From then on this is the answer, with the token and without.
    for token in [token.as_str(), ""] {
        let again = server.score_with(payment("p2"), token).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.reasons, confirmed.reasons);
        assert_eq!(again.decision(), pb::Decision::Allow);
    }
    assert_refused(&server, payment("p3"), &token, SPENT).await;
}

#[tokio::test]
async fn a_new_id_with_the_token_is_allowed_once() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let confirmed = server.score_with(payment("p3"), &token).await.unwrap();
    assert_eq!(confirmed.decision(), pb::Decision::Allow);
    assert_eq!(codes(&confirmed)[0], ReasonCode::PayerConfirmed);

    let again = server.score_with(payment("p3"), &token).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.reasons, confirmed.reasons);
    // The question was answered; it is not open under its own id any more.
    assert_refused(&server, payment("p2"), &token, SPENT).await;
    assert_refused(&server, payment("p4"), &token, SPENT).await;
}

#[tokio::test]
async fn volatile_fields_and_the_order_are_not_bound() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let confirmed = payment_but("p3", |p| {
        p.device_id = Some("d1".to_owned());
        p.session_id = Some("s1".to_owned());
        p.order_id = Some("o1".to_owned());
    });
    let confirmed = server.score_with(confirmed, &token).await.unwrap();
    assert_eq!(confirmed.decision(), pb::Decision::Allow);
}

#[tokio::test]
async fn a_token_ends_on_time() {
    for (wait_ms, expected) in [(TOKEN_TTL_MS - 1, None), (TOKEN_TTL_MS, Some(EXPIRED))] {
        let server = Server::start().await;
        let token = server.ask("p1", "p2").await;
        server.advance_ms(wait_ms);
        match expected {
            Some(fault) => assert_refused(&server, payment("p3"), &token, fault).await,
            None => {
                let confirmed = server.score_with(payment("p3"), &token).await.unwrap();
                assert_eq!(confirmed.decision(), pb::Decision::Allow);
            }
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_told_from_a_wrong_one_even_when_the_question_is_forgotten() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    server.advance_secs(25 * 3_600);
    assert_refused(&server, payment("p3"), &token, EXPIRED).await;
}

#[tokio::test]
async fn another_account_cannot_use_it() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let theirs = payment_but("p3", |p| p.account_id = "other".to_owned());
    assert_refused(&server, theirs.clone(), &token, foreign("")).await;
    // Nor is anything remembered over there.
    assert!(!server.score(theirs).await.unwrap().replayed);
}

#[tokio::test]
async fn it_is_good_for_no_other_payment() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let others: &[(Change, &str)] = &[
        (
            |p| p.payee.as_mut().unwrap().id = "13800138001".to_owned(),
            "payment.payee.id",
        ),
        (
            |p| p.payee.as_mut().unwrap().set_type(pb::PayeeType::Wallet),
            "payment.payee.type",
        ),
        (
            |p| p.money = Some(money(50_000, "CNY")),
            "payment.money.amount_minor",
        ),
        (
            |p| p.money = Some(money(5_000, "USD")),
            "payment.money.currency_code",
        ),
        (|p| p.set_kind(pb::PaymentKind::Gift), "payment.kind"),
        (
            |p| {
                p.money = Some(money(1, "USD"));
                p.set_kind(pb::PaymentKind::Gift);
            },
            "payment.money.amount_minor,payment.money.currency_code,payment.kind",
        ),
    ];
    for &(change, fields) in others {
        assert_refused(&server, payment_but("p3", change), &token, foreign(fields)).await;
    }
    // None of that has spent it.
    let confirmed = server.score_with(payment("p3"), &token).await.unwrap();
    assert_eq!(confirmed.decision(), pb::Decision::Allow);
}

#[tokio::test]
async fn what_was_never_handed_out_is_wrong() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let flipped = token.replacen('0', "1", 1);
    let longer = format!("{token}0");
    let zeros = "0".repeat(48);
    let upper = token.to_uppercase();
    for wrong in ["x", &flipped, &longer, &zeros, &token[..46], &upper, "支付"] {
        assert_ne!(wrong, token);
        assert_refused(&server, payment("p3"), wrong, WRONG).await;
    }
}

#[tokio::test]
async fn a_hard_block_stands_against_a_token() {
    let server = Server::start().await;
    let first = server.ask("p1", "p2").await;
    let again = server.score(payment("p3")).await.unwrap();
    let second = again.confirmation.unwrap().token;
    server.score_with(payment("p2"), &first).await.unwrap();

    // The confirmed payment is on its way since this very moment: this is a double press.
    let pressed = server.score_with(payment("p3"), &second).await.unwrap();
    assert_eq!(pressed.decision(), pb::Decision::Block);
    assert!(!codes(&pressed).contains(&ReasonCode::PayerConfirmed));
}

#[tokio::test]
async fn items_of_a_batch_confirm_as_calls_do() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    let requests = ["p2", "p3"].map(|id| request(payment(id), &token)).to_vec();
    let results = server.batch(requests).await.unwrap();
    let confirmed = results[0].as_ref().unwrap();
    assert_eq!(confirmed.decision(), pb::Decision::Allow);
    let spent = results[1].as_ref().unwrap_err();
    assert_eq!(spent.code, i32::from(Code::FailedPrecondition));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_calls_that_race_with_one_token_exactly_one_is_allowed() {
    for _ in 0..20 {
        let server = Server::start().await;
        let token = server.ask("p1", "p2").await;
        let start = Arc::new(Barrier::new(32));
        let mut calls = JoinSet::new();
        for nth in 0..32 {
            let mut client = RiskServiceClient::new(connect(server.address).await);
            let request = request(payment(&format!("new-{nth}")), &token);
            let start = Arc::clone(&start);
            calls.spawn(async move {
                start.wait().await;
                client.score_payment(request).await
            });
        }
        let (mut allowed, mut spent) = (0, 0);
        for answer in calls.join_all().await {
            match answer {
                Ok(answer) => {
                    let assessment = answer.into_inner().assessment.unwrap();
                    assert_eq!(assessment.decision(), pb::Decision::Allow);
                    allowed += 1;
                }
                Err(status) => {
                    assert_eq!(reason_and_fields(&status).0, SPENT.0);
                    spent += 1;
                }
            }
        }
        assert_eq!((allowed, spent), (1, 31));
    }
}
