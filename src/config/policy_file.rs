//! A policy as a TOML file: an optional `name`, an optional `preset` to start from, and one table for each
//! section that differs from it; under `kind.gift` or `currency.JPY` for such payments only.

use std::borrow::Cow;
use std::path::Path;

use super::document::{Document, Given, Scalar};
use super::fault::Fault;
use crate::scoring::policy::{Policy, PolicyFault, Preset, Problem, Scope, Value};

/// The longest name of a policy, in characters: it travels with every answer.
const NAME_CHARS_MAX: usize = 64;

/// Reads the policy in the file at `path`. Without a `name` it is called after the file.
///
/// # Errors
/// Every fault of the file, in its order.
pub fn read(path: &Path) -> Result<Policy, Vec<Fault>> {
    let document = Document::read(path)?;
    let mut faults = Vec::new();
    let mut name = stem(path);
    let mut preset = Preset::default();
    let mut settings = Vec::new();
    for given in &document.settings {
        let read = match given.path.as_str() {
            "name" => name_in(&given.value).map(|given| name = given),
            "preset" => preset_in(&given.value).map(|given| preset = given),
            path if is_table(path) => match given.value {
                Scalar::EmptyTable => Ok(()),
                _ => Err(Problem::WrongType {
                    expected: Cow::Borrowed("a table"),
                }),
            },
            path => {
                settings.push((path, value_of(&given.value)));
                Ok(())
            }
        };
        if let Err(problem) = read {
            faults.push(document.fault(given, problem));
        }
    }
    match Policy::from_preset(preset, &name, settings) {
        Ok(policy) if faults.is_empty() => return Ok(policy),
        Ok(_) => {}
        Err(more) => faults.extend(more.into_iter().map(|fault| placed(&document, fault))),
    }
    faults.sort_by_key(Fault::position);
    Err(faults)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Whether a policy file may have a table of this path: a section, or what holds sections.
fn is_table(path: &str) -> bool {
    let settings = Policy::default().settings();
    Scope::split(path).is_ok_and(|(_, section)| {
        section.is_empty() || settings.iter().any(|setting| setting.section == section)
    })
}

fn name_in(value: &Scalar) -> Result<String, Problem> {
    match value {
        Scalar::Text(name)
            if (1..=NAME_CHARS_MAX).contains(&name.chars().count())
                && !name.chars().any(char::is_control) =>
        {
            Ok(name.clone())
        }
        _ => Err(Problem::WrongType {
            expected: Cow::Borrowed("a text of 1 to 64 characters"),
        }),
    }
}

fn preset_in(value: &Scalar) -> Result<Preset, Problem> {
    let named = match value {
        Scalar::Text(name) => Preset::from_name(name),
        _ => None,
    };
    named.ok_or(Problem::WrongType {
        expected: Cow::Borrowed("balanced, cautious or lenient"),
    })
}

const fn value_of(value: &Scalar) -> Value {
    match value {
        Scalar::Integer(integer) => Value::Integer(*integer),
        Scalar::Number(number) => Value::Number(*number),
        Scalar::Flag(flag) => Value::Flag(*flag),
        Scalar::Text(_) | Scalar::EmptyTable | Scalar::Other => Value::Other,
    }
}

/// The fault at the setting that it speaks of. A contradiction may be with a default: then it is at
/// the setting in the file that brought it about, or at least in the same table.
fn placed(document: &Document, fault: PolicyFault) -> Fault {
    let PolicyFault { path, problem } = fault;
    let table = |path: &str| path.rsplit_once('.').map(|(table, _)| table.to_owned());
    let is_meant = |given: &&Given| given.path == path;
    let scope_of = |path: &str| Scope::split(path).map(|(scope, _)| scope);
    let is_mentioned = |given: &&Given| match problem {
        Problem::Contradicts { rule, .. } => {
            let given = Scope::split(&given.path);
            given.is_ok_and(|(scope, setting)| {
                rule.contains(setting) && scope_of(&path) == Ok(scope)
            })
        }
        Problem::Unknown { .. }
        | Problem::WrongType { .. }
        | Problem::OutOfRange { .. }
        | Problem::NotOverridable { .. } => false,
    };
    let is_beside = |given: &&Given| table(&given.path) == table(&path);
    let given = || document.settings.iter();
    match given()
        .find(is_meant)
        .or_else(|| given().find(is_mentioned))
        .or_else(|| given().find(is_beside))
    {
        Some(given) => Fault {
            field: path,
            ..document.fault(given, problem)
        },
        None => document.fault_of_the_unsaid(path, problem),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Reads `text` as a policy file called `mine.toml` and tells the version or the faults.
    fn check(text: &str) -> Result<String, Vec<String>> {
        let dir = super::super::tests::scratch_dir();
        let path = dir.join("mine.toml");
        fs::write(&path, text).unwrap();
        let read = read(&path);
        fs::remove_dir_all(&dir).unwrap();
        let shown = |fault: &Fault| {
            let line = fault.to_string();
            line.rsplit_once("mine.toml:").unwrap().1.to_owned()
        };
        match read {
            Ok(policy) => Ok(policy.version().to_string()),
            Err(faults) => Err(faults.iter().map(shown).collect()),
        }
    }

    #[test]
    fn settings_reach_the_policy_and_its_version() {
        let version = check("name = \"night\"\n[decision]\nconfirm_from = 5_0\n").unwrap();
        assert!(version.starts_with("night-"), "{version}");
        let unnamed = check("[decision]\nconfirm_from = 50.0\n[duplicate_recent]\n").unwrap();
        assert_eq!(
            unnamed.strip_prefix("mine-"),
            version.strip_prefix("night-"),
            "the fingerprint is that of the settings"
        );
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_column() {
        let faults = check(
            "name = 7\n\
             decision.confirm_form = 50\n\
             memory = 1\n\
             [confirmation]\n\
             token_ttl_ms = \"5 min\"\n\
             second_factor_from = 101\n\
             [duplicate_recnt]\n\
             [payee_new]\n\
             weight = [1]\n",
        );
        assert_eq!(
            faults.unwrap_err(),
            [
                "1:8: name: must be a text of 1 to 64 characters",
                "2:10: decision.confirm_form: no such setting; did you mean `decision.confirm_from`?",
                "3:10: memory: must be a table",
                "5:16: confirmation.token_ttl_ms: must be a whole number of milliseconds",
                "6:22: confirmation.second_factor_from: must be 0 to 100 (score)",
                "7:2: duplicate_recnt: no such setting; did you mean `duplicate_recent`?",
                "9:10: payee_new.weight: must be a number",
            ]
        );
    }

    #[test]
    fn a_contradiction_is_placed_at_the_setting_that_the_file_gives() {
        assert_eq!(
            check("\n[decision]\nblock_from = 40\n").unwrap_err(),
            ["3:14: decision.confirm_from: must be less than decision.block_from"]
        );
    }

    #[test]
    fn a_file_may_start_from_a_preset() {
        let cautious = Preset::Cautious.policy();
        let same = check("preset = \"cautious\"\n").unwrap();
        assert_eq!(
            same.strip_prefix("mine-"),
            cautious.version().strip_prefix("cautious-"),
            "the fingerprint is that of the settings"
        );
        let other = check("preset = \"cautious\"\n[decision]\nconfirm_from = 55\n").unwrap();
        assert_ne!(same, other);
        for bad in ["\"careful\"", "1", "{}"] {
            assert_eq!(
                check(&format!("preset = {bad}\n")).unwrap_err(),
                ["1:10: preset: must be balanced, cautious or lenient"]
            );
        }
    }

    #[test]
    fn faults_of_overrides_are_told_like_any_other() {
        let faults = check(
            "[kind.gif.payee_new]\n\
             weight = 1\n\
             [kind.gift.payee_new]\n\
             weigt = 1\n\
             weight = 2\n\
             [kind.gift.payee_neu]\n\
             [kind.gift.memory]\n\
             payees_max = 9\n\
             [kind.tip.hour_unusual]\n\
             utc_offset_min = 60\n\
             [currency]\n\
             jpy = {}\n\
             CNY.decision = 1\n\
             USD.decision.confirm_from = true\n\
             EUR.decision = {}\n",
        );
        assert_eq!(
            faults.unwrap_err(),
            [
                "2:1: kind.gif.payee_new.weight: no such setting; did you mean `kind.gift`?",
                "4:1: kind.gift.payee_new.weigt: no such setting; did you mean \
                 `kind.gift.payee_new.weight`?",
                "5:10: kind.gift.payee_new.weight: must be 0 to 1 (share)",
                "6:12: kind.gift.payee_neu: no such setting; did you mean `kind.gift.payee_new`?",
                "8:1: kind.gift.memory.payees_max: is the same for every payment: memory is kept per \
                 account",
                "10:1: kind.tip.hour_unusual.utc_offset_min: is the same for every payment: hours are \
                 learnt per account",
                "12:1: currency.jpy: no such setting; did you mean `currency.JPY`?",
                "13:16: currency.CNY.decision: must be a table",
                "14:29: currency.USD.decision.confirm_from: must be a number",
            ]
        );
    }

    #[test]
    fn contradictions_of_overrides_are_placed_where_they_come_about() {
        assert_eq!(
            check(
                "[kind.gift.decision]\n\
                 block_from = 50\n\
                 [kind.tip.decision]\n\
                 confirm_from = 80\n\
                 [currency.JPY.decision]\n\
                 block_from = 75\n\
                 [currency.KRW.rapid_repeat]\n\
                 minute_block_above = 5\n"
            )
            .unwrap_err(),
            [
                "2:14: kind.gift.decision.confirm_from: must be less than decision.block_from: not so \
                 for gift payments",
                "4:16: kind.tip.decision.confirm_from: must be less than decision.block_from: not so \
                 for tip payments in JPY",
                "8:22: currency.KRW.rapid_repeat.minute_confirm_above: must be at most the number \
                 above which it blocks: not so for payments in KRW",
            ]
        );
    }

    #[test]
    fn faults_of_syntax_are_told_with_line_and_column() {
        let faults = check("[decision]\nconfirm_from = \n").unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("2:"), "{faults:?}");
        assert!(faults[0].contains("is not TOML"), "{faults:?}");
        let twice = check("[decision]\nconfirm_from = 1\nconfirm_from = 2\n").unwrap_err();
        assert!(twice[0].starts_with("3:1: "), "{twice:?}");
    }
}
