//! One payment a call.

use std::rc::Rc;

use super::check::Wrong;
use super::crew::Client;
use super::desk::Desk;

/// Sends one call after the other.
pub(super) async fn lane(desk: Rc<Desk>, mut client: Client) {
    while let Some(departure) = desk.next().await {
        let (request, asked) = desk.pay();
        let sent = desk.now();
        let response = client.score_payment(request).await;
        match response.map(|response| response.into_inner().assessment) {
            Ok(Some(assessment)) => {
                desk.time(departure.due, sent);
                desk.hear(asked, &assessment);
            }
            Ok(None) => desk.wrong(asked, Wrong::Empty),
            Err(status) => desk.error(asked, status.code()),
        }
    }
}
