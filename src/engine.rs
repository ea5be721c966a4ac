//! Clock, store and policy put together: what the edge calls.
//!
//! Every call, or chunk of calls, reads the clock once, and every call takes one exclusive step on the
//! account. Payee and device memories are read before that step and told after it: smaller steps of their
//! own, never nested.

mod budget;
mod chunk;
mod keys;

use std::sync::Arc;

use crate::clock::Clock;
use crate::scoring::account::{Account, OutcomeNoted, Refusal, Scored};
use crate::scoring::assessment::Decision;
use crate::scoring::confirmation::TokenFault;
use crate::scoring::memory::{
    DeviceFacts, DeviceMemory, PayeeFacts, PayeeMemory, Payer, Surroundings,
};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{AccountId, DeviceId, PayeeId, Payment, PaymentId};
use crate::scoring::policy::{Policies, Policy};
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::{Record, RecordRef};
use crate::store::Store;
use crate::telemetry::{BoundsCounters, BoundsCounts, ShadowCounters, ShadowCounts};
use crate::token::TokenKey;
use budget::Budget;
pub use budget::MemoryUse;
pub use chunk::{CHUNK_CALLS_MAX, Chunk};
use keys::Keys;

/// After how long without a payment a device's memory says nothing any more.
const DEVICE_IDLE_MAX: Span = Span::from_hours(48);

/// The service without its edge.
#[derive(Debug)]
pub struct Engine {
    clock: Arc<dyn Clock>,
    policies: Policies,
    token_key: TokenKey,
    accounts: Store<AccountId, Account>,
    payees: Store<PayeeId, PayeeMemory>,
    devices: Store<DeviceId, DeviceMemory>,
    budget: Budget,
    bounds: BoundsCounters,
    shadow: ShadowCounters,
}

/// A report of what became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReport {
    /// Whose payment.
    pub account_id: AccountId,
    /// Which payment.
    pub payment_id: PaymentId,
    /// What became of it.
    pub outcome: Outcome,
    /// Who received it: lets a report that comes after the account's window still teach payee risk.
    pub payee_id: Option<PayeeId>,
}

/// Whether the payment of an accepted report was still in the account's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It was.
    Yes,
    /// It was not; only the payee's risk learnt from the report.
    No,
}

/// There is no such payment in the account's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPayment;

/// Which of an account's payments to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Whose payments.
    pub account_id: AccountId,
    /// Only those that were held against an earlier one.
    pub duplicates_only: bool,
    /// Only those listed after this one: its time and id.
    pub after: Option<(Timestamp, PaymentId)>,
    /// How many at most.
    pub limit: usize,
}

impl Engine {
    /// An engine with nothing remembered, under a policy or under one with another in its shadow.
    #[must_use]
    pub fn new(policies: impl Into<Policies>, clock: Arc<dyn Clock>, token_key: TokenKey) -> Self {
        Self {
            clock,
            policies: policies.into(),
            token_key,
            accounts: Store::new(),
            payees: Store::new(),
            devices: Store::new(),
            budget: Budget::unlimited(),
            bounds: BoundsCounters::default(),
            shadow: ShadowCounters::default(),
        }
    }

    /// The same, keeping to so many bytes of memory: what is missed least is forgotten first.
    #[must_use]
    pub fn with_memory_budget(self, bytes_max: u64) -> Self {
        Self {
            budget: Budget::of(bytes_max),
            ..self
        }
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.policies.primary()
    }

    /// The policy in its shadow, if there is one.
    #[must_use]
    pub const fn shadow_policy(&self) -> Option<&Policy> {
        self.policies.shadow()
    }

    /// Scores a payment and remembers it. `token` is what the payer's "yes" is presented with.
    ///
    /// # Errors
    /// [`Refusal`] when the payment contradicts an earlier submission or the token is no good; nothing
    /// is remembered then.
    pub fn score(&self, payment: &Payment, token: Option<&str>) -> Result<Scored, Refusal> {
        let mut keys = self.seek(payment);
        self.find(&mut keys);
        keys.fetch();
        self.score_at(keys, token, self.clock.now())
    }

