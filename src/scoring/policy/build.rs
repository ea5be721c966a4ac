//! How a policy comes about: a preset, the settings that differ from it, and what the two come to for
//! each kind and currency that has settings of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rules::Rule;
use super::setting::nearest;
use super::{
    ConfirmationSettings, DecisionSettings, Difference, Given, MemorySettings, Policy, PolicyFault,
    Preset, Problem, Scope, Section, Value,
};
use crate::scoring::hash::Fnv;
use crate::scoring::signal::SignalSettings;

/// The tables of settings for some payments only. They hold no tables of one another.
const TABLES: [&str; 2] = ["kind", "currency"];

impl Preset {
    /// The policy of this name.
    #[must_use]
    pub fn policy(self) -> Policy {
        let mut policy = Policy::of(self);
        policy.version = policy.version_named(self.name());
        policy
    }
}

impl Policy {
    /// A policy that differs from `balanced` in these settings: path and value.
    ///
    /// # Errors
    /// As [`Policy::from_preset`].
    pub fn from_settings<'a>(
        name: &str,
        settings: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self, Vec<PolicyFault>> {
        Self::from_preset(Preset::Balanced, name, settings)
    }

    /// A policy that differs from `preset` in these settings: path and value. Paths that begin with
    /// `kind.gift.` or `currency.JPY.` hold for such payments only.
    ///
    /// # Errors
    /// Every fault of every setting, and every pair of settings that contradict each other.
    pub fn from_preset<'a>(
        preset: Preset,
        name: &str,
        settings: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self, Vec<PolicyFault>> {
        let mut scratch = Self::of(preset);
        let (mut given, mut faults) = (Vec::new(), Vec::new());
        for (path, value) in settings {
            match scratch.take(path, value) {
                Ok(setting) => given.push(setting),
                Err(problem) => faults.push(PolicyFault {
                    path: path.to_owned(),
                    problem,
                }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        // Stable: settings apply scope by scope.
        given.sort_by_key(|setting| setting.scope);
        let given = Arc::from(given);
        let mut policy = Self::resolved(preset, &given, Scope::ALL);
        policy.overridden = scopes_overridden(&given)
            .into_iter()
            .map(|scope| (scope, Self::resolved(preset, &given, scope)))
            .collect();
        let faults = policy.all_contradictions();
        if !faults.is_empty() {
            return Err(faults);
        }
        policy.version = policy.version_named(name);
        for overridden in policy.overridden.values_mut() {
            overridden.version = Arc::clone(&policy.version);
        }
        Ok(policy)
    }

    /// The settings of a preset, without a version.
    fn of(preset: Preset) -> Self {
        let mut policy = Self {
            version: Arc::from(""),
            preset,
            given: Arc::from([]),
            decision: DecisionSettings::default(),
            confirmation: ConfirmationSettings::default(),
            memory: MemorySettings::default(),
            signals: SignalSettings::default(),
            overridden: BTreeMap::new(),
        };
        for Difference { path, value, .. } in preset.differences() {
            let taken = policy.set(path, *value);
            debug_assert_eq!(taken, Ok(()), "{path}");
        }
        policy
    }

    /// The preset with what is given for all payments of `scope`, without a version.
    fn resolved(preset: Preset, given: &Arc<[Given]>, scope: Scope) -> Self {
        let mut policy = Self::of(preset);
        policy.given = Arc::clone(given);
        for setting in given.iter().filter(|given| given.scope.covers(scope)) {
            let taken = policy.set(&setting.path, setting.value);
            debug_assert_eq!(taken, Ok(()), "{}", setting.path);
        }
        policy
    }

    /// Takes a setting by its path in a policy file.
    fn take(&mut self, path: &str, value: Value) -> Result<Given, Problem> {
        let (scope, path) = Scope::split(path)?;
        if scope != Scope::ALL
            && let Some(why) = why_not_overridable(path)
        {
            return Err(Problem::NotOverridable { why });
        }
        self.set(path, value).map_err(|problem| match &problem {
            Problem::Unknown {
                suggestion: Some(table),
            } if scope != Scope::ALL && TABLES.contains(&table.as_str()) => {
                Problem::Unknown { suggestion: None }
            }
            _ => problem.suggesting(|name| scope.path_of(name)),
        })?;
        Ok(Given {
            scope,
            path: path.to_owned(),
            value,
        })
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), Problem> {
        let Some((section, name)) = path.split_once('.') else {
            return Err(self.unknown_section(path));
        };
        let settings: &mut dyn Section = match section {
            "decision" => &mut self.decision,
            "confirmation" => &mut self.confirmation,
            "memory" => &mut self.memory,
            _ => match self.signals.section_mut(section) {
                Some(settings) => settings,
                None => return Err(self.unknown_section(section)),
            },
        };
        settings
            .set(name, value)
            .map_err(|problem| problem.suggesting(|name| format!("{section}.{name}")))
    }

    fn unknown_section(&self, section: &str) -> Problem {
        let mut known: Vec<&str> = self.settings().iter().map(|known| known.section).collect();
        known.dedup();
        known.extend(TABLES);
        Problem::Unknown {
            suggestion: nearest(section, &known),
        }
    }

    /// The contradictions of the policy and of what its overrides come to. One that holds for all
    /// payments is told once, and so is one of a kind in whatever currency.
    fn all_contradictions(&self) -> Vec<PolicyFault> {
        let mut faults = self.contradictions(Scope::ALL);
        for (scope, policy) in &self.overridden {
            for fault in policy.contradictions(*scope) {
                let is_told = |told: &PolicyFault| {
                    told.path == fault.path || fault.path.ends_with(&format!(".{}", told.path))
                };
                if !faults.iter().any(is_told) {
                    faults.push(fault);
                }
            }
        }
        faults
    }

    fn contradictions(&self, scope: Scope) -> Vec<PolicyFault> {
        let broken = self.rules().into_iter().filter(|(_, holds, _)| !holds);
        let fault = |(path, _, rule): Rule| PolicyFault {
            path: self.culprit(path, rule, scope),
            problem: Problem::Contradicts { rule, scope },
        };
        broken.map(fault).collect()
    }

    /// The full path of the setting that brought a contradiction about: of those given last, the one
    /// that the rule is for, or one that it mentions.
    fn culprit(&self, path: &str, rule: &str, scope: Scope) -> String {
        let given = || {
            let all = self.given.iter().rev();
            all.filter(|given| given.scope != Scope::ALL && given.scope.covers(scope))
        };
        let table = |path: &str| path.split_once('.').map(|(table, _)| table.to_owned());
        let culprit = given()
            .find(|given| given.path == path)
            .or_else(|| given().find(|given| rule.contains(&given.path)))
            .or_else(|| given().find(|given| table(&given.path) == table(path)));
        culprit.map_or_else(|| path.to_owned(), |given| given.scope.path_of(path))
    }

    /// A name with a fingerprint of every setting, and of every one that is overridden.
    fn version_named(&self, name: &str) -> Arc<str> {
        let mut fingerprint = Fnv::new();
        let mut add = |line: String| fingerprint.write(&line);
        let settings = self.settings();
        for setting in &settings {
            add(format!("{}={}\n", setting.path(), setting.value));
        }
        for (scope, policy) in &self.overridden {
            for (overridden, setting) in policy.settings().iter().zip(&settings) {
                if overridden.value != setting.value {
                    let path = scope.path_of(&overridden.path());
                    add(format!("{path}={}\n", overridden.value));
                }
            }
        }
        Arc::from(format!("{name}-{:08x}", fingerprint.finish() >> 32))
    }
}

/// Every kind and every currency with settings of its own, and each of these kinds in each of these
/// currencies.
fn scopes_overridden(given: &[Given]) -> BTreeSet<Scope> {
    let mut scopes = BTreeSet::from([Scope::ALL]);
    for setting in given {
        let narrower = scopes.clone().into_iter();
        scopes.extend(narrower.map(|scope| scope.narrowed_to(setting.scope)));
    }
    scopes.remove(&Scope::ALL);
    scopes
}

/// Why a setting cannot differ from payment to payment, if so: what it decides on is not known of a
/// payment but of the account it is remembered in.
pub(super) fn why_not_overridable(path: &str) -> Option<&'static str> {
    if path == "memory" || path.starts_with("memory.") {
        Some("memory is kept per account")
    } else if path == "hour_unusual.utc_offset_min" {
        Some("hours are learnt per account")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::money::Currency;
    use crate::scoring::payment::PaymentKind;
    use crate::scoring::policy::Origin;

    fn faults(settings: &[(&str, Value)]) -> Vec<String> {
        let settings = settings.iter().copied();
        match Policy::from_settings("test", settings) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_default_lies_within_its_own_range() {
        let policy = Policy::default();
        for setting in policy.settings() {
            let path = format!("{}.{}", setting.section, setting.name);
            assert_eq!(
                faults(&[(&path, setting.value)]),
                Vec::<String>::new(),
                "{path}"
            );
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = faults(&[
            ("decision.confirm_form", Value::Integer(50)),
            ("decision.block_from", Value::Number(101.0)),
            ("memory.payments_max", Value::Number(10.5)),
            ("confirmation.token_ttl_ms", Value::Integer(-1)),
            ("memory.payees_max", Value::Integer(i64::MAX)),
            ("decisions.confirm_from", Value::Integer(50)),
            ("weight", Value::Other),
        ]);
        assert_eq!(
            faults,
            [
                "decision.confirm_form: no such setting; did you mean `decision.confirm_from`?",
                "decision.block_from: must be 1 to 100 (score)",
                "memory.payments_max: must be a whole number",
                "confirmation.token_ttl_ms: must be 1000 to 3600000 (ms)",
                "memory.payees_max: must be 1 to 1024 (payees)",
                "decisions.confirm_from: no such setting; did you mean `decision`?",
                "weight: no such setting",
            ]
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        assert_eq!(
            faults(&[("decision.confirm_from", Value::Integer(90))]),
            ["decision.confirm_from: must be less than decision.block_from"]
        );
    }

    #[test]
    fn a_window_that_was_meant_in_seconds_is_refused() {
        for path in [
            "duplicate_in_flight.window_ms",
            "duplicate_recent.window_ms",
        ] {
            let told = format!("{path}: must be at least duplicate_in_flight.block_within_ms");
            assert_eq!(faults(&[(path, Value::Integer(3_600))]), [told]);
        }
    }

    #[test]
    fn what_grows_from_one_setting_to_another_does_not_leap() {
        for (low, above, high) in [
            (
                "spend_surge.from_multiple",
                11.0,
                "spend_surge.full_multiple",
            ),
            (
                "amount_unusual.from_deviations",
                5.0,
                "amount_unusual.knee_deviations",
            ),
            (
                "amount_unusual.knee_deviations",
                7.0,
                "amount_unusual.full_deviations",
            ),
            ("amount_slip.from_nats", 4.0, "amount_slip.full_nats"),
            (
                "payee_fan_in.from_multiple",
                9.0,
                "payee_fan_in.full_multiple",
            ),
            ("hour_unusual.full_share", 0.5, "hour_unusual.from_share"),
            (
                "hour_unusual.modest_multiple",
                4.0,
                "hour_unusual.large_multiple",
            ),
        ] {
            let told = format!("{low}: must be at most {high}");
            assert_eq!(faults(&[(low, Value::Number(above))]), [told]);
        }
        for (low, above, high) in [
            (
                "small_payment_burst.nothing_up_to",
                31,
                "small_payment_burst.from",
            ),
            (
                "device_fan_out.accounts_free",
                20,
                "device_fan_out.accounts_full",
            ),
            (
                "device_switch.devices_free",
                9,
                "device_switch.devices_full",
            ),
        ] {
            let told = format!("{low}: must be at most {high}");
            assert_eq!(faults(&[(low, Value::Integer(above))]), [told]);
        }
        for (low, high) in [
            ("payee_new.rare_novelty", "payee_new.everyday_novelty"),
            ("payee_reported.from_rate", "payee_reported.full_rate"),
        ] {
            let told = format!("{low}: must be at most {high}");
            let given = [(low, Value::Number(0.5)), (high, Value::Number(0.2))];
            assert_eq!(faults(&given), [told]);
        }
    }

    #[test]
    fn no_kind_has_a_table_of_a_currency_and_none_is_suggested() {
        assert_eq!(
            faults(&[
                (
                    "kind.gift.currency.JPY.decision.confirm_from",
                    Value::Integer(50)
                ),
                ("curency.JPY.decision.confirm_from", Value::Integer(50)),
            ]),
            [
                "kind.gift.currency.JPY.decision.confirm_from: no such setting",
                "curency.JPY.decision.confirm_from: no such setting; did you mean `currency`?",
            ]
        );
    }

    #[test]
    fn the_version_changes_with_every_setting_and_only_then() {
        let version = |value| {
            let settings = [("decision.confirm_from", Value::Number(value))];
            Policy::from_settings("mine", settings)
                .unwrap()
                .version()
                .clone()
        };
        assert_eq!(version(55.0), version(55.0));
        assert_ne!(version(55.0), version(55.5));
        assert!(version(55.0).starts_with("mine-"));
    }

    const GIFT: PaymentKind = PaymentKind::Gift;

    fn policy(settings: &[(&str, f64)]) -> Policy {
        let settings = settings
            .iter()
            .map(|(path, value)| (*path, Value::Number(*value)));
        Policy::from_settings("test", settings).unwrap()
    }

    #[test]
    fn overrides_hold_for_their_payments_and_a_currency_wins_over_a_kind() {
        let jpy = Currency::from_code("JPY").unwrap();
        let cny = Currency::from_code("CNY").unwrap();
        let policy = policy(&[
            ("currency.JPY.decision.confirm_from", 30.0),
            ("kind.gift.decision.confirm_from", 20.0),
            ("kind.gift.payee_new.weight", 0.5),
            ("decision.confirm_from", 40.0),
            ("decision.block_from", 90.0),
        ]);
        let held = |kind, currency| {
            let scope = Scope { currency, kind };
            let policy = policy.in_scope(scope);
            let (decision, payee_new) = (policy.decision, policy.signals.payee_new);
            let origin = policy.origin("decision.confirm_from", scope);
            assert_eq!(decision.block_from, 90.0);
            (decision.confirm_from, payee_new.weight, origin)
        };
        let usual = Policy::default().signals.payee_new.weight;
        let (of_gift, in_jpy) = (Scope::of_kind(GIFT), Scope::in_currency(jpy));
        let given = Origin::Given;
        assert_eq!(held(None, None), (40.0, usual, given(Scope::ALL)));
        assert_eq!(held(Some(GIFT), None), (20.0, 0.5, given(of_gift)));
        assert_eq!(held(Some(GIFT), Some(cny)), (20.0, 0.5, given(of_gift)));
        assert_eq!(held(Some(GIFT), Some(jpy)), (30.0, 0.5, given(in_jpy)));
        assert_eq!(held(None, Some(jpy)), (30.0, usual, given(in_jpy)));
        let tip = Some(PaymentKind::Tip);
        assert_eq!(held(tip, Some(jpy)), (30.0, usual, given(in_jpy)));
        assert_eq!(held(tip, Some(cny)), (40.0, usual, given(Scope::ALL)));
    }

    #[test]
    fn the_version_covers_overrides_and_every_payment_is_told_the_same() {
        let version = |settings| policy(settings).version().to_string();
        let plain = version(&[]);
        let gift = version(&[("kind.gift.decision.confirm_from", 50.0)]);
        let tip = version(&[("kind.tip.decision.confirm_from", 50.0)]);
        let yen = version(&[("currency.JPY.decision.confirm_from", 50.0)]);
        let distinct = BTreeSet::from([&plain, &gift, &tip, &yen]);
        assert_eq!(distinct.len(), 4, "{distinct:?}");
        let policy = policy(&[("kind.gift.decision.confirm_from", 50.0)]);
        let overridden = policy.in_scope(Scope::of_kind(GIFT));
        assert_eq!(overridden.version(), policy.version());
    }
}
