//! One account: the payments it made lately, what is usual for it, and everything that may happen to it.
//!
//! This is the critical section. Each method takes the whole account by `&mut` and does its step from
//! beginning to end: retry check, expiry, measuring, deciding, recording.

use super::assessment::{Assessment, Decision};
use super::confirmation::{ConfirmationToken, PresentedToken, TokenFault};
use super::memory::{RiskChange, Surroundings};
use super::outcome::{Outcome, PayeeRisk};
use super::payment::{ContentField, Payee, Payment, PaymentId};
use super::policy::{Policies, Policy};
use super::profile::{Forgotten, Profile};
use super::submission::Submission;
use super::time::{Span, Timestamp};
use super::window::{Decided, Dropped, RecordRef, Window};
use super::{Asked, assess};

mod again;
mod image;
mod learning;
mod retry;

pub use again::{Agreement, Answered};
use retry::{Reply, concluding};

/// Everything that is remembered of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    window: Window,
    profile: Profile,
    /// The latest time this account has seen: its time never goes backwards.
    latest: Timestamp,
}

/// What would be lost by forgetting an account. Ordered: the least loss first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// Protection against its latest payment being made twice.
    pub guard: bool,
    /// More than a single payment. So an account seen once is forgotten before a known one.
    pub history: bool,
    /// When it was last active.
    pub latest: Timestamp,
}

/// The result of scoring a payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The answer.
    pub assessment: Assessment,
    /// Whether this answer was given before, so that nothing was changed.
    pub replayed: bool,
    /// When it was decided.
    pub score_time: Timestamp,
    /// What was lost to the account's bounds.
    pub bounds: BoundsCost,
    /// By how many doublings the amount lay above what was expected, for the payee's memory to learn from;
    /// `None` if it is not to learn.
    pub above_doublings: Option<f64>,
    /// What the shadow policy would have answered; `None` without one, and for a replayed answer.
    pub shadow: Option<Box<Assessment>>,
}

/// What a step lost to the bounds of one account, in memory and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BoundsCost {
    /// Payments.
    pub dropped: Dropped,
    /// Payees and devices.
    pub forgotten: Forgotten,
    /// Payments that were to be confirmed, and were not by the time that they settled.
    pub questions_expired: u32,
}

impl BoundsCost {
    fn add_forgotten(&mut self, more: Forgotten) {
        self.forgotten.payees = self.forgotten.payees.saturating_add(more.payees);
        self.forgotten.devices = self.forgotten.devices.saturating_add(more.devices);
    }
}

/// Why a payment was not scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The same `payment_id` was submitted before with other content.
    Conflict(Vec<ContentField>),
    /// The confirmation token is not valid for this payment.
    Token(TokenFault),
}

/// The result of reporting an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeNoted {
    /// When, by the account's time.
    pub time: Timestamp,
    /// The payee of the payment.
    pub payee: Payee,
    /// What it changes for the payee's risk, if anything.
    pub risk_change: Option<RiskChange>,
    /// Whether the payer thereby refused to confirm.
    pub says_no: bool,
    /// What was lost to the account's bounds.
    pub bounds: BoundsCost,
}

impl Account {
    /// The payments it made lately.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// What is usual for it.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Requests from memory what the next step will read, without waiting.
    pub fn fetch(&self) {
        self.window.fetch();
        self.profile.fetch();
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.window
            .heap_bytes()
            .saturating_add(self.profile.heap_bytes())
    }

    /// What would be lost by forgetting it at `now`, if payments are guarded against repetition for `guard`.
    #[must_use]
    pub fn loss(&self, guard: Span, now: Timestamp) -> Loss {
        let newest = self.window.newest_first().next();
        let payments = self
            .window
            .len()
            .saturating_add(self.profile.payments_learnt() as usize);
        Loss {
            guard: newest.is_some_and(|newest| newest.score_time().within(guard, now)),
            // A payment that was learnt is both in the window and in the profile.
            history: payments > 2,
            latest: self.latest,
        }
    }

    /// The latest time it has seen.
    #[must_use]
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Scores `payment` at `now` and remembers it. A payment that was submitted before gets the same answer
    /// again.
    ///
    /// `mint` makes the token for a question that ends at the given moment. What the shadow policy
    /// says is noted beside the answer and decides nothing.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is remembered then.
    pub fn score(
        &mut self,
        policies: &Policies,
        payment: &Payment,
        presented: Option<PresentedToken>,
        surroundings: &Surroundings,
        mint: impl FnOnce(Timestamp) -> ConfirmationToken,
        now: Timestamp,
    ) -> Result<Scored, Refusal> {
        let conclude = concluding(mint);
        let reply = Reply::of(presented);
        self.decide(policies, payment, reply, surroundings, conclude, now)
    }

