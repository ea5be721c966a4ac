//! Doing again on all cores: every key has its lane, and each lane does what happened to its keys, in order.
//! What happened to one key depends on no other, as the record of an event says what it read of them.

use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::{io, thread};

use super::Engine;
use super::redo::{Redo, Redone};
use super::snapshots::Begun;
use crate::journal::event::Event;
use crate::journal::{JournalFault, Reader};

/// How many events are handed over at once, and how many times that may wait for a lane. So few take memory
/// that was used before; what is larger is asked of the system and cleared by it again and again.
const BATCH_EVENTS: usize = 256;
const BATCHES_AHEAD: usize = 32;

type Batch = Arc<Vec<(u64, Event<'static>)>>;

/// One of several lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    nth: u32,
    of: u32,
}

impl Lane {
    /// Whether the key is this lane's. A checksum is the quickest that spreads keys: every lane asks of all
    /// of them, and uneven lanes would cost nothing but time.
    pub(super) fn has(self, key: &str) -> bool {
        crc32c::crc32c(key.as_bytes()) % self.of == self.nth
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
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let of = u32::try_from(threads).unwrap_or(u32::MAX);
    thread::scope(|scope| {
        let lanes = (0..of).map(|nth| {
            let (batches, taken) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
            let mut redo = Redo::new(engine, Lane { nth, of });
            let work = move || {
                if let Some(begun) = begun {
                    redo.begin_from(begun);
                }
                for batch in taken {
                    redo.events(&batch);
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
            let mut batch = Vec::with_capacity(BATCH_EVENTS);
            for event in reader.by_ref().take(BATCH_EVENTS) {
                batch.push(event?);
            }
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
