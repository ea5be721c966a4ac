//! A policy as a TOML file: an optional `name`, and one table for each section that differs from the
//! built-in policy.

use std::path::Path;

use super::document::{Document, Given, Scalar};
use super::fault::Fault;
use crate::scoring::policy::{Policy, PolicyFault, Problem, Value};

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
    let mut settings = Vec::new();
    let sections = sections();
    for given in &document.settings {
        if given.path == "name" {
            match name_in(&given.value) {
                Ok(given_name) => name = given_name,
                Err(problem) => faults.push(document.fault(given, problem)),
            }
        } else if sections.contains(&given.path.as_str()) {
            if given.value != Scalar::EmptyTable {
                let expected = "a table";
                faults.push(document.fault(given, Problem::WrongType { expected }));
            }
        } else {
            settings.push((given.path.as_str(), value_of(&given.value)));
        }
    }
    match Policy::from_settings(&name, settings) {
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

fn sections() -> Vec<&'static str> {
    let settings = Policy::default().settings();
    settings.iter().map(|setting| setting.section).collect()
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
            expected: "a text of 1 to 64 characters",
        }),
    }
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
/// the setting in the file that brought it about.
fn placed(document: &Document, fault: PolicyFault) -> Fault {
    let PolicyFault { path, problem } = fault;
    let given = document.settings.iter();
    let is_meant = |given: &&Given| given.path == path;
    let is_mentioned = |given: &&Given| match problem {
        Problem::Contradicts { rule } => rule.contains(&given.path),
        Problem::Unknown { .. } | Problem::WrongType { .. } | Problem::OutOfRange { .. } => false,
    };
    match given
        .clone()
        .find(is_meant)
        .or_else(|| given.clone().find(is_mentioned))
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
    fn faults_of_syntax_are_told_with_line_and_column() {
        let faults = check("[decision]\nconfirm_from = \n").unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("2:"), "{faults:?}");
        assert!(faults[0].contains("is not TOML"), "{faults:?}");
        let twice = check("[decision]\nconfirm_from = 1\nconfirm_from = 2\n").unwrap_err();
        assert!(twice[0].starts_with("3:1: "), "{twice:?}");
    }
}
