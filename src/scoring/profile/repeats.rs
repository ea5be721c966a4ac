//! What an account's past says of repeats at a payee: the same payment again within minutes, that was meant.

/// On how many days payments must have been repeated to be a habit: twice may be the same mistake.
const HABIT_DAYS: u8 = 3;

/// How many bits, the lower ones, count the times that the payer confirmed, up to 63. The upper two count the days, up
/// to `HABIT_DAYS`. Images from before days were counted have zeros there, unless somebody confirmed more often.
const CONFIRMED_BITS: u32 = 6;
const CONFIRMED_MAX: u8 = (1 << CONFIRMED_BITS) - 1;

/// How often the payer, asked about a repeat, said that it was meant; and on how many days a repeat was paid and
/// nothing bad was heard of it. In one byte, as every payee of every account has one.
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

    /// Whether repeats are a habit: there were some on three days, whether the payer was asked or not.
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

    /// With one more that the payer confirmed, up to 63.
    pub(super) const fn and_confirmed(self) -> Self {
        if self.confirmed() == CONFIRMED_MAX {
            return self;
        }
        Self::of(self.confirmed().saturating_add(1), self.days())
    }

    /// With one less that the payer confirmed.
    pub(super) const fn less_confirmed(self) -> Self {
        Self::of(self.confirmed().saturating_sub(1), self.days())
    }

    /// With one more day, up to as many as make a habit.
    pub(super) const fn and_day(self) -> Self {
        if self.are_habit() {
            return self;
        }
        Self::of(self.confirmed(), self.days().saturating_add(1))
    }

    /// With no day: after one repeat that was a mistake, those before may have been mistakes too.
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
