//! Text that is not UTF-8, as clients send it that cut texts by bytes: it is refused by the name of its field,
//! and no other item suffers for it.

use bytes::Bytes;
use doublecheck::grpc::pb;
use pb::batch_score_payments_response::result::Answer as BatchAnswer;
use prost::Message;
use tonic::Code;

use crate::support::{
    Server, bad_fields, in_band, list_of, money, payment, payment_but, reason_and_fields, request,
    score_item, scored,
};
use crate::wire::{BATCH, Ended, REPORT, SCORE, STREAM, Wire, packed};

const GET: &str = "/doublecheck.v1.RiskService/GetPayment";
const LIST: &str = "/doublecheck.v1.RiskService/ListPayments";

/// The flag and the length before each message.
const HEAD_BYTES: usize = 5;

/// What stands where text is to be that is not UTF-8.
const BAD: &str = "cut in the middle of";

/// The bytes of a message with such text wherever it says [`BAD`].
fn cut(message: &impl Message) -> Vec<u8> {
    let mut bytes = message.encode_to_vec();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(BAD.as_bytes()) {
            // The beginning of a character of four bytes.
            bytes[at + BAD.len() - 1] = 0xf0;
        }
    }
    bytes
}

/// What becomes of a call whose messages have such text.
async fn cut_off(server: &Server, path: &str, messages: &[&[u8]]) -> Ended {
    let wire = Wire::connect(server.address).await;
    let mut begun = wire.begin(path, &[]).await;
    for message in messages {
        begun.body.send_data(packed(0, message), false).unwrap();
    }
    begun.body.send_data(Bytes::new(), true).unwrap();
    begun.end().await
}

/// A payment with such text in all fields that have any, and the paths of those.
fn all_cut() -> (pb::Payment, [&'static str; 7]) {
    let payment = payment_but(BAD, |p| {
        p.account_id = BAD.into();
        p.payee.as_mut().unwrap().id = BAD.into();
        p.money = Some(money(1, BAD));
        p.order_id = Some(BAD.into());
        p.device_id = Some(BAD.into());
        p.session_id = Some(BAD.into());
    });
    let paths = [
        "payment.payment_id",
        "payment.account_id",
        "payment.payee.id",
        "payment.money.currency_code",
        "payment.order_id",
        "payment.device_id",
        "payment.session_id",
    ];
    (payment, paths)
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused_by_the_name_of_its_field() {
    let server = Server::start().await;
    let (bad, paths) = all_cut();
    let list = pb::ListPaymentsRequest {
        page_token: BAD.to_owned(),
        ..list_of(BAD)
    };
    let ids = (BAD.to_owned(), BAD.to_owned());
    let (account_id, payment_id) = ids.clone();
    let name = pb::GetPaymentRequest {
        account_id,
        payment_id,
    };
    let (account_id, payment_id) = ids;
    let report = pb::ReportOutcomeRequest {
        account_id,
        payment_id,
        outcome: pb::Outcome::Succeeded.into(),
        payee_id: Some(BAD.to_owned()),
    };
    for (path, message, fields) in [
        (SCORE, cut(&request(bad, "")), &paths[..]),
        (
            REPORT,
            cut(&report),
            &["account_id", "payment_id", "payee_id"],
        ),
        (GET, cut(&name), &["account_id", "payment_id"]),
        (LIST, cut(&list), &["account_id"]),
    ] {
        let status = cut_off(&server, path, &[&message]).await.status();
        assert_eq!(status.code(), Code::InvalidArgument, "{path}: {status:?}");
        assert_eq!(bad_fields(&in_band(&status)), fields, "{path}");
        assert!(status.message().contains("must be UTF-8"), "{status:?}");
    }
    // A token that is no text is none that was given.
    let spent = cut(&request(payment("p1"), BAD));
    let status = cut_off(&server, SCORE, &[&spent]).await.status();
    assert_eq!(reason_and_fields(&status).0, "CONFIRMATION_TOKEN_WRONG");
    // And what is no message is no message, whatever it says.
    let mut endless = cut(&request(all_cut().0, ""));
    endless.pop();
    let status = cut_off(&server, SCORE, &[&endless]).await.status();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(server.remembered().await, [""; 0]);
}

#[tokio::test]
async fn an_item_whose_text_is_not_utf_8_fails_alone() {
    let server = Server::start().await;
    let (bad, paths) = all_cut();
    let requests = [payment("p1"), bad.clone(), payment("p3")].map(|p| request(p, ""));
    let requests = requests.to_vec();
    let batch = cut(&pb::BatchScorePaymentsRequest { requests });
    let ended = cut_off(&server, BATCH, &[&batch]).await;
    assert_eq!(ended.code(), Code::Ok, "{ended:?}");
    let batch = pb::BatchScorePaymentsResponse::decode(&ended.message[HEAD_BYTES..]).unwrap();
    let mut named = batch.results.iter().map(|result| match &result.answer {
        Some(BatchAnswer::Error(error)) => bad_fields(error),
        Some(BatchAnswer::Assessment(assessment)) => vec![assessment.payment_id.clone()],
        None => vec![],
    });
    assert_eq!(named.next().unwrap(), ["p1"]);
    assert_eq!(named.next().unwrap(), paths);
    assert_eq!(named.next().unwrap(), ["p3"]);

    let items = [payment("p4"), bad, payment("p5")];
    let items: Vec<_> = (4..)
        .zip(items)
        .map(|(nth, p)| cut(&score_item(nth, p)))
        .collect();
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    let ended = cut_off(&server, STREAM, &items).await;
    assert_eq!(ended.code(), Code::Ok, "{ended:?}");
    let mut rest = &ended.message[..];
    for (sequence, told) in [(4, &["p4"][..]), (5, &paths), (6, &["p5"])] {
        let (head, next) = rest.split_at(HEAD_BYTES);
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let (answer, next) = next.split_at(length as usize);
        rest = next;
        let answer = pb::StreamPaymentsResponse::decode(answer).unwrap();
        assert_eq!(answer.sequence, sequence);
        let named = scored(answer).map(|assessment| vec![assessment.payment_id]);
        assert_eq!(named.unwrap_or_else(|error| bad_fields(&error)), told);
    }
    assert_eq!(rest, b"");
    assert_eq!(server.remembered().await, ["p5", "p4", "p3", "p1"]);
}
