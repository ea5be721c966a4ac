//! What all accounts together know of a payee or a device. A fixed number of bytes per key.
//!
//! These memories belong to other keys than the account's. A decision reads a few numbers from them
//! before it looks at the account, and tells them what happened afterwards: never both at once.

use super::outcome::PayeeRisk;
use super::payment::{AccountId, PaymentId};
use super::time::{Span, Timestamp, remaining_share};

/// How long one period of "recent" is: recent means this period and the one before.
const PERIOD: Span = Span::from_hours(24);

/// How many reports that came too late for the account's window are remembered, so that the same
/// report again changes nothing.
const LATE_REPORTS_KEPT: usize = 8;

/// What one decision reads of the payee's and the device's memory. An input of the decision, fixed in
/// its record: accounts race each other on a busy payee, and no replay could find that order again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Surroundings {
    /// Of the payee.
    pub payee: PayeeFacts,
    /// Of the device.
    pub device: DeviceFacts,
}

/// What is known of a payee.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PayeeFacts {
    /// How many accounts ever paid it, about.
    pub payers: u32,
    /// How many accounts paid it in the last one to two days, about.
    pub payers_recent: u32,
    /// How many accounts usually pay it in such a time, about.
    pub payers_usual: f64,
    /// Settled payments, fading.
    pub settled: f64,
    /// Refunds and payers' mistakes among them, fading.
    pub reported_weak: f64,
    /// Frauds among them, fading.
    pub reported_strong: f64,
}

/// What is known of a device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceFacts {
    /// How many accounts paid from it in the last one to two days, about.
    pub accounts_recent: u32,
}

/// Roughly how many different accounts were seen: a bitmap that counts linearly.
///
/// Exact to a few per cent up to twice its bits; full at about six times. Source: Whang, Vander-Zanden
/// and Taylor, "A linear-time probabilistic counting algorithm", 1990: n ≈ −m·ln(zero bits ÷ m).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Distinct<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Distinct<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> Distinct<WORDS> {
    fn insert(&mut self, hash: u64) {
        let word = usize::try_from(hash >> 6).unwrap_or(0) % WORDS;
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (hash & 63);
        }
    }

    fn union(self, other: Self) -> Self {
        let mut both = self;
        for (bits, others) in both.0.iter_mut().zip(other.0) {
            *bits |= others;
        }
        both
    }

    /// The estimate, from the harmonic sum that −ln stands for: with k of m bits set, the expected
    /// number seen is Σ m ÷ (m − i) for i below k. Divisions only, so the same on every machine.
    fn estimate(self) -> u32 {
        let bits = u32::try_from(WORDS).unwrap_or(1).saturating_mul(64);
        let set: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        let seen: f64 = (0..set)
            .map(|i| f64::from(bits) / f64::from(bits.saturating_sub(i)))
            .sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most m times the m-th harmonic number"
        )]
        let rounded = (seen + 0.5) as u32;
        rounded
    }
}

/// A hash of an id for the sketches: FNV-1a with a final mix. It decides nothing on its own; somebody
/// who makes ids collide only makes themselves look like fewer.
fn hash_of(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

/// Different accounts over two periods, the current one and the one before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct RecentAccounts {
    since: Timestamp,
    current: Distinct<2>,
    previous: Distinct<2>,
}

impl RecentAccounts {
    /// Moves on to the period that `now` is in; returns how many accounts the finished one had, if
    /// one was finished, and how many periods ago it began.
    fn advance(&mut self, now: Timestamp) -> Option<(u32, Span)> {
        let lasted = now.since(self.since);
        if lasted < PERIOD {
            return None;
        }
        let finished = self.current.estimate();
        self.previous = if lasted.share_of(PERIOD) < 2.0 {
            self.current
        } else {
            Distinct::default()
        };
        self.current = Distinct::default();
        self.since = now;
        (finished > 0).then_some((finished, lasted))
    }

    fn estimate(&self, now: Timestamp) -> u32 {
        let lasted = now.since(self.since).share_of(PERIOD);
        if lasted < 1.0 {
            self.current.union(self.previous).estimate()
        } else if lasted < 2.0 {
            self.current.estimate()
        } else {
            0
        }
    }
}

/// What all accounts know of one payee.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PayeeMemory {
    ever: Distinct<4>,
    recent: RecentAccounts,
    payers_usual: f64,
    settled: f64,
    reported_weak: f64,
    reported_strong: f64,
    faded_at: Timestamp,
    late_reports: [u64; LATE_REPORTS_KEPT],
    late_reports_next: u8,
    last_used: Timestamp,
}

/// A change of what is known about one payment to a payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiskChange {
    /// What its outcome said before.
    pub before: PayeeRisk,
    /// What it says now.
    pub after: PayeeRisk,
}

impl PayeeMemory {
    /// What a decision may read, as of `now`.
    #[must_use]
    pub fn facts(&self, half_life: Span, now: Timestamp) -> PayeeFacts {
        let left = remaining_share(now.since(self.faded_at), half_life);
        PayeeFacts {
            payers: self.ever.estimate(),
            payers_recent: self.recent.estimate(now),
            payers_usual: self.payers_usual,
            // What was taken back had faded since it was added: never below nothing.
            settled: (self.settled * left).max(0.0),
            reported_weak: (self.reported_weak * left).max(0.0),
            reported_strong: (self.reported_strong * left).max(0.0),
        }
    }

