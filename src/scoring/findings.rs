//! What all signals found, combined into a risk, and into the reasons that are told.

use super::assessment::{Evidence, Reason, ReasonCode};
use super::policy::Policy;
use super::signal::{Family, Measure, Nature, Signal};
use super::time::Span;

/// How likely it is that something is wrong, from 0 to 1, by the signals of some natures alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Risk {
    /// By all signals.
    pub(super) all: f64,
    /// By signals of abuse.
    pub(super) abuse: f64,
    /// By signals of abuse or of doubt, which is whether this is the payer at all.
    pub(super) doubt: f64,
}

/// A signal of pace, which has nothing to say once its time is over.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wait {
    family: Family,
    contribution: f64,
    span: Span,
}

/// What the signals found so far. Where none found anything, nothing is allocated.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Findings {
    /// What the strongest signal of each family contributes, among all of it and among those of each nature.
    families: [Risk; Family::ALL.len()],
    /// The signals of pace that say how long to wait before another try.
    waits: Vec<Wait>,
    /// In the order of the signals in the contract.
    reasons: Vec<Reason>,
}

impl Findings {
    /// Adds what `signal` found. `weight` is how much the policy lets it count, from 0 to 1.
    pub(super) fn add(&mut self, signal: Signal, weight: f64, measure: Measure) {
        let contribution = contribution(measure.strength, weight);
        if let Some(family) = self.families.get_mut(signal.family() as usize) {
            family.all = family.all.max(contribution);
            if measure.nature == Nature::Abuse {
                family.abuse = family.abuse.max(contribution);
            }
            if measure.nature != Nature::Slip {
                family.doubt = family.doubt.max(contribution);
            }
            if let Some(span) = measure.retry_after {
                self.waits.push(Wait {
                    family: signal.family(),
                    contribution,
                    span,
                });
            }
        }
        self.reasons.push(Reason {
            code: ReasonCode::Signal(signal),
            strength: measure.strength,
            evidence: measure.evidence,
        });
    }

    /// The families together, by noisy-or: each is an independent chance that something is wrong, so the chance that
    /// nothing is, is the product of what each leaves. Source: Pearl, "Probabilistic Reasoning in Intelligent
    /// Systems", 1988, §4.3.2.
    pub(super) fn risk(&self) -> Risk {
        if self.reasons.is_empty() {
            return Risk::default();
        }
        let mut left = Risk {
            all: 1.0,
            abuse: 1.0,
            doubt: 1.0,
        };
        for family in &self.families {
            left.all *= 1.0 - family.all;
            left.abuse *= 1.0 - family.abuse;
            left.doubt *= 1.0 - family.doubt;
        }
        Risk {
            all: 1.0 - left.all,
            abuse: 1.0 - left.abuse,
            doubt: 1.0 - left.doubt,
        }
    }

    /// How long to wait until the signals of pace that are left then do not block by themselves, as `blocks` says of
    /// their risk; `None` where they do not even now.
    pub(super) fn retry_after(&self, blocks: impl Fn(f64) -> bool) -> Option<Span> {
        let mut after = None;
        while blocks(self.pace_after(after)) {
            let later = self.waits.iter().map(|wait| wait.span);
            after = Some(later.filter(|span| Some(*span) > after).min()?);
        }
        after
    }

    /// The risk by those signals of pace that ask to wait for longer than this.
    fn pace_after(&self, after: Option<Span>) -> f64 {
        let left = |family: Family| {
            let waits = self.waits.iter().filter(|wait| wait.family == family);
            let lasting = waits.filter(|wait| Some(wait.span) > after);
            1.0 - lasting.fold(0.0, |most: f64, wait| most.max(wait.contribution))
        };
        1.0 - Family::ALL.into_iter().map(left).product::<f64>()
    }

    /// The reasons, the one that contributes most first; equal ones in the order of the contract. That the payer
    /// confirmed the payment comes before all.
    pub(super) fn into_reasons(self, policy: &Policy, payer_confirmed: bool) -> Vec<Reason> {
        let contribution_of = |reason: &Reason| match reason.code {
            ReasonCode::Signal(signal) => {
                contribution(reason.strength, policy.signals.weight(signal))
            }
            ReasonCode::PayerConfirmed => 1.0,
        };
        let mut reasons = self.reasons;
        reasons.sort_by(|a, b| contribution_of(b).total_cmp(&contribution_of(a)));
        if payer_confirmed {
            let confirmed = Reason {
                code: ReasonCode::PayerConfirmed,
                strength: 100.0,
                evidence: Evidence::None,
            };
            reasons.insert(0, confirmed);
        }
        reasons
    }
}

