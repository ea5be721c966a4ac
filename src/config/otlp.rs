//! Where spans are sent.

use std::fmt;

use super::Address;

/// Where an OpenTelemetry collector takes spans over gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl OtlpEndpoint {
    /// What the setting must be.
    pub(super) const EXPECTED: &str = match cfg!(feature = "otlp") {
        true => "http://host:port, such as http://127.0.0.1:4317",
        false => "left out: this program was built without the feature otlp",
    };

    /// Takes `text` as an endpoint.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let address = text.strip_prefix("http://").unwrap_or_default();
        match cfg!(feature = "otlp") && Address::parse(address).is_ok() {
            true => Ok(Self(text.to_owned())),
            false => Err(Self::EXPECTED),
        }
    }

    /// The endpoint as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
