//! One payment a call.

use std::rc::Rc;

use tonic::Request;

use super::check::Wrong;
use super::sender_context::SenderContext;
use super::senders::Client;
use crate::grpc::ACCOUNT_HEADER;

/// Sends one call after the other.
pub(super) async fn lane(context: Rc<SenderContext>, mut client: Client, says_account: bool) {
    while let Some(due_call) = context.next().await {
        let (message, asked) = context.pay();
        let account_id = message.payment.as_ref().filter(|_| says_account);
        let account_id = account_id.and_then(|payment| payment.account_id.parse().ok());
        let mut request = Request::new(message);
        if let Some(account_id) = account_id {
            request.metadata_mut().insert(ACCOUNT_HEADER, account_id);
        }
        let sent = context.now();
        let response = client.score_payment(request).await;
        match response.map(|response| response.into_inner().assessment) {
            Ok(Some(assessment)) => {
                context.time(due_call.due, sent);
                context.hear(asked, &assessment);
            }
            Ok(None) => context.wrong(asked, Wrong::Empty),
            Err(status) => context.error(asked, &status),
        }
    }
}
