//! Doing again on all cores: every key has its lane, and each lane does what happened to its keys, in order.
//! What happened to one key depends on no other, as the record of an event says what it read of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::{io, thread};

use super::Engine;
use super::redo::{Redo, Redone};
use super::snapshots::Begun;
use crate::journal::event::Event;
use crate::journal::{JournalFault, Reader};

/// How many events are handed over at once, and how many times that may wait for a lane.
const BATCH_EVENTS: usize = 1_024;
const BATCHES_AHEAD: usize = 8;

type Batch = Arc<Vec<(u64, Event<'static>)>>;

/// One of several lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    nth: u64,
    of: u64,
}

impl Lane {
    /// Whether the key is this lane's.
    pub(super) fn has(self, key: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish() % self.of == self.nth
    }
}

/// Does again what `reader` has, on top of a snapshot where there is one. `tell` is told now and then how
/// many events that were.
pub(super) fn redo(
    engine: &Engine,
    begun: Option<&Begun>,
    reader: &mut Reader,
    mut tell: impl FnMut(u64),
) -> Result<Redone, JournalFault> {
    let of = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
    thread::scope(|scope| {
        let lanes = (0..of).map(|nth| {
            let (batches, taken) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
            let mut redo = Redo::new(engine, Lane { nth, of });
            let work = move || {
                if let Some(begun) = begun {
                    redo.begin_from(begun);
                }
                for batch in taken {
                    for (sequence, event) in batch.iter() {
                        redo.event(*sequence, event);
                    }
                }
                redo.finish()
            };
            let thread = thread::Builder::new().name("recovery".to_owned());
            let thread = thread.spawn_scoped(scope, work);
            Ok((
                batches,
                thread.map_err(JournalFault::storage("starting a thread"))?,
            ))
        });
        let lanes: Vec<_> = lanes.collect::<Result<_, JournalFault>>()?;
        let mut events = 0;
        loop {
            let batch: Vec<_> = reader
                .by_ref()
                .take(BATCH_EVENTS)
                .collect::<Result<_, _>>()?;
            if batch.is_empty() {
                break;
            }
            events += batch.len() as u64;
            let batch = Arc::new(batch);
            for (batches, _) in &lanes {
                batches.send(Arc::clone(&batch)).map_err(|_| panicked())?;
            }
            tell(events);
        }
        let finish = |(batches, thread): (
            mpsc::SyncSender<Batch>,
            thread::ScopedJoinHandle<'_, Redone>,
        )| {
            drop(batches);
            thread.join().map_err(|_| panicked())
        };
        let redone: Vec<Redone> = lanes.into_iter().map(finish).collect::<Result<_, _>>()?;
        redone.into_iter().reduce(Redone::and).ok_or_else(panicked)
    })
}

fn panicked() -> JournalFault {
    let told = io::Error::other("a thread panicked");
    JournalFault::storage("doing again what the journal has")(told)
}
