//! The fixed-size part of a record, packed: what every decision may look at.

use super::tags::Tags;
use crate::scoring::assessment::Decision;
use crate::scoring::money::Money;
use crate::scoring::outcome::{Outcome, Standing};
use crate::scoring::time::Timestamp;

/// How many words of eight bytes a packed entry takes: two of them share a cache line.
const WORDS: usize = 4;

/// An entry as it lies in memory.
pub(super) type Packed = [[u8; 8]; WORDS];

/// How many bytes that takes.
pub(super) const PACKED_BYTES: usize = size_of::<Packed>();

// In the word of the money, above it: the decision, and flags.
const DECISION_SHIFT: u32 = Money::BITS;
const TOKEN_SPENT: u64 = 1 << (DECISION_SHIFT + 2);
const LEARNT: u64 = TOKEN_SPENT << 1;
const PAYEE_WAS_KNOWN: u64 = TOKEN_SPENT << 2;
const HELD_AGAINST_ANOTHER: u64 = TOKEN_SPENT << 3;

/// In the half word of the outcome: the outcome stands above this many bits, which say when it was reported.
const AFTER_BITS: u32 = 28;

/// The longest time between score and outcome that is recorded, in milliseconds: three days, although records
/// last one.
pub(super) const OUTCOME_AFTER_MS_MAX: u32 = (1 << AFTER_BITS) - 1;

/// The number, among those of outcomes, for a payment that succeeded after its outcome was unknown.
pub(super) const PAID_AFTER_DOUBT: u8 = 9;

/// The fixed-size part of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    pub(super) score_time: Timestamp,
    pub(super) money: Money,
    /// Where its detail begins, counted from the first byte ever, without the details that were removed.
    pub(super) detail: u32,
    /// How long after the score the outcome was reported, in milliseconds; no longer than
    /// [`OUTCOME_AFTER_MS_MAX`].
    pub(super) outcome_after_ms: u32,
    pub(super) tags: Tags,
    pub(super) payee_tag: u16,
    /// 0: no device is known.
    pub(super) device_tag: u16,
    pub(super) decision: Decision,
    pub(super) outcome: Option<Outcome>,
    /// Whether it succeeded after its outcome was unknown.
    pub(super) paid_after_doubt: bool,
    /// Whether the token that this record's own answer handed out has been spent.
    pub(super) token_spent: bool,
    /// Whether the profile has learnt from it.
    pub(super) learnt: bool,
    /// Whether the account knew the payee when it paid.
    pub(super) payee_was_known: bool,
    /// Whether it was held against an earlier payment.
    pub(super) held_against_another: bool,
}

impl Entry {
    pub(super) const fn standing(&self) -> Standing {
        Standing {
            decision: self.decision,
            outcome: self.outcome,
        }
    }

    /// Whether it counts as an attempt. A question that was answered does not beside the payment that answers it.
    pub(super) const fn counts_in_velocity(&self) -> bool {
        let standing = self.standing();
        standing.counts_in_velocity() && (standing.may_be_paid() || !self.token_spent)
    }

    /// The number of its outcome, or [`PAID_AFTER_DOUBT`]; 0 for none. Read again by [`outcome`].
    pub(super) const fn outcome_number(&self) -> u8 {
        match self.outcome {
            None => 0,
            Some(Outcome::Succeeded) if self.paid_after_doubt => PAID_AFTER_DOUBT,
            Some(outcome) => (outcome as u8).saturating_add(1),
        }
    }

    /// The packed form, from which [`unpack`](Self::unpack) restores all of it.
    pub(super) fn pack(&self) -> Packed {
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let sum = self.money.to_bits()
            | (self.decision as u64) << DECISION_SHIFT
            | flag(self.token_spent, TOKEN_SPENT)
            | flag(self.learnt, LEARNT)
            | flag(self.payee_was_known, PAYEE_WAS_KNOWN)
            | flag(self.held_against_another, HELD_AGAINST_ANOTHER);
        let reported = self.outcome_after_ms | u32::from(self.outcome_number()) << AFTER_BITS;
        let Tags {
            payment_id,
            order_id,
        } = self.tags;
        let tags = [payment_id, order_id, self.payee_tag, self.device_tag];
        let tags = tags
            .iter()
            .rfold(0, |word, tag| word << 16 | u64::from(*tag));
        [
            self.score_time.unix_ms().to_le_bytes(),
            sum.to_le_bytes(),
            (u64::from(self.detail) | u64::from(reported) << 32).to_le_bytes(),
            tags.to_le_bytes(),
        ]
    }

