//! Throttles clients whose requests come to nothing.
//!
//! HTTP/2 obliges a server to react to whatever a client sends, and refusing a call takes as much as answering
//! it. So a client can keep a core busy without asking for anything. The time that everything it sends takes is
//! added to its debt; what a call takes, and each call that comes to something, is taken off again. A
//! connection in debt beyond its [`Allowance`] is not read from for a while: then neither the server nor, once
//! its socket is full, the client does anything.
//!
//! So that no client gets rid of a debt by reconnecting, the address has it too. Behind one address there may
//! be many clients, most of them honest: its debt costs its other connections only what they could waste for
//! free, and delays new ones. A connection whose calls come to something is read from as ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::activity::Activity;
use crate::grpc::connections::leaky_bucket::{Allowance, LeakyBucket};
use crate::grpc::connections::slots::Slot;
use crate::grpc::server_state::ServerState;
use crate::telemetry::ConnectionHeld;

/// For how long at most an address's debt holds a connection up at a time.
const HOLD_MAX: Duration = Duration::from_secs(1);

/// For how long at most a new connection waits. They wait for different times, between half of it and all of it
/// in this many steps, or they would all go on at once.
const WAIT_MAX: Duration = Duration::from_secs(2);
const WAIT_STEPS: u32 = 1_000;

/// What a connection is charged for ending without having sent the preface and its SETTINGS; for ending without
/// a call that came to something, as those of clients do that keep connections for later; and for a failed TLS
/// handshake, whose cryptography is costly.
const NO_PREFACE_NS: i64 = 100_000;
const IDLE_NS: i64 = 10_000;
const HANDSHAKE_NS: u64 = 500_000;

/// The debt of one connection, and whether that keeps it from being read.
#[derive(Debug)]
pub(super) struct Waste {
    slot: Arc<Slot>,
    server_state: ServerState,
    activity: Arc<Activity>,
    debt: LeakyBucket,
    /// How much of it the address was charged too.
    charged_ns: u64,
    /// Nothing is read until then.
    hold: Option<Pin<Box<Sleep>>>,
}

impl Waste {
    pub(super) fn new(slot: Arc<Slot>, server_state: ServerState, activity: Arc<Activity>) -> Self {
        Self {
            debt: LeakyBucket::empty(slot.allowance(), slot.now()),
            slot,
            server_state,
            activity,
            charged_ns: 0,
            hold: None,
        }
    }

    /// Adds the work that a client makes.
    pub(super) fn add(&mut self, work_ns: u64) {
        self.debt.add(i64::try_from(work_ns).unwrap_or(i64::MAX));
    }

    /// Ready where the connection may be read from. Where not, it is polled again when one of its calls is
    /// answered, which may have been useful.
    pub(super) fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.debt.add(self.activity.take_waste());
        // Almost every connection; the clock is not read for them.
        if self.is_low() {
            self.hold = None;
            return Poll::Ready(());
        }
        loop {
            if let Some(hold) = &mut self.hold {
                ready!(hold.as_mut().poll(cx));
            }
            match self.time_to_hold() {
                Some((time, why)) => {
                    self.server_state.edge().held(why);
                    self.hold = Some(Box::pin(sleep(time)));
                }
                None => {
                    self.hold = None;
                    return Poll::Ready(());
                }
            }
        }
    }

    fn is_low(&self) -> bool {
        self.debt.level_ns() <= self.allowance().little_ns()
    }

    fn allowance(&self) -> Allowance {
        self.slot.allowance()
    }

    /// For how long nothing is to be read, and why; `None` where reading may go on.
    fn time_to_hold(&mut self) -> Option<(Duration, ConnectionHeld)> {
        let now = self.slot.now();
        self.debt.leak(now);
        let address_owes = self.charge_address(now).min(HOLD_MAX);
        let own = self.debt.time_until(self.allowance().free_ns());
        if !own.is_zero() {
            return Some((own.max(address_owes), ConnectionHeld::Waste));
        }
        if address_owes.is_zero() || self.is_low() {
            return None;
        }
        let own = self.debt.time_until(self.allowance().little_ns());
        Some((own.max(address_owes), ConnectionHeld::Address))
    }

    /// Charges the address what it was not charged yet; returns how long it stays in debt beyond the free
    /// allowance.
    fn charge_address(&mut self, now: Duration) -> Duration {
        let level_ns = self.debt.level_ns();
        let uncharged_ns = level_ns.saturating_sub(self.charged_ns);
        self.charged_ns = level_ns;
        self.slot.add_debt(uncharged_ns, now)
    }
}

impl Drop for Waste {
    fn drop(&mut self) {
        self.debt.add(self.activity.take_waste());
        if self.activity.is_useful() && self.is_low() {
            return;
        }
        self.debt.add(
            match (self.activity.is_useful(), self.activity.is_established()) {
                (true, _) => 0,
                (false, true) => IDLE_NS,
                (false, false) => NO_PREFACE_NS,
            },
        );
        self.charge_address(self.slot.now());
    }
}

/// How long a new connection has to wait for its address's debt, if at all; `port`, the client's, stands in for
/// a random number.
pub(super) fn delay_for_debt(slot: &Slot, port: u16) -> Option<Duration> {
    let wait = slot.add_debt(0, slot.now()).min(WAIT_MAX);
    let steps = WAIT_STEPS / 2 + u32::from(port) % (WAIT_STEPS / 2);
    (!wait.is_zero()).then(|| wait / WAIT_STEPS * steps)
}

/// Charges the address for a client that never sent the preface.
pub(super) fn charge_no_preface(slot: &Slot) {
    slot.add_debt(NO_PREFACE_NS.unsigned_abs(), slot.now());
}

/// Charges the address for a TLS handshake that failed.
pub(super) fn charge_failed_handshake(slot: &Slot) {
    slot.add_debt(HANDSHAKE_NS, slot.now());
}

#[cfg(test)]
impl Waste {
    /// For a connection that may waste without limit.
    pub(super) fn unlimited() -> Self {
        Self::allowing(1_000_000, Arc::default())
    }

    /// For a connection that may waste this much.
    pub(super) fn allowing(waste_us: u64, activity: Arc<Activity>) -> Self {
        use crate::grpc::connections::slots::Slots;
        use crate::grpc::limits::Limits;

        let slots = Slots::new(&Limits {
            waste_us,
            ..Limits::DEFAULT
        });
        let slot = slots.take(std::net::IpAddr::from([127, 0, 0, 1])).unwrap();
        Self::new(Arc::new(slot), ServerState::recovering(), activity)
    }
}
