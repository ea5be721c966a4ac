//! Many payments a call.

use std::rc::Rc;

use tonic::Code;

use super::check::Wrong;
use super::crew::Client;
use super::desk::Desk;
use super::payer::Asked;
use crate::grpc::pb;
use crate::grpc::pb::batch_score_payments_response::result::Answer;

/// Sends one batch after the other.
pub(super) async fn lane(desk: Rc<Desk>, mut client: Client) {
    while let Some(departure) = desk.next().await {
        let (requests, asked): (Vec<_>, Vec<_>) =
            (0..departure.payments).map(|_| desk.pay()).unzip();
        let request = pb::BatchScorePaymentsRequest { requests };
        let sent = desk.now();
        let response = client.batch_score_payments(request).await;
        desk.time(departure.due, sent);
        match response {
            Ok(response) => hear(&desk, asked, response.into_inner()),
            Err(status) => asked.iter().for_each(|_| desk.error(status.code())),
        }
    }
}

fn hear(desk: &Desk, asked: Vec<Asked>, response: pb::BatchScorePaymentsResponse) {
    let mut results = response.results.into_iter();
    for asked in asked {
        match results.next().and_then(|result| result.answer) {
            Some(Answer::Assessment(assessment)) => desk.hear(asked, Some(&assessment)),
            Some(Answer::Error(status)) => desk.error(Code::from_i32(status.code)),
            None => desk.hear(asked, None),
        }
    }
    results.for_each(|_| desk.wrong(Wrong::Misplaced));
}
