//! What a signal finds: how strongly, of what, and of what nature.

use super::assessment::Evidence;
use super::time::Span;

/// Whether a signal speaks of a slip, which anybody may make or even mean, of somebody else than the payer, or of
/// abuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A person's mistake, or what may be one: worth a question, never a block on its own.
    Slip,
    /// Somebody who may not be the payer, and may well be: worth a proof of who it is, never a block on its own.
    Doubt,
    /// Something that a person in good faith hardly does: may block.
    Abuse,
}

/// What a signal speaks of. Signals of one family look at the same thing from several sides: the
/// strongest speaks for all, or the same fact would count twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// That it was paid before, or how fast payments come.
    Repetition,
    /// How much it is.
    Amount,
    /// Whether the account knows the payee.
    Payee,
    /// Whether a finger slipped.
    Typing,
    /// What others know of the payee.
    Reputation,
    /// From what device it comes.
    Device,
    /// At what hour it comes.
    Hour,
    /// That payments failed.
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
    /// What it speaks of.
    pub nature: Nature,
    /// The facts.
    pub evidence: Evidence,
    /// When trying again makes sense, if pace is the trouble.
    pub retry_after: Option<Span>,
}

impl Measure {
    /// A finding of `strength`, or nothing if that is not above zero.
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
