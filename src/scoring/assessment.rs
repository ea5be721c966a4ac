//! What Doublecheck answers: a decision, the score behind it, and reasons with their evidence.

use std::fmt;
use std::sync::Arc;

use super::confirmation::ConfirmationToken;
use super::money::Money;
use super::outcome::Outcome;
use super::payment::{PayeeId, PaymentId, named};
use super::signal::Signal;
use super::time::{Span, Timestamp};

named! {
    /// What the gateway should do with a payment.
    Decision {
        /// Let it through.
        Allow = "allow",
        /// Ask the payer again, showing the reasons.
        Confirm = "confirm",
        /// Do not make it.
        Block = "block",
    }
}

named! {
    /// How the payer should be asked.
    Challenge {
        /// Not at all.
        None = "none",
        /// Show the reasons, take a yes or no.
        Acknowledge = "acknowledge",
        /// Ask for a second factor: this may not be the payer.
        SecondFactor = "second_factor",
        /// Ask for the payer's face or finger: this is likely not the payer.
        Biometric = "biometric",
    }
}

named! {
    /// How much Doublecheck knew of the account when it decided.
    History {
        /// Enough for every signal.
        Full = "full",
        /// Some: signals that need more kept silent, or a bound cut the memory short.
        Partial = "partial",
        /// Nothing: the first payment of this account that is remembered.
        None = "none",
    }
}

/// Why a payment was judged as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// A signal that fired.
    Signal(Signal),
    /// The payer was asked and said yes.
    PayerConfirmed,
}

impl ReasonCode {
    /// The code in capitals, as on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signal(signal) => signal.code(),
            Self::PayerConfirmed => "PAYER_CONFIRMED",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

named! {
    /// How an amount looks mistyped.
    AmountSlip {
        /// A zero too many: ten times the usual.
        ExtraDigit = "extra_digit",
        /// A digit lost.
        LostDigit = "lost_digit",
        /// A digit typed twice.
        DoubledDigit = "doubled_digit",
        /// A key beside the right one.
        NeighbourKey = "neighbour_key",
        /// The decimal point in the wrong place: a hundred times the usual, or a hundredth.
        DecimalShift = "decimal_shift",
    }
}

/// The measured facts behind a reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// The code says it all.
    None,
    /// An earlier payment that this one repeats.
    Duplicate {
        /// The earlier payment.
        earlier_payment_id: PaymentId,
        /// How long ago it was scored.
        elapsed: Span,
        /// What became of it, if reported.
        earlier_outcome: Option<Outcome>,
        /// How much it was, if that is not what this one is.
        other_money: Option<Money>,
    },
    /// Payments in a sliding window, this one included.
    Velocity {
        /// How long the window is.
        window: Span,
        /// How many payments (or failures) are in it.
        count: u32,
        /// What they sum up to in this payment's currency, in minor units.
        sum_minor: i64,
        /// The limit that was passed; a count, or minor units where sums are limited.
        limit: i64,
        /// What is usual for the account in such a window; 0 if unknown.
        usual: f64,
    },
    /// The amount against what is usual.
    Amount {
        /// The usual amount in minor units.
        usual_minor: i64,
        /// Whether it is usual for this payee, not for the account whomever it pays.
        usual_for_payee: bool,
        /// This amount as a multiple of the usual one.
        ratio: f64,
        /// How it looks mistyped, if it does.
        slip: Option<AmountSlip>,
    },
    /// The payee against the payees that the account knows.
    Payee {
        /// The known payee that this one is easily mistaken for.
        similar_payee_id: Option<PayeeId>,
        /// How often the account paid that payee.
        times_paid: u32,
        /// When it last did.
        last_paid_time: Option<Timestamp>,
    },
    /// What other accounts reported of the payee, or how many pay it.
    Reports {
        /// Reports against the payee, recent ones counting more; 0 for `PAYEE_FAN_IN`.
        reported: f64,
        /// How many accounts pay this payee, about.
        payers: u32,
    },
    /// The device.
    Device {
        /// How many devices the account is known to use, or used within minutes.
        known_devices: u32,
        /// How many accounts pay from this device, about.
        accounts: u32,
    },
    /// The hour of day.
    Hour {
        /// The local hour, 0–23.
        hour: u8,
        /// The share of the account's payments that fall near this hour, 0–1.
        share: f64,
    },
}

