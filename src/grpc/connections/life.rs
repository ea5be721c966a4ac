//! How long a connection may live, decided by what it does and no clock of its own.

use std::time::Duration;

use super::pulse::Pulse;
use crate::grpc::limits::Limits;
use crate::telemetry::ConnectionClosed;

/// How often it is looked within the time that makes a connection idle.
const LOOKS_TO_IDLE: u32 = 4;

/// By what part of its age at most a connection leaves sooner: a tenth, in so many steps.
const AGE_STEPS: u32 = 1_000;
const AGE_STEPS_SOONER: u32 = 100;

/// How often it is looked, at the end of the service, whether a client without an open call has left. One that is
/// there has said so by then, and what it was answered is on its way.
const DRAIN_LOOK: Duration = Duration::from_secs(2);

/// What is to be done with a connection now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It lives; look again after this time.
    Live(Duration),
    /// The client is to be asked to leave; look again after this time.
    AskToLeave(Duration),
    /// It is to be closed.
    Close(ConnectionClosed),
}

/// A connection's life so far.
#[derive(Debug)]
pub(super) struct Life {
    handshake_max: Duration,
    idle_look: Duration,
    /// For how long open calls may go on once the client was asked to leave.
    grace_left: Duration,
    age_left: Duration,
    /// The time until the next look, once the client has greeted.
    look: Option<Duration>,
    /// How many calls had begun at the last look.
    begun: u64,
    quiet_looks: u32,
    /// Why the client was asked to leave.
    leaving: Option<ConnectionClosed>,
}

impl Life {
    /// A life that begins; `port` is the client's, and as good as chance to spread the ages.
    pub(super) fn new(limits: &Limits, port: u16) -> Self {
        let age_max = Duration::from_secs(limits.connection_age_s);
        let sooner = age_max / AGE_STEPS * (u32::from(port) % AGE_STEPS_SOONER);
        Self {
            handshake_max: Duration::from_millis(limits.handshake_ms),
            idle_look: Duration::from_secs(limits.idle_s) / LOOKS_TO_IDLE,
            grace_left: Duration::from_secs(limits.connection_grace_s),
            age_left: age_max - sooner,
            look: None,
            begun: 0,
            quiet_looks: 0,
            leaving: None,
        }
    }

    /// Why the client was asked to leave, if it was.
    pub(super) const fn leaving(&self) -> Option<ConnectionClosed> {
        self.leaving
    }

    /// The client is asked to leave, for the service stops, which knows how long open calls may go on; after how long
    /// to look again.
    pub(super) const fn drain(&mut self) -> Duration {
        self.leaving = Some(ConnectionClosed::Shutdown);
        self.grace_left = Duration::MAX;
        self.look = Some(DRAIN_LOOK);
        DRAIN_LOOK
    }

    /// What to do, now that the time to look has come.
    pub(super) fn look(&mut self, pulse: &Pulse) -> Verdict {
        if let Some(why) = self.leaving {
            return self.look_again(why, pulse);
        }
        match self.look {
            None if !pulse.has_greeted() => return Verdict::Close(ConnectionClosed::Handshake),
            None => {}
            Some(passed) => {
                self.age_left = self.age_left.saturating_sub(passed);
                self.note_calls(pulse);
            }
        }
        if self.age_left.is_zero() {
            return self.ask_to_leave(ConnectionClosed::Age);
        }
        if self.quiet_looks >= LOOKS_TO_IDLE {
            return self.ask_to_leave(ConnectionClosed::Idle);
        }
        let look = self.idle_look.min(self.age_left);
        self.look = Some(look);
        Verdict::Live(look)
    }

    /// It has as long to leave as it had to greet.
    fn ask_to_leave(&mut self, why: ConnectionClosed) -> Verdict {
        self.leaving = Some(why);
        let look = self.handshake_max.min(self.grace_left);
        self.look = Some(look);
        Verdict::AskToLeave(look)
    }

    /// What to do with a client that was asked to leave. One that has no open call had its time; a call, which may
    /// have crossed the asking, has more.
    fn look_again(&mut self, why: ConnectionClosed, pulse: &Pulse) -> Verdict {
        let look = self.look.unwrap_or(self.handshake_max);
        self.grace_left = self.grace_left.saturating_sub(look);
        if pulse.is_quiet() || self.grace_left.is_zero() {
            return Verdict::Close(why);
        }
        let look = look.min(self.grace_left);
        self.look = Some(look);
        Verdict::Live(look)
    }

