//! How long a connection may live: an old, idle or silent one is asked to leave, then closed. Reads no clock;
//! the caller checks after the time it is told.

use std::time::Duration;

use super::activity::Activity;
use crate::grpc::limits::Limits;
use crate::telemetry::ConnectionClosed;

/// How many checks there are within the time after which a connection is idle.
const CHECKS_TO_IDLE: u32 = 4;

/// A connection is asked to leave up to a tenth of its maximum age sooner, in these steps, so that not all
/// leave at once.
const AGE_STEPS: u32 = 1_000;
const AGE_STEPS_SOONER: u32 = 100;

/// During shutdown: how soon it is checked whether a client without an open call has left. By then a client
/// that is there has reacted, and its answers are on their way.
const DRAIN_CHECK: Duration = Duration::from_secs(2);

/// What to do with a connection now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave it open; check again after this time.
    Live(Duration),
    /// Ask the client to leave; check again after this time.
    AskToLeave(Duration),
    /// Close it.
    Close(ConnectionClosed),
}

/// How long a connection has lived, and what it is waiting for.
#[derive(Debug)]
pub(super) struct Lifetime {
    handshake_max: Duration,
    idle_check: Duration,
    /// For how long open calls may go on once the client was asked to leave.
    grace_left: Duration,
    age_left: Duration,
    /// The time until the next check; `None` before the client has sent its preface and SETTINGS.
    check: Option<Duration>,
    /// How many calls had begun at the last check.
    begun: u64,
    quiet_checks: u32,
    /// Why the client was asked to leave, if it was.
    leaving: Option<ConnectionClosed>,
}

impl Lifetime {
    /// A new connection; `port`, the client's, stands in for a random number that spreads the ages.
    pub(super) fn new(limits: &Limits, port: u16) -> Self {
        let age_max = Duration::from_secs(limits.connection_age_s);
        let sooner = age_max / AGE_STEPS * (u32::from(port) % AGE_STEPS_SOONER);
        Self {
            handshake_max: Duration::from_millis(limits.handshake_ms),
            idle_check: Duration::from_secs(limits.idle_s) / CHECKS_TO_IDLE,
            grace_left: Duration::from_secs(limits.connection_grace_s),
            age_left: age_max - sooner,
            check: None,
            begun: 0,
            quiet_checks: 0,
            leaving: None,
        }
    }

    /// Why the client was asked to leave, if it was.
    pub(super) const fn leaving(&self) -> Option<ConnectionClosed> {
        self.leaving
    }

    /// The service stops: the client is asked to leave, and the caller knows how long open calls may go on.
    /// Returns after how long to check again.
    pub(super) const fn drain(&mut self) -> Duration {
        self.leaving = Some(ConnectionClosed::Shutdown);
        self.grace_left = Duration::MAX;
        self.check = Some(DRAIN_CHECK);
        DRAIN_CHECK
    }

    /// What to do, now that the time to check has come.
    pub(super) fn check(&mut self, activity: &Activity) -> Verdict {
        if let Some(why) = self.leaving {
            return self.check_leaving(why, activity);
        }
        match self.check {
            None if !activity.is_established() => {
                return Verdict::Close(ConnectionClosed::Handshake);
            }
            None => {}
            Some(passed) => {
                self.age_left = self.age_left.saturating_sub(passed);
                self.note_calls(activity);
            }
        }
        if self.age_left.is_zero() {
            return self.ask_to_leave(ConnectionClosed::Age);
        }
        if self.quiet_checks >= CHECKS_TO_IDLE {
            return self.ask_to_leave(ConnectionClosed::Idle);
        }
        let check = self.idle_check.min(self.age_left);
        self.check = Some(check);
        Verdict::Live(check)
    }

    /// The client has as long to leave as it had for the handshake.
    fn ask_to_leave(&mut self, why: ConnectionClosed) -> Verdict {
        self.leaving = Some(why);
        let check = self.handshake_max.min(self.grace_left);
        self.check = Some(check);
        Verdict::AskToLeave(check)
    }

    /// What to do with a client that was asked to leave. Without an open call its time is over; a call, which
    /// may have been sent before the client heard, gets longer.
    fn check_leaving(&mut self, why: ConnectionClosed, activity: &Activity) -> Verdict {
        let check = self.check.unwrap_or(self.handshake_max);
        self.grace_left = self.grace_left.saturating_sub(check);
        if activity.is_quiet() || self.grace_left.is_zero() {
            return Verdict::Close(why);
        }
        let check = check.min(self.grace_left);
        self.check = Some(check);
        Verdict::Live(check)
    }

