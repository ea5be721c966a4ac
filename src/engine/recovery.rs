//! An engine that goes on where its journal ends.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Engine;
use super::lanes;
use super::policies::InForce;
use super::redo::{Recovered, Redone};
use super::snapshots::Begun;
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

/// After how many events it is told how far the recovery is.
const TOLD_EVERY: u64 = 1 << 18;

/// The number of the first event that a journal has, unless something was imported before.
const FIRST: u64 = 1;

/// Where and how the state is kept.
#[derive(Debug)]
pub struct Durability {
    /// Where: open to this process alone.
    pub directory: Arc<dyn Directory>,
    /// How.
    pub settings: Settings,
    /// Whether to go on with what stands before damage, where there is any.
    pub sets_damage_aside: bool,
}

/// How far a recovery is.
#[derive(Debug)]
pub enum Progress {
    /// A snapshot is damaged. Nothing is lost where an older one, or the whole journal, can be read; nothing is
    /// started where neither can.
    PassedOver(SnapshotDamage),
    /// A snapshot with so many accounts has been read.
    Begun(u64),
    /// So many events of the journal have been done again.
    Redone(u64),
    /// All of them have; this is how the journal ended.
    Ended(Recovered, Tail),
}

impl Engine {
    /// The engine that snapshot and journal remember, or a new one where there is none. It goes on under
    /// `policies`, on the clock that `clock_from` makes: one that does not start before what was written.
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
            engine.stand_on_a_snapshot()?;
        }
        Ok(engine)
    }

    /// Writes down what is still to be, and closes the journal. What is scored afterwards is not kept.
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

/// The key that tokens are signed with. One that is damaged cannot be mended, and nobody else has it.
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

/// What the journal is read on top of.
enum Base {
    /// A snapshot.
    Snapshot(Begun),
    /// Nothing: there was none.
    Nothing,
    /// Nothing, although there were snapshots, all of them damaged. The oldest of them, and from where the journal
    /// had to be read on top of it.
    Damaged(SnapshotDamage, u64),
}

impl Base {
    const fn begun(&self) -> Option<&Begun> {
        match self {
            Self::Snapshot(begun) => Some(begun),
            Self::Nothing | Self::Damaged(..) => None,
        }
    }

    /// That nothing is lost of a snapshot that is damaged: the journal goes back to the first event, and there was
    /// none before what the snapshot held. What was imported stands in no journal.
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

/// The engine of the newest snapshot that is whole, or an empty one.
fn from_newest_snapshot(
    empty: &dyn Fn() -> Engine,
    directory: &dyn Directory,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Engine, Base), JournalFault> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut base = Base::Nothing;
    for file in snapshots(directory)? {
        let engine = empty();
        match engine.begin_from(directory, &file, threads) {
            Ok(begun) => {
                progress(Progress::Begun(begun.summary.counts.accounts));
                return Ok((engine, Base::Snapshot(begun)));
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

/// Does again what the journal has beyond the snapshot. Tells how it ends, and how many bytes it took.
fn redo_rest(
    engine: &Engine,
    base: &Base,
    durability: &Durability,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Redone, Ending, u64), JournalFault> {
    let begun = base.begun();
    let (mut reader, missing) = reader_beyond(base, durability)?;
    let mut told = 0;
    let redone = lanes::redo(engine, begun, &mut reader, |events| {
        if events - told >= TOLD_EVERY {
            told = events;
            progress(Progress::Redone(events));
        }
    })?;
    let mut ending = reader.ending().ok_or_else(unread)?;
    if let Some(missing) = missing {
        ending.tail = Tail::SetAside(missing);
    }
    if let Some(begun) = begun {
        reach(&mut ending, &begun.summary, durability.sets_damage_aside)?;
    }
    if matches!(ending.tail, Tail::SetAside(_)) {
        // A snapshot that was passed over must not be newer by its name than the one taken next.
        let newest = snapshots(&*durability.directory)?.into_iter().next();
        let newest = newest.map_or(0, |newest| newest.journal_from);
        ending.next = ending.next.max(newest);
    }
    progress(Progress::Ended(redone.counts, ending.tail.clone()));
    let journal_bytes = reader.segments().iter().map(|segment| segment.bytes).sum();
    Ok((redone, ending, journal_bytes))
}

/// What reads the journal beyond the snapshot; and, where its beginning is missing and damage is set aside,
/// what that says.
fn reader_beyond(
    base: &Base,
    durability: &Durability,
) -> Result<(Reader, Option<Damage>), JournalFault> {
    let directory = || Arc::clone(&durability.directory);
    let begun = base.begun();
    let from = begun.map_or(FIRST, |begun| begun.summary.journal_from);
    let whole = || Reader::whole(directory());
    let elsewhere = base.check_is_elsewhere(whole);
    let (reader, missing) = match elsewhere.and_then(|()| Reader::from(directory(), from)) {
        Err(JournalFault::Damage(missing)) if durability.sets_damage_aside => {
            let reader = match begun {
                Some(_) => Reader::past_all(directory(), from)?,
                // Where its beginning was forgotten there was a snapshot once: without it that is lost.
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

/// That the journal reaches as far as the snapshot.
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
