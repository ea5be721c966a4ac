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
        match response {
            Ok(response) => {
                let response = response.into_inner();
                if response.results.iter().any(is_assessed) {
                    desk.time(departure.due, sent);
                }
                hear(&desk, asked, response);
            }
            Err(status) => {
                let code = status.code();
                asked.into_iter().for_each(|asked| desk.error(asked, code));
            }
        }
    }
}

const fn is_assessed(result: &pb::batch_score_payments_response::Result) -> bool {
    matches!(result.answer, Some(Answer::Assessment(_)))
}

fn hear(desk: &Desk, asked: Vec<Asked>, response: pb::BatchScorePaymentsResponse) {
    let mut results = response.results.into_iter();
    for asked in asked {
        match results.next().and_then(|result| result.answer) {
            Some(Answer::Assessment(assessment)) => desk.hear(asked, &assessment),
            Some(Answer::Error(status)) => desk.error(asked, Code::from_i32(status.code)),
            None => desk.wrong(asked, Wrong::Empty),
        }
    }
    results.for_each(|_| desk.stray());
}
