//! What breaks the contract is refused by name, and leaves no trace.

use doublecheck::grpc::pb;
use tonic::Code;

use crate::support::{
    ACCOUNT, Server, bad_fields, in_band, list_of, money, payment, payment_but, request,
    score_item, scored,
};

/// Texts that are no id: empty, a byte too long (in one-byte and in three-byte characters), and with
/// control characters in each place.
fn bad_ids() -> Vec<String> {
    let mut texts = vec![String::new(), "x".repeat(129), "\u{4e00}".repeat(43)];
    texts.extend(["\0", "a\nb", "a\u{7f}", "\u{85}a"].map(str::to_owned));
    texts
}

/// Ids at the bounds of what is allowed.
fn good_ids() -> Vec<String> {
    vec!["x".to_owned(), "y".repeat(128), "\u{4e00} 中国".to_owned()]
}

/// Every one of `payments` is refused for `field` alone, and the account stays empty.
async fn refuses(field: &str, payments: impl IntoIterator<Item = pb::Payment>) {
    let server = Server::start().await;
    for payment in payments {
        let said = format!("{payment:?}");
        let status = server.score(payment).await.expect_err(&said);
        assert_eq!(status.code(), Code::InvalidArgument, "{said}");
        assert_eq!(bad_fields(&in_band(&status)), [field], "{said}");
        assert!(status.message().starts_with(field), "{status}");
    }
    assert_eq!(server.remembered().await, [""; 0]);
}

/// Every one of `payments` is scored.
async fn accepts(payments: impl IntoIterator<Item = pb::Payment>) {
    let server = Server::start().await;
    for payment in payments {
        let payment_id = payment.payment_id.clone();
        let assessment = server.score(payment).await.unwrap();
        assert_eq!(assessment.payment_id, payment_id);
    }
}

/// One test per field: what is refused and what is just about fine.
macro_rules! fields {
    ($($name:ident $path:literal: |$payment:ident, $value:pat_param| $set:expr,
       bad $bad:expr, good $good:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            let set = |nth: usize, $value| {
                let id = format!("p{nth}");
                payment_but(&id, |$payment| $set)
            };
            let numbered = |values: Vec<_>| values.into_iter().enumerate();
            refuses($path, numbered($bad).map(|(nth, value)| set(nth, value))).await;
            accepts(numbered($good).map(|(nth, value)| set(nth, value))).await;
        })+
    };
}

fields! {
    payment_id "payment.payment_id": |p, value| p.payment_id = value, bad bad_ids(), good good_ids();
    account_id "payment.account_id": |p, value| p.account_id = value, bad bad_ids(), good good_ids();
    payee "payment.payee": |p, value| p.payee = value, bad vec![None], good vec![payment("").payee];
    payee_id "payment.payee.id": |p, value| p.payee.as_mut().unwrap().id = value,
        bad bad_ids(), good good_ids();
    payee_type "payment.payee.type": |p, value| p.payee.as_mut().unwrap().r#type = value,
        bad vec![0, 5, -1, i32::MAX], good vec![1, 2, 3, 4];
    money_missing "payment.money": |p, value| p.money = value,
        bad vec![None], good vec![payment("").money];
    amount_minor "payment.money.amount_minor": |p, value| p.money = Some(money(value, "CNY")),
        bad vec![0, -1, 1_000_000_000_000_001, i64::MAX, i64::MIN],
        good vec![1, 1_000_000_000_000_000];
    currency_code "payment.money.currency_code": |p, value| p.money = Some(money(1, value)),
        bad vec!["", "cny", "CN", "CNYY", "XXX", "ABC", " CNY"], good vec!["CNY", "JPY", "KWD"];
    kind "payment.kind": |p, value| p.kind = value,
        bad vec![0, 7, -1], good vec![1, 2, 3, 4, 5, 6];
    order_id "payment.order_id": |p, value| p.order_id = Some(value),
        bad bad_ids(), good good_ids();
    device_id "payment.device_id": |p, value| p.device_id = Some(value),
        bad bad_ids(), good good_ids();
    session_id "payment.session_id": |p, value| p.session_id = Some(value),
        bad bad_ids(), good good_ids();
    duplicate_window "payment.duplicate_window":
        |p, (seconds, nanos)| p.duplicate_window = Some(prost_types::Duration { seconds, nanos }),
        bad vec![(-1, 0), (0, -1), (1, -1), (-1, 1), (0, 1_000_000_000), (i64::MAX, 0)],
        good vec![(0, 0), (0, 999_999_999), (315_576_000_000, 0)];
}

#[tokio::test]
async fn a_request_without_a_payment_is_refused() {
    let server = Server::start().await;
    let empty = pb::ScorePaymentRequest::default();
    let status = server.client.clone().score_payment(empty).await;
    assert_eq!(bad_fields(&in_band(&status.unwrap_err())), ["payment"]);
}

/// Wrong in every field that can be wrong, and the paths of those.
fn all_wrong() -> (pb::Payment, Vec<&'static str>) {
    let payment = pb::Payment {
        payment_id: String::new(),
        account_id: "\n".to_owned(),
        payee: Some(pb::Payee::default()),
        money: Some(money(0, "yuan")),
        kind: 99,
        order_id: Some(String::new()),
        device_id: Some(String::new()),
        session_id: Some(String::new()),
        duplicate_window: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
    };
    let paths = vec![
        "payment.payment_id",
        "payment.account_id",
        "payment.payee.id",
        "payment.payee.type",
        "payment.money.amount_minor",
        "payment.money.currency_code",
        "payment.kind",
        "payment.order_id",
        "payment.device_id",
        "payment.session_id",
        "payment.duplicate_window",
    ];
    (payment, paths)
}

