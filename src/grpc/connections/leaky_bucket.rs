//! Debt for wasted work, kept as a leaky bucket: wasted work fills it, useful work and time drain it. Time is an
//! argument.

use std::time::Duration;

use crate::grpc::limits::Limits;

/// The bucket holds at most what this many seconds drain, so no debt outlives them.
const SECONDS_MAX: u64 = 10;

/// A debt is low up to this part of the free allowance.
const LITTLE: u64 = 10;

const US_PER_SECOND: u128 = 1_000_000;

/// How much wasted work is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    us_per_second: u64,
}

impl Allowance {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            us_per_second: limits.waste_us,
        }
    }

    /// How much debt has no consequence: what drains in a second.
    pub(super) const fn free_ns(self) -> u64 {
        self.us_per_second * 1_000
    }

    /// How much has none even where other connections of the address are in debt.
    pub(super) const fn little_ns(self) -> u64 {
        self.free_ns() / LITTLE
    }

    /// How much drains in `time`.
    fn leaked_ns(self, time: Duration) -> u64 {
        let ns = time.as_nanos() * u128::from(self.us_per_second) / US_PER_SECOND;
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// How long it takes to drain this much.
    fn time_for(self, debt_ns: u64) -> Duration {
        let ns = u128::from(debt_ns) * US_PER_SECOND / u128::from(self.us_per_second.max(1));
        // Rounded up, or a waiter would come back a moment too early, again and again.
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)) + Duration::from_nanos(1)
    }
}

/// The debt of one connection or one address.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeakyBucket {
    allowance: Allowance,
    level_ns: u64,
    /// Up to when it has been drained.
    leaked_to: Duration,
}

impl LeakyBucket {
    /// No debt at `now`, a time since whatever all times are counted from.
    pub(super) const fn empty(allowance: Allowance, now: Duration) -> Self {
        Self {
            allowance,
            level_ns: 0,
            leaked_to: now,
        }
    }

    pub(super) const fn level_ns(&self) -> u64 {
        self.level_ns
    }

    /// How much debt has no consequence.
    pub(super) const fn free_ns(&self) -> u64 {
        self.allowance.free_ns()
    }

    /// Adds wasted work; a negative number is useful work, which drains the bucket but is not saved up.
    pub(super) fn add(&mut self, work_ns: i64) {
        let most_ns = SECONDS_MAX * self.allowance.free_ns();
        self.level_ns = self.level_ns.saturating_add_signed(work_ns).min(most_ns);
    }

    /// Drains what the time until `now` does.
    pub(super) fn leak(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.leaked_to);
        self.leaked_to = self.leaked_to.max(now);
        let leaked_ns = self.allowance.leaked_ns(passed);
        self.level_ns = self.level_ns.saturating_sub(leaked_ns);
    }

    /// How long it takes until the debt is no more than `free_ns`.
    pub(super) fn time_until(&self, free_ns: u64) -> Duration {
        match self.level_ns.saturating_sub(free_ns) {
            0 => Duration::ZERO,
            above_ns => self.allowance.time_for(above_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One per cent of the time.
    const ALLOWANCE: Allowance = Allowance {
        us_per_second: 10_000,
    };

    const MS: u64 = 1_000_000;

    fn at_ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_owed_lessens_with_time_and_with_what_is_of_use() {
        let mut debt = LeakyBucket::empty(ALLOWANCE, at_ms(500));
        debt.add(12_000_000);
        assert_eq!(debt.level_ns(), 12 * MS);
        let wait = debt.time_until(ALLOWANCE.free_ns());
        assert_eq!(wait, at_ms(200) + Duration::from_nanos(1));
        debt.leak(at_ms(600));
        assert_eq!(debt.level_ns(), 11 * MS);
        // The same time drains only once.
        debt.leak(at_ms(600));
        debt.leak(at_ms(0));
        assert_eq!(debt.level_ns(), 11 * MS);
        debt.add(-4_000_000);
        assert_eq!(debt.level_ns(), 7 * MS);
        assert_eq!(debt.time_until(ALLOWANCE.free_ns()), Duration::ZERO);
        debt.add(-100_000_000);
        assert_eq!(debt.level_ns(), 0);
        debt.add(1_000);
        assert_eq!(debt.level_ns(), 1_000, "nothing was saved up");
    }

    #[test]
    fn a_debt_is_over_after_ten_seconds_whatever_it_was_for() {
        let mut debt = LeakyBucket::empty(ALLOWANCE, Duration::ZERO);
        for _ in 0..9 {
            debt.add(i64::MAX);
        }
        debt.leak(at_ms(9_999));
        assert!(debt.level_ns() > 0);
        debt.leak(at_ms(10_000));
        assert_eq!(debt.level_ns(), 0);
    }

    proptest! {
        /// A client that wastes as much as it may at each moment, and waits as long as it is told to.
        #[test]
        fn over_any_time_no_more_comes_to_nothing_than_is_free(
            us_per_second in 100..1_000_000_u64,
            pieces in proptest::collection::vec((0..500_000_i64, 0..50_000_u64), 1..200),
        ) {
            let allowance = Allowance { us_per_second };
            let (mut debt, mut now) = (LeakyBucket::empty(allowance, Duration::ZERO), Duration::ZERO);
            let (mut done_ns, mut largest_ns) = (0, 0);
            for (work_ns, pause_us) in pieces {
                now += Duration::from_micros(pause_us);
                debt.leak(now);
                now += debt.time_until(allowance.free_ns());
                debt.leak(now);
                prop_assert!(debt.level_ns() <= allowance.free_ns(), "a wait is long enough");
                debt.add(work_ns);
                let work_ns = work_ns.unsigned_abs();
                done_ns += work_ns;
                largest_ns = work_ns.max(largest_ns);
                let may_ns = allowance.free_ns() + allowance.leaked_ns(now);
                // Each look may round a nanosecond off.
                prop_assert!(done_ns <= may_ns + largest_ns + 400, "{done_ns} of {may_ns}");
            }
        }

        /// A client whose work is useful at least as often never waits, however much of it there is.
        #[test]
        fn whose_work_is_of_use_as_often_never_waits(
            work_ns in proptest::collection::vec(0..10_000_000_i64, 1..200),
        ) {
            let mut debt = LeakyBucket::empty(ALLOWANCE, Duration::ZERO);
            for work_ns in work_ns {
                debt.add(work_ns);
                prop_assert_eq!(debt.time_until(ALLOWANCE.free_ns()), Duration::ZERO);
                debt.add(-work_ns);
            }
            prop_assert_eq!(debt.level_ns(), 0);
        }
    }
}
