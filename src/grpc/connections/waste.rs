//! Who sends what leads to nothing is read from slowly.
//!
//! HTTP/2 obliges a server to do something about whatever a client sends, and to refuse a call takes as much as
//! to answer it. So a client can keep a core busy without ever asking anything. All that it sends is put on its
//! bill, in the time that it takes; what a call takes, and each call that comes to something, is taken off again.
//! Whose bill is longer than the [`Allowance`] is not read from for a while: then neither the server nor, once
//! its socket is full, the client does anything.
//!
//! So that nobody gets rid of a bill by coming back, it is on the address too. Behind one address there may be
//! many clients, and most of them honest: what an address owes takes from its connections no more than what
//! they could waste for free, and lets new ones wait. One whose calls come to something is read from as ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::pulse::Pulse;
use crate::grpc::door::Door;
use crate::grpc::owed::{Allowance, Owed};
use crate::grpc::places::Place;
use crate::telemetry::ConnectionHeld;

/// For how long at most an address's debt holds a connection up at a time.
const HOLD_MAX: Duration = Duration::from_secs(1);

/// For how long at most one waits that has just come. Not all of them wait as long, or they would all go on at
/// once: between half of it and all, in so many steps.
const WAIT_MAX: Duration = Duration::from_secs(2);
const WAIT_STEPS: u32 = 1_000;

/// What a connection costs that ends before its client has said what every client begins with; that has, but made
/// no call that came to something, which clients do that keep connections for later; and that did not agree on
/// TLS, for keys are costly.
const SILENT_NS: i64 = 100_000;
const IDLE_NS: i64 = 10_000;
const HANDSHAKE_NS: u64 = 500_000;

/// What a connection owes.
#[derive(Debug)]
pub(super) struct Waste {
    place: Arc<Place>,
    door: Door,
    pulse: Arc<Pulse>,
    owed: Owed,
    /// What of it the address was told.
    told_ns: u64,
    /// Until when nothing is read.
    hold: Option<Pin<Box<Sleep>>>,
}

impl Waste {
    pub(super) fn new(place: Arc<Place>, door: Door, pulse: Arc<Pulse>) -> Self {
        Self {
            owed: Owed::nothing(place.allowance(), place.now()),
            place,
            door,
            pulse,
            told_ns: 0,
            hold: None,
        }
    }

    /// Adds the work that a client makes.
    pub(super) fn add(&mut self, work_ns: u64) {
        self.owed.add(i64::try_from(work_ns).unwrap_or(i64::MAX));
    }

    /// Ready where the connection may be read from. Where it may not, it is asked again when a call of it is
    /// answered, which may have been of use.
    pub(super) fn poll_read_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.owed.add(self.pulse.take_bill());
        // Almost everybody; no clock is looked at.
        if self.owes_little() {
            self.hold = None;
            return Poll::Ready(());
        }
        loop {
            if let Some(hold) = &mut self.hold {
                ready!(hold.as_mut().poll(cx));
            }
            match self.time_to_hold() {
                Some((time, why)) => {
                    self.door.edge().held(why);
                    self.hold = Some(Box::pin(sleep(time)));
                }
                None => {
                    self.hold = None;
                    return Poll::Ready(());
                }
            }
        }
    }

    fn owes_little(&self) -> bool {
        self.owed.work_ns() <= self.allowance().little_ns()
    }

    fn allowance(&self) -> Allowance {
        self.place.allowance()
    }

    /// For how long nothing is to be read, and why, if so.
    fn time_to_hold(&mut self) -> Option<(Duration, ConnectionHeld)> {
        let now = self.place.now();
        self.owed.forgive(now);
        let address_owes = self.tell(now).min(HOLD_MAX);
        let own = self.owed.time_until(self.allowance().free_ns());
        if !own.is_zero() {
            return Some((own.max(address_owes), ConnectionHeld::Waste));
        }
        if address_owes.is_zero() || self.owes_little() {
            return None;
        }
        let own = self.owed.time_until(self.allowance().little_ns());
        Some((own.max(address_owes), ConnectionHeld::Address))
    }

    /// Tells the address what it does not know yet, and how long it is until it owes no more than is free.
    fn tell(&mut self, now: Duration) -> Duration {
        let owed_ns = self.owed.work_ns();
        let untold_ns = owed_ns.saturating_sub(self.told_ns);
        self.told_ns = owed_ns;
        self.place.owe(untold_ns, now)
    }
}

impl Drop for Waste {
    fn drop(&mut self) {
        self.owed.add(self.pulse.take_bill());
        if self.pulse.is_useful() && self.owes_little() {
            return;
        }
        self.owed
            .add(match (self.pulse.is_useful(), self.pulse.has_greeted()) {
                (true, _) => 0,
                (false, true) => IDLE_NS,
                (false, false) => SILENT_NS,
            });
        self.tell(self.place.now());
    }
}

/// How long a connection that has just come waits, if it does; `port` is the client's, and as good as chance.
pub(super) fn time_to_wait(place: &Place, port: u16) -> Option<Duration> {
    let wait = place.owe(0, place.now()).min(WAIT_MAX);
    let steps = WAIT_STEPS / 2 + u32::from(port) % (WAIT_STEPS / 2);
    (!wait.is_zero()).then(|| wait / WAIT_STEPS * steps)
}

/// A client has come that did not greet.
pub(super) fn silent(place: &Place) {
    place.owe(SILENT_NS.unsigned_abs(), place.now());
}

/// A client has come that did not agree on TLS.
pub(super) fn handshake(place: &Place) {
    place.owe(HANDSHAKE_NS, place.now());
}

#[cfg(test)]
impl Waste {
    /// That of one who may waste as much as there is.
    pub(super) fn unlimited() -> Self {
        Self::allowing(1_000_000, Arc::default())
    }

    /// That of one who may waste so much.
    pub(super) fn allowing(waste_us: u64, pulse: Arc<Pulse>) -> Self {
        use crate::grpc::limits::Limits;
        use crate::grpc::places::Places;

        let places = Places::new(&Limits {
            waste_us,
            ..Limits::DEFAULT
        });
        let place = places.take(std::net::IpAddr::from([127, 0, 0, 1])).unwrap();
        Self::new(Arc::new(place), Door::closed(), pulse)
    }
}