/// A signal that counted in the decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Which.
    pub code: ReasonCode,
    /// How strongly it fired, 0–100, before the policy's weight.
    pub strength: f64,
    /// What it measured.
    pub evidence: Evidence,
}

/// What a payer has to present to go on after `confirm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    /// The token: single use, bound to account, payee, money and kind.
    pub token: ConfirmationToken,
    /// When it ends.
    pub expire_time: Timestamp,
}

/// The answer to one payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// What to do.
    pub decision: Decision,
    /// 0–100, higher is riskier.
    pub score: f64,
    /// The signals that counted, weightiest first.
    pub reasons: Vec<Reason>,
    /// How to ask, when the decision is to confirm.
    pub challenge: Challenge,
    /// What lets the payment through once the payer has said yes.
    pub confirmation: Option<Confirmation>,
    /// When trying again makes sense, where pace was the reason to block.
    pub retry_after: Option<Span>,
    /// How much was known.
    pub history: History,
    /// Which policy decided.
    pub policy_version: Arc<str>,
    /// What the shadow policy would have decided, where one is loaded.
    pub shadow_decision: Option<Decision>,
}

impl Assessment {
    /// Whether it names an earlier payment that was paid, or that pays the same order; not only one of
    /// which nobody knows yet what became of it.
    #[must_use]
    pub fn names_what_was_paid(&self) -> bool {
        let paid = [Signal::DuplicateRecent, Signal::DuplicateOrder].map(ReasonCode::Signal);
        self.reasons
            .iter()
            .any(|reason| paid.contains(&reason.code))
    }

    /// The earlier payment that it names of which nobody knew yet what became of it, and how long ago that was
    /// scored; `None` where that nothing was heard of it is no matter.
    #[must_use]
    pub fn names_what_was_open(&self) -> Option<(&PaymentId, Span)> {
        let open = ReasonCode::Signal(Signal::DuplicateInFlight);
        let reason = self.reasons.iter().find(|reason| reason.code == open)?;
        match &reason.evidence {
            Evidence::Duplicate {
                earlier_payment_id,
                elapsed,
                earlier_outcome: None,
                other_money: _,
            } => Some((earlier_payment_id, *elapsed)),
            _ => None,
        }
    }

    /// The earlier payment that it names of the same order and sum, how long ago that was scored, and what was known
    /// of it.
    #[must_use]
    pub fn names_the_order_in_full(&self) -> Option<(&PaymentId, Span, Option<Outcome>)> {
        let order = ReasonCode::Signal(Signal::DuplicateOrder);
        let reason = self.reasons.iter().find(|reason| reason.code == order)?;
        match &reason.evidence {
            Evidence::Duplicate {
                earlier_payment_id,
                elapsed,
                earlier_outcome,
                other_money: None,
            } => Some((earlier_payment_id, *elapsed, *earlier_outcome)),
            _ => None,
        }
    }

    /// The earlier payment that this one was held against: that of its weightiest duplicate reason.
    #[must_use]
    pub fn held_against(&self) -> Option<&PaymentId> {
        self.reasons
            .iter()
            .find_map(|reason| match &reason.evidence {
                Evidence::Duplicate {
                    earlier_payment_id, ..
                } => Some(earlier_payment_id),
                Evidence::None
                | Evidence::Velocity { .. }
                | Evidence::Amount { .. }
                | Evidence::Payee { .. }
                | Evidence::Reports { .. }
                | Evidence::Device { .. }
                | Evidence::Hour { .. } => None,
            })
    }
}