/// The chance that something is wrong by one signal alone, from 0 to 1. `strength` is from 0 to 100, `weight` from 0
/// to 1.
fn contribution(strength: f64, weight: f64) -> f64 {
    strength / 100.0 * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the formula reads, family by family.
    fn noisy_or(found: &[(Signal, f64, &Measure)], counts: impl Fn(&Measure) -> bool) -> f64 {
        let strongest = |family| {
            found
                .iter()
                .filter(|(signal, _, measure)| signal.family() == family && counts(measure))
                .map(|(_, weight, measure)| measure.strength / 100.0 * weight)
                .fold(0.0, f64::max)
        };
        let fine = Family::ALL
            .into_iter()
            .fold(1.0, |fine, family| fine * (1.0 - strongest(family)));
        1.0 - fine
    }

    fn measure() -> impl Strategy<Value = Option<Measure>> {
        let strength = prop_oneof![Just(50.0), 0.001..100.0];
        let nature = prop_oneof![Just(Nature::Slip), Just(Nature::Doubt), Just(Nature::Abuse)];
        let retry_after_ms = proptest::option::of(0..1_000_i64);
        let measured = (strength, nature, retry_after_ms).prop_map(|(strength, nature, retry)| {
            let measure = Measure::of(strength, nature, Evidence::None).unwrap();
            Measure {
                retry_after: retry.map(Span::from_ms),
                ..measure
            }
        });
        proptest::option::of(measured)
    }

    proptest! {
        #[test]
        fn taken_in_one_by_one_they_make_what_the_formula_says(
            measures in proptest::collection::vec(measure(), Signal::ALL.len()),
            confirmed in any::<bool>(),
        ) {
            let policy = Policy::default();
            let found: Vec<_> = Signal::ALL
                .iter()
                .zip(&measures)
                .filter_map(|(signal, measure)| {
                    Some((*signal, policy.signals.weight(*signal), measure.as_ref()?))
                })
                .collect();
            let mut findings = Findings::default();
            for (signal, weight, measure) in &found {
                findings.add(*signal, *weight, (*measure).clone());
            }

            let risk = findings.risk();
            prop_assert_eq!(risk.all.to_bits(), noisy_or(&found, |_| true).to_bits());
            let abuse = noisy_or(&found, |measure| measure.nature == Nature::Abuse);
            prop_assert_eq!(risk.abuse.to_bits(), abuse.to_bits());
            let doubt = noisy_or(&found, |measure| measure.nature != Nature::Slip);
            prop_assert_eq!(risk.doubt.to_bits(), doubt.to_bits());
            let pace_at = |now: Option<Span>| noisy_or(&found, |measure| {
                measure.retry_after.is_some_and(|ends| Some(ends) > now)
            });
            let blocks = |risk: f64| risk > 0.6;
            let ends = found.iter().filter_map(|(_, _, measure)| measure.retry_after);
            let earliest = ends.filter(|now| !blocks(pace_at(Some(*now)))).min();
            prop_assert_eq!(findings.retry_after(blocks), earliest.filter(|_| blocks(pace_at(None))));

            let mut weightiest_first = found.clone();
            weightiest_first.sort_by(|(_, a_weight, a), (_, b_weight, b)| {
                let [a, b] = [(a, a_weight), (b, b_weight)].map(|(m, w)| m.strength / 100.0 * w);
                b.total_cmp(&a)
            });
            let told = confirmed.then_some(ReasonCode::PayerConfirmed).into_iter();
            let told = told.chain(weightiest_first.iter().map(|(s, ..)| ReasonCode::Signal(*s)));
            let reasons = findings.into_reasons(&policy, confirmed);
            let codes: Vec<ReasonCode> = reasons.iter().map(|reason| reason.code).collect();
            prop_assert_eq!(codes, told.collect::<Vec<_>>());
        }
    }

    #[test]
    fn families_stand_in_the_order_in_which_they_are_multiplied() {
        for (nth, family) in Family::ALL.into_iter().enumerate() {
            assert_eq!(family as usize, nth);
        }
    }
}
