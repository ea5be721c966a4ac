//! The presets: policies by name, each a short list of differences from `balanced`.
//!
//! `balanced` is every setting's default. The differences are reasoned, not fitted: each says why, and
//! the two others lie on either side of `balanced`.

use std::fmt;

use super::setting::Value;
use crate::scoring::payment::named;

named! {
    /// A policy by name.
    #[derive(Default)]
    Preset {
        /// Asks where a mistake is likelier than not: the defaults.
        #[default]
        Balanced = "balanced",
        /// Asks more: rather a needless question than a payment nobody meant.
        Cautious = "cautious",
        /// Asks less: only what is hardly ever meant.
        Lenient = "lenient",
    }
}

/// One setting of a preset that differs from `balanced`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The setting.
    pub path: &'static str,
    /// Its value in the preset.
    pub value: Value,
    /// Why it differs.
    pub why: &'static str,
}

const fn differs(path: &'static str, value: Value, why: &'static str) -> Difference {
    Difference { path, value, why }
}

const CAUTIOUS: &[Difference] = &[
    differs(
        "decision.confirm_from",
        Value::Number(52.0),
        "Two weak signs together ask, such as a new payee from a new device. Still above 50.4, what \
         is left of a duplicate that another order or an earlier yes speaks for: a meant repeat stays \
         undisturbed.",
    ),
    differs(
        "decision.block_from",
        Value::Number(78.0),
        "Two signs of abuse together block sooner, such as a new device at an odd hour for a payee that \
         others reported.",
    ),
    differs(
        "duplicate_in_flight.window_ms",
        Value::Integer(3_600_000),
        "One hour, the longest in the industry (Clover).",
    ),
    differs(
        "duplicate_recent.window_ms",
        Value::Integer(3_600_000),
        "One hour, as for payments in flight: an app that submits again late is caught too.",
    ),
    differs(
        "payee_new.weight",
        Value::Number(0.25),
        "Never asks alone, but one more weak sign is enough: an odd hour, or an amount somewhat above \
         the usual.",
    ),
    differs(
        "rapid_repeat.minute_confirm_above",
        Value::Integer(8),
        "One payment every seven seconds is more than most people manage.",
    ),
    differs(
        "failure_burst.confirm_from",
        Value::Integer(3),
        "Three declined in an hour: people give up or call their bank by then, guessers go on.",
    ),
];

const LENIENT: &[Difference] = &[
    differs(
        "decision.confirm_from",
        Value::Number(65.0),
        "Where Stripe Radar starts. Just below 66, a payee one digit off: every slip that one signal \
         alone speaks of is still asked about, what only adds up from weak ones less often.",
    ),
    differs(
        "decision.block_from",
        Value::Number(92.0),
        "Only the near-certain blocks: a double press, a paid order, a hard limit, a take-over with \
         every sign of one. The rest becomes a question.",
    ),
    differs(
        "duplicate_in_flight.block_within_ms",
        Value::Integer(5_000),
        "A double press is over in five seconds; what comes later is asked about.",
    ),
    differs(
        "duplicate_recent.window_ms",
        Value::Integer(900_000),
        "A quarter of an hour (CyberSource): later, the same again is taken as meant.",
    ),
    differs(
        "payee_new.weight",
        Value::Number(0.06),
        "New payees are everyday for these payers: it takes two strong signs beside it.",
    ),
    differs(
        "rapid_repeat.minute_confirm_above",
        Value::Integer(20),
        "One payment every three seconds: hardly by hand.",
    ),
    differs(
        "small_payment_burst.from",
        Value::Integer(8),
        "Tips and top-ups in a row are ordinary for these payers.",
    ),
    differs(
        "failure_burst.confirm_from",
        Value::Integer(7),
        "A card that fails a few times in a row is often just a card that fails.",
    ),
];

impl Preset {
    /// What it sets differently from `balanced`.
    #[must_use]
    pub const fn differences(self) -> &'static [Difference] {
        match self {
            Self::Balanced => &[],
            Self::Cautious => CAUTIOUS,
            Self::Lenient => LENIENT,
        }
    }

    /// What it sets `path` to, if that differs from `balanced`.
    #[must_use]
    pub fn difference(self, path: &str) -> Option<&'static Difference> {
        self.differences()
            .iter()
            .find(|difference| difference.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::policy::Policy;

    fn number(value: Value) -> f64 {
        value.to_string().parse().unwrap()
    }

    #[test]
    fn every_preset_is_a_valid_policy_of_its_name() {
        for preset in Preset::ALL {
            let policy = Policy::from_preset(*preset, preset.name(), []).unwrap();
            assert_eq!(policy, preset.policy());
            let prefix = format!("{preset}-");
            assert!(policy.version().starts_with(&prefix), "{preset}");
        }
        assert_eq!(Preset::Balanced.policy(), Policy::default());
    }

    #[test]
    fn every_difference_reaches_its_setting_and_is_one() {
        for preset in Preset::ALL {
            let settings = preset.policy().settings();
            for difference in preset.differences() {
                let path = difference.path;
                let set = settings.iter().find(|setting| setting.path() == path);
                assert_eq!(set.unwrap().value, difference.value, "{preset}: {path}");
            }
            let defaults = Policy::default().settings();
            let differing = settings
                .iter()
                .zip(&defaults)
                .filter(|(now, default)| now.value != default.value);
            assert_eq!(differing.count(), preset.differences().len(), "{preset}");
        }
    }

    #[test]
    fn cautious_and_lenient_lie_on_either_side_of_balanced() {
        let defaults = Policy::default().settings();
        for lenient in Preset::Lenient.differences() {
            let Some(cautious) = Preset::Cautious.difference(lenient.path) else {
                continue;
            };
            let default = defaults.iter().find(|known| known.path() == lenient.path);
            let default = number(default.unwrap().value);
            let (cautious, lenient_value) = (number(cautious.value), number(lenient.value));
            assert!(
                (cautious - default) * (lenient_value - default) < 0.0,
                "{}: {cautious} {default} {lenient_value}",
                lenient.path
            );
        }
    }
}
