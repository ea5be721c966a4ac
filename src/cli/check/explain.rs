//! A policy as people read it: every setting with its value, where that is from, and what it does.

use std::io::{self, Write};

use crate::cli::show;
use crate::config::policy_source::PolicySource;
use crate::scoring::policy::{Origin, Policy, Scope, Setting};
use crate::scoring::signal::Signal;

/// How many characters fit a line.
const COLUMNS: usize = 100;

/// Writes what holds for payments of `scope`. `source` is where the policy is from.
pub(super) fn write(
    out: &mut dyn Write,
    policy: &Policy,
    source: &PolicySource,
    scope: Scope,
) -> io::Result<()> {
    let settings = policy.in_scope(scope).settings();
    let defaults = Policy::default().settings();
    let rows: Vec<Row<'_>> = settings
        .iter()
        .zip(&defaults)
        .map(|(setting, default)| Row {
            setting,
            range: range(setting),
            origin: origin(policy, source, scope, setting, default),
        })
        .collect();
    writeln!(out, "\nWhat holds for {scope}:")?;
    for section in rows.chunk_by(|one, next| one.setting.section == next.setting.section) {
        write_section(out, section)?;
    }
    let overrides = overrides(policy, scope);
    if !overrides.is_empty() {
        writeln!(out, "\nFor some of these payments (--kind, --currency):")?;
        show::table(out, &overrides)?;
    }
    Ok(())
}

/// The settings of `policy` that only some payments of `scope` have: path and value.
pub(super) fn overrides(policy: &Policy, scope: Scope) -> Vec<Vec<String>> {
    policy
        .overrides()
        .filter(|(narrower, ..)| !narrower.covers(scope) && narrower.meets(scope))
        .map(|(narrower, path, value)| vec![narrower.path_of(path), value.to_string()])
        .collect()
}

struct Row<'a> {
    setting: &'a Setting,
    range: String,
    origin: String,
}

impl Row<'_> {
    fn value(&self) -> String {
        format!("{} {}", self.setting.value, self.setting.unit)
    }
}

fn write_section(out: &mut dyn Write, rows: &[Row<'_>]) -> io::Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let section = first.setting.section;
    let signal = Signal::ALL
        .iter()
        .find(|signal| signal.section() == section);
    let signal = signal.map_or_else(String::new, |signal| format!("  {signal}"));
    writeln!(out, "\n[{section}]{signal}")?;
    let width = |cell: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(cell).max().unwrap_or(0);
    let names = width(&|row| row.setting.name.len());
    let values = width(&|row| row.value().len());
    let ranges = width(&|row| row.range.chars().count());
    for row in rows {
        writeln!(
            out,
            "{:names$}  {:values$}  {:ranges$}  {}",
            row.setting.name,
            row.value(),
            row.range,
            row.origin
        )?;
        for line in wrapped(&row.setting.text(), COLUMNS - 4) {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

fn range(setting: &Setting) -> String {
    setting.range.map_or_else(
        || "true or false".to_owned(),
        |(min, max)| format!("{min} – {max}"),
    )
}

fn origin(
    policy: &Policy,
    source: &PolicySource,
    scope: Scope,
    setting: &Setting,
    default: &Setting,
) -> String {
    let from = match policy.origin(&setting.path(), scope) {
        Origin::Default => return "default".to_owned(),
        Origin::Preset(preset) => format!("preset {preset}"),
        Origin::Given(Scope::ALL) => source.to_string(),
        Origin::Given(scope) => format!("{source} [{}]", scope.path_of("…")),
    };
    format!("{from} (default {})", default.value)
}

/// `text` in lines of at most `columns` characters.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable a", 4), ["unbreakable", "a"]);
        assert_eq!(wrapped("", 4), Vec::<String>::new());
    }
}
