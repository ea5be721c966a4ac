//! What happens, in time order: payments with what they truly are, and what became of them.

use doublecheck::engine::OutcomeReport;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, DeviceId, OrderId, Payee, PayeeId, Payment, PaymentId, SessionId,
};
use doublecheck::scoring::time::{Span, Timestamp};

use crate::population::{Payer, Recipient};

/// Midnight of the first day.
const START: Timestamp = Timestamp::from_unix_ms(1_772_323_200_000);

/// A moment of the stream, in seconds since its start.
pub(crate) type Seconds = f64;

pub(crate) const DAY: Seconds = 86_400.0;

/// What a payment truly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// Of this class, and to be stopped.
    Mistake(&'static str),
    /// Of this class, and to be left alone.
    Meant(&'static str),
    /// Nobody looks.
    Unmeasured,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Payment(Payment, Truth),
    Outcome(OutcomeReport),
}

/// One payment as the stream's stories make it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) to: Recipient,
    pub(crate) sum: i64,
    pub(crate) order: Option<String>,
    pub(crate) device: String,
    pub(crate) session: String,
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    events: Vec<(Timestamp, Event)>,
    ids: u64,
}

impl Stream {
    /// A number that no other id of this stream has.
    pub(crate) fn fresh(&mut self, kind: &str) -> String {
        self.ids += 1;
        format!("{kind}-{:08x}", self.ids.wrapping_mul(0x9e37_79b1) as u32)
    }

    pub(crate) fn draft(&mut self, payer: &Payer, to: &Recipient, sum: i64) -> Draft {
        Draft {
            id: self.fresh("pay"),
            to: to.clone(),
            sum,
            order: None,
            device: payer.device.clone(),
            session: self.fresh("session"),
        }
    }

    pub(crate) fn pay(&mut self, payer: &Payer, at: Seconds, draft: &Draft, truth: Truth) {
        let payment = Payment {
            payment_id: PaymentId::new(draft.id.as_str()).unwrap(),
            account_id: AccountId::new(payer.id.as_str()).unwrap(),
            payee: Payee {
                id: PayeeId::new(draft.to.id.as_str()).unwrap(),
                payee_type: draft.to.payee_type,
            },
            money: Money::new(draft.sum, Currency::from_code(payer.currency).unwrap()).unwrap(),
            kind: draft.to.kind,
            order_id: draft.order.as_deref().map(|id| OrderId::new(id).unwrap()),
            device_id: Some(DeviceId::new(draft.device.as_str()).unwrap()),
            session_id: Some(SessionId::new(draft.session.as_str()).unwrap()),
            duplicate_window: None,
        };
        self.events
            .push((moment(at), Event::Payment(payment, truth)));
    }

    pub(crate) fn report(&mut self, payer: &Payer, at: Seconds, draft: &Draft, outcome: Outcome) {
        let report = OutcomeReport {
            account_id: AccountId::new(payer.id.as_str()).unwrap(),
            payment_id: PaymentId::new(draft.id.as_str()).unwrap(),
            outcome,
            payee_id: Some(PayeeId::new(draft.to.id.as_str()).unwrap()),
        };
        self.events.push((moment(at), Event::Outcome(report)));
    }

    /// All of it in time order; at equal times, outcomes come first.
    pub(crate) fn in_order(mut self) -> Vec<(Timestamp, Event)> {
        self.events
            .sort_by_key(|(time, event)| (*time, matches!(event, Event::Payment(..))));
        self.events
    }
}

fn moment(at: Seconds) -> Timestamp {
    START.plus(Span::from_ms((at * 1_000.0) as i64))
}
