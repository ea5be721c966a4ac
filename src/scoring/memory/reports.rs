//! Settled payments of a payee and reports against it, fading with time: over weeks, and within days.

use super::known_reports::KnownReports;
use super::paid::HalfLives;
use super::{Payer, RiskChange};
use crate::scoring::heap;
use crate::scoring::image::{QUANTITY, number, put_time, time};
use crate::scoring::outcome::PayeeRisk;
use crate::scoring::packing::{Reader, put_float};
use crate::scoring::time::{Span, Timestamp, remaining_share};

/// How many payments were settled, and how many of them were reported as bad. Not whole numbers: a payment counts 1 at
/// first, and less and less with time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reports {
    /// Payments that were settled, in whatever way: an outcome was reported, or nothing was heard.
    pub settled: f64,
    /// Refunds and payers' mistakes among them.
    pub weak: f64,
    /// Frauds among them.
    pub strong: f64,
}

impl Reports {
    fn is_none(self) -> bool {
        self == Self::default()
    }

    /// What is left of them, half of which fades every `half_life`.
    fn faded(self, half_life: Span, elapsed: Span) -> Self {
        if self.is_none() {
            return Self::default();
        }
        let left = remaining_share(elapsed, half_life);
        Self {
            settled: (self.settled * left).max(0.0),
            weak: (self.weak * left).max(0.0),
            strong: (self.strong * left).max(0.0),
        }
    }
}

/// Numbers that fade over weeks and within days.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Fading {
    over_weeks: f64,
    lately: f64,
}

impl Fading {
    /// Whether these are the numbers at first, to the last bit.
    const fn is_untouched(self) -> bool {
        self.over_weeks.to_bits() | self.lately.to_bits() == 0
    }

    fn fade(&mut self, left: Self) {
        self.over_weeks *= left.over_weeks;
        self.lately *= left.lately;
    }

    fn add(&mut self, more: f64) {
        self.over_weeks += more;
        self.lately += more;
    }
}

/// The counts of what was reported, and when they were last brought up to date.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FadingReports {
    settled: Fading,
    faded_at: Timestamp,
    /// Boxed, as few payees have any.
    bad: Option<Box<BadNews>>,
}

/// What was reported against a payee.
#[derive(Debug, Clone, PartialEq, Default)]
struct BadNews {
    weak: Fading,
    strong: Fading,
    /// The account that last reported a fraud.
    last_reporter: Option<Payer>,
    known: KnownReports,
}

impl FadingReports {
    /// Their numbers over weeks, and lately, as of when they were last brought up to date.
    fn counts(&self) -> [Reports; 2] {
        let bad = self.bad.as_deref();
        let (weak, strong) = bad.map_or_else(Default::default, |bad| (bad.weak, bad.strong));
        [
            Reports {
                settled: self.settled.over_weeks,
                weak: weak.over_weeks,
                strong: strong.over_weeks,
            },
            Reports {
                settled: self.settled.lately,
                weak: weak.lately,
                strong: strong.lately,
            },
        ]
    }

    /// The counts over weeks, and lately, as of `now`.
    pub(super) fn at(&self, half_lives: HalfLives, now: Timestamp) -> [Reports; 2] {
        let elapsed = now.since(self.faded_at);
        let [over_weeks, lately] = self.counts();
        [
            over_weeks.faded(half_lives.over_weeks, elapsed),
            lately.faded(half_lives.lately, elapsed),
        ]
    }

    /// Whether there were refunds, mistakes or frauds.
    pub(super) fn has_bad_news(&self) -> bool {
        let bad = self.bad.as_deref();
        bad.is_some_and(|bad| bad.weak.over_weeks > 0.0 || bad.strong.over_weeks > 0.0)
    }

    /// How many bytes it has allocated.
    pub(super) const fn heap_bytes(&self) -> usize {
        match self.bad {
            Some(_) => heap::bytes_of::<BadNews>(1),
            None => 0,
        }
    }

