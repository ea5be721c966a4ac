//! The engine: what the gRPC service and the command line call. Puts together the clock, the policies, what is
//! remembered of accounts, payees and devices, and the journal.
//!
//! Each call, or chunk of calls, reads the clock once and takes one exclusive step on its account. What other
//! accounts did to the payee and the device is read before that step; both are updated within it, and last the
//! event is appended to the journal. So an event has the same place in the journal and in the history of its
//! account, its payee and its device, and recovery rebuilds the same state.

mod budget;
mod chunk;
mod evidence;
mod import;
mod keys;
mod logged;
mod observed;
mod policies;
mod receipt;
mod recovery;
mod snapshots;
mod states;
mod memories;

use std::borrow::Cow;
use std::sync::Arc;

use crate::clock::Clock;
use crate::journal::Journal;
use crate::journal::event::Taught;
use crate::scoring::account::{Account, BoundsCost, OutcomeNoted, Refusal, Scored};
use crate::scoring::confirmation::{PresentedToken, TokenFault};
use crate::scoring::memory::{DeviceFacts, DeviceMemory, PayeeFacts, PayeeMemory, Surroundings};
use crate::scoring::outcome::Outcome;
use crate::scoring::payment::{AccountId, DeviceId, PayeeId, Payment, PaymentId};
use crate::scoring::policy::{Policies, Policy};
use crate::scoring::time::{Span, Timestamp};
use crate::store::Store;
use crate::telemetry::{
    BoundsCounters, BoundsCounts, ScoreCounters, ShadowCounters, ShadowCounts, SnapshotCounters,
};
use crate::token::{Alias, TokenKey};
use budget::Budget;
pub use budget::MemoryUse;
pub use chunk::{CHUNK_CALLS_MAX, Chunk};
pub use evidence::Listing;
use keys::Keys;
use logged::Logged;
use policies::InForce;
pub use policies::{PolicyChange, PolicyRefusal};
pub use receipt::{Kept, Receipt};
pub use recovery::{Durability, Progress, Recovered};

/// A device that made no payment for this long is forgotten.
const DEVICE_IDLE_MAX: Span = Span::from_hours(48);

/// How far behind the clock a sweep stays: far longer than a call takes from reading the clock to its step.
const SWEEP_BEHIND: Span = Span::from_secs(60);

/// Everything but the network.
#[derive(Debug)]
pub struct Engine {
    clock: Arc<dyn Clock>,
    in_force: InForce,
    token_key: TokenKey,
    accounts: Store<AccountId, Logged<Account>>,
    payees: Store<PayeeId, Logged<PayeeMemory>>,
    devices: Store<DeviceId, Logged<DeviceMemory>>,
    /// `None`: nothing outlives the process.
    journal: Option<Journal>,
    /// How many bytes of journal recovery had to read.
    journal_bytes_read: u64,
    /// What recovery found.
    recovered: Recovered,
    budget: Budget,
    scores: ScoreCounters,
    bounds: BoundsCounters,
    shadow: ShadowCounters,
    snapshots: SnapshotCounters,
}

/// A report of what became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReport {
    /// The account that made it.
    pub account_id: AccountId,
    /// The payment.
    pub payment_id: PaymentId,
    /// What became of it.
    pub outcome: Outcome,
    /// The payee. With it, a report that comes after the account's window still counts for the payee's risk.
    pub payee_id: Option<PayeeId>,
}

/// Whether the reported payment was still in the account's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It was.
    Yes,
    /// It was not; only the payee's risk learnt from the report.
    No,
}

/// The payment is not in the account's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPayment;

impl Engine {
    /// An engine that remembers nothing, under a policy, or a policy with a shadow policy beside it.
    #[must_use]
    pub fn new(policies: impl Into<Policies>, clock: Arc<dyn Clock>, token_key: TokenKey) -> Self {
        Self {
            clock,
            in_force: InForce::of(policies.into()),
            token_key,
            accounts: Store::new(),
            payees: Store::new(),
            devices: Store::new(),
            journal: None,
            journal_bytes_read: 0,
            recovered: Recovered::default(),
            budget: Budget::unlimited(),
            scores: ScoreCounters::default(),
            bounds: BoundsCounters::default(),
            shadow: ShadowCounters::default(),
            snapshots: SnapshotCounters::default(),
        }
    }

