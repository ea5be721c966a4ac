//! What is remembered can be read: one payment, or an account's payments page by page.

use doublecheck::grpc::pb::{self, Decision, Outcome, ReasonCode, reason::Evidence};
use tonic::Code;

use crate::support::{
    ACCOUNT, START, Server, bad_fields, ids, in_band, list_of, money, payment, payment_but,
    reason_and_fields,
};

/// A payment that resembles no other one.
fn distinct(nth: usize) -> pb::Payment {
    payment_but(&format!("p{nth:02}"), |p| {
        p.payee.as_mut().unwrap().id = format!("merchant {nth:02} {}", "x".repeat(nth));
        p.payee.as_mut().unwrap().set_type(pb::PayeeType::Merchant);
        p.set_kind(pb::PaymentKind::Purchase);
    })
}

fn page_of(page_size: i32, page_token: &str) -> pb::ListPaymentsRequest {
    pb::ListPaymentsRequest {
        page_size,
        page_token: page_token.to_owned(),
        ..list_of(ACCOUNT)
    }
}

/// That a page has nothing on it but whose it is.
fn assert_empty(page: pb::ListPaymentsResponse) {
    assert!(!page.account_alias.is_empty());
    let expected = pb::ListPaymentsResponse {
        account_alias: page.account_alias.clone(),
        ..Default::default()
    };
    assert_eq!(page, expected);
}

#[tokio::test]
async fn a_record_holds_what_was_asked_answered_and_reported() {
    let server = Server::start().await;
    let asked = payment_but("p1", |p| {
        p.order_id = Some("o1".to_owned());
        p.device_id = Some("d1".to_owned());
        p.session_id = Some("s1".to_owned());
        p.money = Some(money(1_000_000_000_000_000, "JPY"));
        p.duplicate_window = Some(prost_types::Duration {
            seconds: 90,
            nanos: 5_000_000,
        });
    });
    server.advance_ms(1_007);
    let answered = server.score(asked.clone()).await.unwrap();
    let expected = pb::PaymentRecord {
        payment: Some(asked),
        assessment: Some(answered),
        score_time: Some(prost_types::Timestamp {
            seconds: START.unix_ms() / 1_000 + 1,
            nanos: 7_000_000,
        }),
        outcome: Outcome::Unspecified.into(),
        outcome_time: None,
        held_against: String::new(),
        confirms: String::new(),
        confirmed_as: String::new(),
    };
    assert_eq!(server.record("p1").await.unwrap(), expected);

    server.advance_ms(1_000);
    server.report("p1", Outcome::Fraud).await.unwrap();
    let expected = pb::PaymentRecord {
        outcome: Outcome::Fraud.into(),
        outcome_time: Some(prost_types::Timestamp {
            seconds: START.unix_ms() / 1_000 + 2,
            nanos: 7_000_000,
        }),
        ..expected
    };
    assert_eq!(server.record("p1").await.unwrap(), expected);
}

#[tokio::test]
async fn every_kind_and_payee_type_comes_back_as_it_went_in() {
    let server = Server::start().await;
    for (kind, payee_type) in (1..=6).zip([1, 2, 3, 4, 1, 2]) {
        let asked = payment_but(&format!("p{kind}"), |p| {
            p.kind = kind;
            p.payee.as_mut().unwrap().r#type = payee_type;
        });
        server.score(asked.clone()).await.unwrap();
        let record = server.record(&asked.payment_id).await.unwrap();
        assert_eq!(record.payment, Some(asked));
    }
}

#[tokio::test]
async fn a_duplicate_names_the_payment_that_it_was_held_against() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    server.report("p1", Outcome::Unknown).await.unwrap();
    server.advance_ms(2_500);
    let blocked = server.score(payment("p2")).await.unwrap();
    assert_eq!(blocked.decision(), Decision::Block);

    let record = server.record("p2").await.unwrap();
    assert_eq!(record.held_against, "p1");
    let reason = &record.assessment.unwrap().reasons[0];
    assert_eq!(reason.code(), ReasonCode::DuplicateInFlight);
    let expected = Evidence::Duplicate(pb::DuplicateEvidence {
        earlier_payment_id: "p1".to_owned(),
        elapsed: Some(prost_types::Duration {
            seconds: 2,
            nanos: 500_000_000,
        }),
        earlier_outcome: Outcome::Unknown.into(),
    });
    assert_eq!(reason.evidence, Some(expected));
}

#[tokio::test]
async fn a_question_and_the_yes_under_another_id_name_each_other() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    assert_eq!(server.record("p2").await.unwrap().confirmed_as, "");
    server.score_with(payment("p3"), &token).await.unwrap();

    let (asked, said_yes) = (
        server.record("p2").await.unwrap(),
        server.record("p3").await.unwrap(),
    );
    assert_eq!(
        (asked.confirms.as_str(), asked.confirmed_as.as_str()),
        ("", "p3")
    );
    assert_eq!(
        (said_yes.confirms.as_str(), said_yes.confirmed_as.as_str()),
        ("p2", "")
    );
    let listed = server.list(list_of(ACCOUNT)).await.unwrap().records;
    assert_eq!(listed[..2], [said_yes, asked]);
}

#[tokio::test]
async fn a_question_answered_under_its_own_id_confirms_no_other() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    server.score_with(payment("p2"), &token).await.unwrap();
    for record in server.list(list_of(ACCOUNT)).await.unwrap().records {
        assert_eq!(
            (record.confirms.as_str(), record.confirmed_as.as_str()),
            ("", "")
        );
    }
}

