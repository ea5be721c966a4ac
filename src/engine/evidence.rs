//! Reading what is remembered of payments, for the evidence methods.

use std::sync::Arc;

use super::Engine;
use super::logged::Logged;
use crate::scoring::account::Account;
use crate::scoring::payment::{AccountId, PaymentId};
use crate::scoring::time::Timestamp;
use crate::scoring::window::{Record, RecordRef};

/// Which of an account's payments to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The account.
    pub account_id: AccountId,
    /// Only payments that were held against an earlier one.
    pub duplicates_only: bool,
    /// Only payments listed after this one, given by its time and id.
    pub after: Option<(Timestamp, PaymentId)>,
    /// How many at most.
    pub limit: usize,
}

impl Engine {
    /// One payment, if it is remembered.
    #[must_use]
    pub fn payment(&self, account_id: &AccountId, payment_id: &PaymentId) -> Option<Record> {
        let now = self.clock.now();
        let find = |Logged { state: account, .. }: &mut Logged<Account>| {
            let policies = self.in_force.now();
            self.advance(account, &policies, now);
            let record = account.record(payment_id)?;
            record.record(account_id, |number| policies.version(number))
        };
        self.accounts
            .with_existing(&mut self.accounts.seek(account_id), find)
            .flatten()
    }

    /// An account's remembered payments, newest first.
    #[must_use]
    pub fn payments(&self, listing: &Listing) -> Vec<Record> {
        let now = self.clock.now();
        let list = |Logged { state: account, .. }: &mut Logged<Account>| {
            let policies = self.in_force.now();
            self.advance(account, &policies, now);
            listed(account, listing, |number| policies.version(number))
        };
        self.accounts
            .with_existing(&mut self.accounts.seek(&listing.account_id), list)
            .unwrap_or_default()
    }
}

fn listed(account: &Account, listing: &Listing, version: impl Fn(u16) -> Arc<str>) -> Vec<Record> {
    let mut records = account.window().newest_first().peekable();
    if let Some((time, payment_id)) = &listing.after {
        match account.record(payment_id).map(RecordRef::score_time) {
            Some(score_time) if score_time == *time => {
                records.find(|record| record.payment_id().as_ref() == Some(payment_id));
            }
            // It was decided anew meanwhile, and is the newest now. Payments scored in the same millisecond are
            // listed twice rather than not at all.
            Some(_) => while records.next_if(|r| r.score_time() > *time).is_some() {},
            // It was forgotten meanwhile, and everything older too.
            None => while records.next_if(|r| r.score_time() >= *time).is_some() {},
        }
    }
    records
        .filter(|record| !listing.duplicates_only || record.was_held_against_another())
        .take(listing.limit)
        .filter_map(|record| record.record(&listing.account_id, &version))
        .collect()
}
