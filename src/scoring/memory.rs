//! What all accounts together know of a payee or a device, in a bounded number of bytes per key.
//!
//! These memories belong to other keys than the account's: a decision reads a few numbers from them before it
//! looks at the account, and they are updated after it.

use super::hash::hash_of;
use super::money::Money;
use super::outcome::{Outcome, PayeeRisk};
use super::payment::{AccountId, PaymentId};
use super::policy::Policy;
use super::time::{Span, Timestamp, remaining_share};

mod device;
mod distinct;
mod image;
mod known_reports;
mod level;
mod paid;
mod reports;

pub use device::{DeviceFacts, DeviceMemory};
use distinct::{Distinct, RecentAccounts, twice};
use known_reports::{Known, Marked};
pub use level::{AmountLevel, AmountLevelParts, PriceLevel};
use paid::{HalfLives, Paid};
use reports::FadingReports;
pub use reports::Reports;

/// How long one period of "recent" is for a payee: recent means this period and the one before. Collectors of stolen
/// money are paid for some days before they move on.
const PAYEE_PERIOD: Span = Span::from_days(3);

/// How long a payee counts as new to everybody: what is usual for it is not known before.
const PAYEE_YOUTH: Span = Span::from_days(14);

/// What a decision reads of the payee's and the device's memory. It is an input of the decision and part of its
/// record: accounts race each other on a busy payee, and recovery could not find their order again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Surroundings {
    /// Of the payee.
    pub payee: PayeeFacts,
    /// Of the device.
    pub device: DeviceFacts,
}

/// What is known of a payee.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PayeeFacts {
    /// How many accounts ever paid it, about.
    pub payers: u32,
    /// How many accounts paid it in the last three to six days, about.
    pub payers_recent: u32,
    /// How many accounts usually pay it in such a time, about; 0 for its first two weeks.
    pub payers_usual: f64,
    /// When any account first paid it.
    pub first_seen: Option<Timestamp>,
    /// What all accounts usually pay it.
    pub amounts: AmountLevel,
    /// How much more its payers pay it than others.
    pub prices: PriceLevel,
    /// Settled payments and reports, over weeks. Without any report, only what was told of is among those
    /// settled.
    pub reports: Reports,
    /// The same over the last days.
    pub reports_lately: Reports,
}

/// What all accounts know of one payee.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PayeeMemory {
    ever: Distinct<4>,
    recent: RecentAccounts,
    first_seen: Option<Timestamp>,
    payers_usual: f64,
    amounts: AmountLevel,
    prices: PriceLevel,
    reports: FadingReports,
    paid: Paid,
    last_told: Timestamp,
}

/// What would be lost by forgetting a payee's memory. Ordered: the least loss first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayeeLoss {
    /// Whether it was reported.
    pub reported: bool,
    /// When something was last learnt of it.
    pub last_told: Timestamp,
}

/// An account, as these memories know it: by a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    hash: u64,
}

impl Payer {
    /// The account of this id.
    #[must_use]
    pub fn of(account_id: &AccountId) -> Self {
        let hash = hash_of(account_id.as_str().as_bytes());
        Self { hash }
    }
}

/// A change of what is known about one payment to a payee. That nothing was known and nothing is says that it was
/// not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiskChange {
    /// What its outcome said before.
    pub before: PayeeRisk,
    /// What it says now.
    pub after: PayeeRisk,
}

impl PayeeMemory {
    /// What a decision may read, as of `now`.
    #[must_use]
    pub fn facts(&self, policy: &Policy, now: Timestamp) -> PayeeFacts {
        let mut reports = self.reports.at(half_lives(policy), now);
        // Few payees were ever reported, and only their rate is asked for.
        if self.reports.has_bad_news() {
            reports = self.paid.settle(reports, half_lives(policy), now);
        }
        let [reports, reports_lately] = reports;
        PayeeFacts {
            payers: self.ever.estimate(),
            payers_recent: self.recent.estimate(PAYEE_PERIOD, now),
            payers_usual: self.payers_usual,
            first_seen: self.first_seen,
            amounts: self.amounts,
            prices: self.prices,
            reports,
            reports_lately,
        }
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.reports.heap_bytes()
    }

