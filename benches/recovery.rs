//! How fast is a journal written and read back? CPU time of the thread that appends, and of the one that
//! reads; the files are in memory, the disk's time comes on top.
//!
//! `cargo bench --bench recovery [-- EVENTS]` (1 M unless said); `-- --test` runs a small one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;

use std::borrow::Cow;
use std::sync::Arc;

use common::{Random, START, Stopwatch, Town};
use doublecheck::clock::ManualClock;
use doublecheck::journal::event::{Event, PaymentScored};
use doublecheck::journal::{Ack, Journal, Kept, Reader, Settings};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::memory::{PayeeFacts, Surroundings};
use doublecheck::scoring::time::Span;
use doublecheck::storage::simulated::Simulated;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let events: u64 = asked.unwrap_or(if is_test { 20_000 } else { 1_000_000 });

    let disk = Simulated::new(1);
    let journal = begin(&disk);
    let made: Vec<Event<'_>> = traffic(events.min(10_000));
    let stopwatch = Stopwatch::start();
    let times = events.try_into().unwrap();
    let mut last = 0;
    for event in made.iter().cycle().take(times) {
        last = journal.append(event);
    }
    let appending = stopwatch.ns_each(times);
    assert_eq!(journal.wait_until_committed(last), Kept::Yes);
    let bytes = journal.counts().bytes;
    journal.close().unwrap();

    let stopwatch = Stopwatch::start();
    let read = Reader::whole(Arc::new(disk)).unwrap();
    let expected = made.iter().cycle();
    let mut count = 0;
    for (event, expected) in read.zip(expected) {
        assert_eq!(event.unwrap().1.time(), expected.time());
        count += 1;
    }
    let reading = stopwatch.ns_each(times);
    assert_eq!(count, events);

    println!(
        "{events} payments, {:.0} B each",
        bytes as f64 / events as f64
    );
    println!("append  {appending:>6.0} ns each");
    println!(
        "read    {reading:>6.0} ns each, {:.2} M events/s",
        1_000.0 / reading
    );
}

fn begin(disk: &Simulated) -> Journal {
    let directory = Arc::new(disk.clone());
    let mut reader = Reader::whole(directory.clone()).unwrap();
    assert!(reader.next().is_none());
    Journal::start(
        directory,
        &reader.ending().unwrap(),
        Settings::with_ack(Ack::Written),
        Arc::new(ManualClock::at(START)),
        Box::new(|_| ()),
    )
    .unwrap()
}

/// Payments with ids of usual lengths, to payees of whom something is known.
fn traffic(events: u64) -> Vec<Event<'static>> {
    let town = Town::new(100_000);
    let mut random = Random::new(7);
    let scored = |nth: u64| {
        let payment = town.payment(random.below(100_000), &mut random);
        let time = START.plus(Span::from_ms(nth.cast_signed()));
        Event::PaymentScored(PaymentScored {
            time,
            payment: Cow::Owned(payment),
            presented: None,
            surroundings: Surroundings {
                payee: PayeeFacts {
                    payers: 50,
                    payers_recent: 12,
                    payers_usual: random.below(1_000) as f64 / 7.0,
                    first_seen: Some(START),
                    ..PayeeFacts::default()
                },
                ..Surroundings::default()
            },
            policy_number: 0,
            decision: Decision::Allow,
            score: random.below(1_000) as f64 / 13.0,
            shadow_decision: None,
            minted: None,
            above_doublings: None,
        })
    };
    (0..events).map(scored).collect()
}
