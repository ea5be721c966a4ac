//! What became of a payment, and what each outcome means for everything else (the table of outcomes).

use super::assessment::Decision;
use super::payment::named;
use std::fmt;

named! {
    /// What became of a payment, as reported later.
    Outcome {
        /// Nobody knows: no answer came in time. It may have been paid.
        Unknown = "unknown",
        /// It was paid.
        Succeeded = "succeeded",
        /// The payer's bank or wallet refused it.
        Declined = "declined",
        /// The payer said no.
        Cancelled = "cancelled",
        /// The gateway never sent it: its own fault.
        NotSent = "not_sent",
        /// It was paid and paid back.
        Refunded = "refunded",
        /// It was paid by mistake: wrong payee, wrong amount, paid twice.
        PayerMistake = "payer_mistake",
        /// Reported as fraud or charged back.
        Fraud = "fraud",
    }
}

/// What an outcome says about the payee; ordered, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayeeRisk {
    /// Nothing either way.
    None,
    /// The payment went well.
    Good,
    /// A refund or a mistake: often the payer's own doing.
    Weak,
    /// Fraud.
    Strong,
}

impl Outcome {
    /// Whether it is certain that no money moved.
    #[must_use]
    pub const fn was_not_paid(self) -> bool {
        match self {
            Self::Declined | Self::Cancelled | Self::NotSent => true,
            Self::Unknown | Self::Succeeded | Self::Refunded | Self::PayerMistake | Self::Fraud => {
                false
            }
        }
    }

    /// What it teaches about the payee.
    #[must_use]
    pub const fn payee_risk(self) -> PayeeRisk {
        match self {
            Self::Unknown | Self::Declined | Self::Cancelled | Self::NotSent => PayeeRisk::None,
            Self::Succeeded => PayeeRisk::Good,
            Self::Refunded | Self::PayerMistake => PayeeRisk::Weak,
            Self::Fraud => PayeeRisk::Strong,
        }
    }

    /// Whether a report of `later` after this one changes what is known. Reports may come late, twice and out
    /// of order: "unknown" and "succeeded" never replace what is known to have followed, a mistake that was
    /// refunded stays one, and a fraud is only withdrawn by the report that it was never paid.
    #[must_use]
    pub const fn gives_way_to(self, later: Self) -> bool {
        match (self, later) {
            (Self::Unknown, _) => !matches!(later, Self::Unknown),
            (_, Self::Unknown) => false,
            (Self::Refunded | Self::PayerMistake | Self::Fraud, Self::Succeeded) => false,
            (Self::Fraud, Self::Refunded | Self::PayerMistake) => false,
            (Self::Refunded, Self::PayerMistake) => false,
            (earlier, later) => earlier as u8 != later as u8,
        }
    }
}

/// Where a remembered payment stands: the decision, and the outcome so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What Doublecheck said.
    pub decision: Decision,
    /// What was reported since, if anything.
    pub outcome: Option<Outcome>,
}

impl Standing {
    /// Whether the payment was made, or may have been. A blocked or unconfirmed one was not, unless
    /// its outcome shows that the gateway sent it all the same.
    #[must_use]
    pub const fn may_be_paid(self) -> bool {
        match self.outcome {
            None => matches!(self.decision, Decision::Allow),
            Some(outcome) => !outcome.was_not_paid(),
        }
    }

    /// Whether its end is still open: no outcome yet, or one that says nobody knows.
    #[must_use]
    pub const fn is_in_flight(self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Unknown)) && self.may_be_paid()
    }

    /// Whether another payment may be a duplicate of it.
    #[must_use]
    pub const fn is_duplicate_target(self) -> bool {
        self.may_be_paid() && !matches!(self.outcome, Some(Outcome::Refunded))
    }

    /// Whether it counts among the account's attempts.
    #[must_use]
    pub const fn counts_in_velocity(self) -> bool {
        match self.outcome {
            None => true,
            Some(outcome) => !outcome.was_not_paid(),
        }
    }

    /// Whether it counts towards a limit that blocks. An attempt that was blocked does not, or whoever goes on
    /// trying would stay blocked for ever.
    #[must_use]
    pub const fn keeps_others_out(self) -> bool {
        self.counts_in_velocity()
            && (self.may_be_paid() || !matches!(self.decision, Decision::Block))
    }

    /// Whether its amount counts as spent.
    #[must_use]
    pub const fn counts_as_spend(self) -> bool {
        self.counts_in_velocity() && self.may_be_paid()
    }

    /// Whether it counts among the account's failures.
    #[must_use]
    pub const fn counts_as_failure(self) -> bool {
        matches!(self.outcome, Some(Outcome::Declined))
    }

    /// Whether it teaches what is usual for the account; `None` as long as bad news may still come.
    #[must_use]
    pub const fn teaches_profile(self) -> Option<bool> {
        match self.outcome {
            Some(Outcome::Succeeded) => Some(true),
            None | Some(Outcome::Unknown) if self.may_be_paid() => None,
            None
            | Some(
                Outcome::Unknown
                | Outcome::Declined
                | Outcome::Cancelled
                | Outcome::NotSent
                | Outcome::Refunded
                | Outcome::PayerMistake
                | Outcome::Fraud,
            ) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_repeated_reports_never_take_back_what_followed() {
        assert!(!Outcome::Succeeded.gives_way_to(Outcome::Succeeded));
        assert!(!Outcome::Succeeded.gives_way_to(Outcome::Unknown));
        assert!(!Outcome::Refunded.gives_way_to(Outcome::Succeeded));
        assert!(!Outcome::Fraud.gives_way_to(Outcome::Refunded));
        assert!(!Outcome::Refunded.gives_way_to(Outcome::PayerMistake));
        assert!(Outcome::PayerMistake.gives_way_to(Outcome::Refunded));
        assert!(Outcome::Succeeded.gives_way_to(Outcome::Fraud));
        assert!(Outcome::Refunded.gives_way_to(Outcome::Fraud));
        assert!(Outcome::Unknown.gives_way_to(Outcome::Declined));
        for outcome in Outcome::ALL {
            assert!(!outcome.gives_way_to(*outcome), "{outcome}");
        }
    }
}
