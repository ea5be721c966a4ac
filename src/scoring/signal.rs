//! The signals: one measured fact about a payment each, one file each, all of one shape.
//!
//! A signal is a pure function `measure(settings, context)`. It says nothing (`None`) when it has
//! nothing to say, above all when it lacks history: unknown is not risky. To add one, write its file
//! and its line in the table below.

use std::cell::OnceCell;
use std::fmt;

use super::Asked;
use super::account::Account;
use super::expected::Expected;
use super::findings::Findings;
use super::memory::Surroundings;
use super::payment::{PayeeType, Payment};
use super::policy::{Policy, Section, Setting};
use super::profile::{Amounts, KnownPayee, Level, LogAmount, Spread};
use super::submission::Submission;
use super::time::{Span, Timestamp};
use super::window::{RecordRef, WindowIndex};

pub use super::measure::{Family, Measure, Nature};

/// What a signal can see. Nothing else exists for it.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The payment that is asked about.
    pub payment: &'a Payment,
    /// The same, with its ids as records have them.
    pub submission: &'a Submission<'a>,
    /// What is remembered of its account.
    pub account: &'a Account,
    /// What was read of its payee and its device.
    pub surroundings: &'a Surroundings,
    /// The moment of the decision.
    pub now: Timestamp,
    /// What the account's profile knows of the payee.
    pub known_payee: Option<KnownPayee<'a>>,
    /// Whether the account has paid this payee before, or is paying it right now.
    pub knows_the_payee: bool,
    /// When the newest payment was scored that the account remembers.
    newest: Option<Timestamp>,
    /// Few payments need these, so they are worked out when they are asked for.
    level: OnceCell<Level>,
    usual: OnceCell<Option<Spread>>,
    usual_of_payee: OnceCell<Option<Spread>>,
    expected: OnceCell<Option<Expected>>,
}

impl<'a> Context<'a> {
    /// Everything that bears on the payment, looked up once.
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
        Self {
            policy,
            payment: submission.payment,
            submission,
            account,
            surroundings,
            now,
            known_payee,
            knows_the_payee: known_payee.is_some()
                || account.window().is_paying_the_payee_of(submission),
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

    /// What the profile knows of the payee, where what it was paid lately is in this currency.
    #[must_use]
    pub fn comparable_payee(&self) -> Option<&KnownPayee<'a>> {
        let currency = self.payment.money.currency();
        self.known_payee
            .as_ref()
            .filter(|known| known.currency == currency)
    }

    /// The amounts of the account in this currency.
    #[must_use]
    pub fn amounts(&self) -> Option<Amounts<'a>> {
        let currency = self.payment.money.currency();
        self.account.profile().amounts(currency)
    }

    /// What the account usually pays in this currency.
    #[must_use]
    pub fn usual(&self) -> Option<Spread> {
        let spread = || self.amounts().and_then(Amounts::spread);
        *self.usual.get_or_init(spread)
    }

    /// What the account usually pays this payee in this currency; `None` where it knows fewer than so
    /// many amounts.
    #[must_use]
    pub fn usual_of_payee(&self, amounts_min: u32) -> Option<Spread> {
        let known = self.payee_paid_at_least(amounts_min)?;
        *self.usual_of_payee.get_or_init(|| known.spread())
    }

    /// What the profile knows of the payee, where that is so many amounts in this currency.
    #[must_use]
    pub fn payee_paid_at_least(&self, amounts_min: u32) -> Option<&KnownPayee<'a>> {
        self.comparable_payee()
            .filter(|known| known.amounts() >= amounts_min as usize)
    }

    /// What amount is to be expected of the account and the payee; `None` where the account's level is not
    /// known.
    #[must_use]
    fn expected(&self) -> Option<Expected> {
        *self.expected.get_or_init(|| Expected::of(self))
    }

    /// The level of what the account pays in this currency; `None` where it is not known yet.
    #[must_use]
    pub fn level(&self) -> Option<&Level> {
        let currency = self.payment.money.currency();
        let level = || self.account.profile().level_in(currency);
        let level = self.level.get_or_init(level);
        level.is_known_in(currency).then_some(level)
    }

    /// The same in doublings above one minor unit. A coffee every day does not lower it; where it is not
    /// known yet, it is the median.
    #[must_use]
    pub fn level_doublings(&self) -> Option<f64> {
        if let Some(level) = self.level() {
            return Some(level.middle_doublings());
        }
        self.usual().map(|usual| usual.median.doublings())
    }

    /// This amount as a multiple of that level.
    #[must_use]
    pub fn ratio_to_level(&self) -> Option<f64> {
        let amount = LogAmount::of(self.payment.money.amount_minor());
        let level = self.level_doublings()?;
        Some(LogAmount::ratio(amount.doublings() - level))
    }

    /// Whether the account made any payment in the last `span`, or tried to. If not, there is none to be
    /// looked at.
    #[must_use]
    pub fn was_active_within(&self, span: Span) -> bool {
        self.newest
            .is_some_and(|newest| newest.within(span, self.now))
    }

    /// How many payments of the last `span` count as attempts, at the most: the running totals say so
    /// without a look at any of them.
    #[must_use]
    pub fn attempts_max(&self, span: Span) -> u32 {
        let nth = WindowIndex::over(span);
        self.account.window().totals(nth).count()
    }

    /// What it speaks of that somebody may not be the payer: a purchase can be called back, and who travels with a
    /// new phone pays a hotel at night.
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

    /// Whether `record` has no final outcome yet. One without any counts as paid once bad news would
    /// have come.
    #[must_use]
    pub fn is_in_flight(&self, record: RecordRef<'_>) -> bool {
        let silent_for = self.now.since(record.score_time());
        record.standing().is_in_flight()
            && (record.outcome().is_some() || silent_for < self.policy.memory.settle_after_ms)
    }
}

