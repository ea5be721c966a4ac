//! The signals: each measures one fact about a payment, in one file, all of the same shape.
//!
//! A signal is a pure function `measure(settings, context)`. It returns a [`Measure`]: how strongly it fires, from
//! above 0 to 100, the facts, and the [`Nature`] of the trouble. It returns `None` when it has nothing to say, above
//! all when too little is known of the account: unknown is not risky.
//!
//! The policy gives each signal a weight; the strongest of each [`Family`] counts, and the families are combined
//! (`findings`). To add a signal, write its file and its line in the table below.

use std::fmt;

pub use super::context::Context;
use super::findings::Findings;
pub use super::measure::{Family, Measure, Nature};
use super::policy::{Section, Setting};
use super::time::Span;

/// A strength that grows with `value`: 0 up to `from`, 100 from `to` on, and in proportion between.
pub(crate) fn ramp(value: f64, from: f64, to: f64) -> f64 {
    if value <= from {
        0.0
    } else if value >= to {
        100.0
    } else {
        (value - from) / (to - from) * 100.0
    }
}

/// A strength that goes from `start`, at once, to `end`, once `elapsed` is as long as `window`.
pub(crate) fn fading(elapsed: Span, window: Span, start: f64, end: f64) -> f64 {
    let late = elapsed.share_of(window).min(1.0);
    start + (end - start) * late
}

macro_rules! signals {
    ($($(#[$doc:meta])+ $variant:ident $code:literal $module:ident $family:ident;)+) => {
        $(pub mod $module;)+

        /// One of the signals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Signal { $($(#[$doc])+ $variant,)+ }

        impl Signal {
            /// All of them, in the order in which the contract (the `.proto` file) lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its code, as reasons name it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What it looks at.
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

        /// Measures every signal that the policy gives weight to.
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
