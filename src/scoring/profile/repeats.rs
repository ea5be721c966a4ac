//! What is known of repeats at a payee: the same payment again within minutes.

/// On how many days a payment has to have been repeated to be a habit: twice may be the same mistake.
const HABIT_DAYS: u8 = 3;

/// In how many bits the times stand that the payer confirmed; the days stand above. An image of before days
/// were counted tells of none, unless somebody confirmed more often than that.
const CONFIRMED_BITS: u32 = 6;
const CONFIRMED_MAX: u8 = (1 << CONFIRMED_BITS) - 1;

/// How often the payer said that a repeat was meant, and on how many days payments were repeated, paid, and
/// nothing bad heard of it. In a byte, as every payee of every account has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats(u8);

impl Repeats {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    pub(super) const fn byte(self) -> u8 {
        self.0
    }

    /// How often the payer, asked about a repeat, said that it was meant.
    #[must_use]
    pub const fn confirmed(self) -> u8 {
        self.0 & CONFIRMED_MAX
    }

    /// Whether they are a habit, even if the payer was never asked or never answered.
    #[must_use]
    pub const fn are_habit(self) -> bool {
        self.days() >= HABIT_DAYS
    }

    const fn days(self) -> u8 {
        self.0 >> CONFIRMED_BITS
    }

    const fn of(confirmed: u8, days: u8) -> Self {
        Self(confirmed | days << CONFIRMED_BITS)
    }

    /// With one more that the payer confirmed, or as many as are counted.
    pub(super) const fn and_confirmed(self) -> Self {
        if self.confirmed() == CONFIRMED_MAX {
            return self;
        }
        Self::of(self.confirmed().saturating_add(1), self.days())
    }

    /// Without one of those.
    pub(super) const fn less_confirmed(self) -> Self {
        Self::of(self.confirmed().saturating_sub(1), self.days())
    }

    /// With one more day, or as many as make a habit.
    pub(super) const fn and_day(self) -> Self {
        if self.are_habit() {
            return self;
        }
        Self::of(self.confirmed(), self.days().saturating_add(1))
    }

    /// Without any day: one that was a mistake is no habit, and may have been none before.
    pub(super) const fn without_days(self) -> Self {
        Self::of(self.confirmed(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_counted_beside_each_other_up_to_what_matters() {
        let mut repeats = Repeats::NONE;
        for nth in 1..=300_u32 {
            repeats = repeats.and_confirmed();
            assert_eq!(u32::from(repeats.confirmed()), nth.min(63));
            assert!(!repeats.are_habit());
        }
        for nth in 1..=9 {
            repeats = repeats.and_day();
            assert_eq!((repeats.confirmed(), repeats.are_habit()), (63, nth >= 3));
        }
        let byte = repeats.less_confirmed().without_days().byte();
        assert_eq!(Repeats::from_byte(byte), Repeats::of(62, 0));
        assert_eq!(Repeats::NONE.less_confirmed(), Repeats::NONE);
    }
}
