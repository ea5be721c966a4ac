//! One payment a call.

use std::rc::Rc;

use super::check::Wrong;
use super::sender_context::SenderContext;
use super::senders::Client;

/// Sends one call after the other.
pub(super) async fn lane(context: Rc<SenderContext>, mut client: Client) {
    while let Some(due_call) = context.next().await {
        let (request, asked) = context.pay();
        let sent = context.now();
        let response = client.score_payment(request).await;
        match response.map(|response| response.into_inner().assessment) {
            Ok(Some(assessment)) => {
                context.time(due_call.due, sent);
                context.hear(asked, &assessment);
            }
            Ok(None) => context.wrong(asked, Wrong::Empty),
            Err(status) => context.error(asked, status.code()),
        }
    }
}