    /// What is lost by forgetting it.
    #[must_use]
    pub fn loss(&self) -> PayeeLoss {
        PayeeLoss {
            reported: self.reports.has_bad_news(),
            last_told: self.last_told,
        }
    }

    /// Learns that `payer` pays this payee.
    pub fn note_payer(&mut self, policy: &Policy, payer: Payer, now: Timestamp) {
        self.last_told = self.last_told.max(now);
        self.paid.note(half_lives(policy), now);
        let first_seen = *self.first_seen.get_or_insert(now);
        if let Some((finished, lasted)) = self.recent.advance(PAYEE_PERIOD, now)
            && now.since(first_seen) >= PAYEE_YOUTH
        {
            // The usual number fades, so that one busy week is forgotten in a month and a steady
            // stream is soon known as one.
            let left = remaining_share(lasted, twice(PAYEE_PERIOD));
            self.payers_usual = (self.payers_usual * left).max(f64::from(finished));
        }
        self.recent.insert(payer.hash);
        self.ever.insert(payer.hash);
    }

    /// Learns that this payee was paid `money`, which lay this many doublings above what was expected of its
    /// payer.
    pub fn note_amount(&mut self, money: Money, above_doublings: Option<f64>) {
        self.amounts.note(money);
        if let Some(above) = above_doublings {
            self.prices.note(above);
        }
    }

    /// Learns that the outcome of a payment by `payer` to this payee changed. Bad outcomes are remembered, in
    /// case they are reported again when the account's window no longer holds the payment.
    pub fn note_outcome(
        &mut self,
        policy: &Policy,
        payer: Payer,
        payment_id: &PaymentId,
        change: RiskChange,
        now: Timestamp,
    ) {
        if change.after == PayeeRisk::None {
            self.paid.note_unpaid();
            if change.before == PayeeRisk::None {
                return;
            }
        }
        let marked = Marked::of(payer, payment_id);
        // Of the frauds of one incident only one was counted as such.
        let counted = self.known_of(marked).map(Known::counted);
        let before = counted.unwrap_or(change.before);
        let known = self.note_change(policy, payer, RiskChange { before, ..change }, now);
        self.know(marked, known.filter(Known::is_bad));
    }

    /// Learns from an outcome whose payment the account's window no longer holds. The same report again changes
    /// nothing, and of two different ones the same one wins as [in the window](Outcome::gives_way_to), as long
    /// as the payment is among the last few of this payee that were reported late or as bad.
    pub fn note_late_outcome(
        &mut self,
        policy: &Policy,
        account_id: &AccountId,
        payment_id: &PaymentId,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let payer = Payer::of(account_id);
        let marked = Marked::of(payer, payment_id);
        let known = self.known_of(marked);
        let after = outcome.payee_risk();
        let stands = |known: Known| after != PayeeRisk::None && after <= known.says();
        if outcome == Outcome::Unknown || known.is_some_and(stands) {
            return;
        }
        let before = match (known, after) {
            (Some(known), _) => known.counted(),
            (None, PayeeRisk::None | PayeeRisk::Good) => PayeeRisk::None,
            // Almost every payment settles within its window, so a later report is about a payment that
            // was counted as settled there.
            (None, PayeeRisk::Weak | PayeeRisk::Strong) => PayeeRisk::Good,
        };
        let known = self.note_change(policy, payer, RiskChange { before, after }, now);
        self.know(marked, known);
    }

