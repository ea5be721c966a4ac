//! Recovery: an engine from what the data directory holds.
//!
//! The newest snapshot that is whole is loaded, then the journal beyond it is redone ([`redo`]), on all cores
//! ([`partitions`]). Damage stops recovery, unless it is to be set aside.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Engine;
use super::policies::InForce;
use super::snapshots::LoadedSnapshot;
use crate::clock::{Clock, ManualClock};
use crate::journal::event::{Event, PolicyInForce};
use crate::journal::snapshot::{SnapshotSummary, snapshots};
use crate::journal::{
    Condition, Damage, DamageKind, Ending, Journal, JournalFault, Reader, SET_ASIDE_FLAG, Settings,
    SnapshotDamage, Tail, set_aside,
};
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;
use crate::storage::Directory;
use crate::token::{KEY_FILE, TokenKey};

mod partitions;
mod redo;

pub use redo::Recovered;
use redo::Redone;

/// After how many events progress is told.
const TOLD_EVERY: u64 = 1 << 18;

/// The number of the first event of a journal, unless something was imported before it.
const FIRST: u64 = 1;

/// Where and how the state is kept.
#[derive(Debug)]
pub struct Durability {
    /// The data directory, open to this process alone.
    pub directory: Arc<dyn Directory>,
    /// How the journal is written.
    pub settings: Settings,
    /// Whether damage is set aside, to go on with what stands before it.
    pub sets_damage_aside: bool,
}

/// The progress of a recovery.
#[derive(Debug)]
pub enum Progress {
    /// This snapshot is damaged. An older one, or the whole journal, may do instead; if not, recovery fails.
    PassedOver(SnapshotDamage),
    /// A snapshot with this many accounts was loaded.
    Begun(u64),
    /// This many events of the journal were redone.
    Redone(u64),
    /// All events were redone. This is what was found, and how the journal ended.
    Ended(Recovered, Tail),
}

impl Engine {
    /// The engine that snapshot and journal hold, or a new one if there is neither. It continues under
    /// `policies`, on the clock that `clock_from` makes, which must not start before the time it is given.
    ///
    /// # Errors
    /// When the directory cannot be read or written to, or is damaged.
    pub fn recover(
        policies: Policies,
        durability: Durability,
        clock_from: impl FnOnce(Timestamp) -> Arc<dyn Clock>,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Self, JournalFault> {
        let directory = &durability.directory;
        let token_key = token_key(&durability).map_err(JournalFault::storage(KEY_FILE))?;
        let empty = || {
            let clock = Arc::new(ManualClock::at(Timestamp::default()));
            Self::new(policies.clone(), clock, token_key.clone())
        };
        let (mut engine, base) = from_newest_snapshot(&empty, &**directory, &mut progress)?;
        let (redone, ending, journal_bytes_read) =
            redo_rest(&engine, &base, &durability, &mut progress)?;
        let was_set_aside = matches!(ending.tail, Tail::SetAside(_));
        engine.journal_bytes_read = journal_bytes_read;

        let clock = clock_from(redone.latest);
        engine.clock = Arc::clone(&clock);
        let Durability {
            directory,
            settings,
            ..
        } = durability;
        let journal = Journal::start(
            directory,
            &ending,
            settings,
            clock,
            Box::new(tell_condition),
        )?;
        engine.go_on(policies, redone, journal);
        if was_set_aside {
            engine.snapshot_past_damage()?;
        }
        Ok(engine)
    }

    /// Writes what is not written yet, and closes the journal. What is scored afterwards is lost.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn close(&self) -> Result<(), JournalFault> {
        self.journal.as_ref().map_or(Ok(()), Journal::close)
    }

    fn go_on(&mut self, configured: Policies, redone: Redone, journal: Journal) {
        self.recovered = redone.counts;
        let mut journalled = redone.policies_in_force;
        let now = self.clock.now();
        let asked = PolicyInForce::of(&configured, now);
        let last = journalled.last();
        let is_in_force = last.is_some_and(|last| last.says_the_same_as(&asked));
        let (primary, shadow) = (configured.primary().clone(), configured.shadow().cloned());
        let policies = match redone.policies {
            Some(known) if is_in_force => known,
            Some(known) => known.succeeded_by(primary, shadow),
            None => configured,
        };
        if !is_in_force {
            let in_force = PolicyInForce::of(&policies, now);
            journalled.push(in_force.clone());
            journal.append(&Event::PolicyInForce(in_force));
        }
        self.in_force = InForce::after(policies, journalled);
        self.journal = Some(journal);
    }
}

/// The key that signs tokens. A damaged one cannot be repaired, and nobody else has it.
fn token_key(durability: &Durability) -> io::Result<TokenKey> {
    let directory = &*durability.directory;
    match TokenKey::kept_in(directory) {
        Err(damaged) if damaged.kind() == io::ErrorKind::InvalidData => {
            if !durability.sets_damage_aside {
                let told = format!(
                    "{damaged}. {SET_ASIDE_FLAG} sets it aside and makes a new one: questions that are open now \
                     can then not be confirmed, and are asked again"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, told));
            }
            set_aside(directory, KEY_FILE)?;
            TokenKey::kept_in(directory)
        }
        kept => kept,
    }
}

/// What the journal is redone on top of.
enum Base {
    /// A snapshot.
    Snapshot(LoadedSnapshot),
    /// An empty state: there was no snapshot.
    Nothing,
    /// An empty state, although there were snapshots, all of them damaged. The oldest, and from where the
    /// journal would have continued it.
    Damaged(SnapshotDamage, u64),
}

