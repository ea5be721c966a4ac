//! The settings in force, and who gave them.

use std::fmt;

use super::fault::Place;

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its path, such as `grpc.address`.
    pub path: &'static str,
    /// Its value, in words; `None` where it has none. No setting is a secret: those stand in files that
    /// settings name.
    pub value: Option<String>,
    /// Who gave it.
    pub origin: Origin,
}

/// Who gave a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody did.
    Default,
    /// Here.
    Given(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Given(place) => place.fmt(f),
        }
    }
}