    /// Counts the change; returns what is known of the payment from now on, if anything.
    fn note_change(
        &mut self,
        policy: &Policy,
        payer: Payer,
        change: RiskChange,
        now: Timestamp,
    ) -> Option<Known> {
        self.last_told = self.last_told.max(now);
        if change.before == PayeeRisk::Strong {
            // Should the account report a fraud once more, none of it is counted yet.
            self.reports.forget_reporter(payer);
        }
        let known = match change.after {
            PayeeRisk::None => None,
            PayeeRisk::Good => Some(Known::Good),
            PayeeRisk::Weak => Some(Known::Weak),
            // A victim of a takeover reports everything that was paid from the account: one incident, not many.
            PayeeRisk::Strong => Some(match self.reports.note_reporter(payer) {
                true => Known::MoreFraud,
                false => Known::Strong,
            }),
        };
        let after = known.map_or(PayeeRisk::None, Known::counted);
        let before = change.before;
        self.reports
            .note(RiskChange { before, after }, half_lives(policy), now);
        known
    }

    /// What is known of a payment that was reported late or as bad.
    fn known_of(&self, marked: Marked) -> Option<Known> {
        self.reports.known()?.of(marked)
    }

    fn know(&mut self, marked: Marked, known: Option<Known>) {
        if known.is_some() {
            self.reports.known_or_new().set(marked, known);
        } else if let Some(known_reports) = self.reports.known_mut() {
            known_reports.set(marked, None);
        }
    }
}

