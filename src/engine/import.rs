//! A state made of what happened before anybody asked.

use std::sync::Arc;

use super::Engine;
use crate::journal::JournalFault;
use crate::journal::event::PolicyInForce;
use crate::journal::snapshot::SnapshotSummary;
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::payment::Payment;
use crate::storage::Directory;

/// The number of the first event that is journalled on top of what was imported. Not 1: a journal that goes back
/// to number 1 has all there was, and this one has not.
const JOURNAL_FROM: u64 = 2;

impl Engine {
    /// Remembers a payment that was made before anybody asked about it. What the policy says to it is noted
    /// and decides nothing.
    ///
    /// # Errors
    /// [`Refusal`] when the payment contradicts an earlier one; nothing is remembered then.
    pub fn import(&self, payment: &Payment) -> Result<Scored, Refusal> {
        let keys = self.bring(payment);
        let now = self.clock.now();
        let (scored, _) = self.step(keys, None, now, |policies, account, surroundings| {
            account.take_in(policies, payment, surroundings, now)
        })?;
        Ok(scored)
    }

    /// Writes all that is remembered to a directory that is still empty, for an engine to begin from.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn found(&self, directory: &Arc<dyn Directory>) -> Result<SnapshotSummary, JournalFault> {
        let in_force = PolicyInForce::of(&self.in_force.now(), self.clock.now());
        *self.in_force.journalled() = vec![in_force];
        let mut writer = self.begin_snapshot(directory, JOURNAL_FROM)?;
        self.put_states(&mut writer, || true)?;
        writer.finish(JOURNAL_FROM)
    }
}
