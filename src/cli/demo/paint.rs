//! Colours, where they are wanted.

use std::io::{self, IsTerminal as _};

use crate::cli::show;
use crate::grpc::pb::Decision;

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    wanted: bool,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` says otherwise (see no-color.org).
    pub(super) fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            wanted: io::stdout().is_terminal() && !refused,
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn alarm(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// A decision in its colour, as wide as the widest.
    pub(super) fn decision(self, decision: Decision) -> String {
        let text = format!("{:<7}", show::decision(decision));
        match decision {
            Decision::Allow => self.with("32", &text),
            Decision::Confirm => self.with("33", &text),
            Decision::Block => self.with("31", &text),
            Decision::Unspecified => text,
        }
    }

    fn with(self, codes: &str, text: &str) -> String {
        if self.wanted {
            format!("\u{1b}[{codes}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