    fn note_calls(&mut self, activity: &Activity) {
        let begun = activity.calls_begun();
        if activity.is_quiet() && begun == self.begun {
            self.quiet_checks += 1;
        } else {
            self.quiet_checks = 0;
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

    fn established(port: u16) -> (Lifetime, Activity) {
        let mut lifetime = Lifetime::new(&LIMITS, port);
        let activity = Activity::default();
        activity.establish();
        assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
        (lifetime, activity)
    }

    #[test]
    fn who_has_not_greeted_in_time_is_out() {
        let mut lifetime = Lifetime::new(&LIMITS, 0);
        let verdict = lifetime.check(&Activity::default());
        assert_eq!(verdict, Verdict::Close(ConnectionClosed::Handshake));
    }

    #[test]
    fn a_connection_is_idle_once_no_call_was_open_for_long() {
        let (mut lifetime, activity) = established(0);
        for _ in 0..3 {
            assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
        }
        // One that came and went between two checks counts as well as one that is open.
        activity.begin_call();
        activity.end_call();
        for _ in 0..4 {
            assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
        }
        let asked = Verdict::AskToLeave(lifetime.handshake_max);
        assert_eq!(lifetime.check(&activity), asked);
        assert_eq!(
            lifetime.check(&activity),
            Verdict::Close(ConnectionClosed::Idle)
        );
    }

    #[test]
    fn a_call_that_crosses_the_asking_has_its_time() {
        let (mut lifetime, activity) = established(0);
        for _ in 0..3 {
            assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
        }
        let asked = Verdict::AskToLeave(lifetime.handshake_max);
        assert_eq!(lifetime.check(&activity), asked);
        activity.begin_call();
        let checks = 30 * 20;
        for _ in 1..checks {
            assert_eq!(
                lifetime.check(&activity),
                Verdict::Live(lifetime.handshake_max)
            );
        }
        assert_eq!(
            lifetime.check(&activity),
            Verdict::Close(ConnectionClosed::Idle)
        );
    }

    #[test]
    fn who_was_asked_to_leave_and_does_not_is_closed_once_no_call_is_open() {
        for drains in [false, true] {
            let (mut lifetime, activity) = established(0);
            activity.begin_call();
            let check = if drains {
                lifetime.drain()
            } else {
                for _ in 0..99 {
                    assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
                }
                assert_eq!(
                    lifetime.check(&activity),
                    Verdict::AskToLeave(lifetime.handshake_max)
                );
                lifetime.handshake_max
            };
            for _ in 0..10 {
                assert_eq!(lifetime.check(&activity), Verdict::Live(check));
            }
            activity.end_call();
            let why = lifetime.leaving().unwrap();
            assert_eq!(lifetime.check(&activity), Verdict::Close(why));
        }
    }

    #[test]
    fn an_open_call_keeps_a_connection_until_it_is_old() {
        let (mut lifetime, activity) = established(0);
        activity.begin_call();
        for _ in 0..99 {
            assert_eq!(lifetime.check(&activity), Verdict::Live(SECOND));
        }
        let check = lifetime.handshake_max;
        assert_eq!(lifetime.check(&activity), Verdict::AskToLeave(check));
        assert_eq!(lifetime.leaving(), Some(ConnectionClosed::Age));
        for _ in 1..30 * 20 {
            assert_eq!(lifetime.check(&activity), Verdict::Live(check));
        }
        assert_eq!(
            lifetime.check(&activity),
            Verdict::Close(ConnectionClosed::Age)
        );
    }

    #[test]
    fn not_all_leave_at_once_and_none_much_sooner() {
        let ages: Vec<Duration> = (0..u16::MAX)
            .map(|port| Lifetime::new(&LIMITS, port).age_left)
            .collect();
        assert_eq!(ages.iter().max(), Some(&(100 * SECOND)));
        assert!(ages.iter().all(|age| *age > 90 * SECOND));
        let middle = ages.iter().filter(|age| **age < 95 * SECOND).count();
        assert!(middle.abs_diff(ages.len() / 2) < 1_000, "{middle}");
    }
}
