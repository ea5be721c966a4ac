//! How many threads serve calls.

use std::fmt;
use std::num::NonZeroUsize;
use std::thread;

/// The most threads: more cores than that no machine has that is worth one process.
const THREADS_MAX: usize = 1_024;

/// How many threads serve calls: 1 to 1,024, and one for each core unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// What a setting of threads must be.
    pub(super) const EXPECTED: &str = "a whole number from 1 to 1024";

    /// Takes `text` as a number of threads.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.parse::<NonZeroUsize>() {
            Ok(threads) if threads.get() <= THREADS_MAX => Ok(Self(threads)),
            Ok(_) | Err(_) => Err(Self::EXPECTED),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> NonZeroUsize {
        self.0
    }
}

/// One for each core that this process may use; one where the machine does not say.
impl Default for Threads {
    fn default() -> Self {
        Self(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_a_whole_number_within_bounds() {
        for (text, threads) in [("1", 1), ("64", 64), ("1024", THREADS_MAX)] {
            assert_eq!(Threads::parse(text).unwrap().get().get(), threads);
        }
        for bad in ["", "0", "-1", "1025", "1.5", "two", "99999999999999999999"] {
            assert_eq!(Threads::parse(bad), Err(Threads::EXPECTED), "{bad}");
        }
        assert!(Threads::EXPECTED.ends_with(&THREADS_MAX.to_string()));
    }
}
