//! The policies in force, and how others come into force while calls go on.
//!
//! A payment is decided under the policies that are in force when its account's turn comes, and its record
//! says by number which those were: one that was under way when others came into force may stand behind
//! them in the journal. All else that happens to a state depends on settings that no change touches.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, MutexGuard};

use super::Engine;
use crate::journal::event::{Event, PolicyInForce};
use crate::scoring::policy::Policies;

/// The policies in force, and all that have been.
#[derive(Debug)]
pub(super) struct InForce {
    now: ArcSwap<Policies>,
    /// As the journal has them. Held while one is appended there, so that whoever reads it finds all that
    /// have been appended before.
    journalled: Mutex<Vec<PolicyInForce>>,
}

/// What asking for other policies came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyChange {
    /// They are in force.
    Made,
    /// They were already.
    None,
}

/// Why other policies did not come into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRefusal {
    /// They differ in settings that hold from a start on, for they say how accounts remember.
    NeedsRestart(Vec<String>),
    /// There have been as many as records can tell apart.
    TooMany,
}

impl InForce {
    pub(super) fn of(policies: Policies) -> Self {
        Self::after(policies, Vec::new())
    }

    /// `policies` in force, the last of those that the journal has.
    pub(super) fn after(policies: Policies, journalled: Vec<PolicyInForce>) -> Self {
        Self {
            now: ArcSwap::from_pointee(policies),
            journalled: Mutex::new(journalled),
        }
    }

    pub(super) fn now(&self) -> Guard<Arc<Policies>> {
        self.now.load()
    }

    /// All that have been in force, as the journal has them.
    pub(super) fn journalled(&self) -> MutexGuard<'_, Vec<PolicyInForce>> {
        self.journalled.lock()
    }
}

impl Engine {
    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> Arc<Policies> {
        self.in_force.now.load_full()
    }

    /// Brings other policies into force, while calls go on. Payments whose turn comes from now on are
    /// decided under them, and so they are when a restart does them again.
    ///
    /// # Errors
    /// When only a restart can bring them into force; those before stay then.
    pub fn change_policies(&self, asked: &Policies) -> Result<PolicyChange, PolicyRefusal> {
        let mut journalled = self.in_force.journalled();
        let before = self.in_force.now();
        let time = self.clock.now();
        if PolicyInForce::of(asked, time).says_the_same_as(&PolicyInForce::of(&before, time)) {
            return Ok(PolicyChange::None);
        }
        let unlike = before.remembers_otherwise(asked.primary());
        if !unlike.is_empty() {
            return Err(PolicyRefusal::NeedsRestart(unlike));
        }
        if before.primary_number() == u16::MAX {
            return Err(PolicyRefusal::TooMany);
        }
        let after = before.succeeded_by(asked.primary().clone(), asked.shadow().cloned());
        let in_force = PolicyInForce::of(&after, time);
        // Before anything is decided under them.
        if let Some(journal) = &self.journal {
            journal.append(&Event::PolicyInForce(in_force.clone()));
        }
        journalled.push(in_force);
        self.in_force.now.store(Arc::new(after));
        Ok(PolicyChange::Made)
    }
}

impl fmt::Display for PolicyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsRestart(settings) => {
                let settings = settings.join(", ");
                write!(
                    f,
                    "only a restart changes how accounts remember: {settings}"
                )
            }
            Self::TooMany => {
                f.write_str("there have been too many policies for one data directory")
            }
        }
    }
}

impl std::error::Error for PolicyRefusal {}