    /// Learns that `account_id` is paying this payee.
    pub fn note_payer(&mut self, account_id: &AccountId, now: Timestamp) {
        if let Some((finished, lasted)) = self.recent.advance(now) {
            // The usual number fades by a quarter a period, so that one busy day is forgotten in a
            // week and a steady stream is soon known as one.
            let left = remaining_share(lasted, Span::from_ms(PERIOD.ms().saturating_mul(2)));
            self.payers_usual = (self.payers_usual * left).max(f64::from(finished));
        }
        let hash = hash_of(account_id.as_str());
        self.recent.current.insert(hash);
        self.ever.insert(hash);
        self.last_used = self.last_used.max(now);
    }

    /// Learns that the outcome of one payment to this payee changed.
    pub fn note_outcome(&mut self, change: RiskChange, half_life: Span, now: Timestamp) {
        self.fade(half_life, now);
        let was_settled = !matches!(change.before, PayeeRisk::None);
        let is_settled = !matches!(change.after, PayeeRisk::None);
        self.settled += f64::from(u8::from(is_settled)) - f64::from(u8::from(was_settled));
        let change_of = |risk: PayeeRisk| {
            f64::from(u8::from(change.after == risk)) - f64::from(u8::from(change.before == risk))
        };
        self.reported_weak += change_of(PayeeRisk::Weak);
        self.reported_strong += change_of(PayeeRisk::Strong);
        self.last_used = self.last_used.max(now);
    }

    /// Learns from an outcome whose payment the account's window no longer holds. The same report
    /// again changes nothing, as long as it is among the last few late ones for this payee.
    pub fn note_late_outcome(
        &mut self,
        account_id: &AccountId,
        payment_id: &PaymentId,
        risk: PayeeRisk,
        half_life: Span,
        now: Timestamp,
    ) {
        let mark = hash_of(account_id.as_str())
            .rotate_left(1)
            .wrapping_add(hash_of(payment_id.as_str()))
            .wrapping_mul(4)
            .wrapping_add(risk as u64);
        if self.late_reports.contains(&mark) {
            return;
        }
        let next = usize::from(self.late_reports_next) % LATE_REPORTS_KEPT;
        if let Some(slot) = self.late_reports.get_mut(next) {
            *slot = mark;
        }
        self.late_reports_next = self.late_reports_next.wrapping_add(1);
        // Almost every payment settles within its window, so a later report is about a payment that
        // was counted as settled there.
        let before = match risk {
            PayeeRisk::None | PayeeRisk::Good => PayeeRisk::None,
            PayeeRisk::Weak | PayeeRisk::Strong => PayeeRisk::Good,
        };
        let change = RiskChange {
            before,
            after: risk,
        };
        self.note_outcome(change, half_life, now);
    }

    /// When it was last written to.
    #[must_use]
    pub const fn last_used(&self) -> Timestamp {
        self.last_used
    }

    fn fade(&mut self, half_life: Span, now: Timestamp) {
        if now <= self.faded_at {
            return;
        }
        let left = remaining_share(now.since(self.faded_at), half_life);
        self.settled *= left;
        self.reported_weak *= left;
        self.reported_strong *= left;
        self.faded_at = now;
    }
}

/// What all accounts know of one device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceMemory {
    recent: RecentAccounts,
    last_used: Timestamp,
}

impl DeviceMemory {
    /// What a decision may read, as of `now`.
    #[must_use]
    pub fn facts(&self, now: Timestamp) -> DeviceFacts {
        DeviceFacts {
            accounts_recent: self.recent.estimate(now),
        }
    }

    /// Learns that `account_id` is paying from this device.
    pub fn note_account(&mut self, account_id: &AccountId, now: Timestamp) {
        self.recent.advance(now);
        self.recent.current.insert(hash_of(account_id.as_str()));
        self.last_used = self.last_used.max(now);
    }

    /// When it was last written to.
    #[must_use]
    pub const fn last_used(&self) -> Timestamp {
        self.last_used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u32) -> AccountId {
        AccountId::new(format!("account-{n}")).unwrap()
    }

    #[test]
    fn the_sketch_counts_different_accounts_within_a_fifth() {
        for many in [1_u32, 5, 30, 100, 250] {
            let mut memory = PayeeMemory::default();
            for _ in 0..3 {
                (0..many).for_each(|n| memory.note_payer(&account(n), Timestamp::from_unix_ms(1)));
            }
            let payers = f64::from(
                memory
                    .facts(PERIOD, Timestamp::from_unix_ms(1))
                    .payers_recent,
            );
            let many = f64::from(many);
            assert!(
                (payers - many).abs() <= (many * 0.2).max(1.0),
                "{many}: {payers}"
            );
        }
    }

    #[test]
    fn recent_means_this_period_and_the_one_before() {
        let mut memory = DeviceMemory::default();
        let day = |n: i64| Timestamp::from_unix_ms(n * PERIOD.ms());
        memory.note_account(&account(1), day(10));
        assert_eq!(memory.facts(day(10)).accounts_recent, 1);
        memory.note_account(&account(2), day(11));
        assert_eq!(memory.facts(day(11)).accounts_recent, 2);
        memory.note_account(&account(3), day(12));
        assert_eq!(memory.facts(day(12)).accounts_recent, 2);
        assert_eq!(memory.facts(day(20)).accounts_recent, 0);
    }

    #[test]
    fn a_late_report_counts_once_however_often_it_is_made() {
        let mut memory = PayeeMemory::default();
        let payment_id = PaymentId::new("p").unwrap();
        let now = Timestamp::from_unix_ms(0);
        for _ in 0..5 {
            memory.note_late_outcome(&account(1), &payment_id, PayeeRisk::Strong, PERIOD, now);
        }
        assert_eq!(memory.facts(PERIOD, now).reported_strong, 1.0);
    }
}
