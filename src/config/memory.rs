//! How much memory what is remembered may take.

use std::fmt;

mod allowance;

use allowance::Allowance;

/// The least budget: below it the tables alone would leave little for accounts.
const BYTES_MIN: u64 = 16 << 20;

const MIB: u64 = 1 << 20;

/// Units, largest first: of those that divide a number, the first is the shortest to write.
const UNITS: [(&str, u64); 6] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
];

/// How much memory what is remembered may take: 16 MiB or more, and half of what the machine or the
/// cgroup allows unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes_max: Option<u64>,
    source: Source,
}

/// Where a budget is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Setting,
    Half(Allowance),
    Nowhere,
}

impl MemoryBudget {
    /// What a setting of the budget must be.
    pub(super) const EXPECTED: &str =
        "a number of bytes, 16MiB or more, such as 512MiB, 4GiB, 500MB or 2GB";

    /// Takes `text` as a number of bytes, or as one of MiB, GiB, TiB (powers of 1,024) or MB, GB, TB
    /// (powers of 1,000).
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_bytes = match unit.trim_start() {
            "" if unit.is_empty() => Some(1),
            unit => UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, bytes)| *bytes),
        };
        let bytes = number.parse().ok().zip(unit_bytes);
        match bytes.and_then(|(number, unit): (u64, u64)| number.checked_mul(unit)) {
            Some(bytes) if bytes >= BYTES_MIN => Ok(Self {
                bytes_max: Some(bytes),
                source: Source::Setting,
            }),
            Some(_) | None => Err(Self::EXPECTED),
        }
    }

    /// Half of what this process is allowed, in whole MiB; no limit where nobody says.
    pub(super) fn of_this_process() -> Self {
        Allowance::of_this_process().map_or(Self::UNLIMITED, Self::half_of)
    }

    const UNLIMITED: Self = Self {
        bytes_max: None,
        source: Source::Nowhere,
    };

    fn half_of(allowance: Allowance) -> Self {
        let half = allowance.bytes / 2 / MIB * MIB;
        Self {
            bytes_max: Some(half.max(BYTES_MIN)),
            source: Source::Half(allowance),
        }
    }

    /// The number of bytes; `None`: there is no limit.
    #[must_use]
    pub const fn bytes_max(self) -> Option<u64> {
        self.bytes_max
    }

    /// That the process may take more than it is allowed, in words, where it may take `beside_bytes` beside what
    /// is remembered.
    #[must_use]
    pub fn excess(self, beside_bytes: u64) -> Option<String> {
        self.excess_over(Allowance::of_this_process()?, beside_bytes)
    }

    fn excess_over(self, allowance: Allowance, beside_bytes: u64) -> Option<String> {
        let Allowance { bytes, by } = allowance;
        let resident = self.bytes_max?.saturating_mul(4) / 3;
        let most = resident.saturating_add(beside_bytes);
        let (most_mib, mib) = (most.div_ceil(MIB), bytes / MIB);
        (most > bytes).then(|| format!("{most_mib} MiB, and {by} allows {mib} MiB"))
    }

    /// Where it is from, in words.
    #[must_use]
    pub fn source(self) -> String {
        match self.source {
            Source::Setting => "as set".to_owned(),
            Source::Half(Allowance { bytes, by }) => {
                format!("half of {} MiB, which {by} allows", bytes / MIB)
            }
            Source::Nowhere => "neither machine nor cgroup says what it allows".to_owned(),
        }
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.bytes_max else {
            return f.write_str("unlimited");
        };
        match UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
            None => bytes.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::allowance::By;
    use super::*;

    #[test]
    fn budgets_are_bytes_in_binary_or_decimal_units() {
        for (text, bytes, told) in [
            ("16777216", 16 << 20, "16MiB"),
            ("16MiB", 16 << 20, "16MiB"),
            ("512 MiB", 512 << 20, "512MiB"),
            ("4GiB", 4 << 30, "4GiB"),
            ("1024GiB", 1 << 40, "1TiB"),
            ("500MB", 500_000_000, "500MB"),
            ("2GB", 2_000_000_000, "2GB"),
            ("20000001", 20_000_001, "20000001"),
        ] {
            let budget = MemoryBudget::parse(text).unwrap();
            assert_eq!(budget.bytes_max(), Some(bytes), "{text}");
            assert_eq!(budget.to_string(), told);
            assert_eq!(MemoryBudget::parse(told), Ok(budget));
            assert_eq!(budget.source(), "as set");
        }
        for bad in [
            "",
            "0",
            "16777215",
            "15MiB",
            "16MB",
            "-1GiB",
            "1.5GiB",
            "GiB",
            "4gib",
            "4G",
            "4GiB ",
            "16777216 ",
            "4 G iB",
            "99999999999999999999",
            "99999999TiB",
        ] {
            assert_eq!(
                MemoryBudget::parse(bad),
                Err(MemoryBudget::EXPECTED),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_may_be_too_much_is_told() {
        let budget = MemoryBudget::parse("768MiB").unwrap();
        let allowance = |mib: u64| Allowance {
            bytes: mib << 20,
            by: By::Cgroup,
        };
        // A quarter of what is resident is not counted.
        assert_eq!(budget.excess_over(allowance(1_124), 100 << 20), None);
        assert_eq!(
            budget.excess_over(allowance(1_123), 100 << 20).unwrap(),
            "1124 MiB, and the cgroup allows 1123 MiB"
        );
        let unlimited = MemoryBudget::UNLIMITED;
        assert_eq!(unlimited.excess_over(allowance(1), 1 << 40), None);
    }

    #[test]
    fn the_default_is_half_of_what_is_allowed() {
        let half_of = |bytes, by| MemoryBudget::half_of(Allowance { bytes, by });
        let budget = half_of(1 << 30, By::Cgroup);
        assert_eq!(budget.to_string(), "512MiB");
        assert_eq!(budget.source(), "half of 1024 MiB, which the cgroup allows");
        let odd = half_of((1 << 30) + 4_095, By::Machine);
        assert_eq!(odd.to_string(), "512MiB");
        assert_eq!(odd.source(), "half of 1024 MiB, which the machine allows");
        assert_eq!(half_of(1, By::Cgroup).to_string(), "16MiB");
        assert_eq!(MemoryBudget::UNLIMITED.to_string(), "unlimited");
    }
}
