//! Payments that come together, in a batch or faster than a stream is read, are scored in chunks. Nobody
//! can tell but by the time it takes: answers are what they would be one by one.

use doublecheck::grpc::pb::{self, Decision, Outcome};
use pb::stream_payments_request::Item;
use pb::stream_payments_response::Answer;
use tokio_stream::StreamExt as _;
use tonic::Code;

use crate::support::{Server, outcome_of, payment, payment_but, request, score_item, scored};

/// Payments of a few accounts in turn: new ones, repeats, retries, and some that break the contract.
fn mixed(count: usize) -> Vec<pb::Payment> {
    let nth_payment = |nth: usize| {
        payment_but(&format!("p{}", nth - nth % 5 % 2), |p| {
            p.account_id = format!("payer-{}", nth % 7);
            p.payee.as_mut().unwrap().id = format!("payee-{}", nth % 11);
            p.money.as_mut().unwrap().amount_minor = if nth % 13 == 12 { 0 } else { 5_000 };
            p.device_id = Some(format!("device-{}", nth % 3));
        })
    };
    (0..count).map(nth_payment).collect()
}

/// The answers to the same payments, one call for each.
async fn one_by_one(payments: &[pb::Payment]) -> Vec<Result<pb::Assessment, Code>> {
    let server = Server::start().await;
    let mut answers = Vec::new();
    for payment in payments {
        let answer = server.score(payment.clone()).await;
        answers.push(answer.map_err(|status| status.code()));
    }
    answers
}

fn code(status: &tonic_types::Status) -> Code {
    Code::from(status.code)
}

#[tokio::test]
async fn a_thousand_items_written_at_once_are_answered_as_one_by_one() {
    let payments = mixed(1_000);
    let expected = one_by_one(&payments).await;
    assert!(expected.iter().any(|answer| answer.is_err()));

    let server = Server::start().await;
    let items = (0..).zip(&payments);
    let items = items.map(|(sequence, payment)| score_item(sequence, payment.clone()));
    let answers = server.stream(items.collect()).await;
    assert_eq!(answers.len(), payments.len());
    for (nth, (answer, expected)) in answers.into_iter().zip(&expected).enumerate() {
        assert_eq!(usize::try_from(answer.sequence).unwrap(), nth);
        assert_eq!(&scored(answer).map_err(|status| code(&status)), expected);
    }

    let server = Server::start().await;
    let requests = payments.into_iter().map(|payment| request(payment, ""));
    let answers = server.batch(requests.collect()).await.unwrap();
    let answers = answers.into_iter().map(|a| a.map_err(|s| code(&s)));
    assert_eq!(answers.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn of_one_account_many_times_in_a_chunk_the_first_is_allowed() {
    let server = Server::start().await;
    let items = (0..64).map(|nth| score_item(nth, payment(&format!("p{nth}"))));
    let answers = server.stream(items.collect()).await.into_iter();
    let decisions: Vec<_> = answers.map(|a| scored(a).unwrap().decision()).collect();
    assert_eq!(decisions[0], Decision::Allow);
    assert!(decisions[1..].iter().all(|it| *it == Decision::Block));
}

#[tokio::test]
async fn an_outcome_between_two_payments_of_a_chunk_is_noted_between_them() {
    let declined = |sequence, payment_id: &str| pb::StreamPaymentsRequest {
        sequence,
        item: Some(Item::Outcome(outcome_of(payment_id, Outcome::Declined))),
    };
    let server = Server::start().await;
    // Each attempt is declined before the next: so few are no burst yet, and none is a repeat.
    let items = (0..3).flat_map(|nth| {
        let id = format!("p{nth}");
        [
            score_item(2 * nth, payment(&id)),
            declined(2 * nth + 1, &id),
        ]
    });
    let answers = server.stream(items.collect()).await;
    assert_eq!(answers.len(), 6);
    for (sequence, answer) in (0..).zip(answers) {
        assert_eq!(answer.sequence, sequence);
        match answer.answer.unwrap() {
            Answer::Assessment(it) => assert_eq!(it.decision(), Decision::Allow),
            Answer::OutcomeAccepted(accepted) => assert!(accepted.remembered),
            Answer::Error(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn the_end_right_after_the_last_item_is_the_end_after_the_last_answer() {
    let server = Server::start().await;
    for count in [0, 1, 63, 64, 65, 127, 128, 129] {
        let items = (0..count).map(|nth| score_item(nth, payment("p")));
        let answers = server.stream(items.collect()).await;
        let sequences: Vec<u64> = answers.iter().map(|answer| answer.sequence).collect();
        assert_eq!(sequences, (0..count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_came_before_a_break_is_answered_first() {
    let server = Server::start().await;
    let too_long = payment_but("p", |p| p.order_id = Some("0".repeat(5 << 20)));
    for good in [0, 1, 64, 100] {
        let items = (0..good).map(|nth| score_item(nth, payment("p")));
        let items = items.chain([score_item(good, too_long.clone())]);
        let items = tokio_stream::iter(items);
        let answers = server.client.clone().stream_payments(items).await;
        let mut answers = answers.unwrap().into_inner();
        for sequence in 0..good {
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer.sequence, sequence);
        }
        let broken_off = answers.next().await.unwrap().unwrap_err();
        assert_eq!(broken_off.code(), Code::ResourceExhausted, "{good}");
    }
}
