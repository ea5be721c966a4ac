//! Payments as they come over one long call, some of them on their way at any time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::check::Wrong;
use super::pacing::DueCall;
use super::payer::Asked;
use super::sender_context::SenderContext;
use super::senders::Client;
use super::tally::of_item;
use crate::grpc::pb;
use crate::grpc::pb::stream_payments_request::Item;
use crate::grpc::pb::stream_payments_response::Answer;

/// Keeps a stream going; one that breaks is followed by another.
pub(super) async fn lane(context: Rc<SenderContext>, mut client: Client, in_flight: usize) {
    while let Some(first) = context.next().await {
        let flight = Flight::new(&context, in_flight);
        // There is room for as much as may be on its way.
        let (items, outgoing) = mpsc::channel(in_flight);
        flight.launch(first, &items);
        let feed = async {
            flight.feed(items).await;
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
    context: &'a SenderContext,
    room: Semaphore,
    flying: RefCell<VecDeque<Flying>>,
    sequence: Cell<u64>,
}

struct Flying {
    sequence: u64,
    due: Duration,
    sent: Duration,
    asked: Asked,
}

impl<'a> Flight<'a> {
    fn new(context: &'a SenderContext, in_flight: usize) -> Self {
        Self {
            context,
            // But for the first, which there is always.
            room: Semaphore::new(in_flight - 1),
            flying: RefCell::new(VecDeque::with_capacity(in_flight)),
            sequence: Cell::new(0),
        }
    }

    /// Puts a payment on its way, which there must be room for. Whether the stream still takes any.
    fn launch(&self, due_call: DueCall, items: &mpsc::Sender<pb::StreamPaymentsRequest>) -> bool {
        let (score, asked) = self.context.pay();
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        self.flying.borrow_mut().push_back(Flying {
            sequence,
            due: due_call.due,
            sent: self.context.now(),
            asked,
        });
        let item = Some(Item::Score(score));
        items
            .try_send(pb::StreamPaymentsRequest { sequence, item })
            .is_ok()
    }

    /// Sends what is to leave. Ends, and with it the stream, when there is nothing more. Whatever has left the
    /// desk is on its way at once: a stream that breaks loses nothing.
    async fn feed(&self, items: mpsc::Sender<pb::StreamPaymentsRequest>) {
        // Room first: in a closed loop a payment is due when there is some.
        while let Ok(room) = self.room.acquire().await {
            let Some(due_call) = self.context.next().await else {
                return;
            };
            room.forget();
            if !self.launch(due_call, &items) {
                return;
            }
        }
    }

    fn land(&self, response: pb::StreamPaymentsResponse) {
        let next = self.flying.borrow_mut().pop_front();
        let Some(flying) = next else {
            return self.context.stray();
        };
        self.room.add_permits(1);
        let Flying { due, asked, .. } = flying;
        if flying.sequence != response.sequence {
            return self.context.wrong(asked, Wrong::Misplaced);
        }
        match response.answer {
            Some(Answer::Assessment(assessment)) => {
                self.context.time(due, flying.sent);
                self.context.hear(asked, &assessment);
            }
            Some(Answer::Error(status)) => self.context.error(asked, &of_item(status)),
            Some(Answer::OutcomeAccepted(_)) | None => self.context.wrong(asked, Wrong::Empty),
        }
    }

    /// The stream has ended: whatever is on its way gets no answer any more.
    fn crash(self, ended: Result<(), tonic::Status>) {
        for flying in self.flying.into_inner() {
            match &ended {
                Ok(()) => self.context.wrong(flying.asked, Wrong::Empty),
                Err(status) => self.context.error(flying.asked, status),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::accounts::Spread;
    use super::super::check::Twin;
    use super::super::mistakes::Mistakes;
    use super::super::pacing::{Bounds, Pacing};
    use super::super::payer::{Payer, Population};
    use super::super::tally::Tally;
    use super::*;
    use crate::clock::Stopwatch;

    #[tokio::test]
    async fn a_payment_of_a_closed_loop_is_due_when_there_is_room() {
        let stopwatch = Arc::new(Stopwatch::start());
        let bounds = Bounds {
            duration: Duration::MAX,
            payments: 10,
            patience: Duration::MAX,
        };
        let population = Population {
            spread: Spread::Uniform { accounts: 10 },
            payees_per_account: 1,
            mistakes: Mistakes::NONE,
            first_mistaken: 1,
        };
        let context = SenderContext::new(
            Arc::clone(&stopwatch),
            Pacing::closed(stopwatch, bounds, 1),
            Payer::new(population, 1, 0),
            Arc::new(Mutex::new(Tally::new(Twin::Score))),
        );
        let (items, mut outgoing) = mpsc::channel(2);
        let first = context.next().await.unwrap();
        let flight = Flight::new(&context, 2);
        flight.launch(first, &items);
        // Two are on their way, and the third waits for room. It has not left the desk.
        tokio::select! {
            biased;
            () = flight.feed(items) => unreachable!("there is more to send"),
            () = std::future::ready(()) => {}
        }
        let sent: Vec<u64> = std::iter::from_fn(|| outgoing.try_recv().ok())
            .map(|request| request.sequence)
            .collect();
        assert_eq!(sent, [0, 1]);
        context.give_up();
        let tally = context.tally();
        assert_eq!((tally.unanswered, tally.unsent), (2, 8));
    }
}
