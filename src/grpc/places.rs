//! Places for connections: so many in all, and so many from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::limits::Limits;
use crate::telemetry::ConnectionRefused;

/// Whoever has an IPv6 address has this many bits of addresses more.
const IPV6_HOST_BITS: u32 = 64;

/// The places, shared by all workers.
#[derive(Debug)]
pub(super) struct Places {
    connections_max: u64,
    per_network_max: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: u64,
    by_network: HashMap<IpAddr, u64>,
}

/// A place. Free again once this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections_max: limits.connections,
            per_network_max: limits.connections_per_address,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a connection from `address`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, ConnectionRefused> {
        let network = network_of(address);
        let mut taken = self.taken.lock();
        if taken.connections >= self.connections_max {
            return Err(ConnectionRefused::Connections);
        }
        let from_there = taken.by_network.get(&network).copied().unwrap_or_default();
        if from_there >= self.per_network_max {
            return Err(ConnectionRefused::ConnectionsPerAddress);
        }
        taken.connections += 1;
        taken.by_network.insert(network, from_there + 1);
        drop(taken);
        let places = Arc::clone(self);
        Ok(Place { places, network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.connections -= 1;
        if let Some(from_there) = taken.by_network.get_mut(&self.network) {
            *from_there -= 1;
            if *from_there == 0 {
                // What is remembered is bounded by what is open.
                taken.by_network.remove(&self.network);
            }
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> IPV6_HOST_BITS << IPV6_HOST_BITS;
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: u64, connections_per_address: u64) -> Arc<Places> {
        Places::new(&Limits {
            connections,
            connections_per_address,
            ..Limits::DEFAULT
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_once_it_is_given_back() {
        let places = places(3, 2);
        let (a, b) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = places.take(a).unwrap();
        let _second = places.take(a).unwrap();
        assert_eq!(
            places.take(a).unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
        let third = places.take(b).unwrap();
        assert_eq!(places.take(b).unwrap_err(), ConnectionRefused::Connections);
        drop(first);
        let _again = places.take(a).unwrap();
        drop(third);
        assert_eq!(
            places.take(a).unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
        let _and_again = places.take(b).unwrap();
        assert_eq!(places.taken.lock().connections, 3);
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let places = places(2, 1);
        for host in 0..=255 {
            drop(places.take(IpAddr::from([10, 0, 0, host])).unwrap());
        }
        assert!(places.taken.lock().by_network.is_empty());
    }

    #[test]
    fn all_of_an_ipv6_network_are_one_and_a_mapped_address_is_what_it_maps() {
        let places = places(9, 1);
        let _one = places.take(ip("2001:db8:0:1::1")).unwrap();
        let same = places.take(ip("2001:db8:0:1:ffff::2"));
        assert_eq!(same.unwrap_err(), ConnectionRefused::ConnectionsPerAddress);
        let _other = places.take(ip("2001:db8:0:2::1")).unwrap();
        let _plain = places.take(ip("192.0.2.1")).unwrap();
        let mapped = places.take(ip("::ffff:192.0.2.1"));
        assert_eq!(
            mapped.unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
    }
}
