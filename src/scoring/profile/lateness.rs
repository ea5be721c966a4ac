//! How late the outcomes of an account's payments are reported: some gateways report at once, some at night, some
//! never.
//!
//! Where outcomes come at once, silence says that something went wrong; where they come late, it says little.

use crate::scoring::image::narrow;
use crate::scoring::packing::{Reader, put_varint};
use crate::scoring::time::Span;

/// The longest delay that the first counter counts. Each next one counts delays up to twice as long: 10 s, 20 s, 40 s
/// … to 10 min 40 s. The last one counts outcomes that came later, or not at all.
const FIRST_UP_TO: Span = Span::from_secs(10);
const COUNTERS: u32 = 8;
const LAST: u32 = COUNTERS - 1;

const COUNTER_BITS: u32 = u32::BITS / COUNTERS;
const COUNTER_MAX: u32 = (1 << COUNTER_BITS) - 1;

/// All bits but the highest of each counter: what is left of them, shifted by one, when all are halved.
const HALVES: u32 = 0x7777_7777;

/// Silence says little while at least one in this many outcomes comes later: with one in two, silence is as usual as
/// an outcome.
const LATE_ONE_IN: f64 = 2.0;

/// From how many outcomes on it may be said that there are none to wait for: one or two time-outs say nothing.
const ENDLESS_MIN: u32 = 3;

/// How many outcomes were reported after how long, as eight counters of four bits. All are halved when one is full, so
/// the last few dozen outcomes count most. In four bytes, as every account has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness(u32);

impl Lateness {
    /// Whether it says little that the outcome of a payment was not reported for so long: half of the others, or more,
    /// are reported later than that, or never. `false` where nothing is known of others.
    #[must_use]
    pub fn is_usually_longer_than(self, span: Span) -> bool {
        let (mut known, mut later, mut from) = (0.0, 0.0, Span::ZERO);
        for nth in 0..COUNTERS {
            let count = f64::from(self.count(nth));
            let to = up_to(nth);
            known += count;
            later += match nth {
                // Most gateways report within a second or two.
                0 => 0.0,
                // These were not reported for as long as they were waited for.
                LAST => count,
                _ => count * share_later(span, from, to),
            };
            from = to;
        }
        later > 0.0 && later * LATE_ONE_IN >= known
    }

    /// Whether outcomes are mostly not reported for as long as they are waited for, and not of a few payments alone.
    #[must_use]
    pub fn is_mostly_endless(self) -> bool {
        let known: u32 = (0..COUNTERS).map(|nth| self.count(nth)).sum();
        let endless = self.count(LAST);
        endless >= ENDLESS_MIN && known <= endless.saturating_mul(2)
    }

    /// How many outcomes this counter counts.
    const fn count(self, nth: u32) -> u32 {
        self.0 >> nth.wrapping_mul(COUNTER_BITS) & COUNTER_MAX
    }

    /// Notes that an outcome was reported after so long; `None`: that it was not, for as long as it was waited for.
    pub(super) fn note(&mut self, reported_after: Option<Span>) {
        let nth = reported_after.and_then(|after| (0..LAST).find(|nth| after <= up_to(*nth)));
        let shift = nth.unwrap_or(LAST).wrapping_mul(COUNTER_BITS);
        if self.0 >> shift & COUNTER_MAX == COUNTER_MAX {
            self.0 = self.0 >> 1 & HALVES;
        }
        self.0 = self.0.saturating_add(1 << shift);
    }

    /// Whether nothing was noted yet.
    pub(super) const fn is_unknown(self) -> bool {
        self.0 == 0
    }

    pub(super) fn put_image(self, out: &mut Vec<u8>) {
        put_varint(out, self.0.into());
    }

    pub(super) fn read_image(rest: &mut Reader<'_>) -> Option<Self> {
        let counters: u32 = narrow(rest)?;
        (counters != 0).then_some(Self(counters))
    }
}

/// What share of delays between `from` and `to` is longer than `span`, if they lie evenly between the two.
fn share_later(span: Span, from: Span, to: Span) -> f64 {
    let above = |span: Span| Span::from_ms(span.ms().saturating_sub(from.ms()));
    1.0 - above(span).share_of(above(to)).min(1.0)
}

/// The longest delay that this counter counts.
const fn up_to(nth: u32) -> Span {
    Span::from_ms(FIRST_UP_TO.ms() << nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);
    const MINUTES: Span = Span::from_minutes(2);

    fn noted(times: u32, after: Option<Span>) -> Lateness {
        let mut lateness = Lateness::default();
        (0..times).for_each(|_| lateness.note(after));
        lateness
    }

    #[test]
    fn silence_is_usual_where_half_of_the_others_were_heard_of_later_or_never() {
        assert!(!Lateness::default().is_usually_longer_than(SECOND));
        assert!(!noted(9, Some(SECOND)).is_usually_longer_than(SECOND));
        assert!(noted(1, None).is_usually_longer_than(Span::from_minutes(9)));
        let mut mixed = noted(3, Some(MINUTES));
        assert!(mixed.is_usually_longer_than(Span::from_secs(60)));
        assert!(!mixed.is_usually_longer_than(Span::from_secs(150)));
        (0..3).for_each(|_| mixed.note(Some(SECOND)));
        assert!(mixed.is_usually_longer_than(Span::from_secs(60)));
        mixed.note(Some(SECOND));
        assert!(!mixed.is_usually_longer_than(Span::from_secs(60)));
    }

    #[test]
    fn outcomes_are_endless_where_most_of_them_and_more_than_two_were_waited_for_in_vain() {
        assert!(!Lateness::default().is_mostly_endless());
        let mut some = noted(2, None);
        assert!(!some.is_mostly_endless());
        some.note(None);
        assert!(some.is_mostly_endless());
        (0..3).for_each(|_| some.note(Some(MINUTES)));
        assert!(some.is_mostly_endless());
        some.note(Some(SECOND));
        assert!(!some.is_mostly_endless());
    }

    #[test]
    fn what_is_heard_now_counts_more_than_what_was_long_ago() {
        for (was, is) in [(None, Some(SECOND)), (Some(SECOND), None)] {
            let mut lateness = noted(10_000, was);
            assert_eq!(lateness.is_usually_longer_than(MINUTES), was.is_none());
            (0..20).for_each(|_| lateness.note(is));
            assert_eq!(lateness.is_usually_longer_than(MINUTES), is.is_none());
        }
    }
}