#[tokio::test]
async fn all_bad_fields_are_named_at_once() {
    let server = Server::start().await;
    let (payment, paths) = all_wrong();
    let status = server.score(payment).await.unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), paths);
    for path in paths {
        assert!(status.message().contains(path), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_bad_item_of_a_batch_fails_alone_and_as_the_call_would() {
    let server = Server::start().await;
    let (bad, _) = all_wrong();
    let requests = [payment("p1"), bad.clone(), payment("p3")].map(|p| request(p, ""));
    let results = server.batch(requests.to_vec()).await.unwrap();

    let status = server.score(bad).await.unwrap_err();
    assert_eq!(results[0].as_ref().unwrap().payment_id, "p1");
    assert_eq!(*results[1].as_ref().unwrap_err(), in_band(&status));
    assert_eq!(results[2].as_ref().unwrap().payment_id, "p3");
    assert_eq!(server.remembered().await, ["p3", "p1"]);
}

#[tokio::test]
async fn a_bad_item_of_a_stream_fails_alone_and_as_the_call_would() {
    let server = Server::start().await;
    let (bad, _) = all_wrong();
    let items = [payment("p1"), bad.clone(), payment("p3")].map(|p| score_item(0, p));
    let mut answers = server.stream(items.to_vec()).await.into_iter().map(scored);

    let status = server.score(bad).await.unwrap_err();
    assert_eq!(answers.next().unwrap().unwrap().payment_id, "p1");
    assert_eq!(answers.next().unwrap().unwrap_err(), in_band(&status));
    assert_eq!(answers.next().unwrap().unwrap().payment_id, "p3");
}

#[tokio::test]
async fn a_batch_holds_1_to_1000_payments() {
    let server = Server::start().await;
    let batch_of = |count: usize| {
        let payments = (0..count).map(|nth| {
            payment_but(&format!("p{nth}"), |p| {
                p.account_id = format!("payer-{nth}")
            })
        });
        server.batch(payments.map(|p| request(p, "")).collect())
    };
    for count in [0, 1_001] {
        let status = batch_of(count).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(bad_fields(&in_band(&status)), ["requests"]);
    }
    let first = server.list(list_of("payer-0")).await.unwrap();
    assert_eq!(first.records, [], "nothing of a refused batch is scored");
    let results = batch_of(1_000).await.unwrap();
    assert_eq!(results.len(), 1_000);
    for (nth, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap().payment_id, format!("p{nth}"));
    }
}

#[tokio::test]
async fn a_batch_of_the_longest_payments_fits_in_a_message() {
    let server = Server::start().await;
    let requests = (0..1_000).map(|nth| {
        let longest = payment_but(&format!("{nth:0128}"), |p| {
            p.account_id = format!("a{nth:0127}");
            p.payee.as_mut().unwrap().id = "p".repeat(128);
            p.money = Some(money(1_000_000_000_000_000, "CNY"));
            p.order_id = Some("o".repeat(128));
            p.device_id = Some("d".repeat(128));
            p.session_id = Some("s".repeat(128));
        });
        request(longest, &"0".repeat(48))
    });
    // The token is wrong, but that is for the engine to find.
    for result in server.batch(requests.collect()).await.unwrap() {
        assert_eq!(
            result.unwrap_err().code,
            i32::from(Code::FailedPrecondition)
        );
    }
}

#[tokio::test]
async fn a_message_of_more_than_4_mib_is_not_taken() {
    let server = Server::start().await;
    let payment_of = |bytes| payment_but("p1", |p| p.device_id = Some("d".repeat(bytes)));
    let status = server.score(payment_of(4 << 20)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    // Just under it, it is read, and refused for what it is.
    let status = server.score(payment_of((4 << 20) - 200)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn reports_and_readings_name_all_their_bad_fields_too() {
    let server = Server::start().await;
    let report = pb::ReportOutcomeRequest {
        account_id: String::new(),
        payment_id: "\t".to_owned(),
        outcome: 9,
        payee_id: Some(String::new()),
    };
    let status = server
        .client
        .clone()
        .report_outcome(report)
        .await
        .unwrap_err();
    let fields = bad_fields(&in_band(&status));
    assert_eq!(fields, ["account_id", "payment_id", "outcome", "payee_id"]);

    let unset = server.report("p1", pb::Outcome::Unspecified).await;
    assert_eq!(bad_fields(&in_band(&unset.unwrap_err())), ["outcome"]);

    let nameless = pb::GetPaymentRequest::default();
    let status = server
        .client
        .clone()
        .get_payment(nameless)
        .await
        .unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), ["account_id", "payment_id"]);

    let list = pb::ListPaymentsRequest {
        page_size: -1,
        ..list_of("")
    };
    let status = server.list(list).await.unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), ["account_id", "page_size"]);

    let list = pb::ListPaymentsRequest {
        page_size: i32::MIN,
        page_token: "next".to_owned(),
        ..list_of(ACCOUNT)
    };
    let status = server.list(list).await.unwrap_err();
    assert_eq!(bad_fields(&in_band(&status)), ["page_size", "page_token"]);
}
