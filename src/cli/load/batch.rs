//! Many payments a call.

use std::rc::Rc;

use super::check::Wrong;
use super::payer::Asked;
use super::sender_context::SenderContext;
use super::senders::Client;
use super::tally::of_item;
use crate::grpc::pb;
use crate::grpc::pb::batch_score_payments_response::result::Answer;

/// Sends one batch after the other.
pub(super) async fn lane(context: Rc<SenderContext>, mut client: Client) {
    while let Some(due_call) = context.next().await {
        let (requests, asked): (Vec<_>, Vec<_>) =
            (0..due_call.payments).map(|_| context.pay()).unzip();
        let request = pb::BatchScorePaymentsRequest { requests };
        let sent = context.now();
        let response = client.batch_score_payments(request).await;
        match response {
            Ok(response) => {
                let response = response.into_inner();
                if response.results.iter().any(is_assessed) {
                    context.time(due_call.due, sent);
                }
                hear(&context, asked, response);
            }
            Err(status) => asked
                .into_iter()
                .for_each(|asked| context.error(asked, &status)),
        }
    }
}

const fn is_assessed(result: &pb::batch_score_payments_response::Result) -> bool {
    matches!(result.answer, Some(Answer::Assessment(_)))
}

fn hear(context: &SenderContext, asked: Vec<Asked>, response: pb::BatchScorePaymentsResponse) {
    let mut results = response.results.into_iter();
    for asked in asked {
        match results.next().and_then(|result| result.answer) {
            Some(Answer::Assessment(assessment)) => context.hear(asked, &assessment),
            Some(Answer::Error(status)) => context.error(asked, &of_item(status)),
            None => context.wrong(asked, Wrong::Empty),
        }
    }
    results.for_each(|_| context.stray());
}