    /// Notes that what is known of one payment changed: it leaves the counts that it was in, and enters others.
    pub(super) fn note(&mut self, change: RiskChange, half_lives: HalfLives, now: Timestamp) {
        if self.faded_at < now {
            let elapsed = now.since(self.faded_at);
            let left = Fading {
                over_weeks: remaining_share(elapsed, half_lives.over_weeks),
                lately: remaining_share(elapsed, half_lives.lately),
            };
            self.settled.fade(left);
            if let Some(bad) = &mut self.bad {
                bad.weak.fade(left);
                bad.strong.fade(left);
            }
            self.faded_at = now;
        }
        let one_if = |is: bool| f64::from(u8::from(is));
        let RiskChange { before, after } = change;
        let settled = one_if(after != PayeeRisk::None) - one_if(before != PayeeRisk::None);
        let of_kind = |kind| one_if(after == kind) - one_if(before == kind);
        let (weak, strong) = (of_kind(PayeeRisk::Weak), of_kind(PayeeRisk::Strong));
        self.settled.add(settled);
        if weak != 0.0 || strong != 0.0 {
            let bad = self.bad.get_or_insert_default();
            bad.weak.add(weak);
            bad.strong.add(strong);
        }
    }

    /// Notes who reports a fraud; says whether the same account reported the last one.
    pub(super) fn note_reporter(&mut self, reporter: Payer) -> bool {
        let bad = self.bad.get_or_insert_default();
        bad.last_reporter.replace(reporter) == Some(reporter)
    }

    /// Forgets that this account was the last to report a fraud, if it was.
    pub(super) fn forget_reporter(&mut self, reporter: Payer) {
        if let Some(bad) = &mut self.bad {
            bad.last_reporter = bad.last_reporter.filter(|last| *last != reporter);
        }
    }

    /// The last payments that were reported; `None` if there are none.
    pub(super) fn known(&self) -> Option<&KnownReports> {
        self.bad.as_deref().map(|bad| &bad.known)
    }

    /// The same to be changed; only there if there are any.
    pub(super) fn known_mut(&mut self) -> Option<&mut KnownReports> {
        self.bad.as_deref_mut().map(|bad| &mut bad.known)
    }

    /// The same to be added to.
    pub(super) fn known_or_new(&mut self) -> &mut KnownReports {
        &mut self.bad.get_or_insert_default().known
    }

    pub(super) fn last_reporter(&self) -> Option<Payer> {
        self.bad.as_deref()?.last_reporter
    }

    /// Appends the counts: those over weeks and their time, and those lately and theirs, which is the same.
    pub(super) fn put_counts(&self, out: &mut Vec<u8>) {
        for Reports {
            settled,
            weak,
            strong,
        } in self.counts()
        {
            for count in [settled, weak, strong] {
                put_float(out, count);
            }
            put_time(out, self.faded_at);
        }
    }

    /// Reads counts over weeks and lately, who reported last, and what is known of payments.
    pub(super) fn of_image(
        [over_weeks, lately]: [(Reports, Timestamp); 2],
        last_reporter: Option<Payer>,
        known: KnownReports,
    ) -> Option<Self> {
        let (counts_over_weeks, faded_at) = over_weeks;
        let (counts_lately, faded_at_lately) = lately;
        // Where nothing was counted, the time says nothing.
        let faded_at = match (counts_over_weeks.is_none(), counts_lately.is_none()) {
            (true, false) => faded_at_lately,
            (false, false) if faded_at != faded_at_lately => return None,
            _ => faded_at,
        };
        let fading = |of: fn(Reports) -> f64| Fading {
            over_weeks: of(counts_over_weeks),
            lately: of(counts_lately),
        };
        let bad = BadNews {
            weak: fading(|counts| counts.weak),
            strong: fading(|counts| counts.strong),
            last_reporter,
            known,
        };
        Some(Self {
            settled: fading(|counts| counts.settled),
            faded_at,
            bad: (!bad.is_none()).then(|| Box::new(bad)),
        })
    }
}

impl BadNews {
    fn is_none(&self) -> bool {
        self.weak.is_untouched()
            && self.strong.is_untouched()
            && self.last_reporter.is_none()
            && self.known.is_none()
    }
}

/// The counts of an image, and when they were brought up to date.
pub(super) fn read_counts(rest: &mut Reader<'_>) -> Option<(Reports, Timestamp)> {
    // May be below 0: a report that is taken back takes 1 off, and had faded to less.
    let mut count = || number(rest, -QUANTITY.end()..=*QUANTITY.end());
    let counts = Reports {
        settled: count()?,
        weak: count()?,
        strong: count()?,
    };
    Some((counts, time(rest)?))
}
