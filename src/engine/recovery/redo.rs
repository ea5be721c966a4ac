//! Redoes what the journal says was done, by the same steps that did it.

use std::sync::Arc;

use super::partitions::Partition;
use crate::engine::Engine;
use crate::engine::chunk::CHUNK_CALLS_MAX;
use crate::engine::keys::{SoughtAccount, SoughtDevice, SoughtPayee};
use crate::engine::memories::{teach_payee, teach_payee_outcome};
use crate::engine::snapshots::LoadedSnapshot;
use crate::journal::event::{
    Event, Evicted, EvictedKey, OutcomeReported, PaymentScored, PolicyInForce, PolicyText, Taught,
};
use crate::scoring::account::{Agreement, Answered};
use crate::scoring::assessment::Decision;
use crate::scoring::memory::Payer;
use crate::scoring::policy::Policies;
use crate::scoring::time::Timestamp;
use crate::store::Store;

/// Redoes the events of one partition, one after the other.
#[derive(Debug)]
pub(super) struct Redo<'a> {
    engine: &'a Engine,
    partition: Partition,
    /// The policies that hold before the first event of them.
    configured: Arc<Policies>,
    /// The policies in force at the current event; `None` before the first.
    policies: Option<Policies>,
    /// The policies before them, indexed by their number.
    superseded: Vec<Policies>,
    /// All of them, as journalled.
    policies_in_force: Vec<PolicyInForce>,
    /// From this event on every decision must come out as recorded. Before it, a key that was evicted later may
    /// be missing from the snapshot; what is rebuilt of it is evicted again.
    certain_from: u64,
    latest: Timestamp,
    counts: Recovered,
}

/// What recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Accounts in the snapshot.
    pub snapshot_accounts: u64,
    /// Redone events.
    pub events: u64,
    /// Payments that this program would have answered differently: another version answered them. What was
    /// answered stands.
    pub disagreements: u64,
    /// Policies that this program reads differently than the one that had them in force.
    pub policies_changed: u64,
}

/// The result of redoing.
#[derive(Debug)]
pub(super) struct Redone {
    pub(super) policies: Option<Policies>,
    pub(super) policies_in_force: Vec<PolicyInForce>,
    pub(super) latest: Timestamp,
    pub(super) counts: Recovered,
}

impl Redone {
    /// The result of two partitions together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.counts.disagreements += other.counts.disagreements;
        self
    }
}

/// The keys of an event that belong to this partition.
#[derive(Debug, Default)]
struct OwnKeys<'e> {
    account: Option<SoughtAccount<'e>>,
    payee: Option<SoughtPayee<'e>>,
    device: Option<SoughtDevice<'e>>,
}

impl<'e> OwnKeys<'e> {
    fn find(&mut self, engine: &'e Engine) {
        if let Some(account) = &mut self.account {
            engine.accounts.find(account);
        }
        if let Some(payee) = &mut self.payee {
            engine.payees.find(payee);
        }
        if let Some(device) = &mut self.device {
            engine.devices.find(device);
        }
    }

    fn fetch_heap(&self) {
        if let Some(account) = &self.account {
            Store::fetch_heap(account);
        }
        if let Some(payee) = &self.payee {
            Store::fetch_heap(payee);
        }
        if let Some(device) = &self.device {
            Store::fetch_heap(device);
        }
    }
}

impl<'a> Redo<'a> {
    pub(super) fn new(engine: &'a Engine, partition: Partition) -> Self {
        Self {
            engine,
            partition,
            configured: engine.policies(),
            policies: None,
            superseded: Vec::new(),
            policies_in_force: Vec::new(),
            certain_from: 1,
            latest: Timestamp::default(),
            counts: Recovered::default(),
        }
    }

    /// Continues from a snapshot.
    pub(super) fn start_from(&mut self, loaded: &LoadedSnapshot) {
        loaded
            .policies
            .iter()
            .for_each(|policy| self.policy_in_force(policy));
        self.certain_from = loaded.summary.journal_to;
        self.latest = loaded.latest;
        self.counts.snapshot_accounts = loaded.summary.counts.accounts;
    }

