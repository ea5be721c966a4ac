//! Doing again on all cores: every key has its lane, and each lane does what happened to its keys, in order.
//! What happened to one key depends on no other, as the record of an event says what it read of them.

use std::num::NonZeroUsize;
use std::{io, thread};

use super::Engine;
use super::redo::{Redo, Redone};
use super::snapshots::Begun;
use crate::journal::{JournalFault, Reader};

mod feed;

use feed::Feed;

/// How many events are handed to the lanes at once, at the least.
const BATCH_EVENTS: usize = 256;

/// One of several lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    nth: usize,
    of: usize,
}

impl Lane {
    /// Whether the key is this lane's. A checksum is the quickest that spreads keys: every lane asks of all
    /// of them, and uneven lanes would cost nothing but time.
    pub(super) fn has(self, key: &str) -> bool {
        crc32c::crc32c(key.as_bytes()) as usize % self.of == self.nth
    }
}

/// Does again what `reader` has, on top of a snapshot where there is one. `tell` is told now and then how
/// many events that were.
pub(super) fn redo(
    engine: &Engine,
    begun: Option<&Begun>,
    reader: &mut Reader,
    mut tell: impl FnMut(u64) + Send,
) -> Result<Redone, JournalFault> {
    let lanes = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut events = 0;
    let feed = Feed::new(lanes, || {
        let batch = reader.read_batch(BATCH_EVENTS)?;
        events += batch.len() as u64;
        tell(events);
        Ok(batch)
    });
    let redone = thread::scope(|scope| {
        let threads = (0..lanes).map(|nth| {
            let lane = Lane { nth, of: lanes };
            let (mut redo, inbox) = (Redo::new(engine, lane), feed.inbox(nth));
            let work = move || {
                if let Some(begun) = begun {
                    redo.begin_from(begun);
                }
                inbox.for_each(|batch| redo.events(&batch));
                redo.finish()
            };
            let thread = thread::Builder::new().name("recovery".to_owned());
            let thread = thread.spawn_scoped(scope, work);
            thread.map_err(JournalFault::storage("starting a thread"))
        });
        let threads: Vec<_> = threads.collect::<Result<_, _>>()?;
        let redone = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| panicked()));
        redone.collect::<Result<Vec<Redone>, _>>()
    })?;
    feed.end()?;
    redone.into_iter().reduce(Redone::and).ok_or_else(panicked)
}

fn panicked() -> JournalFault {
    let told = io::Error::other("a thread panicked");
    JournalFault::storage("doing again what the journal has")(told)
}
