//! What all accounts together know of one device.
//!
//! Most devices are one person's. What is known of up to three accounts takes sixteen bytes, so that a device is in
//! one cache line with its id; only those that more accounts use have an allocation. Whoever reads or changes it
//! sees the same sketches either way.

use std::num::NonZero;

use super::Payer;
use super::distinct::{Distinct, RecentAccounts, twice};
use crate::scoring::heap;
use crate::scoring::image::{Image, ImageFault, put_time, time};
use crate::scoring::time::{Span, Timestamp};

/// How long one period of "recent" is: recent means this period and the one before.
const PERIOD: Span = Span::from_hours(24);

/// What is known of a device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceFacts {
    /// How many accounts paid from it in the last one to two days, about.
    pub accounts_recent: u32,
}

/// What all accounts know of one device.
#[derive(Debug, Clone)]
pub struct DeviceMemory(Kept);

/// Equal memories have seen the same, in whatever order.
impl PartialEq for DeviceMemory {
    fn eq(&self, other: &Self) -> bool {
        self.seen() == other.seen()
    }
}

/// As `Few` whatever can be.
#[derive(Debug, Clone)]
enum Kept {
    Few(Few),
    Many(Box<Seen>),
}

const _: () = assert!(size_of::<DeviceMemory>() == 16);

/// Who paid from a device, and when last anybody did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Seen {
    recent: RecentAccounts,
    last_used: Timestamp,
}

impl Seen {
    fn note(&mut self, payer: Payer, now: Timestamp) {
        self.recent.advance(PERIOD, now);
        self.recent.insert(payer.hash);
        self.last_used = self.last_used.max(now);
    }
}

/// How many different accounts are kept as `Few`.
const FEW: usize = 3;

/// The same of few accounts.
#[derive(Debug, Clone, Copy)]
struct Few {
    since: Timestamp,
    /// How long after that it was last used.
    used_after_ms: u32,
    /// The bits of the sketches that are set; of a free place it says nothing.
    bits: [u8; FEW],
    /// Of each place, in which sketch its bit is set: a flag of the current one, and above it one of the one before.
    /// The lowest bit of all is always set, which tells `Few` from `Many`.
    sketches: NonZero<u8>,
}

/// The flags of the current sketch: of each place, and of all.
const EACH_CURRENT: [u8; FEW] = [1 << 1, 1 << 3, 1 << 5];
const ALL_CURRENT: u8 = EACH_CURRENT[0] | EACH_CURRENT[1] | EACH_CURRENT[2];

impl Few {
    /// `None` if it does not fit.
    fn of(seen: &Seen) -> Option<Self> {
        let Seen { recent, last_used } = seen;
        let RecentAccounts {
            since,
            current,
            previous,
        } = recent;
        let (current, previous) = (current.bits(), previous.bits());
        let used_after_ms = last_used.unix_ms().checked_sub(since.unix_ms())?;
        let mut few = Self {
            since: *since,
            used_after_ms: u32::try_from(used_after_ms).ok()?,
            bits: [0; FEW],
            sketches: NonZero::<u8>::MIN,
        };
        let mut left = current | previous;
        for (bit, flag) in few.bits.iter_mut().zip(EACH_CURRENT) {
            if left == 0 {
                break;
            }
            let lowest = left.trailing_zeros();
            let is_in = |sketch: u128| sketch.wrapping_shr(lowest) & 1 == 1;
            if is_in(current) {
                few.sketches |= flag;
            }
            if is_in(previous) {
                few.sketches |= flag << 1;
            }
            [*bit, ..] = lowest.to_le_bytes();
            left &= left.wrapping_sub(1);
        }
        (left == 0).then_some(few)
    }

