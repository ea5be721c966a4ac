//! What a story is made of.

use crate::grpc::pb::{Assessment, Decision, Outcome, PayeeType, PaymentKind};
use crate::scoring::time::Span;

use crate::cli::show;

/// One thing that happens to people, and what Doublecheck is promised to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    /// The hour and minute of day at which it happens.
    pub(super) start: (u8, u8),
    /// What the account ordinarily pays, for weeks before.
    pub(super) habits: &'static [Habit],
    pub(super) steps: &'static [Step],
}

/// A payment that the account makes again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habit {
    pub(super) every_days: u16,
    pub(super) at: (u8, u8),
    pub(super) outgoing: Outgoing,
}

/// A payment, or several of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    /// A `#` in it stands for another number each time.
    pub(super) payee: &'static str,
    pub(super) payee_type: PayeeType,
    pub(super) kind: PaymentKind,
    /// In CNY, smallest unit. Where a payment repeats, one after the other.
    pub(super) amounts_minor: &'static [i64],
    pub(super) order: Option<&'static str>,
    pub(super) device: &'static str,
    pub(super) session: Option<&'static str>,
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// How long after the payment before, and between repetitions.
    pub(super) after: Span,
    pub(super) times: u16,
    pub(super) outgoing: Outgoing,
    pub(super) promise: Promise,
    pub(super) act: Act,
    /// What becomes of the payment if it is made.
    pub(super) outcome: Option<Outcome>,
}

/// Who does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The payer pays, and thinks again when asked.
    Pay,
    /// The payer pays, and says yes when asked.
    PayAndMeanIt,
    /// Other accounts pay, each for itself. Not part of the promise.
    Others,
    /// Somebody asks for the evidence of duplicates.
    Prove,
}

/// What a payment is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    Allow,
    Confirm,
    Block,
    /// Asked or blocked.
    Stopped,
    /// Asked, blocked, or at least allowed with this reason.
    StoppedOrNamed(&'static str),
}

impl Promise {
    pub(super) fn is_kept_by(self, assessment: &Assessment) -> bool {
        let decision = assessment.decision();
        let is_stopped = matches!(decision, Decision::Confirm | Decision::Block);
        match self {
            Self::Allow => decision == Decision::Allow,
            Self::Confirm => decision == Decision::Confirm,
            Self::Block => decision == Decision::Block,
            Self::Stopped => is_stopped,
            Self::StoppedOrNamed(code) => {
                is_stopped
                    || assessment
                        .reasons
                        .iter()
                        .any(|reason| show::code(reason) == code)
            }
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Allow => "allow".to_owned(),
            Self::Confirm => "confirm".to_owned(),
            Self::Block => "block".to_owned(),
            Self::Stopped => "confirm or block".to_owned(),
            Self::StoppedOrNamed(code) => format!("confirm, block or {code}"),
        }
    }
}

impl Outgoing {
    pub(super) const fn new(
        payee: &'static str,
        payee_type: PayeeType,
        kind: PaymentKind,
        amounts_minor: &'static [i64],
    ) -> Self {
        Self {
            payee,
            payee_type,
            kind,
            amounts_minor,
            order: None,
            device: "phone",
            session: None,
        }
    }

    pub(super) const fn of(mut self, amounts_minor: &'static [i64]) -> Self {
        self.amounts_minor = amounts_minor;
        self
    }

    pub(super) const fn order(mut self, order: &'static str) -> Self {
        self.order = Some(order);
        self
    }

    pub(super) const fn on(mut self, device: &'static str) -> Self {
        self.device = device;
        self
    }

    pub(super) const fn visit(mut self, session: &'static str) -> Self {
        self.session = Some(session);
        self
    }

    /// The payee of the `nth` payment.
    pub(super) fn nth_payee(&self, nth: u32) -> String {
        // Numbers far from one another: no two are one slip apart.
        let number = (u64::from(nth) + 1) * 618_033_989 % 1_000_000_000;
        self.payee.replace('#', &format!("{number:09}"))
    }

    /// The amount of the `nth` payment.
    pub(super) fn nth_amount_minor(&self, nth: u32) -> i64 {
        let amounts = self.amounts_minor.iter().cycle();
        let skipped = nth as usize % self.amounts_minor.len().max(1);
        amounts.copied().nth(skipped).unwrap_or(0)
    }
}

impl Habit {
    pub(super) const fn every_days(every_days: u16, outgoing: Outgoing) -> Self {
        Self {
            every_days,
            at: (12, 0),
            outgoing,
        }
    }

    pub(super) const fn at(mut self, hour: u8, minute: u8) -> Self {
        self.at = (hour, minute);
        self
    }
}

impl Step {
    pub(super) const fn now(outgoing: Outgoing, promise: Promise) -> Self {
        Self::after(Span::ZERO, outgoing, promise)
    }

    pub(super) const fn after(after: Span, outgoing: Outgoing, promise: Promise) -> Self {
        Self {
            after,
            times: 1,
            outgoing,
            promise,
            act: Act::Pay,
            outcome: None,
        }
    }

    pub(super) const fn then(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    pub(super) const fn times(mut self, times: u16) -> Self {
        self.times = times;
        self
    }

    pub(super) const fn meant(mut self) -> Self {
        self.act = Act::PayAndMeanIt;
        self
    }
}
