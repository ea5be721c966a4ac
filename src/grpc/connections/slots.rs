//! Connection slots: so many in all and so many per address; and the debt of each address for wasted work, so
//! that a client does not get rid of it by reconnecting.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::leaky_bucket::{Allowance, LeakyBucket};
use crate::clock::Stopwatch;
use crate::grpc::limits::Limits;
use crate::telemetry::ConnectionRefused;

/// A client with one IPv6 address has a whole network of addresses: this many bits of it are not looked at.
const IPV6_HOST_BITS: u32 = 64;

/// For how many networks without a connection the debt is remembered. Beyond that all of those are let off:
/// whoever has that many addresses gains only the free allowance of each.
const DEBTORS_MAX: usize = 4_096;

/// All connection slots, shared by the workers.
#[derive(Debug)]
pub(super) struct Slots {
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
    /// How many of the networks have no connection and are remembered for their debt only.
    debtors: usize,
}

#[derive(Debug)]
struct Network {
    connections: u64,
    debt: LeakyBucket,
}

/// The slot of one connection. It is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    network: IpAddr,
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections_max: limits.connections,
            per_network_max: limits.connections_per_address,
            allowance: Allowance::new(limits),
            running: Stopwatch::start(),
            taken: Mutex::default(),
        })
    }

    /// Takes a slot for a connection from `address`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, ConnectionRefused> {
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
            LeakyBucket::empty(self.allowance, self.running.elapsed())
        });
        drop(taken);
        let slots = Arc::clone(self);
        Ok(Slot { slots, network })
    }
}

impl Taken {
    fn enter(&mut self, network: IpAddr, no_debt: impl FnOnce() -> LeakyBucket) {
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
                    debt: no_debt(),
                });
            }
        }
    }

    /// What is remembered is bounded by the open connections and [`DEBTORS_MAX`].
    fn leave(&mut self, network: IpAddr, now: Duration) {
        self.connections -= 1;
        let Some(left) = self.by_network.get_mut(&network) else {
            return;
        };
        left.connections -= 1;
        if left.connections > 0 {
            return;
        }
        left.debt.leak(now);
        if left.debt.level_ns() == 0 {
            self.by_network.remove(&network);
            return;
        }
        self.debtors += 1;
        if self.debtors > DEBTORS_MAX {
            self.by_network.retain(|_, network| network.connections > 0);
            self.debtors = 0;
        }
    }

    /// Adds to a network's debt; returns how long it takes until that is within the free allowance again.
    fn add_debt(&mut self, network: IpAddr, work_ns: u64, now: Duration) -> Duration {
        let Some(Network { debt, .. }) = self.by_network.get_mut(&network) else {
            return Duration::ZERO;
        };
        debt.leak(now);
        debt.add(i64::try_from(work_ns).unwrap_or(i64::MAX));
        debt.time_until(debt.free_ns())
    }
}

impl Slot {
    /// The time since the slots were made, which all debts are counted by.
    pub(super) fn now(&self) -> Duration {
        self.slots.running.elapsed()
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.slots.allowance
    }

    /// Adds to the address's debt at `now`; returns how long it takes until that is within the free allowance.
    pub(super) fn add_debt(&self, work_ns: u64, now: Duration) -> Duration {
        self.slots.taken.lock().add_debt(self.network, work_ns, now)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.now();
        self.slots.taken.lock().leave(self.network, now);
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

    fn slots(connections: u64, connections_per_address: u64) -> Arc<Slots> {
        Slots::new(&Limits {
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
        let slots = slots(3, 2);
        let (a, b) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = slots.take(a).unwrap();
        let _second = slots.take(a).unwrap();
        assert_eq!(
            slots.take(a).unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
        let third = slots.take(b).unwrap();
        assert_eq!(slots.take(b).unwrap_err(), ConnectionRefused::Connections);
        drop(first);
        let _again = slots.take(a).unwrap();
        drop(third);
        assert_eq!(
            slots.take(a).unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
        let _and_again = slots.take(b).unwrap();
        assert_eq!(slots.taken.lock().connections, 3);
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let slots = slots(2, 1);
        for host in 0..=255 {
            drop(slots.take(IpAddr::from([10, 0, 0, host])).unwrap());
        }
        assert!(slots.taken.lock().by_network.is_empty());
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_an_address_owes_outlives_its_connections_and_not_what_it_owes() {
        let slots = slots(9, 9);
        let free_ns = slots.allowance.free_ns();
        let network = ip("192.0.2.1");
        let add_debt = |taken: &mut Taken, work_ns, now| taken.add_debt(network, work_ns, now);
        let taken = || slots.taken.lock();
        let nothing = || LeakyBucket::empty(slots.allowance, Duration::ZERO);
        taken().enter(network, nothing);
        assert_eq!(
            add_debt(&mut taken(), free_ns, Duration::ZERO),
            Duration::ZERO
        );
        taken().leave(network, Duration::ZERO);
        taken().enter(network, nothing);
        assert!(add_debt(&mut taken(), free_ns, Duration::ZERO) > SECOND);
        assert_eq!(add_debt(&mut taken(), 0, SECOND), Duration::ZERO);
        taken().leave(network, 2 * SECOND);
        assert!(taken().by_network.is_empty());
        assert_eq!(taken().debtors, 0);
    }

    #[test]
    fn so_many_debtors_are_remembered_and_no_more() {
        let slots = slots(9, 9);
        let mut taken = slots.taken.lock();
        let nothing = || LeakyBucket::empty(slots.allowance, Duration::ZERO);
        let held = ip("198.51.100.1");
        taken.enter(held, nothing);
        for host in 0..=u32::try_from(DEBTORS_MAX).unwrap() {
            assert!(taken.by_network.len() <= DEBTORS_MAX + 1);
            let network = IpAddr::from((10 << 24 | host).to_be_bytes());
            taken.enter(network, nothing);
            taken.add_debt(network, 1_000_000, Duration::ZERO);
            taken.leave(network, Duration::ZERO);
        }
        assert_eq!((taken.by_network.len(), taken.debtors), (1, 0));
        assert_eq!(taken.by_network[&held].connections, 1);
    }

    #[test]
    fn all_of_an_ipv6_network_are_one_and_a_mapped_address_is_what_it_maps() {
        let slots = slots(9, 1);
        let _one = slots.take(ip("2001:db8:0:1::1")).unwrap();
        let same = slots.take(ip("2001:db8:0:1:ffff::2"));
        assert_eq!(same.unwrap_err(), ConnectionRefused::ConnectionsPerAddress);
        let _other = slots.take(ip("2001:db8:0:2::1")).unwrap();
        let _plain = slots.take(ip("192.0.2.1")).unwrap();
        let mapped = slots.take(ip("::ffff:192.0.2.1"));
        assert_eq!(
            mapped.unwrap_err(),
            ConnectionRefused::ConnectionsPerAddress
        );
    }
}
