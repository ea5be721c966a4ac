//! A second policy in the shadow of the one in force: asked about every payment, never obeyed.

use std::sync::Arc;

use super::Policy;
use super::build::why_not_overridable;

/// The policy in force and, if there is one, the one in its shadow.
///
/// The shadow sees what the policy in force sees: the account as that one remembers it, the same
/// surroundings, the same moment. What it would have decided changes nothing, so it is one decision
/// ahead, not a life of its own: had it decided all along, accounts would remember something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    primary: Policy,
    shadow: Option<Policy>,
    number: u16,
    /// The versions of every policy that has been in force, the present one last. What is remembered
    /// names its policy by its place here.
    versions: Vec<Arc<str>>,
}

impl Policies {
    /// `primary` in force, and `shadow` beside it. Of the shadow's settings those of memory do not
    /// apply: it has to take what is remembered as it is.
    #[must_use]
    pub fn new(primary: Policy, shadow: Option<Policy>) -> Self {
        Self {
            shadow: shadow.map(|shadow| on_the_memory_of(&primary, shadow)),
            number: 0,
            versions: vec![Arc::clone(primary.version())],
            primary,
        }
    }

    /// `primary` in force from now on, and `shadow` beside it. What is remembered still names those before.
    #[must_use]
    pub fn succeeded_by(&self, primary: Policy, shadow: Option<Policy>) -> Self {
        let mut versions = self.versions.clone();
        versions.push(Arc::clone(primary.version()));
        Self {
            number: self.number.saturating_add(1),
            versions,
            ..Self::new(primary, shadow)
        }
    }

    /// The same, the policy in force going by the version that it was called when it came into force.
    #[must_use]
    pub fn called(mut self, version: Arc<str>) -> Self {
        self.versions.pop();
        self.versions.push(version);
        self
    }

    /// The same, for what is still decided under them once others are in force: which versions there were
    /// is for those to know.
    #[must_use]
    pub fn superseded(self) -> Self {
        Self {
            versions: Vec::new(),
            ..self
        }
    }

    /// The settings that `other` has otherwise and that say how accounts remember, by their paths. What is
    /// remembered by the ones cannot be made again by the others.
    #[must_use]
    pub fn remembers_otherwise(&self, other: &Policy) -> Vec<String> {
        let settings = self.primary.settings().into_iter().zip(other.settings());
        let differing = settings.filter(|(ours, theirs)| ours.value != theirs.value);
        let paths = differing.map(|(ours, _)| ours.path());
        paths
            .filter(|path| why_not_overridable(path).is_some())
            .collect()
    }

    /// The policy in force.
    #[must_use]
    pub const fn primary(&self) -> &Policy {
        &self.primary
    }

    /// The number that stands for the version of the policy in force.
    #[must_use]
    pub const fn primary_number(&self) -> u16 {
        self.number
    }

    /// The version that `number` stands for.
    #[must_use]
    pub fn version(&self, number: u16) -> Arc<str> {
        let version = self.versions.get(usize::from(number));
        Arc::clone(version.unwrap_or_else(|| self.primary.version()))
    }

    /// The one in its shadow.
    #[must_use]
    pub const fn shadow(&self) -> Option<&Policy> {
        self.shadow.as_ref()
    }
}

impl From<Policy> for Policies {
    /// Without a shadow.
    fn from(primary: Policy) -> Self {
        Self::new(primary, None)
    }
}

fn on_the_memory_of(primary: &Policy, mut shadow: Policy) -> Policy {
    let remember_alike = |shadow: &mut Policy| {
        shadow.memory = primary.memory;
        let hours = &mut shadow.signals.hour_unusual;
        hours.utc_offset_min = primary.signals.hour_unusual.utc_offset_min;
    };
    remember_alike(&mut shadow);
    shadow.overridden.values_mut().for_each(remember_alike);
    shadow
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::payment::PaymentKind;
    use crate::scoring::policy::{Scope, Value};

    #[test]
    fn a_shadow_remembers_what_the_policy_in_force_remembers() {
        let policy = |path, value| Policy::from_settings("test", [(path, value)]).unwrap();
        let shadow = policy("kind.gift.decision.confirm_from", Value::Number(50.0));
        for primary in [
            policy("hour_unusual.utc_offset_min", Value::Integer(480)),
            policy("memory.payees_max", Value::Integer(9)),
        ] {
            let policies = Policies::new(primary.clone(), Some(shadow.clone()));
            let adapted = policies.shadow().unwrap();
            for held in [adapted, adapted.in_scope(Scope::of_kind(PaymentKind::Gift))] {
                assert_eq!(held.memory, primary.memory);
                assert_eq!(held.signals.hour_unusual, primary.signals.hour_unusual);
            }
        }
    }
}