    fn score_at<'a>(
        &'a self,
        mut keys: Keys<'a>,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<Scored, Refusal> {
        let payment = keys.payment;
        let presented = match token {
            None => None,
            Some(text) => Some(
                self.token_key
                    .read(text)
                    .ok_or(Refusal::Token(TokenFault::Wrong))?,
            ),
        };
        let surroundings = self.surroundings(&mut keys, now);
        let scored = self.accounts.with(&mut keys.account, |account| {
            account.score(
                &self.policies,
                payment,
                presented,
                &surroundings,
                |expire_time| self.token_key.mint(payment, expire_time),
                now,
            )
        })?;
        self.bounds.add(scored.bounds);
        if !scored.replayed {
            let decision = scored.assessment.decision;
            self.tell_memories(&mut keys, &scored);
            self.keep_to_budget(now);
            if let Some(shadow) = &scored.shadow {
                self.shadow.add(decision, shadow.decision);
            }
        }
        Ok(scored)
    }

    /// Notes what became of a payment. The same report again changes nothing.
    ///
    /// # Errors
    /// [`UnknownPayment`] when the account does not remember the payment and the report names no payee.
    pub fn report_outcome(&self, report: &OutcomeReport) -> Result<Remembered, UnknownPayment> {
        self.report_outcome_at(report, self.clock.now())
    }

    fn report_outcome_at(
        &self,
        report: &OutcomeReport,
        now: Timestamp,
    ) -> Result<Remembered, UnknownPayment> {
        let noted = self
            .accounts
            .with_existing(&mut self.accounts.seek(&report.account_id), |account| {
                account.report_outcome(self.policy(), &report.payment_id, report.outcome, now)
            })
            .flatten();
        if let Some(OutcomeNoted {
            payee,
            risk_change,
            bounds,
        }) = noted
        {
            self.bounds.add(bounds);
            if let Some(change) = risk_change {
                self.payees
                    .with(&mut self.payees.seek(&payee.id), |memory| {
                        memory.note_outcome(
                            self.policy(),
                            Payer::of(&report.account_id),
                            change,
                            now,
                        );
                    });
            }
            self.keep_to_budget(now);
            return Ok(Remembered::Yes);
        }
        let payee_id = report.payee_id.as_ref().ok_or(UnknownPayment)?;
        self.payees.with(&mut self.payees.seek(payee_id), |memory| {
            memory.note_late_outcome(
                self.policy(),
                &report.account_id,
                &report.payment_id,
                report.outcome.payee_risk(),
                now,
            );
        });
        self.keep_to_budget(now);
        Ok(Remembered::No)
    }

    /// What is remembered of one payment.
    #[must_use]
    pub fn payment(&self, account_id: &AccountId, payment_id: &PaymentId) -> Option<Record> {
        let now = self.clock.now();
        self.accounts
            .with_existing(&mut self.accounts.seek(account_id), |account| {
                account.advance(self.policy(), now);
                let record = account.record(payment_id)?;
                record.record(account_id, |number| self.policies.version(number))
            })
            .flatten()
    }

    /// An account's remembered payments, newest first.
    #[must_use]
    pub fn payments(&self, listing: &Listing) -> Vec<Record> {
        let now = self.clock.now();
        let list = |account: &mut Account| {
            account.advance(self.policy(), now);
            listed(account, listing, |number| self.policies.version(number))
        };
        self.accounts
            .with_existing(&mut self.accounts.seek(&listing.account_id), list)
            .unwrap_or_default()
    }

    /// How many accounts are remembered.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// What the bounds on memory cost so far.
    #[must_use]
    pub fn bounds_counts(&self) -> BoundsCounts {
        self.bounds.counts()
    }

    /// How often the shadow policy agreed and disagreed so far.
    #[must_use]
    pub fn shadow_counts(&self) -> ShadowCounts {
        self.shadow.counts()
    }

    /// Lets go of what is too old, of accounts that make no payments as well. No answer depends on it.
    pub fn sweep(&self) {
        self.sweep_in_runs(|| true);
    }

    /// The same, in runs that take a fraction of a millisecond each, with a `rest` after each of them;
    /// where that says `false`, it ends. Trims what is remembered to the memory budget as it goes.
    pub fn sweep_in_runs(&self, mut rest: impl FnMut() -> bool) {
        let now = self.clock.now();
        let forget_old = |_: &AccountId, account: &mut Account| {
            let (_, bounds) = account.advance(self.policy(), now);
            self.bounds.add(bounds);
            !account.is_blank()
        };
        self.accounts.sweep_in_runs(forget_old, || {
            self.trim_to_budget(now);
            rest()
        });
        self.trim_to_budget(now);
        let is_used = |memory: &DeviceMemory| now.since(memory.last_used()) < DEVICE_IDLE_MAX;
        self.devices
            .sweep_in_runs(|_, memory| is_used(memory), rest);
    }

    fn surroundings<'a>(&'a self, keys: &mut Keys<'a>, now: Timestamp) -> Surroundings {
        let payee: Option<PayeeFacts> = self
            .payees
            .read(&mut keys.payee, |memory| memory.facts(self.policy(), now));
        let device: Option<DeviceFacts> = keys
            .device
            .as_mut()
            .and_then(|device| self.devices.read(device, |memory| memory.facts(now)));
        Surroundings {
            payee: payee.unwrap_or_default(),
            device: device.unwrap_or_default(),
        }
    }

    fn tell_memories<'a>(&'a self, keys: &mut Keys<'a>, scored: &Scored) {
        let now = scored.score_time;
        let payer = Payer::of(&keys.payment.account_id);
        if scored.assessment.decision == Decision::Allow {
            self.payees.with(&mut keys.payee, |memory| {
                memory.note_payer(payer, now);
                memory.note_amount(keys.payment.money, scored.above_doublings);
            });
        }
        if let Some(device) = &mut keys.device {
            self.devices
                .with(device, |memory| memory.note_payer(payer, now));
        }
    }
}

fn listed(account: &Account, listing: &Listing, version: impl Fn(u16) -> Arc<str>) -> Vec<Record> {
    let mut records = account.window().newest_first().peekable();
    if let Some((time, payment_id)) = &listing.after {
        match account.record(payment_id).map(RecordRef::score_time) {
            Some(score_time) if score_time == *time => {
                records.find(|record| record.payment_id().as_ref() == Some(payment_id));
            }
            // It was decided anew meanwhile and is the newest now. What was scored in the same
            // millisecond is listed twice rather than not at all.
            Some(_) => while records.next_if(|r| r.score_time() > *time).is_some() {},
            // It was forgotten meanwhile, and with it everything older.
            None => while records.next_if(|r| r.score_time() >= *time).is_some() {},
        }
    }
    records
        .filter(|record| !listing.duplicates_only || record.was_held_against_another())
        .take(listing.limit)
        .filter_map(|record| record.record(&listing.account_id, &version))
        .collect()
}