#[tokio::test]
async fn no_token_stands_in_the_evidence() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    assert!(server.score(payment("p2")).await.unwrap().replayed);

    let record = server.record("p2").await.unwrap();
    let listed = server.list(list_of(ACCOUNT)).await.unwrap().records;
    assert_eq!(listed[0], record);
    let assessment = record.assessment.unwrap();
    assert_eq!(assessment.decision(), Decision::Confirm);
    assert_eq!(assessment.confirmation, None);
    assert!(!assessment.replayed);
    assert!(!format!("{listed:?}").contains(&token));
}

#[tokio::test]
async fn a_payment_that_is_not_remembered_is_not_found() {
    let server = Server::start().await;
    server.score(payment("p1")).await.unwrap();
    let status = server.record("p2").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(reason_and_fields(&status).0, "PAYMENT_UNKNOWN");

    let theirs = pb::GetPaymentRequest {
        account_id: "other".to_owned(),
        payment_id: "p1".to_owned(),
    };
    let status = server.client.clone().get_payment(theirs).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    server.advance_secs(24 * 3_600);
    let status = server.record("p1").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn pages_go_through_the_list_newest_first_and_end() {
    let server = Server::start().await;
    for nth in 1..=5 {
        // All in one millisecond: the list must not depend on times that differ.
        server.score(distinct(nth)).await.unwrap();
    }
    let mut token = String::new();
    for expected in [&["p05", "p04"][..], &["p03", "p02"], &["p01"]] {
        let page = server.list(page_of(2, &token)).await.unwrap();
        assert_eq!(ids(&page), expected);
        token = page.next_page_token;
        assert_eq!(token.is_empty(), expected.len() < 2);
    }
    let whole = server.list(page_of(5, "")).await.unwrap();
    assert_eq!(whole.records.len(), 5);
    assert_eq!(
        whole.next_page_token, "",
        "nothing follows a full last page"
    );
}

#[tokio::test]
async fn a_page_holds_50_unless_asked_otherwise() {
    let server = Server::start().await;
    for nth in 0..60 {
        server.score(distinct(nth)).await.unwrap();
    }
    let page = server.list(page_of(0, "")).await.unwrap();
    assert_eq!(page.records.len(), 50);
    // The size may change from page to page.
    let rest = server
        .list(page_of(256, &page.next_page_token))
        .await
        .unwrap();
    assert_eq!(rest.records.len(), 10);
    let whole = server.list(page_of(i32::MAX, "")).await.unwrap();
    assert_eq!(whole.records.len(), 60);
}

#[tokio::test]
async fn an_account_that_is_not_remembered_has_an_empty_list() {
    let server = Server::start().await;
    let page = server.list(list_of("nobody")).await.unwrap();
    assert_empty(page);
}

#[tokio::test]
async fn duplicates_alone_are_listed_on_request_and_paged_too() {
    let server = Server::start().await;
    for payment_id in ["first", "again", "thrice"] {
        server.score(payment(payment_id)).await.unwrap();
        server.score(distinct(payment_id.len())).await.unwrap();
    }
    assert_eq!(server.remembered().await.len(), 5, "one is a retry");
    let duplicates = |page_token: &str| pb::ListPaymentsRequest {
        duplicates_only: true,
        ..page_of(1, page_token)
    };
    let first = server.list(duplicates("")).await.unwrap();
    assert_eq!(ids(&first), ["thrice"]);
    let second = server
        .list(duplicates(&first.next_page_token))
        .await
        .unwrap();
    assert_eq!(ids(&second), ["again"]);
    assert_eq!(second.next_page_token, "");

    // A token of this list is none of the whole list, nor the other way round.
    let foreign = page_of(1, &first.next_page_token);
    let status = server.list(foreign).await.unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), ["page_token"]);
    let whole = server.list(page_of(1, "")).await.unwrap().next_page_token;
    let status = server.list(duplicates(&whole)).await.unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), ["page_token"]);
}

#[tokio::test]
async fn a_page_token_of_another_account_or_of_nobody_is_refused() {
    let server = Server::start().await;
    for nth in 1..=2 {
        server.score(distinct(nth)).await.unwrap();
    }
    let token = server.list(page_of(1, "")).await.unwrap().next_page_token;
    assert_ne!(token, "");
    let theirs = pb::ListPaymentsRequest {
        account_id: "other".to_owned(),
        ..page_of(1, &token)
    };
    let cut = &token[..token.len() - 1];
    for foreign in [
        theirs,
        page_of(1, "p02"),
        page_of(1, cut),
        page_of(1, "支付"),
    ] {
        let status = server.list(foreign).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(bad_fields(&in_band(&status)), ["page_token"]);
    }
}

#[tokio::test]
async fn what_comes_between_two_pages_shifts_nothing() {
    let server = Server::start().await;
    let token = server.ask("p1", "p2").await;
    server.advance_secs(1);
    server.score(distinct(3)).await.unwrap();
    let first = server.list(page_of(2, "")).await.unwrap();
    assert_eq!(ids(&first), ["p03", "p2"]);

    server.advance_secs(1);
    server.score(distinct(4)).await.unwrap();
    let second = server
        .list(page_of(2, &first.next_page_token))
        .await
        .unwrap();
    assert_eq!(ids(&second), ["p1"]);

    // The last payment of the first page is decided anew and moves to the front.
    server.score_with(payment("p2"), &token).await.unwrap();
    assert_eq!(server.remembered().await, ["p2", "p04", "p03", "p1"]);
    let second = server
        .list(page_of(2, &first.next_page_token))
        .await
        .unwrap();
    assert_eq!(ids(&second), ["p1"]);

    // All of the first page is forgotten, and so is what followed.
    server.advance_secs(24 * 3_600);
    let second = server
        .list(page_of(2, &first.next_page_token))
        .await
        .unwrap();
    assert_empty(second);
}