    /// Restores a packed entry.
    #[inline]
    pub(super) fn unpack(packed: &Packed) -> Self {
        let [_, sum, [.., r0, r1, r2, r3], [.., v0, v1]] = *packed;
        let (sum, reported) = (
            u64::from_le_bytes(sum),
            u32::from_le_bytes([r0, r1, r2, r3]),
        );
        let has = |flag: u64| sum & flag != 0;
        let Standing { decision, outcome } = Self::standing_of(packed);
        Self {
            score_time: Self::score_time_of(packed),
            money: Self::money_of(packed),
            detail: Self::detail_of(packed),
            outcome_after_ms: reported & OUTCOME_AFTER_MS_MAX,
            tags: Self::tags_of(packed),
            payee_tag: Self::payee_tag_of(packed),
            device_tag: u16::from_le_bytes([v0, v1]),
            decision,
            outcome,
            paid_after_doubt: reported >> AFTER_BITS == u32::from(PAID_AFTER_DOUBT),
            token_spent: has(TOKEN_SPENT),
            learnt: has(LEARNT),
            payee_was_known: has(PAYEE_WAS_KNOWN),
            held_against_another: has(HELD_AGAINST_ANOTHER),
        }
    }

    // Single fields of a packed entry, for going over many.

    #[inline]
    pub(super) const fn score_time_of(packed: &Packed) -> Timestamp {
        let [time, ..] = packed;
        Timestamp::from_unix_ms(i64::from_le_bytes(*time))
    }

    #[inline]
    pub(super) const fn money_of(packed: &Packed) -> Money {
        let [_, sum, ..] = packed;
        Money::from_bits(u64::from_le_bytes(*sum))
    }

    #[inline]
    pub(super) const fn detail_of(packed: &Packed) -> u32 {
        let [_, _, [d0, d1, d2, d3, ..], _] = packed;
        u32::from_le_bytes([*d0, *d1, *d2, *d3])
    }

    /// Moves the beginning of its detail forward by this much.
    pub(super) const fn move_detail(packed: &mut Packed, by: u32) {
        let begin = Self::detail_of(packed).wrapping_sub(by);
        let [_, _, [d0, d1, d2, d3, ..], _] = packed;
        [*d0, *d1, *d2, *d3] = begin.to_le_bytes();
    }

    /// Notes whether the profile has learnt from it: a single bit, and the most frequent change.
    pub(super) const fn set_learnt(packed: &mut Packed, learnt: bool) {
        let [_, sum, ..] = packed;
        let others = u64::from_le_bytes(*sum) & !LEARNT;
        *sum = (others | if learnt { LEARNT } else { 0 }).to_le_bytes();
    }

    #[inline]
    pub(super) fn standing_of(packed: &Packed) -> Standing {
        let [_, sum, [.., reported], _] = packed;
        Standing {
            decision: match u64::from_le_bytes(*sum) >> DECISION_SHIFT & 3 {
                0 => Decision::Allow,
                1 => Decision::Confirm,
                _ => Decision::Block,
            },
            outcome: outcome(*reported >> (AFTER_BITS - 3 * u8::BITS)),
        }
    }

    #[inline]
    pub(super) const fn payee_tag_of(packed: &Packed) -> u16 {
        let [.., [_, _, _, _, y0, y1, _, _]] = packed;
        u16::from_le_bytes([*y0, *y1])
    }

    /// The tags of what was packed.
    #[inline]
    pub(super) const fn tags_of(packed: &Packed) -> Tags {
        let [_, _, _, [p0, p1, o0, o1, ..]] = *packed;
        Tags {
            payment_id: u16::from_le_bytes([p0, p1]),
            order_id: u16::from_le_bytes([o0, o1]),
        }
    }
}