    /// Redoes what happened to the keys of this partition.
    pub(super) fn events(&mut self, events: &[(u64, Event<'_>)]) {
        let engine = self.engine;
        for events in events.chunks(CHUNK_CALLS_MAX) {
            let mut keys: Vec<_> = events.iter().map(|(_, event)| self.own(event)).collect();
            // As in a chunk of calls, the waits for memory overlap.
            keys.iter_mut().for_each(|keys| keys.find(engine));
            keys.iter().for_each(OwnKeys::fetch_heap);
            for ((sequence, event), keys) in events.iter().zip(keys) {
                self.event(*sequence, event, keys);
            }
        }
    }

    /// The keys of the event that belong to this partition.
    fn own<'e>(&self, event: &'e Event<'_>) -> OwnKeys<'e>
    where
        'a: 'e,
    {
        let Event::PaymentScored(scored) = event else {
            return OwnKeys::default();
        };
        let (engine, partition) = (self.engine, self.partition);
        let payment = &*scored.payment;
        let device_id = payment.device_id.as_ref();
        OwnKeys {
            account: partition
                .has(payment.account_id.as_str())
                .then(|| engine.accounts.seek(&payment.account_id)),
            payee: (scored.decision == Decision::Allow && partition.has(payment.payee.id.as_str()))
                .then(|| engine.payees.seek(&payment.payee.id)),
            device: device_id
                .filter(|device_id| partition.has(device_id.as_str()))
                .map(|device_id| engine.devices.seek(device_id)),
        }
    }

    fn event<'e>(&mut self, sequence: u64, event: &Event<'_>, keys: OwnKeys<'e>)
    where
        'a: 'e,
    {
        self.counts.events += 1;
        self.latest = self.latest.max(event.time());
        match event {
            Event::PaymentScored(scored) => self.payment_scored(sequence, scored, keys),
            Event::OutcomeReported(reported) => self.outcome_reported(sequence, reported),
            Event::Evicted(evicted) => self.evicted(sequence, evicted),
            Event::PolicyInForce(in_force) => self.policy_in_force(in_force),
        }
    }

    pub(super) fn finish(self) -> Redone {
        Redone {
            policies: self.policies,
            policies_in_force: self.policies_in_force,
            latest: self.latest,
            counts: self.counts,
        }
    }

    fn policy_in_force(&mut self, in_force: &PolicyInForce) {
        // A policy that came into force while the snapshot was taken is both in it and in the journal behind
        // it.
        if usize::from(in_force.number) < self.policies_in_force.len() {
            return;
        }
        let mut rebuild = |text: &PolicyText| {
            text.policy().unwrap_or_else(|| {
                self.counts.policies_changed += 1;
                text.preset.policy()
            })
        };
        let primary = rebuild(&in_force.policy);
        let shadow = in_force.shadow.as_ref().map(rebuild);
        self.policies_in_force.push(in_force.clone());
        let policies = match self.policies.take() {
            None => Policies::new(primary, shadow),
            Some(before) => {
                let policies = before.succeeded_by(primary, shadow);
                self.superseded.push(before.superseded());
                policies
            }
        };
        self.policies = Some(policies.called(Arc::clone(&in_force.policy.version)));
    }

    /// The policies a payment was decided under: those in force, unless they changed while it was under way.
    fn policies_of(&self, number: u16) -> &Policies {
        let superseded = self.superseded.get(usize::from(number));
        superseded.unwrap_or_else(|| self.policies())
    }

    fn policies(&self) -> &Policies {
        self.policies.as_ref().unwrap_or(&self.configured)
    }

    fn payment_scored<'e>(&mut self, sequence: u64, scored: &PaymentScored<'_>, keys: OwnKeys<'e>)
    where
        'a: 'e,
    {
        let (payment, now) = (&*scored.payment, scored.time);
        let Engine {
            payees, devices, ..
        } = self.engine;
        if let Some(account) = keys.account {
            self.account_scored(sequence, scored, account);
        }
        let payer = Payer::of(&payment.account_id);
        if let Some(mut payee) = keys.payee {
            let policy = self.policies_of(scored.policy_number).primary();
            payees.with(&mut payee, |payee| {
                payee.apply(sequence, |payee| {
                    let above_doublings = scored.above_doublings;
                    teach_payee(payee, policy, payer, payment.money, above_doublings, now);
                });
            });
        }
        if let Some(mut device) = keys.device {
            devices.with(&mut device, |device| {
                device.apply(sequence, |device| device.note_payer(payer, now));
            });
        }
    }

    fn account_scored<'e>(
        &mut self,
        sequence: u64,
        scored: &PaymentScored<'_>,
        mut sought: SoughtAccount<'e>,
    ) where
        'a: 'e,
    {
        let answered = Answered {
            decision: scored.decision,
            score: scored.score,
            confirmation: scored.minted,
            shadow_decision: scored.shadow_decision,
        };
        let policies = self.policies_of(scored.policy_number);
        let agreement = self.engine.accounts.with(&mut sought, |account| {
            account.apply(sequence, |account| {
                account.score_again(
                    policies,
                    &scored.payment,
                    scored.presented,
                    &scored.surroundings,
                    &answered,
                    scored.time,
                )
            })
        });
        match agreement {
            None | Some(Ok(Agreement::Yes)) => {}
            Some(Ok(Agreement::No) | Err(_)) => {
                self.counts.disagreements += u64::from(sequence >= self.certain_from);
            }
        }
    }

    fn outcome_reported(&self, sequence: u64, reported: &OutcomeReported<'_>) {
        let Engine {
            accounts, payees, ..
        } = self.engine;
        let OutcomeReported {
            time,
            account_id,
            payment_id,
            outcome,
            taught,
            ..
        } = reported;
        let policy = self.policies().primary();
        if *taught != Taught::Late && self.partition.has(account_id.as_str()) {
            accounts.with(&mut accounts.seek(&**account_id), |account| {
                account.apply(sequence, |account| {
                    account.report_outcome(policy, payment_id, *outcome, *time)
                })
            });
        }
        if let Some(payee_id) = reported.taught_payee()
            && self.partition.has(payee_id.as_str())
        {
            payees.with(&mut payees.seek(payee_id), |payee| {
                payee.apply(sequence, |payee| {
                    teach_payee_outcome(payee, policy, reported)
                })
            });
        }
    }

    fn evicted(&self, sequence: u64, Evicted { what, .. }: &Evicted<'_>) {
        let Engine {
            accounts,
            payees,
            devices,
            ..
        } = self.engine;
        match what {
            EvictedKey::Account(id) if self.partition.has(id.as_str()) => {
                accounts.forget_if(id, |held| held.applied < sequence);
            }
            EvictedKey::Payee(id) if self.partition.has(id.as_str()) => {
                payees.forget_if(id, |held| held.applied < sequence);
            }
            EvictedKey::Device(id) if self.partition.has(id.as_str()) => {
                devices.forget_if(id, |held| held.applied < sequence);
            }
            EvictedKey::Account(_) | EvictedKey::Payee(_) | EvictedKey::Device(_) => {}
        }
    }
}
