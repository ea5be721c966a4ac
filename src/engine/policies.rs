//! The policies in force, and how they are replaced while calls go on.
//!
//! A payment is decided under the policies in force when its step begins, and its record names them by number: a
//! payment that was under way during a change may stand behind the change in the journal. Everything
//! else depends only on settings that cannot be changed without a restart.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, MutexGuard};

use super::Engine;
use crate::journal::event::{Event, PolicyInForce};
use crate::scoring::policy::Policies;

/// The policies in force, and those before them.
#[derive(Debug)]
pub(super) struct InForce {
    now: ArcSwap<Policies>,
    /// All of them, as journalled. Locked while one is appended to the journal, so that a reader sees all that
    /// were appended before.
    journalled: Mutex<Vec<PolicyInForce>>,
}

/// The result of asking for other policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyChange {
    /// They are in force now.
    Made,
    /// They were in force already.
    None,
}

/// Why the policies were not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRefusal {
    /// They differ in settings that say how accounts remember, which only a restart can change.
    NeedsRestart(Vec<String>),
    /// There were as many policies as records can tell apart.
    TooMany,
}

impl InForce {
    pub(super) fn of(policies: Policies) -> Self {
        Self::after(policies, Vec::new())
    }

    /// With `policies` in force, the last of those that are journalled.
    pub(super) fn after(policies: Policies, journalled: Vec<PolicyInForce>) -> Self {
        Self {
            now: ArcSwap::from_pointee(policies),
            journalled: Mutex::new(journalled),
        }
    }

    pub(super) fn now(&self) -> Guard<Arc<Policies>> {
        self.now.load()
    }

    /// All policies that have been in force, as journalled.
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

    /// Brings other policies into force while calls go on: payments whose step begins from now on are decided
    /// under them, also when recovery redoes them.
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
        // It must stand before anything that is decided under them.
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