impl Base {
    const fn loaded(&self) -> Option<&LoadedSnapshot> {
        match self {
            Self::Snapshot(loaded) => Some(loaded),
            Self::Nothing | Self::Damaged(..) => None,
        }
    }

    /// Fails unless the journal holds everything that a damaged snapshot held: it must go back to the first
    /// event. Imported payments are in no journal.
    fn check_is_elsewhere(
        &self,
        journal: impl FnOnce() -> Result<Reader, JournalFault>,
    ) -> Result<(), JournalFault> {
        let (damage, from) = match self {
            Self::Damaged(damage, from) => (damage, *from),
            Self::Snapshot(_) | Self::Nothing => return Ok(()),
        };
        if from > FIRST && journal()?.begins_with(FIRST) {
            return Ok(());
        }
        Err(JournalFault::Damage(Damage {
            file: damage.file.clone(),
            offset: damage.offset,
            kind: DamageKind::OnlySnapshot,
            lost_from: FIRST,
            lost_to: Some(from.saturating_sub(1).max(FIRST)),
            readable_behind: 0,
        }))
    }
}

/// An engine with the newest whole snapshot, or an empty one.
fn from_newest_snapshot(
    empty: &dyn Fn() -> Engine,
    directory: &dyn Directory,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Engine, Base), JournalFault> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut base = Base::Nothing;
    for file in snapshots(directory)? {
        let engine = empty();
        match engine.load_snapshot(directory, &file, threads) {
            Ok(loaded) => {
                progress(Progress::Begun(loaded.summary.counts.accounts));
                return Ok((engine, Base::Snapshot(loaded)));
            }
            Err(JournalFault::Snapshot(damage)) => {
                base = Base::Damaged(damage.clone(), file.journal_from);
                progress(Progress::PassedOver(damage));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok((empty(), base))
}

/// Redoes the journal beyond the snapshot. Returns how it ended, and how many bytes were read.
fn redo_rest(
    engine: &Engine,
    base: &Base,
    durability: &Durability,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Redone, Ending, u64), JournalFault> {
    let loaded = base.loaded();
    let (mut reader, missing) = reader_beyond(base, durability)?;
    let mut told = 0;
    let redone = partitions::redo(engine, loaded, &mut reader, |events| {
        if events - told >= TOLD_EVERY {
            told = events;
            progress(Progress::Redone(events));
        }
    })?;
    let mut ending = reader.ending().ok_or_else(unread)?;
    if let Some(missing) = missing {
        ending.tail = Tail::SetAside(missing);
    }
    if let Some(loaded) = loaded {
        reach(&mut ending, &loaded.summary, durability.sets_damage_aside)?;
    }
    if matches!(ending.tail, Tail::SetAside(_)) {
        // The next snapshot must be newer by its name than a damaged one that was skipped.
        let newest = snapshots(&*durability.directory)?.into_iter().next();
        let newest = newest.map_or(0, |newest| newest.journal_from);
        ending.next = ending.next.max(newest);
    }
    progress(Progress::Ended(redone.counts, ending.tail.clone()));
    let journal_bytes = reader.segments().iter().map(|segment| segment.bytes).sum();
    Ok((redone, ending, journal_bytes))
}

/// A reader of the journal beyond the snapshot. If the beginning is missing and damage is to be set aside, also
/// that damage.
fn reader_beyond(
    base: &Base,
    durability: &Durability,
) -> Result<(Reader, Option<Damage>), JournalFault> {
    let directory = || Arc::clone(&durability.directory);
    let loaded = base.loaded();
    let from = loaded.map_or(FIRST, |loaded| loaded.summary.journal_from);
    let whole = || Reader::whole(directory());
    let elsewhere = base.check_is_elsewhere(whole);
    let (reader, missing) = match elsewhere.and_then(|()| Reader::from(directory(), from)) {
        Err(JournalFault::Damage(missing)) if durability.sets_damage_aside => {
            let reader = match loaded {
                Some(_) => Reader::past_all(directory(), from)?,
                // The beginning was removed once a snapshot covered it, and that snapshot is lost.
                None => whole()?,
            };
            (reader, Some(missing))
        }
        reader => (reader?, None),
    };
    match durability.sets_damage_aside {
        true => Ok((reader.setting_damage_aside(), missing)),
        false => Ok((reader, missing)),
    }
}

/// Checks that the journal reaches as far as the snapshot.
fn reach(
    ending: &mut Ending,
    snapshot: &SnapshotSummary,
    sets_damage_aside: bool,
) -> Result<(), JournalFault> {
    let Some(missing) = ending.missing_before(snapshot) else {
        return Ok(());
    };
    if !sets_damage_aside {
        return Err(JournalFault::Damage(missing));
    }
    ending.next = snapshot.journal_to;
    ending.tail = Tail::SetAside(missing);
    Ok(())
}

fn tell_condition(condition: &Condition) {
    match condition {
        Condition::Sound => tracing::info!(target: "doublecheck", "the journal works again"),
        Condition::Degraded { reason, .. } => {
            tracing::error!(
                target: "doublecheck", %reason,
                "the journal has failed: scoring goes on, but a restart may forget what is answered now"
            );
        }
        Condition::Closed => tracing::debug!(target: "doublecheck", "the journal is closed"),
    }
}

fn unread() -> JournalFault {
    let told = io::Error::other("the journal was not read to its end");
    JournalFault::storage("reading the journal")(told)
}
