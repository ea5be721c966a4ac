//! Importing past payments, so that a first deployment starts with some history.

use std::sync::Arc;

use super::Engine;
use crate::journal::JournalFault;
use crate::journal::event::PolicyInForce;
use crate::journal::snapshot::SnapshotSummary;
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::payment::Payment;
use crate::storage::Directory;

/// The number of the first journalled event after an import. Not 1: a journal that starts at 1 holds the whole
/// history, and this one does not.
const JOURNAL_FROM: u64 = 2;

impl Engine {
    /// Remembers a payment that was made before the service existed: as allowed, beside the reasons that the policy
    /// would have given.
    ///
    /// # Errors
    /// [`Refusal`] when the payment contradicts an earlier one; nothing is remembered then.
    pub fn import(&self, payment: &Payment) -> Result<Scored, Refusal> {
        let mut keys = self.find_and_fetch(payment);
        let now = self.clock.now();
        let (scored, _) = self.step(&mut keys, None, now, |policies, account, surroundings| {
            account.import(policies, payment, surroundings, now)
        })?;
        Ok(scored)
    }

    /// Writes everything that is remembered to an empty directory, as a snapshot for an engine to start from.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn write_first_snapshot(
        &self,
        directory: &Arc<dyn Directory>,
    ) -> Result<SnapshotSummary, JournalFault> {
        let in_force = PolicyInForce::of(&self.in_force.now(), self.clock.now());
        *self.in_force.journalled() = vec![in_force];
        let mut writer = self.begin_snapshot(directory, JOURNAL_FROM)?;
        self.put_states(&mut writer, || true)?;
        writer.finish(JOURNAL_FROM)
    }
}
