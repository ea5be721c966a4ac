//! What a signal can see: the payment, its account, and what is known of its payee and its device.
//!
//! What every signal needs is looked up once, when the context is made. What few payments need is worked out when the
//! first signal asks for it, and kept.

use std::cell::OnceCell;

use super::Asked;
use super::account::Account;
use super::assessment::Evidence;
use super::expected::Expected;
use super::measure::Nature;
use super::memory::Surroundings;
use super::payment::{PayeeType, Payment};
use super::policy::Policy;
use super::profile::{Amounts, KnownPayee, Level, LogAmount, Spread};
use super::signal::Signal;
use super::submission::Submission;
use super::time::{Span, Timestamp};
use super::trial::{StrangeDevice, Trial, TriedPayee};
use super::window::{RecordRef, WindowIndex};

/// What a signal can see; it depends on nothing else.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The payment that is asked about.
    pub payment: &'a Payment,
    /// The payment with its ids packed, as remembered payments have them.
    pub submission: &'a Submission<'a>,
    /// What is remembered of its account.
    pub account: &'a Account,
    /// What all accounts together know of its payee and its device.
    pub surroundings: &'a Surroundings,
    /// The moment of the decision.
    pub now: Timestamp,
    /// What the account's profile knows of the payee; `None` if that is nothing, or the payee is on trial.
    pub known_payee: Option<&'a KnownPayee<'a>>,
    /// What was paid to the payee so far, if it is on trial: only little and within the last day, or only from a
    /// strange device, or not settled yet. It counts as new then.
    pub tried_payee: Option<TriedPayee>,
    /// The device that the payment comes from, if the account has never paid from it or it is on trial.
    pub strange_device: Option<StrangeDevice>,
    /// Whether the payee is none that the account has never paid: it is a known one, or one that the account is paying
    /// right now, sums like this one and from a device that is not strange.
    pub knows_the_payee: bool,
    /// Whether orders of the payee come back, as far as the account knows.
    pub orders_come_back: bool,
    /// When the newest payment was scored that the account remembers.
    newest: Option<Timestamp>,
    // Few payments need what follows, so it is worked out when it is asked for.
    level: OnceCell<Level>,
    usual: OnceCell<Option<Spread>>,
    usual_of_payee: OnceCell<Option<Spread>>,
    expected: OnceCell<Option<Expected>>,
}

impl<'a> Context<'a> {
    /// Looks up what every signal needs.
    #[must_use]
    pub fn new(
        policy: &'a Policy,
        asked: Asked<'a>,
        account: &'a Account,
        surroundings: &'a Surroundings,
        now: Timestamp,
    ) -> Self {
        let Asked {
            submission,
            known_payee,
            confirmed: _,
        } = asked;
        let trial = Trial {
            submission,
            account,
            now,
            device_multiple: policy.signals.device_new.trial_multiple,
            payee_multiple: policy.signals.payee_new.trial_multiple,
        };
        let strange_device = trial.strange_device();
        let orders_come_back = known_payee.is_some_and(|known| known.orders_come_back);
        let tried_payee = match known_payee {
            Some(known) => trial.tried(known, strange_device),
            None => trial.under_way(),
        };
        let known_payee = known_payee.filter(|_| tried_payee.is_none());
        let is_paying = || tried_payee.is_some_and(|tried| tried.is_paid_alike);
        Self {
            policy,
            payment: submission.payment,
            submission,
            account,
            surroundings,
            now,
            known_payee,
            tried_payee,
            strange_device,
            knows_the_payee: known_payee.is_some() || strange_device.is_none() && is_paying(),
            orders_come_back,
            newest: account
                .window()
                .newest_first()
                .next()
                .map(RecordRef::score_time),
            level: OnceCell::new(),
            usual: OnceCell::new(),
            usual_of_payee: OnceCell::new(),
            expected: OnceCell::new(),
        }
    }

