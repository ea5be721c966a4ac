//! What an answer waits for before it leaves.

use std::fmt;

use crate::journal::Ack;

/// What an answer waits for before it leaves: for nothing, and nothing outlives the process; or for the
/// journal, which is `written` unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalAck(Option<Ack>);

impl JournalAck {
    /// What the setting must be.
    pub(super) const EXPECTED: &str = "one of none, written, synced";

    /// No journal is kept.
    pub const NONE: Self = Self(None);

    /// What stands for that.
    const NONE_NAME: &str = "none";

    /// Takes `text` as one of them.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            Self::NONE_NAME => Ok(Self::NONE),
            text => match Ack::from_name(text) {
                Some(ack) => Ok(Self(Some(ack))),
                None => Err(Self::EXPECTED),
            },
        }
    }

    /// What it waits for; `None` where no journal is kept.
    #[must_use]
    pub const fn ack(self) -> Option<Ack> {
        self.0
    }
}

impl Default for JournalAck {
    fn default() -> Self {
        Self(Some(Ack::Written))
    }
}

impl fmt::Display for JournalAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or(Self::NONE_NAME, Ack::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_waits_for_goes_by_its_name() {
        for name in ["none", "written", "synced"] {
            assert_eq!(JournalAck::parse(name).unwrap().to_string(), name);
        }
        for bad in ["", "Written", "disk"] {
            assert_eq!(JournalAck::parse(bad), Err(JournalAck::EXPECTED), "{bad}");
        }
        assert_eq!(JournalAck::default().to_string(), "written");
    }
}
