//! Journals on simulated disks, and events to put in them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use doublecheck::clock::ManualClock;
use doublecheck::journal::event::{
    Event, Evicted, EvictedKey, OutcomeReported, PaymentScored, Taught,
};
use doublecheck::journal::{Ack, Condition, Ending, Journal, JournalFault, Reader, Settings};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::memory::Surroundings;
use doublecheck::scoring::money::{Currency, Money};
use doublecheck::scoring::outcome::Outcome;
use doublecheck::scoring::payment::{
    AccountId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
};
use doublecheck::scoring::time::Timestamp;
use doublecheck::storage::Directory;
use doublecheck::storage::simulated::Simulated;
use parking_lot::Mutex;

/// Events as they are read back.
pub(crate) type Events = Vec<(u64, Event<'static>)>;

/// An event that is told apart from every other by `nth`.
pub(crate) fn event(nth: u64) -> Event<'static> {
    let time = Timestamp::from_unix_ms(1_767_225_600_000 + nth.cast_signed());
    let account_id = AccountId::new(format!("account-{}", nth % 7)).unwrap();
    let payment_id = PaymentId::new(format!("payment-{nth}")).unwrap();
    match nth % 5 {
        3 => Event::OutcomeReported(OutcomeReported {
            time,
            account_id: Cow::Owned(account_id),
            payment_id: Cow::Owned(payment_id),
            outcome: Outcome::Succeeded,
            payee_id: None,
            taught: Taught::Nothing,
        }),
        4 if nth % 10 == 9 => Event::Evicted(Evicted {
            time,
            what: EvictedKey::Payee(Cow::Owned(PayeeId::new(format!("payee-{nth}")).unwrap())),
        }),
        _ => Event::PaymentScored(PaymentScored {
            time,
            payment: Cow::Owned(payment(account_id, payment_id)),
            presented: None,
            surroundings: Surroundings::default(),
            policy_number: 0,
            decision: Decision::Allow,
            score: 12.5,
            shadow_decision: None,
            minted: None,
            above_doublings: None,
        }),
    }
}

fn payment(account_id: AccountId, payment_id: PaymentId) -> Payment {
    Payment {
        payment_id,
        account_id,
        payee: Payee {
            id: PayeeId::new("13800138000").unwrap(),
            payee_type: PayeeType::Phone,
        },
        money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
        kind: PaymentKind::TopUp,
        order_id: None,
        device_id: None,
        session_id: None,
        duplicate_window: None,
    }
}

/// Small segments, so that a few dozen events make several.
pub(crate) fn settings(ack: Ack) -> Settings {
    Settings {
        segment_bytes_max: 700,
        sync_interval: Duration::from_millis(1),
        ..Settings::with_ack(ack)
    }
}

/// A journal on `disk`, and every condition it has been in.
pub(crate) struct Kept {
    pub(crate) journal: Journal,
    pub(crate) told: Arc<Mutex<Vec<Condition>>>,
}

pub(crate) fn start(disk: &Simulated, ending: &Ending, settings: Settings) -> Kept {
    try_start(disk, ending, settings).unwrap()
}

pub(crate) fn try_start(
    disk: &Simulated,
    ending: &Ending,
    settings: Settings,
) -> Result<Kept, JournalFault> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let observer = Box::new(move |condition: &Condition| noted.lock().push(condition.clone()));
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(77)));
    let journal = Journal::start(shared(disk), ending, settings, clock, observer)?;
    Ok(Kept { journal, told })
}

/// A new journal on an empty disk.
pub(crate) fn fresh(disk: &Simulated, ack: Ack) -> Kept {
    let (_, ending) = read(disk, 1).unwrap();
    start(disk, &ending, settings(ack))
}

pub(crate) fn shared(disk: &Simulated) -> Arc<dyn Directory> {
    Arc::new(disk.clone())
}

/// Everything from the sequence number `from` on, and how it ends.
pub(crate) fn read(disk: &Simulated, from: u64) -> Result<(Events, Ending), JournalFault> {
    all_of(Reader::from(shared(disk), from)?)
}

pub(crate) fn all_of(mut reader: Reader) -> Result<(Events, Ending), JournalFault> {
    let events = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((events, reader.ending().unwrap()))
}

/// Appends the events of these numbers, in writes of their own, and waits for each.
pub(crate) fn append_one_by_one(journal: &Journal, numbers: std::ops::RangeInclusive<u64>) {
    for nth in numbers {
        let sequence = journal.append(&event(nth));
        assert_eq!(sequence, nth);
        journal.wait_until_committed(sequence);
    }
}

/// That these are the events 1 to some number, whole and in order; returns the number.
pub(crate) fn assert_prefix(events: &Events, what: &str) -> u64 {
    for (nth, (sequence, found)) in (1..).zip(events) {
        assert_eq!((*sequence, found), (nth, &event(nth)), "{what}");
    }
    events.len() as u64
}