    fn seen(&self) -> Seen {
        let (mut current, mut previous) = (0, 0);
        for (bit, flag) in self.bits.into_iter().zip(EACH_CURRENT) {
            let bit = 1_u128.wrapping_shl(bit.into());
            current |= if self.has(flag) { bit } else { 0 };
            previous |= if self.has(flag << 1) { bit } else { 0 };
        }
        Seen {
            recent: RecentAccounts {
                since: self.since,
                current: Distinct::of_bits(current),
                previous: Distinct::of_bits(previous),
            },
            last_used: self.last_used(),
        }
    }

    const fn has(&self, flags: u8) -> bool {
        self.sketches.get() & flags != 0
    }

    /// Notes an account by its bit, in a new sketch if the period is over; `false` if there is no place for it.
    fn note(&mut self, bit: u8, now: Timestamp) -> bool {
        let last_used = self.last_used().max(now);
        let lasted = now.since(self.since);
        if lasted >= PERIOD {
            let ended = if lasted < twice(PERIOD) {
                (self.sketches.get() & ALL_CURRENT) << 1
            } else {
                0
            };
            self.sketches = NonZero::<u8>::MIN | ended;
            self.since = now;
        }
        let used_after_ms = last_used.since(self.since).ms();
        // No longer than it was, or than a period.
        self.used_after_ms = u32::try_from(used_after_ms).unwrap_or(u32::MAX);
        let Self { bits, sketches, .. } = self;
        let mut free = None;
        for (known, current) in bits.iter_mut().zip(EACH_CURRENT) {
            if sketches.get() & (current | current << 1) == 0 {
                free = free.or(Some((known, current)));
            } else if *known == bit {
                *sketches |= current;
                return true;
            }
        }
        let Some((known, current)) = free else {
            return false;
        };
        *known = bit;
        *sketches |= current;
        true
    }

    /// How many accounts there were lately, about: what [`RecentAccounts::estimate`] says of the sketches.
    fn estimate(&self, now: Timestamp) -> u32 {
        let sketches = self.sketches.get();
        let lasted = now.since(self.since);
        let flags = if lasted < PERIOD {
            sketches | sketches >> 1
        } else if lasted < twice(PERIOD) {
            sketches
        } else {
            0
        };
        Distinct::<2>::estimate_of((flags & ALL_CURRENT).count_ones())
    }

    fn last_used(&self) -> Timestamp {
        self.since.plus(Span::from_ms(self.used_after_ms.into()))
    }
}

impl Default for DeviceMemory {
    fn default() -> Self {
        Self::of(Seen::default())
    }
}

impl DeviceMemory {
    fn of(seen: Seen) -> Self {
        let few = Few::of(&seen).map(Kept::Few);
        Self(few.unwrap_or_else(|| Kept::Many(Box::new(seen))))
    }

    fn seen(&self) -> Seen {
        match &self.0 {
            Kept::Few(few) => few.seen(),
            Kept::Many(seen) => **seen,
        }
    }

    /// What a decision may read, as of `now`.
    #[must_use]
    pub fn facts(&self, now: Timestamp) -> DeviceFacts {
        let accounts_recent = match &self.0 {
            Kept::Few(few) => few.estimate(now),
            Kept::Many(seen) => seen.recent.estimate(PERIOD, now),
        };
        DeviceFacts { accounts_recent }
    }

