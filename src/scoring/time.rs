//! Time as the domain knows it: whole milliseconds, handed in by the caller.
//!
//! Nothing in [`scoring`](crate::scoring) reads a clock. Live traffic, replay and tests all pass the
//! moment as an argument, which is why the same inputs always give the same answer.

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `unix_ms` milliseconds after the epoch (negative: before it).
    #[must_use]
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self(unix_ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span::from_ms(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `span` more, held at the end of time.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// Whether this moment lies in the half-open window `(now − span, now]`.
    #[must_use]
    pub const fn within(self, span: Span, now: Self) -> bool {
        self.0 <= now.0 && now.0.saturating_sub(self.0) < span.0
    }

    /// The hour of day, 0–23, at `offset_min` minutes east of UTC.
    #[must_use]
    pub const fn hour_of_day(self, offset_min: i64) -> u8 {
        const HOUR_MS: i64 = 3_600_000;
        let local_ms = self.0.saturating_add(offset_min.saturating_mul(60_000));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the remainder of 24 is 0–23"
        )]
        let hour = local_ms.div_euclid(HOUR_MS).rem_euclid(24) as u8;
        hour
    }
}

/// A length of time in whole milliseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `ms` milliseconds; negative lengths become zero.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(if ms < 0 { 0 } else { ms })
    }

    /// `secs` seconds; negative lengths become zero.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_ms(secs.saturating_mul(1_000))
    }

    /// `minutes` minutes; negative lengths become zero.
    #[must_use]
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// `hours` hours; negative lengths become zero.
    #[must_use]
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// `days` days; negative lengths become zero.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The length in whole seconds, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whether this is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This length as a share of `whole`: 0 at none of it, 1 at all of it, more beyond.
    ///
    /// A `whole` of zero is already over: the share is 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub fn share_of(self, whole: Self) -> f64 {
        if whole.is_zero() {
            return 1.0;
        }
        self.0 as f64 / whole.0 as f64
    }
}

/// What is left of a quantity after `elapsed` when half of it goes every `half_life`.
///
/// Between whole half-lives the curve is a straight line. That keeps decay to additions,
/// multiplications and divisions, whose results IEEE 754 fixes to the last bit on every machine;
/// `exp` and `pow` come from the platform's library and may differ.
#[must_use]
pub fn remaining_share(elapsed: Span, half_life: Span) -> f64 {
    let half_lives = elapsed.share_of(half_life);
    if half_lives >= 60.0 {
        return 0.0;
    }
    let mut share = 1.0;
    let mut left = half_lives;
    while left >= 1.0 {
        share *= 0.5;
        left -= 1.0;
    }
    share * (1.0 - left / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_at_its_far_end_and_closed_at_now() {
        let now = Timestamp::from_unix_ms(100_000);
        let minute = Span::from_minutes(1);
        assert!(now.within(minute, now));
        assert!(Timestamp::from_unix_ms(40_001).within(minute, now));
        assert!(!Timestamp::from_unix_ms(40_000).within(minute, now));
        assert!(!Timestamp::from_unix_ms(100_001).within(minute, now));
    }

    #[test]
    fn hours_wrap_at_midnight_and_before_the_epoch() {
        assert_eq!(Timestamp::from_unix_ms(0).hour_of_day(0), 0);
        assert_eq!(Timestamp::from_unix_ms(-1).hour_of_day(0), 23);
        assert_eq!(Timestamp::from_unix_ms(0).hour_of_day(-60), 23);
        assert_eq!(Timestamp::from_unix_ms(0).hour_of_day(8 * 60), 8);
    }

    #[test]
    fn decay_halves_at_every_half_life_and_falls_between() {
        let day = Span::from_days(1);
        assert_eq!(remaining_share(Span::ZERO, day), 1.0);
        assert_eq!(remaining_share(day, day), 0.5);
        assert_eq!(remaining_share(Span::from_days(3), day), 0.125);
        assert_eq!(remaining_share(Span::from_hours(36), day), 0.375);
        assert_eq!(remaining_share(Span::from_days(10_000), day), 0.0);
        assert_eq!(remaining_share(Span::from_ms(1), Span::ZERO), 0.5);
    }
}
