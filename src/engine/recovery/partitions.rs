//! Redoing on all cores. Keys are partitioned; each thread redoes what happened to its keys, in order. What
//! happened to one key depends on no other, as events record what they read of others.

use std::num::NonZeroUsize;
use std::{io, thread};

use super::redo::{Redo, Redone};
use crate::engine::Engine;
use crate::engine::snapshots::LoadedSnapshot;
use crate::journal::{JournalFault, Reader};

mod feed;

use feed::Feed;

/// The least number of events that are handed out at once.
const BATCH_EVENTS: usize = 256;

/// One of several partitions of the keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partition {
    nth: usize,
    of: usize,
}

impl Partition {
    /// Whether the key belongs to this partition. A checksum is the cheapest hash, and every thread hashes all
    /// keys; partitions of uneven size would only cost time.
    pub(super) fn has(self, key: &str) -> bool {
        crc32c::crc32c(key.as_bytes()) as usize % self.of == self.nth
    }
}

/// Redoes what `reader` yields, on top of a snapshot if there is one. `tell` is told the number of events so
/// far.
pub(super) fn redo(
    engine: &Engine,
    loaded: Option<&LoadedSnapshot>,
    reader: &mut Reader,
    mut tell: impl FnMut(u64) + Send,
) -> Result<Redone, JournalFault> {
    let partitions = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut events = 0;
    let feed = Feed::new(partitions, || {
        let batch = reader.read_batch(BATCH_EVENTS)?;
        events += batch.len() as u64;
        tell(events);
        Ok(batch)
    });
    let redone = thread::scope(|scope| {
        let threads = (0..partitions).map(|nth| {
            let partition = Partition {
                nth,
                of: partitions,
            };
            let (mut redo, inbox) = (Redo::new(engine, partition), feed.inbox(nth));
            let work = move || {
                if let Some(loaded) = loaded {
                    redo.start_from(loaded);
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