    /// How many bytes it has allocated.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        match self.0 {
            Kept::Few(_) => 0,
            Kept::Many(_) => heap::bytes_of::<Seen>(1),
        }
    }

    /// Learns that `payer` is paying from this device.
    pub fn note_payer(&mut self, payer: Payer, now: Timestamp) {
        if let Kept::Few(few) = &mut self.0
            && few.note(Distinct::<2>::bit_of(payer.hash), now)
        {
            return;
        }
        self.note_anew(payer, now);
    }

    /// The same where more accounts are known than a few.
    #[inline(never)]
    fn note_anew(&mut self, payer: Payer, now: Timestamp) {
        let mut seen = self.seen();
        seen.note(payer, now);
        match (Few::of(&seen), &mut self.0) {
            (Some(few), kept) => *kept = Kept::Few(few),
            (None, Kept::Many(before)) => **before = seen,
            (None, kept) => *kept = Kept::Many(Box::new(seen)),
        }
    }

    /// When it was last written to.
    #[must_use]
    pub fn last_used(&self) -> Timestamp {
        match &self.0 {
            Kept::Few(few) => few.last_used(),
            Kept::Many(seen) => seen.last_used,
        }
    }

    /// Appends an [image](crate::scoring::image) of the memory.
    pub fn put_image(&self, out: &mut Vec<u8>) {
        let Seen { recent, last_used } = self.seen();
        recent.put_image(out);
        put_time(out, last_used);
    }

    /// The memory of an image.
    ///
    /// # Errors
    /// [`ImageFault`] where the bytes are none.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageFault> {
        let mut image = Image::new(bytes);
        let memory = Self::of(Seen {
            recent: image.part("recent accounts", RecentAccounts::read_image)?,
            last_used: image.part("last used", time)?,
        });
        image.end().map(|()| memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn payer(hash: u64) -> Payer {
        Payer { hash }
    }

    #[test]
    fn recent_means_this_period_and_the_one_before() {
        let mut memory = DeviceMemory::default();
        let day = |n: i64| Timestamp::from_unix_ms(n * PERIOD.ms());
        memory.note_payer(payer(1), day(10));
        assert_eq!(memory.facts(day(10)).accounts_recent, 1);
        memory.note_payer(payer(2), day(11));
        assert_eq!(memory.facts(day(11)).accounts_recent, 2);
        memory.note_payer(payer(3), day(12));
        assert_eq!(memory.facts(day(12)).accounts_recent, 2);
        assert_eq!(memory.facts(day(20)).accounts_recent, 0);
    }

    #[test]
    fn however_many_accounts_use_it_it_knows_what_the_sketches_say() {
        let mut random = Random::new(1);
        let (mut few, mut many) = (0, 0);
        for accounts in [1, 2, 3, 4, 9, 300] {
            let (mut memory, mut seen) = (DeviceMemory::default(), Seen::default());
            let mut now = Timestamp::from_unix_ms(1_700_000_000_000);
            for _ in 0..2_000 {
                // Accounts' clocks differ, and few go back.
                let gap_ms = random.below(20_000_000).cast_signed() - 1_000_000;
                let gap_ms = gap_ms * if random.below(50) == 0 { 20 } else { 1 };
                now = Timestamp::from_unix_ms(now.unix_ms() + gap_ms);
                let payer = payer(crate::random::nth(random.below(accounts)));
                memory.note_payer(payer, now);
                seen.note(payer, now);
                assert_eq!(memory.seen(), seen);
                for later_ms in [0, 40_000_000, 90_000_000, 180_000_000] {
                    let later = now.plus(Span::from_ms(later_ms));
                    let accounts_recent = seen.recent.estimate(PERIOD, later);
                    assert_eq!(memory.facts(later), DeviceFacts { accounts_recent });
                }
                assert_eq!(memory.last_used(), seen.last_used);
                assert_eq!(memory, DeviceMemory::of(seen));
                let (current, previous) = (seen.recent.current, seen.recent.previous);
                let different = (current.bits() | previous.bits()).count_ones();
                let is_few = memory.heap_bytes() == 0;
                assert_eq!(is_few, different <= 3);
                *if is_few { &mut few } else { &mut many } += 1;
            }
        }
        assert!(few > 3_000 && many > 3_000, "{few} {many}");
    }

    #[test]
    fn times_of_whatever_image_come_back() {
        for since in [i64::MIN, -1, 0, 1, i64::MAX] {
            for last_used in [i64::MIN, -1, 0, i64::from(u32::MAX), i64::MAX] {
                let seen = Seen {
                    recent: RecentAccounts {
                        since: Timestamp::from_unix_ms(since),
                        ..RecentAccounts::default()
                    },
                    last_used: Timestamp::from_unix_ms(last_used),
                };
                assert_eq!(DeviceMemory::of(seen).seen(), seen);
            }
        }
    }
}