/// Where `value` stands between `from` (0) and `to` (100), held at both ends.
pub(crate) fn ramp(value: f64, from: f64, to: f64) -> f64 {
    if value <= from {
        0.0
    } else if value >= to {
        100.0
    } else {
        (value - from) / (to - from) * 100.0
    }
}

macro_rules! signals {
    ($($(#[$doc:meta])+ $variant:ident $code:literal $module:ident $family:ident;)+) => {
        $(pub mod $module;)+

        /// One of the signals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Signal { $($(#[$doc])+ $variant,)+ }

        impl Signal {
            /// All of them, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its code, as in reasons.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What it speaks of.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family),+ }
            }

            /// Its section in the policy.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => stringify!($module)),+ }
            }
        }

        /// The settings of every signal.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct SignalSettings {
            $($(#[$doc])+ pub $module: $module::Settings,)+
        }

        impl SignalSettings {
            /// How much `signal` counts.
            pub(super) const fn weight(&self, signal: Signal) -> f64 {
                match signal { $(Signal::$variant => self.$module.weight),+ }
            }

            pub(crate) fn settings(&self) -> Vec<Setting> {
                let mut all = Vec::new();
                $(all.extend(self.$module.settings());)+
                all
            }

            pub(crate) fn section_mut(&mut self, name: &str) -> Option<&mut dyn Section> {
                match name {
                    $(stringify!($module) => Some(&mut self.$module),)+
                    _ => None,
                }
            }
        }

        /// Asks every signal that the policy gives weight to.
        pub(super) fn measure_all(context: &Context<'_>) -> Findings {
            let settings = &context.policy.signals;
            let mut findings = Findings::default();
            $(
                if settings.$module.weight > 0.0
                    && let Some(measure) = $module::measure(&settings.$module, context)
                {
                    findings.add(Signal::$variant, settings.$module.weight, measure);
                }
            )+
            findings
        }
    };
}

signals! {
    /// The same payment again while the first is still open.
    DuplicateInFlight "DUPLICATE_IN_FLIGHT" duplicate_in_flight Repetition;
    /// The same order paid again.
    DuplicateOrder "DUPLICATE_ORDER" duplicate_order Repetition;
    /// The same payment again soon after the first was paid.
    DuplicateRecent "DUPLICATE_RECENT" duplicate_recent Repetition;
    /// More payments than people make in such a time.
    RapidRepeat "RAPID_REPEAT" rapid_repeat Repetition;
    /// More money than this account spends in such a time.
    SpendSurge "SPEND_SURGE" spend_surge Amount;
    /// A run of small payments in minutes.
    SmallPaymentBurst "SMALL_PAYMENT_BURST" small_payment_burst Repetition;
    /// Many declined payments in a row.
    FailureBurst "FAILURE_BURST" failure_burst Failure;
    /// An amount far above what is usual.
    AmountUnusual "AMOUNT_UNUSUAL" amount_unusual Amount;
    /// An amount one slip of the finger away from the usual one.
    AmountSlip "AMOUNT_SLIP" amount_slip Typing;
    /// A payee never paid before.
    PayeeNew "PAYEE_NEW" payee_new Payee;
    /// A payee one slip of the finger away from a known one.
    PayeeLookalike "PAYEE_LOOKALIKE" payee_lookalike Typing;
    /// A payee that others reported.
    PayeeReported "PAYEE_REPORTED" payee_reported Reputation;
    /// A payee suddenly paid by many accounts.
    PayeeFanIn "PAYEE_FAN_IN" payee_fan_in Reputation;
    /// A device that pays for many accounts.
    DeviceFanOut "DEVICE_FAN_OUT" device_fan_out Device;
    /// A device this account never paid from.
    DeviceNew "DEVICE_NEW" device_new Device;
    /// Several devices within minutes.
    DeviceSwitch "DEVICE_SWITCH" device_switch Device;
    /// An hour at which this account does not pay.
    HourUnusual "HOUR_UNUSUAL" hour_unusual Hour;
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