    fn note_calls(&mut self, pulse: &Pulse) {
        let begun = pulse.calls_begun();
        if pulse.is_quiet() && begun == self.begun {
            self.quiet_looks += 1;
        } else {
            self.quiet_looks = 0;
        }
        self.begun = begun;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        handshake_ms: 50,
        idle_s: 4,
        connection_age_s: 100,
        connection_grace_s: 30,
        ..Limits::DEFAULT
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn greeted(port: u16) -> (Life, Pulse) {
        let mut life = Life::new(&LIMITS, port);
        let pulse = Pulse::default();
        pulse.greet();
        assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
        (life, pulse)
    }

    #[test]
    fn who_has_not_greeted_in_time_is_out() {
        let mut life = Life::new(&LIMITS, 0);
        let verdict = life.look(&Pulse::default());
        assert_eq!(verdict, Verdict::Close(ConnectionClosed::Handshake));
    }

    #[test]
    fn a_connection_is_idle_once_no_call_was_open_for_long() {
        let (mut life, pulse) = greeted(0);
        for _ in 0..3 {
            assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
        }
        // One that came and went between two looks is as good as one that is open.
        pulse.begin_call();
        pulse.end_call();
        for _ in 0..4 {
            assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
        }
        let asked = Verdict::AskToLeave(life.handshake_max);
        assert_eq!(life.look(&pulse), asked);
        assert_eq!(life.look(&pulse), Verdict::Close(ConnectionClosed::Idle));
    }

    #[test]
    fn a_call_that_crosses_the_asking_has_its_time() {
        let (mut life, pulse) = greeted(0);
        for _ in 0..3 {
            assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
        }
        let asked = Verdict::AskToLeave(life.handshake_max);
        assert_eq!(life.look(&pulse), asked);
        pulse.begin_call();
        let looks = 30 * 20;
        for _ in 1..looks {
            assert_eq!(life.look(&pulse), Verdict::Live(life.handshake_max));
        }
        assert_eq!(life.look(&pulse), Verdict::Close(ConnectionClosed::Idle));
    }

    #[test]
    fn who_was_asked_to_leave_and_does_not_is_closed_once_no_call_is_open() {
        for drains in [false, true] {
            let (mut life, pulse) = greeted(0);
            pulse.begin_call();
            let look = if drains {
                life.drain()
            } else {
                for _ in 0..99 {
                    assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
                }
                assert_eq!(life.look(&pulse), Verdict::AskToLeave(life.handshake_max));
                life.handshake_max
            };
            for _ in 0..10 {
                assert_eq!(life.look(&pulse), Verdict::Live(look));
            }
            pulse.end_call();
            let why = life.leaving().unwrap();
            assert_eq!(life.look(&pulse), Verdict::Close(why));
        }
    }

    #[test]
    fn an_open_call_keeps_a_connection_until_it_is_old() {
        let (mut life, pulse) = greeted(0);
        pulse.begin_call();
        for _ in 0..99 {
            assert_eq!(life.look(&pulse), Verdict::Live(SECOND));
        }
        let look = life.handshake_max;
        assert_eq!(life.look(&pulse), Verdict::AskToLeave(look));
        assert_eq!(life.leaving(), Some(ConnectionClosed::Age));
        for _ in 1..30 * 20 {
            assert_eq!(life.look(&pulse), Verdict::Live(look));
        }
        assert_eq!(life.look(&pulse), Verdict::Close(ConnectionClosed::Age));
    }

    #[test]
    fn not_all_leave_at_once_and_none_much_sooner() {
        let ages: Vec<Duration> = (0..u16::MAX)
            .map(|port| Life::new(&LIMITS, port).age_left)
            .collect();
        assert_eq!(ages.iter().max(), Some(&(100 * SECOND)));
        assert!(ages.iter().all(|age| *age > 90 * SECOND));
        let middle = ages.iter().filter(|age| **age < 95 * SECOND).count();
        assert!(middle.abs_diff(ages.len() / 2) < 1_000, "{middle}");
    }
}
