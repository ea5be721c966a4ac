//! Places for connections: so many in all, and so many from one address; and what an address owes for work that
//! came to nothing, so that who comes back has not got rid of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::limits::Limits;
use super::owed::{Allowance, Owed};
use crate::clock::Stopwatch;
use crate::telemetry::ConnectionRefused;

/// Whoever has an IPv6 address has this many bits of addresses more.
const IPV6_HOST_BITS: u32 = 64;

/// Of how many networks without a connection it is remembered what they owe. Beyond it all of those are let off:
/// who has so many has as much for free again.
const DEBTORS_MAX: usize = 4_096;

/// The places, shared by all workers.
#[derive(Debug)]
pub(super) struct Places {
    connections_max: u64,
    per_network_max: u64,
    allowance: Allowance,
    running: Stopwatch,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: u64,
    by_network: HashMap<IpAddr, Network>,
    /// How many of the networks have no connection and are remembered for what they owe.
    debtors: usize,
}

#[derive(Debug)]
struct Network {
    connections: u64,
    owed: Owed,
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
            allowance: Allowance::new(limits),
            running: Stopwatch::start(),
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
        let known = taken.by_network.get(&network);
        let from_there = known.map_or(0, |known| known.connections);
        if from_there >= self.per_network_max {
            return Err(ConnectionRefused::ConnectionsPerAddress);
        }
        taken.enter(network, || {
            Owed::nothing(self.allowance, self.running.elapsed())
        });
        drop(taken);
        let places = Arc::clone(self);
        Ok(Place { places, network })
    }
}

impl Taken {
    fn enter(&mut self, network: IpAddr, owes_nothing: impl FnOnce() -> Owed) {
        self.connections += 1;
        match self.by_network.entry(network) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if known.connections == 0 {
                    self.debtors -= 1;
                }
                known.connections += 1;
            }
            Entry::Vacant(unknown) => {
                unknown.insert(Network {
                    connections: 1,
                    owed: owes_nothing(),
                });
            }
        }
    }

    /// What is remembered is bounded by what is open, and by how many may owe something.
    fn leave(&mut self, network: IpAddr, now: Duration) {
        self.connections -= 1;
        let Some(left) = self.by_network.get_mut(&network) else {
            return;
        };
        left.connections -= 1;
        if left.connections > 0 {
            return;
        }
        left.owed.forgive(now);
        if left.owed.work_ns() == 0 {
            self.by_network.remove(&network);
            return;
        }
        self.debtors += 1;
        if self.debtors > DEBTORS_MAX {
            self.by_network.retain(|_, network| network.connections > 0);
            self.debtors = 0;
        }
    }

    /// Adds to what a network owes, and tells how long it is until it owes no more than is free.
    fn owe(&mut self, network: IpAddr, work_ns: u64, now: Duration) -> Duration {
        let Some(Network { owed, .. }) = self.by_network.get_mut(&network) else {
            return Duration::ZERO;
        };
        owed.forgive(now);
        owed.add(i64::try_from(work_ns).unwrap_or(i64::MAX));
        owed.time_until(owed.free_ns())
    }
}

impl Place {
    /// The time since the places were made.
    pub(super) fn now(&self) -> Duration {
        self.places.running.elapsed()
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.places.allowance
    }

    /// Adds to what the address owes at `now`, and tells how long it is until that is no more than is free.
    pub(super) fn owe(&self, work_ns: u64, now: Duration) -> Duration {
        self.places.taken.lock().owe(self.network, work_ns, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.now();
        self.places.taken.lock().leave(self.network, now);
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_an_address_owes_outlives_its_connections_and_not_what_it_owes() {
        let places = places(9, 9);
        let free_ns = places.allowance.free_ns();
        let network = ip("192.0.2.1");
        let owe = |taken: &mut Taken, work_ns, now| taken.owe(network, work_ns, now);
        let taken = || places.taken.lock();
        let nothing = || Owed::nothing(places.allowance, Duration::ZERO);
        taken().enter(network, nothing);
        assert_eq!(owe(&mut taken(), free_ns, Duration::ZERO), Duration::ZERO);
        taken().leave(network, Duration::ZERO);
        taken().enter(network, nothing);
        assert!(owe(&mut taken(), free_ns, Duration::ZERO) > SECOND);
        assert_eq!(owe(&mut taken(), 0, SECOND), Duration::ZERO);
        taken().leave(network, 2 * SECOND);
        assert!(taken().by_network.is_empty());
        assert_eq!(taken().debtors, 0);
    }

    #[test]
    fn so_many_debtors_are_remembered_and_no_more() {
        let places = places(9, 9);
        let mut taken = places.taken.lock();
        let nothing = || Owed::nothing(places.allowance, Duration::ZERO);
        let held = ip("198.51.100.1");
        taken.enter(held, nothing);
        for host in 0..=u32::try_from(DEBTORS_MAX).unwrap() {
            assert!(taken.by_network.len() <= DEBTORS_MAX + 1);
            let network = IpAddr::from((10 << 24 | host).to_be_bytes());
            taken.enter(network, nothing);
            taken.owe(network, 1_000_000, Duration::ZERO);
            taken.leave(network, Duration::ZERO);
        }
        assert_eq!((taken.by_network.len(), taken.debtors), (1, 0));
        assert_eq!(taken.by_network[&held].connections, 1);
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
