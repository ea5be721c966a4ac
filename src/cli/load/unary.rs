//! One payment a call.

use std::rc::Rc;

use super::crew::Client;
use super::desk::Desk;

/// Sends one call after the other.
pub(super) async fn lane(desk: Rc<Desk>, mut client: Client) {
    while let Some(departure) = desk.next().await {
        let (request, asked) = desk.pay();
        let sent = desk.now();
        let response = client.score_payment(request).await;
        desk.time(departure.due, sent);
        match response {
            Ok(response) => desk.hear(asked, response.get_ref().assessment.as_ref()),
            Err(status) => desk.error(status.code()),
        }
    }
}
