//! What a signal returns: how strongly it fires, the facts, and of what nature the trouble is.

use super::assessment::Evidence;
use super::time::Span;

/// What kind of trouble a signal tells of. It decides what the answer may be, beside how strong the signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A mistake of the payer, or what looks like one: worth a question, never a block by itself.
    Slip,
    /// Somebody who may not be the payer, and may well be: worth asking for a proof of who it is, never a block by
    /// itself.
    Doubt,
    /// Something that a person in good faith hardly does: may block.
    Abuse,
}

/// What a signal looks at. Signals of one family look at the same thing from several sides: only the strongest of them
/// counts, or the same fact would count twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Whether it was paid before, and how fast payments come.
    Repetition,
    /// How much is paid.
    Amount,
    /// Whether the account knows the payee.
    Payee,
    /// Whether a finger slipped, in the amount or in the payee's number.
    Typing,
    /// What all accounts together know of the payee.
    Reputation,
    /// What device the payment comes from.
    Device,
    /// At what hour of the day it comes.
    Hour,
    /// Whether payments were declined.
    Failure,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Repetition,
        Self::Amount,
        Self::Payee,
        Self::Typing,
        Self::Reputation,
        Self::Device,
        Self::Hour,
        Self::Failure,
    ];
}

/// What a signal found.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// How strongly it fires, above 0 up to 100.
    pub strength: f64,
    /// What kind of trouble it tells of.
    pub nature: Nature,
    /// The facts, as the payer and the gateway are told them.
    pub evidence: Evidence,
    /// After how long another try makes sense; only where the trouble is that payments come too fast.
    pub retry_after: Option<Span>,
}

impl Measure {
    /// A finding of `strength`, held at 100; `None` if that is not above zero.
    #[must_use]
    pub fn of(strength: f64, nature: Nature, evidence: Evidence) -> Option<Self> {
        (strength > 0.0).then(|| Self {
            strength: strength.min(100.0),
            nature,
            evidence,
            retry_after: None,
        })
    }
}
