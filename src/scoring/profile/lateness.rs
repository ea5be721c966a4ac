//! How late it is heard what becomes of an account's payments: some gateways tell at once, some at night, some
//! never.

use crate::scoring::image::narrow;
use crate::scoring::packing::{Reader, put_varint};
use crate::scoring::time::Span;

/// Up to what delay the first counter counts; up to twice of it the second, and so on. The last one counts what
/// was heard later, or not at all.
const FIRST_UP_TO: Span = Span::from_secs(10);
const COUNTERS: u32 = 8;
const LAST: u32 = COUNTERS - 1;

const COUNTER_BITS: u32 = u32::BITS / COUNTERS;
const COUNTER_MAX: u32 = (1 << COUNTER_BITS) - 1;

/// All counters but for the highest bit of each.
const HALVES: u32 = 0x7777_7777;

/// One in how many outcomes has to come later for silence until then to say little: with half of them silence
/// is as usual as news.
const LATE_ONE_IN: f64 = 2.0;

/// How many payments were heard of after how long, the last few dozen counting most. In four bytes, as every
/// account has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness(u32);

impl Lateness {
    /// Whether that nothing was heard of a payment for so long says little: of half of the others nothing was
    /// either. It says something where no other is known.
    #[must_use]
    pub fn is_usually_over(self, span: Span) -> bool {
        let (mut known, mut later, mut from) = (0.0, 0.0, Span::ZERO);
        for nth in 0..COUNTERS {
            let count = f64::from(self.0 >> nth.wrapping_mul(COUNTER_BITS) & COUNTER_MAX);
            let to = up_to(nth);
            known += count;
            later += match nth {
                // Most gateways tell within a second or two.
                0 => 0.0,
                // It was not heard while it was waited for.
                LAST => count,
                _ => count * share_later(span, from, to),
            };
            from = to;
        }
        later > 0.0 && later * LATE_ONE_IN >= known
    }

    /// Notes that it was heard of one after so long; `None`: that it was not, as long as it was waited for.
    pub(super) fn note(&mut self, heard_after: Option<Span>) {
        let nth = heard_after.and_then(|after| (0..LAST).find(|nth| after <= up_to(*nth)));
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

/// What share of delays that lie anywhere between the two is longer than `span`.
fn share_later(span: Span, from: Span, to: Span) -> f64 {
    let above = |span: Span| Span::from_ms(span.ms().saturating_sub(from.ms()));
    1.0 - above(span).share_of(above(to)).min(1.0)
}

/// Up to what delay this counter counts.
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
        assert!(!Lateness::default().is_usually_over(SECOND));
        assert!(!noted(9, Some(SECOND)).is_usually_over(SECOND));
        assert!(noted(1, None).is_usually_over(Span::from_minutes(9)));
        let mut mixed = noted(3, Some(MINUTES));
        assert!(mixed.is_usually_over(Span::from_secs(60)));
        assert!(!mixed.is_usually_over(Span::from_secs(150)));
        (0..3).for_each(|_| mixed.note(Some(SECOND)));
        assert!(mixed.is_usually_over(Span::from_secs(60)));
        mixed.note(Some(SECOND));
        assert!(!mixed.is_usually_over(Span::from_secs(60)));
    }

    #[test]
    fn what_is_heard_now_counts_more_than_what_was_long_ago() {
        for (was, is) in [(None, Some(SECOND)), (Some(SECOND), None)] {
            let mut lateness = noted(10_000, was);
            assert_eq!(lateness.is_usually_over(MINUTES), was.is_none());
            (0..20).for_each(|_| lateness.note(is));
            assert_eq!(lateness.is_usually_over(MINUTES), is.is_none());
        }
    }
}
