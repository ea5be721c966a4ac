//! What is owed for work that came to nothing. It grows with each piece of it, and lessens with what is of use
//! and with time, which is an argument.

use std::time::Duration;

use super::limits::Limits;

/// For how many seconds at most what is owed is remembered.
const SECONDS_MAX: u64 = 10;

/// What is owed by somebody who owes little, as a part of what is free at once.
const LITTLE: u64 = 10;

const US_PER_SECOND: u128 = 1_000_000;

/// How much work may come to nothing.
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

    /// What may be owed without consequence: what a second forgives.
    pub(super) const fn free_ns(self) -> u64 {
        self.us_per_second * 1_000
    }

    /// The same where others of the address owe more than that.
    pub(super) const fn little_ns(self) -> u64 {
        self.free_ns() / LITTLE
    }

    /// How much `time` forgives.
    fn forgiven_ns(self, time: Duration) -> u64 {
        let ns = time.as_nanos() * u128::from(self.us_per_second) / US_PER_SECOND;
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// What time it takes to forgive so much.
    fn time_for(self, owed_ns: u64) -> Duration {
        let ns = u128::from(owed_ns) * US_PER_SECOND / u128::from(self.us_per_second.max(1));
        // The last part of a nanosecond counts, or it would be asked for again and again.
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)) + Duration::from_nanos(1)
    }
}

/// What somebody owes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    allowance: Allowance,
    work_ns: u64,
    /// Until when time has forgiven.
    as_of: Duration,
}

impl Owed {
    /// Nothing, at this time since whatever all times count from.
    pub(super) const fn nothing(allowance: Allowance, now: Duration) -> Self {
        Self {
            allowance,
            work_ns: 0,
            as_of: now,
        }
    }

    pub(super) const fn work_ns(&self) -> u64 {
        self.work_ns
    }

    /// What may be owed without consequence.
    pub(super) const fn free_ns(&self) -> u64 {
        self.allowance.free_ns()
    }

    /// Adds work that came to nothing; what is less than nothing is work that was of use, of which none is
    /// kept for later.
    pub(super) fn add(&mut self, work_ns: i64) {
        let most_ns = SECONDS_MAX * self.allowance.free_ns();
        self.work_ns = self.work_ns.saturating_add_signed(work_ns).min(most_ns);
    }

    /// Forgives what the time until `now` does.
    pub(super) fn forgive(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.as_of);
        self.as_of = self.as_of.max(now);
        let forgiven_ns = self.allowance.forgiven_ns(passed);
        self.work_ns = self.work_ns.saturating_sub(forgiven_ns);
    }

    /// How long it is until no more than `free_ns` is owed.
    pub(super) fn time_until(&self, free_ns: u64) -> Duration {
        match self.work_ns.saturating_sub(free_ns) {
            0 => Duration::ZERO,
            above_ns => self.allowance.time_for(above_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hundredth of the time.
    const ALLOWANCE: Allowance = Allowance {
        us_per_second: 10_000,
    };

    const MS: u64 = 1_000_000;

    fn at_ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_owed_lessens_with_time_and_with_what_is_of_use() {
        let mut owed = Owed::nothing(ALLOWANCE, at_ms(500));
        owed.add(12_000_000);
        assert_eq!(owed.work_ns(), 12 * MS);
        let wait = owed.time_until(ALLOWANCE.free_ns());
        assert_eq!(wait, at_ms(200) + Duration::from_nanos(1));
        owed.forgive(at_ms(600));
        assert_eq!(owed.work_ns(), 11 * MS);
        // A time that has been does so once.
        owed.forgive(at_ms(600));
        owed.forgive(at_ms(0));
        assert_eq!(owed.work_ns(), 11 * MS);
        owed.add(-4_000_000);
        assert_eq!(owed.work_ns(), 7 * MS);
        assert_eq!(owed.time_until(ALLOWANCE.free_ns()), Duration::ZERO);
        owed.add(-100_000_000);
        assert_eq!(owed.work_ns(), 0);
        owed.add(1_000);
        assert_eq!(owed.work_ns(), 1_000, "nothing was saved up");
    }

    #[test]
    fn a_debt_is_over_after_ten_seconds_whatever_it_was_for() {
        let mut owed = Owed::nothing(ALLOWANCE, Duration::ZERO);
        for _ in 0..9 {
            owed.add(i64::MAX);
        }
        owed.forgive(at_ms(9_999));
        assert!(owed.work_ns() > 0);
        owed.forgive(at_ms(10_000));
        assert_eq!(owed.work_ns(), 0);
    }

    proptest! {
        /// Somebody who does as much as he may at each moment, and waits as long as he is told.
        #[test]
        fn over_any_time_no_more_comes_to_nothing_than_is_free(
            us_per_second in 100..1_000_000_u64,
            pieces in proptest::collection::vec((0..500_000_i64, 0..50_000_u64), 1..200),
        ) {
            let allowance = Allowance { us_per_second };
            let (mut owed, mut now) = (Owed::nothing(allowance, Duration::ZERO), Duration::ZERO);
            let (mut done_ns, mut largest_ns) = (0, 0);
            for (work_ns, pause_us) in pieces {
                now += Duration::from_micros(pause_us);
                owed.forgive(now);
                now += owed.time_until(allowance.free_ns());
                owed.forgive(now);
                prop_assert!(owed.work_ns() <= allowance.free_ns(), "a wait is long enough");
                owed.add(work_ns);
                let work_ns = work_ns.unsigned_abs();
                done_ns += work_ns;
                largest_ns = work_ns.max(largest_ns);
                let may_ns = allowance.free_ns() + allowance.forgiven_ns(now);
                // Each look may round a nanosecond off.
                prop_assert!(done_ns <= may_ns + largest_ns + 400, "{done_ns} of {may_ns}");
            }
        }

        /// One whose work is of use at least as often never waits, however much of it there is.
        #[test]
        fn whose_work_is_of_use_as_often_never_waits(
            work_ns in proptest::collection::vec(0..10_000_000_i64, 1..200),
        ) {
            let mut owed = Owed::nothing(ALLOWANCE, Duration::ZERO);
            for work_ns in work_ns {
                owed.add(work_ns);
                prop_assert_eq!(owed.time_until(ALLOWANCE.free_ns()), Duration::ZERO);
                owed.add(-work_ns);
            }
            prop_assert_eq!(owed.work_ns(), 0);
        }
    }
}
