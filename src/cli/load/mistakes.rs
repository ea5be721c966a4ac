//! What payers do twice: the mistakes that a load is mixed with, and when they come.

use std::collections::VecDeque;
use std::fmt;

use crate::grpc::pb;
use crate::random::Random;

/// A payment made once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The button pressed twice: the same under a new id, at once.
    DoublePress,
    /// No answer came, so the payer tries again: the same under a new id, some time later.
    TimeoutRetry,
    /// The app submits an order again: the same order under a new id.
    Resubmit,
    /// The gateway repeats its call: the same under the same id.
    SameId,
}

impl Mistake {
    pub(super) const ALL: [Self; 4] = [
        Self::DoublePress,
        Self::TimeoutRetry,
        Self::Resubmit,
        Self::SameId,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DoublePress => "double_press",
            Self::TimeoutRetry => "timeout_retry",
            Self::Resubmit => "resubmit",
            Self::SameId => "same_id",
        }
    }

    /// After how many more payments of one payer thread it comes.
    const fn after_payments(self) -> u64 {
        match self {
            Self::DoublePress | Self::SameId => 0,
            Self::Resubmit => 100,
            Self::TimeoutRetry => AFTER_PAYMENTS_MAX,
        }
    }
}

/// The longest that any mistake lags behind what it repeats.
pub(super) const AFTER_PAYMENTS_MAX: u64 = 1_000;

/// Which share of all payments each mistake is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mistakes([f64; 4]);

impl Mistakes {
    pub(super) const NONE: Self = Self([0.0; 4]);

    /// Reads `0.01`, spread over all of them, or `double_press=0.01,same_id=0.02`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut shares = [0.0; 4];
        if let Ok(all) = text.parse::<f64>() {
            shares = [all / 4.0; 4];
        } else {
            for part in text.split(',') {
                let (name, share) = part.split_once('=').ok_or_else(expected)?;
                let nth = Mistake::ALL.iter().position(|known| known.name() == name);
                let nth = nth.ok_or_else(|| format!("no such mistake: {name}; {}", expected()))?;
                shares[nth] = share.parse().map_err(|_| expected())?;
            }
        }
        let mistakes = Self(shares);
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if !shares.iter().all(is_share) || mistakes.share() > 0.5 {
            return Err("must be shares from 0 to 0.5, also together".to_owned());
        }
        Ok(mistakes)
    }

    /// All together.
    pub(super) fn share(&self) -> f64 {
        self.0.iter().sum()
    }

    pub(super) fn shares(&self) -> impl Iterator<Item = (Mistake, f64)> {
        Mistake::ALL.into_iter().zip(self.0)
    }

    /// Whether an original is to be repeated, and how. Originals are fewer than payments, so each is
    /// repeated somewhat more often than the shares say.
    pub(super) fn draw(&self, random: &mut Random) -> Option<Mistake> {
        let originals = 1.0 - self.share();
        let mut left = random.unit() * originals;
        self.shares()
            .find(|(_, share)| {
                left -= share;
                left < 0.0
            })
            .map(|(mistake, _)| mistake)
    }
}

fn expected() -> String {
    let names = Mistake::ALL.map(Mistake::name).join(", ");
    format!("must be a share such as 0.01, or shares by name such as same_id=0.01, of {names}")
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.shares().filter(|(_, share)| *share > 0.0);
        let named: Vec<String> = named
            .map(|(mistake, share)| format!("{}={share}", mistake.name()))
            .collect();
        f.write_str(if named.is_empty() { "none" } else { "" })?;
        f.write_str(&named.join(","))
    }
}

/// Mistakes that are still to come.
#[derive(Debug, Default)]
pub(super) struct Pending([VecDeque<(u64, pb::Payment)>; 4]);

impl Pending {
    /// `payment` will be repeated. It is the payment numbered `sent`.
    pub(super) fn add(&mut self, mistake: Mistake, payment: pb::Payment, sent: u64) {
        let due = sent + mistake.after_payments();
        self.0[mistake as usize].push_back((due, payment));
    }

    /// What is due as the payment numbered `sent`.
    pub(super) fn take(&mut self, sent: u64) -> Option<(Mistake, pb::Payment)> {
        // One kind lags by one length, so that its oldest is due first.
        let due = Mistake::ALL.into_iter().find(|mistake| {
            let oldest = self.0[*mistake as usize].front();
            oldest.is_some_and(|(due, _)| *due <= sent)
        })?;
        let (_, payment) = self.0[due as usize].pop_front()?;
        Some((due, payment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_together_or_by_name() {
        let shown = |text| Mistakes::parse(text).map(|mistakes| mistakes.to_string());
        assert_eq!(shown("0").unwrap(), "none");
        assert_eq!(
            shown("0.04").unwrap(),
            "double_press=0.01,timeout_retry=0.01,resubmit=0.01,same_id=0.01"
        );
        assert_eq!(
            shown("same_id=0.2,resubmit=0.1").unwrap(),
            "resubmit=0.1,same_id=0.2"
        );
        for bad in [
            "",
            "much",
            "same_id",
            "same_id=x",
            "tripple=0.1",
            "0.6",
            "-0.1",
            "NaN",
        ] {
            assert!(Mistakes::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_mistake_comes_as_often_as_asked_for() {
        let mistakes = Mistakes::parse("double_press=0.2,same_id=0.1").unwrap();
        let mut random = Random::stream(1, 0);
        let mut counts = [0_u32; 4];
        let originals = 70_000;
        for _ in 0..originals {
            if let Some(mistake) = mistakes.draw(&mut random) {
                counts[mistake as usize] += 1;
            }
        }
        // 70,000 originals are followed by 30,000 mistakes.
        assert!((19_500..20_500).contains(&counts[0]), "{counts:?}");
        assert!((9_600..10_400).contains(&counts[3]), "{counts:?}");
        assert_eq!((counts[1], counts[2]), (0, 0));
    }

    #[test]
    fn mistakes_come_when_they_are_due() {
        let mut pending = Pending::default();
        pending.add(Mistake::Resubmit, pb::Payment::default(), 5);
        pending.add(Mistake::SameId, pb::Payment::default(), 6);
        let mut take = |sent| pending.take(sent).map(|(mistake, _)| mistake);
        assert_eq!(take(6), Some(Mistake::SameId));
        assert_eq!(take(104), None);
        assert_eq!(take(105), Some(Mistake::Resubmit));
        assert_eq!(take(105), None);
    }
}