const fn half_lives(policy: &Policy) -> HalfLives {
    HalfLives {
        over_weeks: policy.memory.reports_half_life_ms,
        lately: policy.memory.reports_lately_half_life_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u32) -> AccountId {
        AccountId::new(format!("account-{n}")).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_unix_ms(0);

    fn payment_id(n: u32) -> PaymentId {
        PaymentId::new(format!("payment-{n}")).unwrap()
    }

    /// Account and payment have the same number.
    fn note_late(memory: &mut PayeeMemory, nth: u32, outcome: Outcome) {
        let policy = Policy::default();
        memory.note_late_outcome(&policy, &account(nth), &payment_id(nth), outcome, NOW);
    }

    fn reports(memory: &PayeeMemory) -> (f64, f64, f64) {
        let reports = memory.facts(&Policy::default(), NOW).reports;
        (reports.settled, reports.weak, reports.strong)
    }

    #[test]
    fn what_one_account_reports_in_a_row_counts_once() {
        let policy = Policy::default();
        let mut memory = PayeeMemory::default();
        let fraud = RiskChange {
            before: PayeeRisk::Good,
            after: PayeeRisk::Strong,
        };
        let reporters = [(1, 1.0), (1, 1.0), (2, 2.0), (2, 2.0), (1, 3.0)];
        for (nth, (reporter, strong)) in (0..).zip(reporters) {
            let payer = Payer::of(&account(reporter));
            memory.note_outcome(&policy, payer, &payment_id(nth), fraud, NOW);
            assert_eq!(memory.facts(&policy, NOW).reports.strong, strong);
        }
    }

    #[test]
    fn late_reports_count_once_however_often_they_are_made() {
        let mut memory = PayeeMemory::default();
        for _ in 0..5 {
            for nth in 0..30 {
                let outcome = [Outcome::Succeeded, Outcome::Refunded, Outcome::Fraud];
                note_late(&mut memory, nth, outcome[nth as usize % 3]);
            }
            assert_eq!(reports(&memory), (10.0, 10.0, 10.0));
        }
    }

    #[test]
    fn a_report_made_in_time_and_again_when_it_is_late_counts_once() {
        let policy = Policy::default();
        for (after, outcome) in [
            (PayeeRisk::Strong, Outcome::Fraud),
            (PayeeRisk::Weak, Outcome::Refunded),
        ] {
            let mut memory = PayeeMemory::default();
            let before = PayeeRisk::Good;
            for nth in 0..6 {
                let payer = Payer::of(&account(nth));
                let change = RiskChange { before, after };
                memory.note_outcome(&policy, payer, &payment_id(nth), change, NOW);
            }
            let in_time = reports(&memory);
            for nth in 0..6 {
                note_late(&mut memory, nth, outcome);
            }
            assert_eq!(reports(&memory), in_time);
        }
    }

    #[test]
    fn a_late_report_can_be_taken_back() {
        for never_paid in [Outcome::Declined, Outcome::Cancelled, Outcome::NotSent] {
            let mut memory = PayeeMemory::default();
            for nth in 0..4 {
                note_late(&mut memory, nth, Outcome::Succeeded);
                note_late(&mut memory, nth, Outcome::Fraud);
            }
            assert_eq!(reports(&memory), (4.0, 0.0, 4.0));
            for nth in 0..4 {
                note_late(&mut memory, nth, never_paid);
            }
            assert_eq!(reports(&memory), (0.0, 0.0, 0.0), "{never_paid}");
        }
    }

    #[test]
    fn what_was_counted_once_for_many_payments_is_taken_back_once() {
        let policy = Policy::default();
        let mut memory = PayeeMemory::default();
        note_late(&mut memory, 1, Outcome::Fraud);
        for outcome in [Outcome::Fraud, Outcome::NotSent] {
            for nth in 10..20 {
                memory.note_late_outcome(&policy, &account(2), &payment_id(nth), outcome, NOW);
            }
        }
        assert_eq!(memory.facts(&policy, NOW).reports.strong, 1.0);
    }

    /// In time, each of account 1, as the account's window has it.
    fn note_in_time(memory: &mut PayeeMemory, reports: &[(u32, PayeeRisk, PayeeRisk)]) {
        for (nth, before, after) in reports {
            let change = RiskChange {
                before: *before,
                after: *after,
            };
            let payer = Payer::of(&account(1));
            memory.note_outcome(&Policy::default(), payer, &payment_id(*nth), change, NOW);
        }
    }

    #[test]
    fn of_several_frauds_those_taken_back_leave_the_one_that_stands() {
        use PayeeRisk::{Good, None, Strong};
        let mut memory = PayeeMemory::default();
        let frauds = [0, 1, 2].map(|nth| (nth, Good, Strong));
        note_in_time(&mut memory, &[(3, None, Good)]);
        note_in_time(&mut memory, &[0, 1, 2].map(|nth| (nth, None, Good)));
        note_in_time(&mut memory, &frauds);
        assert_eq!(reports(&memory), (4.0, 0.0, 1.0));
        note_in_time(&mut memory, &[(1, Strong, None), (2, Strong, None)]);
        assert_eq!(reports(&memory), (2.0, 0.0, 1.0));
        note_in_time(&mut memory, &[(0, Strong, None)]);
        assert_eq!(reports(&memory), (1.0, 0.0, 0.0));
    }

    #[test]
    fn a_fraud_that_was_taken_back_and_is_reported_again_counts() {
        use PayeeRisk::{None, Strong};
        let mut memory = PayeeMemory::default();
        for _ in 0..3 {
            note_in_time(&mut memory, &[(0, None, Strong)]);
            assert_eq!(reports(&memory), (1.0, 0.0, 1.0));
            note_in_time(&mut memory, &[(0, Strong, None)]);
            assert_eq!(reports(&memory), (0.0, 0.0, 0.0));
        }
        // Late too, and for another payment.
        for (nth, outcome) in [
            (1, Outcome::Fraud),
            (1, Outcome::Declined),
            (2, Outcome::Fraud),
        ] {
            memory.note_late_outcome(
                &Policy::default(),
                &account(1),
                &payment_id(nth),
                outcome,
                NOW,
            );
        }
        assert_eq!(memory.facts(&Policy::default(), NOW).reports.strong, 1.0);
    }

    #[test]
    fn a_late_report_that_was_overtaken_changes_nothing() {
        let mut memory = PayeeMemory::default();
        note_late(&mut memory, 1, Outcome::Succeeded);
        note_late(&mut memory, 1, Outcome::PayerMistake);
        assert_eq!(reports(&memory), (1.0, 1.0, 0.0));
        note_late(&mut memory, 1, Outcome::Fraud);
        for outcome in [
            Outcome::Succeeded,
            Outcome::Refunded,
            Outcome::PayerMistake,
            Outcome::Unknown,
        ] {
            note_late(&mut memory, 1, outcome);
            assert_eq!(reports(&memory), (1.0, 0.0, 1.0), "{outcome}");
        }
    }
}
