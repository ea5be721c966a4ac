//! Where to listen.

use std::fmt;
use std::net::IpAddr;

/// Where to listen: a host, a name or an IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Takes `text` as `host:port`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "host:port, such as 127.0.0.1:50051";
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        // An IPv6 address stands in brackets: which colon is the last would be a guess otherwise.
        let bare_colons = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare_colons || port.parse::<u16>().is_err() {
            return Err(EXPECTED);
        }
        Ok(Self(text.to_owned()))
    }

    /// This machine alone.
    pub(super) fn local(port: u16) -> Self {
        Self(format!("127.0.0.1:{port}"))
    }

    /// The address as `host:port`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are one and the same port, which only one can have. Port 0 is another one each time.
    pub(super) fn is_taken_by(&self, other: &Self) -> bool {
        self == other && !self.0.ends_with(":0")
    }

    /// Whether others than this machine can reach it; `None` where only the resolver of its name knows.
    pub(super) fn is_reachable_from_outside(&self) -> Option<bool> {
        let (host, _) = self.0.rsplit_once(':')?;
        let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
        Some(!ip.to_canonical().is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["127.0.0.1:0", "localhost:50051", "[::1]:65535", "0.0.0.0:1"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            ":1",
            "::1:1",
            "localhost:",
            "localhost:65536",
            "a:b",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_loopback_is_out_of_reach() {
        for (text, reachable) in [
            ("127.0.0.1:1", Some(false)),
            ("127.8.9.10:1", Some(false)),
            ("[::1]:1", Some(false)),
            ("[::ffff:127.0.0.1]:1", Some(false)),
            ("0.0.0.0:1", Some(true)),
            ("[::]:1", Some(true)),
            ("10.0.0.1:1", Some(true)),
            ("localhost:1", None),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.is_reachable_from_outside(), reachable, "{text}");
        }
    }
}