/// The outcome with this number; `None` for 0, and for what is no such number.
pub(super) fn outcome(number: u8) -> Option<Outcome> {
    if number == PAID_AFTER_DOUBT {
        return Some(Outcome::Succeeded);
    }
    Outcome::ALL
        .get(usize::from(number.checked_sub(1)?))
        .copied()
}

/// Entries side by side, oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entries<'a>(&'a [Packed]);

impl<'a> Entries<'a> {
    /// Those that take up all of `bytes`.
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        let (words, _) = bytes.as_chunks();
        Self(words.as_chunks().0)
    }

    pub(super) const fn len(self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn get(self, nth: usize) -> Option<Entry> {
        self.0.get(nth).map(Entry::unpack)
    }

    #[inline]
    pub(super) fn last(self) -> Option<Entry> {
        self.0.last().map(Entry::unpack)
    }

    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Entry> + Clone + 'a {
        self.0.iter().map(Entry::unpack)
    }

    /// In packed form.
    pub(super) const fn packed(self) -> &'a [Packed] {
        self.0
    }

    /// The tags of each, from this index on.
    pub(super) fn tags_from(self, nth: usize) -> impl Iterator<Item = Tags> + 'a {
        let packed = self.0.get(nth..).unwrap_or_default();
        packed.iter().map(Entry::tags_of)
    }
}

#[cfg(test)]
impl Entry {
    /// A payment that was allowed, without an outcome.
    pub(super) const fn allowed(score_time: Timestamp, money: Money) -> Self {
        Self {
            score_time,
            money,
            detail: 0,
            outcome_after_ms: 0,
            tags: Tags {
                payment_id: 1,
                order_id: 0,
            },
            payee_tag: 1,
            device_tag: 0,
            decision: Decision::Allow,
            outcome: None,
            paid_after_doubt: false,
            token_spent: false,
            learnt: false,
            payee_was_known: false,
            held_against_another: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scoring::money::{AMOUNT_MINOR_MAX, Currency};

    fn any_entry() -> impl Strategy<Value = Entry> {
        let money = (1..=AMOUNT_MINOR_MAX, 0..Currency::all().count())
            .prop_map(|(minor, nth)| Money::new(minor, Currency::all().nth(nth).unwrap()).unwrap());
        let after_ms = 0..=OUTCOME_AFTER_MS_MAX;
        let outcome = proptest::option::of(proptest::sample::select(Outcome::ALL));
        let decision = proptest::sample::select(Decision::ALL);
        let numbers = (any::<i64>(), any::<u32>(), after_ms, any::<[u16; 4]>());
        (money, numbers, decision, outcome, any::<[bool; 5]>()).prop_map(
            |(money, (time, detail, outcome_after_ms, tags), decision, outcome, flags)| Entry {
                score_time: Timestamp::from_unix_ms(time),
                money,
                detail,
                outcome_after_ms,
                tags: Tags {
                    payment_id: tags[0],
                    order_id: tags[1],
                },
                payee_tag: tags[2],
                device_tag: tags[3],
                decision,
                outcome,
                paid_after_doubt: flags[4] && outcome == Some(Outcome::Succeeded),
                token_spent: flags[0],
                learnt: flags[1],
                payee_was_known: flags[2],
                held_against_another: flags[3],
            },
        )
    }

    #[test]
    fn no_outcome_has_the_number_of_being_paid_after_doubt() {
        assert_eq!(Outcome::ALL.len() + 1, usize::from(PAID_AFTER_DOUBT));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(entry in any_entry()) {
            let packed = entry.pack();
            prop_assert_eq!(Entry::unpack(&packed), entry);
            prop_assert_eq!(Entry::standing_of(&packed), entry.standing());
            prop_assert_eq!(Entry::tags_of(&packed), entry.tags);
            let mut packed = packed;
            Entry::set_learnt(&mut packed, !entry.learnt);
            let learnt = !entry.learnt;
            prop_assert_eq!(Entry::unpack(&packed), Entry { learnt, ..entry });
        }
    }
}
