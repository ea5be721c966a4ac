//! How long the sliding windows are.

use crate::scoring::time::Span;

/// The sliding windows, shortest first. The longest is how long payments are remembered.
pub const WINDOWS: [Span; 4] = [
    Span::from_minutes(1),
    Span::from_minutes(10),
    Span::from_hours(1),
    RETENTION,
];

/// How long a payment is remembered.
pub const RETENTION: Span = Span::from_hours(24);

/// Names one of the [`WINDOWS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowIndex {
    /// The last minute.
    Minute,
    /// The last ten minutes.
    TenMinutes,
    /// The last hour.
    Hour,
    /// The last 24 hours.
    Day,
}

impl WindowIndex {
    /// All of them, shortest first.
    pub const ALL: [Self; WINDOWS.len()] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// How long the window is.
    #[must_use]
    pub const fn span(self) -> Span {
        let [minute, ten_minutes, hour, day] = WINDOWS;
        match self {
            Self::Minute => minute,
            Self::TenMinutes => ten_minutes,
            Self::Hour => hour,
            Self::Day => day,
        }
    }

    /// The shortest that is as long as `span`; the longest where none is.
    #[must_use]
    pub fn over(span: Span) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|nth| span <= nth.span()).unwrap_or(Self::Day)
    }
}
