//! Payments as they come over one long call, some of them on their way at any time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::check::Wrong;
use super::crew::Client;
use super::departures::Departure;
use super::desk::Desk;
use super::payer::Asked;
use crate::grpc::pb;
use crate::grpc::pb::stream_payments_request::Item;
use crate::grpc::pb::stream_payments_response::Answer;

/// Keeps a stream going; one that breaks is followed by another.
pub(super) async fn lane(desk: Rc<Desk>, mut client: Client, in_flight: usize) {
    while let Some(first) = desk.next().await {
        let flight = Flight::new(&desk, in_flight);
        let (items, outgoing) = mpsc::channel(in_flight);
        let feed = async {
            flight.feed(first, items).await;
            // What has been sent is still to be answered.
            std::future::pending().await
        };
        let read = async {
            let outgoing = ReceiverStream::new(outgoing);
            let mut answers = client.stream_payments(outgoing).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                flight.land(answer);
            }
            Ok(())
        };
        let ended: Result<(), tonic::Status> = tokio::select! {
            ended = read => ended,
            () = feed => Ok(()),
        };
        flight.crash(ended);
    }
}

/// The items of one stream that are on their way.
struct Flight<'a> {
    desk: &'a Desk,
    room: Semaphore,
    flying: RefCell<VecDeque<Flying>>,
}

struct Flying {
    sequence: u64,
    due: Duration,
    sent: Duration,
    asked: Asked,
}

impl<'a> Flight<'a> {
    fn new(desk: &'a Desk, in_flight: usize) -> Self {
        Self {
            desk,
            room: Semaphore::new(in_flight),
            flying: RefCell::new(VecDeque::with_capacity(in_flight)),
        }
    }

    /// Sends `first` and what follows. Ends, and with it the stream, when there is nothing more.
    async fn feed(&self, first: Departure, items: mpsc::Sender<pb::StreamPaymentsRequest>) {
        let mut departure = Some(first);
        let mut sequence = 0;
        while let Some(Departure { due, .. }) = departure {
            let Ok(room) = self.room.acquire().await else {
                return;
            };
            room.forget();
            let (score, asked) = self.desk.pay();
            let flying = Flying {
                sequence,
                due,
                sent: self.desk.now(),
                asked,
            };
            self.flying.borrow_mut().push_back(flying);
            let item = Some(Item::Score(score));
            let request = pb::StreamPaymentsRequest { sequence, item };
            if items.send(request).await.is_err() {
                return;
            }
            sequence += 1;
            departure = self.desk.next().await;
        }
    }

    fn land(&self, response: pb::StreamPaymentsResponse) {
        let next = self.flying.borrow_mut().pop_front();
        let Some(flying) = next else {
            return self.desk.stray();
        };
        self.room.add_permits(1);
        let Flying { due, asked, .. } = flying;
        if flying.sequence != response.sequence {
            return self.desk.wrong(asked, Wrong::Misplaced);
        }
        match response.answer {
            Some(Answer::Assessment(assessment)) => {
                self.desk.time(due, flying.sent);
                self.desk.hear(asked, &assessment);
            }
            Some(Answer::Error(status)) => self.desk.error(asked, Code::from_i32(status.code)),
            Some(Answer::OutcomeAccepted(_)) | None => self.desk.wrong(asked, Wrong::Empty),
        }
    }

    /// The stream has ended: whatever is on its way gets no answer any more.
    fn crash(self, ended: Result<(), tonic::Status>) {
        for flying in self.flying.into_inner() {
            match &ended {
                Ok(()) => self.desk.wrong(flying.asked, Wrong::Empty),
                Err(status) => self.desk.error(flying.asked, status.code()),
            }
        }
    }
}