    fn decide(
        &mut self,
        policies: &Policies,
        payment: &Payment,
        reply: Reply,
        surroundings: &Surroundings,
        conclude: impl FnOnce(&mut Assessment, Timestamp),
        now: Timestamp,
    ) -> Result<Scored, Refusal> {
        let policy = policies.primary();
        let (now, mut bounds) = self.advance(policy, now);
        let submission = Submission::of(payment);
        let submitted = self.window.find_again(&submission);
        if let Some(number) = submitted
            && let Some(replay) = self.replay(policies, number, payment, reply)?
        {
            return Ok(replay);
        }
        let confirmed_by = self.spend(reply.presented, payment, now)?;
        if let Some(number) = submitted {
            self.take_back(policy, number);
        }

        let known_payee = self.profile.payee_of(&submission);
        let known_payee = known_payee.as_ref();
        let asked = Asked {
            submission: &submission,
            known_payee,
            confirmed: confirmed_by.is_some(),
        };
        let assess = |policy| assess(policy, self, asked, surroundings, now);
        let mut assessment = assess(policy);
        let shadow = policies.shadow().map(|shadow| Box::new(assess(shadow)));
        assessment.shadow_decision = shadow.as_ref().map(|shadow| shadow.decision);
        let token_ttl = policy.for_payment(payment).confirmation.token_ttl_ms;
        conclude(&mut assessment, now.plus(token_ttl));
        let decided = Decided {
            submission: &submission,
            assessment: &assessment,
            policy_number: policies.primary_number(),
            score_time: now,
            confirmed_by,
            payee_was_known: known_payee.is_some(),
        };
        let paid_lately = known_payee.is_some_and(|known| known.was_paid_lately(payment.money));
        bounds.dropped = self.window.push(&decided, policy.memory.payments_max);
        let above_doublings = match assessment.decision {
            Decision::Allow => {
                self.note_paid(policy, payment.money.currency(), now);
                self.note_level(payment, surroundings, paid_lately)
            }
            Decision::Confirm | Decision::Block => None,
        };
        Ok(Scored {
            assessment,
            replayed: false,
            score_time: now,
            bounds,
            above_doublings,
            shadow,
        })
    }

    /// Records what became of a payment; `None` if the payment is not remembered. The same report again, or one
    /// that a later outcome overrides, changes nothing.
    pub fn report_outcome(
        &mut self,
        policy: &Policy,
        payment_id: &PaymentId,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<OutcomeNoted> {
        let (now, mut bounds) = self.advance(policy, now);
        let nth = self.window.find(payment_id)?;
        let record = self.window.at(nth)?;
        let before = record.outcome();
        let payee = record.payee()?;
        if before.is_some_and(|before| !before.gives_way_to(outcome)) {
            return Some(OutcomeNoted {
                time: now,
                payee,
                risk_change: None,
                says_no: false,
                bounds,
            });
        }
        let says_no = record.is_question_open() && outcome == Outcome::Cancelled;
        let was_paid = record.standing().may_be_paid();
        // The payee was told of it as of one that was let through.
        let is_unpaid = was_paid && outcome.was_not_paid();
        if record.was_learnt() && outcome.was_not_paid() {
            self.unlearn_repeats_of(nth, payment_id);
        }
        self.window.note_outcome(nth, outcome, now);
        self.note_outcome_in_pace(policy, nth, was_paid);
        let record = self.window.at(nth)?;
        match (record.standing().teaches_profile(), record.was_learnt()) {
            (Some(true), false) => {
                bounds.add_forgotten(self.profile.learn(policy, record));
                self.window.set_learnt(nth, true);
            }
            (Some(false), true) => {
                self.profile.unlearn(policy, record);
                self.window.set_learnt(nth, false);
            }
            (Some(true), true) | (Some(false), false) | (None, _) => {}
        }
        let risk_of =
            |outcome: Option<Outcome>| outcome.map_or(PayeeRisk::None, Outcome::payee_risk);
        let change = RiskChange {
            before: risk_of(before),
            after: risk_of(Some(outcome)),
        };
        Some(OutcomeNoted {
            time: now,
            payee,
            risk_change: (change.before != change.after || is_unpaid).then_some(change),
            says_no,
            bounds,
        })
    }

    /// Brings the account up to `now`: payments that settled without bad news are learnt, and what is too old
    /// is forgotten. Whether this is done early or late makes no difference to any later answer.
    pub fn advance(&mut self, policy: &Policy, now: Timestamp) -> (Timestamp, BoundsCost) {
        self.latest = self.latest.max(now);
        let mut bounds = BoundsCost::default();
        let settle_after = policy.memory.settle_after_ms;
        while let Some(nth) = self.window.settle_next(settle_after, self.latest) {
            let Some(record) = self.window.at(nth) else {
                continue;
            };
            if record.is_question_open() {
                bounds.questions_expired = bounds.questions_expired.saturating_add(1);
            }
            if let Some(after) = record.reported_after() {
                self.profile.note_reported(after);
            }
            if !record.was_learnt() && record.standing().teaches_profile().is_none() {
                bounds.add_forgotten(self.profile.learn(policy, record));
                self.window.set_learnt(nth, true);
            }
        }
        self.window.expire(self.latest);
        if self.is_blank() {
            // The pace may still know of payments that came to nothing.
            self.profile = Profile::default();
        }
        (self.latest, bounds)
    }

    /// Whether, as of the last [`advance`](Self::advance), it is the same as an account never seen.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.window.is_empty() && self.profile.payments_learnt() == 0
    }

    /// The remembered payment of this id.
    #[must_use]
    pub fn record(&self, payment_id: &PaymentId) -> Option<RecordRef<'_>> {
        self.window.at(self.window.find(payment_id)?)
    }
}