    /// What the profile knows of the payee, if it was paid in this currency lately, so that sums can be compared.
    #[must_use]
    pub fn comparable_payee(&self) -> Option<&KnownPayee<'a>> {
        let currency = self.payment.money.currency();
        self.known_payee.filter(|known| known.currency == currency)
    }

    /// The account's last amounts in this currency.
    #[must_use]
    pub fn amounts(&self) -> Option<Amounts<'a>> {
        let currency = self.payment.money.currency();
        self.account.profile().amounts(currency)
    }

    /// The median and spread of the account's last amounts in this currency.
    #[must_use]
    pub fn usual(&self) -> Option<Spread> {
        let spread = || self.amounts().and_then(Amounts::spread);
        *self.usual.get_or_init(spread)
    }

    /// The median and spread of what the account paid this payee in this currency; `None` where fewer amounts than
    /// `amounts_min` are known.
    #[must_use]
    pub fn usual_of_payee(&self, amounts_min: u32) -> Option<Spread> {
        let known = self.payee_paid_at_least(amounts_min)?;
        *self.usual_of_payee.get_or_init(|| known.spread())
    }

    /// What the profile knows of the payee, if that is `amounts_min` amounts in this currency or more.
    #[must_use]
    pub fn payee_paid_at_least(&self, amounts_min: u32) -> Option<&KnownPayee<'a>> {
        self.comparable_payee()
            .filter(|known| known.amounts() >= amounts_min as usize)
    }

    /// What amount is to be expected of this account at this payee; `None` where too little is known of the account.
    #[must_use]
    pub(super) fn expected(&self) -> Option<Expected> {
        *self.expected.get_or_init(|| Expected::of(self))
    }

    /// The level of the account's sums in this currency; `None` where it is not known yet.
    #[must_use]
    pub fn level(&self) -> Option<&Level> {
        let currency = self.payment.money.currency();
        let level = || self.account.profile().level_in(currency);
        let level = self.level.get_or_init(level);
        level.is_known_in(currency).then_some(level)
    }

    /// The middle of the account's sums in this currency, in doublings above one minor unit. It is that of the level,
    /// which a coffee every day does not lower; where that is not known yet, it is the median.
    #[must_use]
    pub fn level_doublings(&self) -> Option<f64> {
        if let Some(level) = self.level() {
            return Some(level.middle_doublings());
        }
        self.usual().map(|usual| usual.median.doublings())
    }

    /// This amount as a multiple of the middle of the account's sums.
    #[must_use]
    pub fn ratio_to_level(&self) -> Option<f64> {
        let amount = LogAmount::of(self.payment.money.amount_minor());
        let level = self.level_doublings()?;
        Some(LogAmount::ratio(amount.doublings() - level))
    }

    /// Whether the account made any payment in the last `span`, or tried to. If not, no signal needs to look for one.
    #[must_use]
    pub fn was_active_within(&self, span: Span) -> bool {
        self.newest
            .is_some_and(|newest| newest.within(span, self.now))
    }

    /// The most payments of the last 24 hours that `signal` told the payer of, who said that they were meant, by a
    /// second factor or more; 0 if there are none. A mere yes counts for nothing here, as whoever can pay can say it.
    #[must_use]
    pub fn meant_count(&self, signal: Signal, window: Span) -> u32 {
        let weight = self.policy.signals.weight(signal);
        let second_factor_from = self.policy.confirmation.second_factor_from;
        let records = self.account.window().newest_first();
        let meant = records.filter_map(|record| record.reason_that_was_meant(signal));
        let counts = meant.filter_map(|reason| match reason.evidence {
            Evidence::Velocity {
                window: of, count, ..
            } if of == window => (reason.strength * weight >= second_factor_from).then_some(count),
            _ => None,
        });
        counts.max().unwrap_or(0)
    }

    /// An upper bound on how many payments of the last `span` count as attempts: the running total of a window that is
    /// as long or longer, so that none of them is looked at.
    #[must_use]
    pub fn attempts_max(&self, span: Span) -> u32 {
        let nth = WindowIndex::over(span);
        self.account.window().totals(nth).count()
    }

    /// The nature of signs that this may not be the payer, as a new device and an odd hour are. Of a purchase or a
    /// bill at a merchant it is only doubt: it can be called back, and who travels with a new phone pays a hotel at
    /// night.
    #[must_use]
    pub fn nature_of_a_stranger(&self) -> Nature {
        let Payment { payee, kind, .. } = self.payment;
        if payee.payee_type == PayeeType::Merchant && !kind.is_irrevocable() {
            Nature::Doubt
        } else {
            Nature::Abuse
        }
    }

    /// Whether the profile knows enough for signals that compare with what is usual.
    #[must_use]
    pub const fn knows_the_account(&self) -> bool {
        self.account.profile().payments_learnt() >= self.policy.memory.full_history_payments
    }

    /// This amount as a multiple of `usual_minor`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^50")]
    pub fn ratio_to(&self, usual_minor: i64) -> f64 {
        self.payment.money.amount_minor() as f64 / usual_minor.max(1) as f64
    }

    /// The facts of a payment that repeats `earlier`.
    pub(super) fn duplicate_of(&self, earlier: RecordRef<'_>) -> Option<Evidence> {
        Some(Evidence::Duplicate {
            earlier_payment_id: earlier.payment_id()?,
            elapsed: self.now.since(earlier.score_time()),
            earlier_outcome: earlier.outcome(),
            other_money: Some(earlier.money()).filter(|money| *money != self.payment.money),
        })
    }

    /// Whether `record` may be paid and has no final outcome yet. One of which nothing is heard for
    /// `memory.settle_after_ms` counts as paid: bad news would have come by then.
    #[must_use]
    pub fn is_in_flight(&self, record: RecordRef<'_>) -> bool {
        let silent_for = self.now.since(record.score_time());
        record.standing().is_in_flight()
            && (record.outcome().is_some() || silent_for < self.policy.memory.settle_after_ms)
    }
}