    /// The alias under which an account, a payee or a device is logged.
    #[must_use]
    pub fn alias(&self, id: &str) -> Alias {
        self.token_key.alias(id)
    }

    /// Scores a payment and remembers it. `token` is the confirmation token, if the payer was asked and said
    /// yes.
    ///
    /// # Errors
    /// [`Refusal`] when the payment contradicts an earlier submission or the token is no good; nothing
    /// is remembered then.
    pub fn score(&self, payment: &Payment, token: Option<&str>) -> Result<Scored, Refusal> {
        let (scored, _) = self.score_with_receipt(payment, token)?;
        Ok(scored)
    }

    /// Like [`score`](Self::score), and returns what the answer has to wait for.
    ///
    /// # Errors
    /// As there.
    pub fn score_with_receipt(
        &self,
        payment: &Payment,
        token: Option<&str>,
    ) -> Result<(Scored, Receipt), Refusal> {
        let mut keys = self.find_and_fetch(payment);
        self.score_at(&mut keys, token, self.clock.now())
    }

    fn score_at<'a>(
        &'a self,
        keys: &mut Keys<'a>,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(Scored, Receipt), Refusal> {
        let payment = keys.payment;
        let presented = match token {
            None => None,
            Some(text) => Some(
                self.token_key
                    .read(text)
                    .ok_or(Refusal::Token(TokenFault::Wrong))?,
            ),
        };
        let decide = |policies: &Policies, account: &mut Account, surroundings: &Surroundings| {
            let mint = |expire_time| self.token_key.mint(payment, expire_time);
            let scored = account.score(policies, payment, presented, surroundings, mint, now);
            if let Ok(Scored {
                replayed: true,
                assessment,
                ..
            }) = &scored
                && let Some(asked) = assessment.confirmation
                && !self.token_key.has_signed(asked.token)
            {
                // Its token was signed with a key that is lost.
                return account.ask_again(policies, payment, surroundings, mint, now);
            }
            scored
        };
        self.step(keys, presented, now, decide)
    }

    /// The step on a payment's account, payee and device. `decide` does what belongs to the account.
    fn step<'a>(
        &'a self,
        keys: &mut Keys<'a>,
        presented: Option<PresentedToken>,
        now: Timestamp,
        decide: impl FnOnce(&Policies, &mut Account, &Surroundings) -> Result<Scored, Refusal>,
    ) -> Result<(Scored, Receipt), Refusal> {
        let payment = keys.payment;
        let policies = self.in_force.now();
        let surroundings = self.surroundings(keys, policies.primary(), now);
        let Keys {
            account,
            payee,
            device,
            ..
        } = keys;
        let mut applied = 0;
        let scored = self.accounts.with(account, |account| {
            let scored = decide(&policies, &mut account.state, &surroundings);
            if let Ok(scored) = &scored
                && !scored.replayed
            {
                let number = policies.primary_number();
                let append =
                    || self.append_scored(payment, presented, &surroundings, number, scored);
                let policy = policies.primary();
                account.applied =
                    self.teach_memories(policy, payment, scored, payee, device, append);
            }
            // A replayed answer waits for the same as the first one.
            applied = account.applied;
            scored
        })?;
        self.count_cost(scored.bounds);
        if !scored.replayed {
            if presented.is_some() {
                self.scores.add_confirmed();
            }
            self.keep_to_budget(now);
            self.scores.add(&scored.assessment);
            if let Some(shadow) = &scored.shadow {
                self.shadow.add(scored.assessment.decision, shadow.decision);
            }
        } else {
            self.scores.add_retry();
        }
        Ok((scored, Receipt(applied)))
    }

    /// Records what became of a payment. The same report again changes nothing.
    ///
    /// # Errors
    /// [`UnknownPayment`] when the account does not remember the payment and the report names no payee.
    pub fn report_outcome(&self, report: &OutcomeReport) -> Result<Remembered, UnknownPayment> {
        let (remembered, _) = self.report_outcome_with_receipt(report)?;
        Ok(remembered)
    }

    /// Like [`report_outcome`](Self::report_outcome), and returns what the answer has to wait for.
    ///
    /// # Errors
    /// As there.
    pub fn report_outcome_with_receipt(
        &self,
        report: &OutcomeReport,
    ) -> Result<(Remembered, Receipt), UnknownPayment> {
        self.report_outcome_at(report, self.clock.now())
    }

    fn report_outcome_at(
        &self,
        report: &OutcomeReport,
        now: Timestamp,
    ) -> Result<(Remembered, Receipt), UnknownPayment> {
        let mut sought = self.accounts.find_and_fetch(&report.account_id);
        let noted = self.accounts.with_existing(&mut sought, |account| {
            let policies = self.in_force.now();
            let noted = account.state.report_outcome(
                policies.primary(),
                &report.payment_id,
                report.outcome,
                now,
            )?;
            self.count_cost(noted.bounds);
            if noted.says_no {
                self.scores.add_cancelled();
            }
            let OutcomeNoted {
                time,
                payee,
                risk_change,
                ..
            } = noted;
            let taught = risk_change.map_or(Taught::Nothing, |change| {
                Taught::Change(Cow::Owned(payee.id), change)
            });
            account.applied = self.teach_reported(report, taught, time);
            Some(account.applied)
        });
        let (remembered, sequence) = match noted.flatten() {
            Some(sequence) => (Remembered::Yes, sequence),
            None if report.payee_id.is_some() => {
                let sequence = self.teach_reported(report, Taught::Late, now);
                (Remembered::No, sequence)
            }
            None => return Err(UnknownPayment),
        };
        self.scores.add_outcome(report.outcome);
        self.keep_to_budget(now);
        Ok((remembered, Receipt(sequence)))
    }

    /// The current time, as payments are decided by it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many accounts are remembered.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// What the bounds on memory have cost so far.
    #[must_use]
    pub fn bounds_counts(&self) -> BoundsCounts {
        self.bounds.counts()
    }

    /// How often the shadow policy has agreed and disagreed so far.
    #[must_use]
    pub fn shadow_counts(&self) -> ShadowCounts {
        self.shadow.counts()
    }

    /// Forgets what is too old, also of accounts that make no more payments. No answer depends on it.
    pub fn sweep(&self) {
        self.sweep_in_runs(|| true);
    }

    /// The same in runs of a fraction of a millisecond, with a call of `rest` after each, which ends the sweep
    /// by returning `false`. Also forgets what exceeds the memory budget.
    pub fn sweep_in_runs(&self, mut rest: impl FnMut() -> bool) {
        // A call that has read the clock and still waits for its account must not find it swept up to a later
        // time.
        let now = self.clock.now().minus(SWEEP_BEHIND);
        self.forget_old(now, || {
            self.trim_to_budget(now);
            rest()
        });
        self.trim_to_budget(now);
    }

    fn forget_old(&self, now: Timestamp, mut rest: impl FnMut() -> bool) {
        let bring_up = |_: &AccountId, account: &mut Logged<Account>| {
            self.advance(&mut account.state, &self.in_force.now(), now);
            !account.state.is_blank()
        };
        self.accounts.sweep_in_runs(bring_up, &mut rest);
        let is_used = |device: &DeviceMemory| now.since(device.last_used()) < DEVICE_IDLE_MAX;
        self.devices
            .sweep_in_runs(|_, device| is_used(&device.state), rest);
    }

    /// Brings an account up to `now`, and counts what its bounds cost.
    fn advance(&self, account: &mut Account, policies: &Policies, now: Timestamp) {
        let (_, cost) = account.advance(policies.primary(), now);
        self.count_cost(cost);
    }

    fn count_cost(&self, cost: BoundsCost) {
        self.bounds.add(cost);
        self.scores.add_expired(cost.questions_expired);
    }

    fn surroundings<'a>(
        &'a self,
        keys: &mut Keys<'a>,
        policy: &Policy,
        now: Timestamp,
    ) -> Surroundings {
        let payee: Option<PayeeFacts> = self
            .payees
            .read(&mut keys.payee, |payee| payee.state.facts(policy, now));
        let device: Option<DeviceFacts> = keys
            .device
            .as_mut()
            .and_then(|device| self.devices.read(device, |device| device.state.facts(now)));
        Surroundings {
            payee: payee.unwrap_or_default(),
            device: device.unwrap_or_default(),
        }
    }
}
