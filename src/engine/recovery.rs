//! An engine that goes on where its journal ends.

use std::sync::Arc;

use super::Engine;
use super::redo::{Recovered, Redo, Redone};
use crate::clock::Clock;
use crate::journal::event::{Event, PolicyInForce, PolicyText};
use crate::journal::{Condition, Journal, JournalFault, Reader, Settings, Tail};
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;
use crate::storage::Directory;
use crate::token::{KEY_FILE, TokenKey};

/// After how many events it is told how far the recovery is.
const TOLD_EVERY: u64 = 1 << 16;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many events of the journal have been done again.
    Redone(u64),
    /// All of them have; this is how the journal ended.
    Ended(Recovered, Tail),
}

impl Engine {
    /// The engine that the journal remembers, or a new one where there is none. It goes on under
    /// `policies`, on the clock that `clock_from` makes: one that does not start before what was written.
    ///
    /// # Errors
    /// When the directory cannot be read or written to, or is damaged.
    pub fn recover(
        policies: Policies,
        durability: Durability,
        clock_from: impl FnOnce(Timestamp) -> Arc<dyn Clock>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, JournalFault> {
        let Durability {
            directory,
            settings,
            sets_damage_aside,
        } = durability;
        let token_key = TokenKey::kept_in(&*directory).map_err(JournalFault::storage(KEY_FILE))?;
        let now = Arc::new(crate::clock::ManualClock::at(Timestamp::default()));
        let mut engine = Self::new(policies.clone(), now, token_key);

        let mut reader = Reader::from(Arc::clone(&directory), 1)?;
        if sets_damage_aside {
            reader = reader.setting_damage_aside();
        }
        let mut redo = Redo::new(&engine, 1);
        for (nth, event) in (1..).zip(&mut reader) {
            let (sequence, event) = event?;
            redo.event(sequence, &event);
            if nth % TOLD_EVERY == 0 {
                progress(Progress::Redone(nth));
            }
        }
        let redone = redo.finish();
        let ending = reader.ending().ok_or_else(unread)?;
        progress(Progress::Ended(redone.counts, ending.tail.clone()));

        let clock = clock_from(redone.latest);
        engine.clock = Arc::clone(&clock);
        let journal = Journal::start(
            directory,
            &ending,
            settings,
            clock,
            Box::new(tell_condition),
        )?;
        engine.go_on(policies, redone, journal);
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
        let policy = PolicyText::of(configured.primary());
        let shadow = configured.shadow().map(PolicyText::of);
        let in_force = redone.in_force.as_ref();
        let is_in_force = in_force.is_some_and(|known| *known == (policy.clone(), shadow.clone()));
        let (primary, in_shadow) = (configured.primary().clone(), configured.shadow().cloned());
        self.policies = match redone.policies {
            Some(known) if is_in_force => known,
            Some(known) => known.succeeded_by(primary, in_shadow),
            None => configured,
        };
        if !is_in_force {
            journal.append(&Event::PolicyInForce(PolicyInForce {
                time: self.clock.now(),
                number: self.policies.primary_number(),
                policy,
                shadow,
            }));
        }
        self.journal = Some(journal);
    }
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
    let told = std::io::Error::other("the journal was not read to its end");
    JournalFault::storage("reading the journal")(told)
}
