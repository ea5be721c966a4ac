//! Many threads append and wait at once.

use std::sync::Barrier;
use std::thread;

use doublecheck::journal::event::Event;
use doublecheck::journal::{Ack, Journal, Kept, Settings};
use doublecheck::storage::simulated::Simulated;
use tokio::task::JoinSet;

use crate::support::{append_one_by_one, event, fresh, read, start};

const THREADS: u64 = 8;
const EACH: u64 = 2_000;

#[test]
fn each_threads_events_stay_in_order_and_no_number_is_missing() {
    let disk = Simulated::new(1);
    let (_, ending) = read(&disk, 1).unwrap();
    let kept = start(&disk, &ending, Settings::with_ack(Ack::Written));
    let journal = &kept.journal;
    let barrier = Barrier::new(usize::try_from(THREADS).unwrap());
    let mine = |thread: u64, nth: u64| event(nth * THREADS + thread);
    let run = |thread: u64| {
        barrier.wait();
        let append = |nth| {
            let sequence = journal.append(&mine(thread, nth));
            if nth % 100 == 0 {
                assert_eq!(journal.wait_until_committed(sequence), Kept::Yes);
            }
            sequence
        };
        (0..EACH).map(append).collect::<Vec<_>>()
    };
    let handed_out: Vec<Vec<u64>> = thread::scope(|scope| {
        let run = &run;
        #[expect(
            clippy::needless_collect,
            reason = "all are started before the first is waited for"
        )]
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    journal.close().unwrap();

    let (events, _) = read(&disk, 1).unwrap();
    assert!(
        events
            .iter()
            .map(|(sequence, _)| *sequence)
            .eq(1..=THREADS * EACH)
    );
    for (thread, sequences) in (0..).zip(&handed_out) {
        assert!(sequences.is_sorted());
        for (nth, sequence) in (0..).zip(sequences) {
            let at = usize::try_from(*sequence).unwrap() - 1;
            assert_eq!(events[at].1, mine(thread, nth));
        }
    }
}

/// Appends, waits, and gives up waiting now and then, in thousands of tasks at once.
async fn crowd(journal: &'static Journal, tasks: u64) {
    let mut waiting = JoinSet::new();
    for nth in 0..tasks {
        waiting.spawn(async move {
            let sequence = journal.append(&event(nth));
            let committed = journal.committed(sequence);
            if nth % 7 == 0 {
                tokio::select! {
                    biased;
                    kept = committed => kept,
                    () = tokio::task::yield_now() => Kept::Yes,
                }
            } else {
                committed.await
            }
        });
    }
    while let Some(kept) = waiting.join_next().await {
        assert_eq!(kept.unwrap(), Kept::Yes);
    }
}

#[test]
fn thousands_of_tasks_wait_and_each_is_woken() {
    for &ack in Ack::ALL {
        let disk = Simulated::new(1);
        let journal: &'static Journal = Box::leak(Box::new(fresh(&disk, ack).journal));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build();
                    runtime.unwrap().block_on(crowd(journal, 2_000));
                });
            }
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .build();
        runtime.unwrap().block_on(crowd(journal, 2_000));
        journal.close().unwrap();
        let counts = journal.counts();
        assert_eq!((counts.appended_to, counts.kept_to), (10_000, 10_000));
    }
}

#[test]
fn the_last_record_is_known_to_be_on_the_disk_though_none_follows() {
    let disk = Simulated::new(1);
    let kept = fresh(&disk, Ack::Written);
    append_one_by_one(&kept.journal, 1..=1);
    while kept.journal.counts().synced_to < 1 {
        thread::yield_now();
    }
}

#[test]
fn a_full_queue_is_said_beforehand_and_blocks_nobody() {
    let disk = Simulated::new(1);
    let (_, ending) = read(&disk, 1).unwrap();
    let settings = Settings {
        queue_bytes_max: 1,
        ..Settings::with_ack(Ack::Written)
    };
    let kept = start(&disk, &ending, settings);
    assert!(kept.journal.has_room());
    let mut last = 0;
    let mut was_full = false;
    for nth in 0..20_000 {
        last = kept.journal.append(&event(nth));
        was_full |= !kept.journal.has_room();
    }
    assert!(was_full);
    assert_eq!(kept.journal.wait_until_committed(last), Kept::Yes);
    assert!(kept.journal.has_room());
    let is_scored = |event: &Event<'_>| matches!(event, Event::PaymentScored(_));
    let (events, _) = read(&disk, 1).unwrap();
    assert_eq!(events.len(), 20_000);
    assert!(events.iter().any(|(_, event)| is_scored(event)));
}
