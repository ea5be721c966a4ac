//! How much one client, and all of them together, may ask of the edge.

/// How much one client, and all of them together, may ask of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open.
    pub connections: usize,
    /// How many of them may be from one address; for IPv6, from one network of 2^64 addresses.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 1_000,
        }
    }
}
