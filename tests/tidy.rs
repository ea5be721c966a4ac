//! The rules of the house, as tests: which module may name which, what is banned where, how long
//! things may be. One crate cannot make Cargo enforce direction, so this does.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use doublecheck::config::policy_file;
use doublecheck::grpc::limits::Limits;
use doublecheck::scoring::policy::{Difference, Policy, Preset, Setting};
use doublecheck::scoring::signal::Signal;
use doublecheck::telemetry::families;

/// Who may name whom: `(module, what it may name of this crate)`.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "cli",
            "grpc",
            "http",
            "engine",
            "config",
            "clock",
            "token",
            "telemetry",
            "storage",
            "journal",
            "random",
            "access",
            "tls",
            "scoring",
        ],
    ),
    (
        "config",
        &[
            "config",
            "grpc",
            "journal",
            "access",
            "tls",
            "telemetry",
            "scoring",
        ],
    ),
    ("http", &["grpc", "telemetry", "scoring"]),
    (
        "grpc",
        &[
            "grpc",
            "engine",
            "telemetry",
            "clock",
            "access",
            "tls",
            "scoring",
        ],
    ),
    (
        "engine",
        &[
            "engine",
            "store",
            "clock",
            "random",
            "token",
            "telemetry",
            "journal",
            "storage",
            "scoring",
        ],
    ),
    ("telemetry", &["telemetry", "clock", "access", "scoring"]),
    ("token", &["storage", "scoring"]),
    ("journal", &["journal", "storage", "clock", "scoring"]),
    ("storage", &["storage", "random"]),
    ("access", &["scoring"]),
    ("tls", &["scoring"]),
    ("random", &[]),
    ("store", &["prefetch"]),
    ("prefetch", &[]),
    ("clock", &["scoring"]),
    ("scoring", &["scoring", "prefetch"]),
];

/// Words that may stand in some files only: `(word, files or folders, why)`.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    (
        "dashmap",
        &["src/store.rs", "src/store"],
        "the map stays behind closures",
    ),
    ("Instant", &["src/clock.rs"], "time is read in one place"),
    ("SystemTime", &["src/clock.rs"], "time is read in one place"),
    (
        "pb::",
        &["src/grpc", "src/grpc.rs", "src/cli"],
        "no wire type passes convert",
    ),
    (
        "tonic",
        &["src/grpc", "src/grpc.rs", "src/cli"],
        "the engine knows no transport",
    ),
    (
        "clap",
        &["src/cli", "src/cli.rs"],
        "arguments end at the command line",
    ),
];

/// What the domain must not contain: it is pure and its floats are the same everywhere.
const BANNED_IN_SCORING: &[&str] = &[
    "tokio",
    "prost",
    "metrics",
    "tracing",
    "serde",
    "std::fs",
    "std::io",
    "std::env",
    "std::net",
    "std::thread",
    "async ",
    ".await",
    ".ln()",
    ".log2()",
    ".log10()",
    ".exp()",
    ".exp2()",
    ".powf(",
    ".powi(",
    ".sin()",
    "HashMap",
    "HashSet",
    "rand::",
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 120;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its lines, with their numbers, but for those of items that are for unit tests alone.
    fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        // How deep the item stands that is passed over.
        let mut passed_over = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let depth = line.len() - line.trim_start().len();
            match passed_over {
                None if line.trim() == "#[cfg(test)]" => passed_over = Some(depth),
                None => code.push((number, line)),
                Some(at) if depth == at && (line.trim() == "}" || line.ends_with(';')) => {
                    passed_over = None;
                }
                Some(_) => {}
            }
        }
        code
    }

    /// The lines of code without comments, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().into_iter();
        lines
            .map(|(number, line)| (number, line.split("//").next().unwrap()))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// Its top-level module.
    fn module(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap();
        inner.split(['/', '.']).next().unwrap()
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places
            .iter()
            .any(|place| self.path == *place || self.path.starts_with(&format!("{place}/")))
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(Source {
                    text: fs::read_to_string(&path).unwrap(),
                    path: path.to_str().unwrap().to_owned(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "nothing found in {folder}");
    found
}

/// Panics with all complaints at once.
fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The modules of this crate that a line names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    ["crate::", "doublecheck::"]
        .into_iter()
        .flat_map(|root| line.split(root).skip(1))
        .filter_map(|rest| {
            rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next()
        })
}

#[test]
fn modules_name_only_what_lies_downstream() {
    let mut complaints = Vec::new();
    for source in sources("src")
        .iter()
        .filter(|source| source.path != "src/lib.rs")
    {
        let Some((_, allowed)) = ARROWS.iter().find(|(module, _)| *module == source.module())
        else {
            complaints.push(format!("{}: no rule for this module", source.path));
            continue;
        };
        for (number, line) in source.lines() {
            for name in named(line).filter(|name| !name.is_empty() && !allowed.contains(name)) {
                complaints.push(format!(
                    "{}:{number}: {} may not name {name}",
                    source.path,
                    source.module()
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn some_words_stand_in_some_files_only() {
    let mut complaints = Vec::new();
    for source in &sources("src") {
        for (number, line) in source.lines() {
            for (word, places, why) in ONLY_IN {
                if line.contains(word) && !source.is_in(places) {
                    complaints.push(format!("{}:{number}: `{word}`: {why}", source.path));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn the_domain_is_pure() {
    let mut complaints = Vec::new();
    let sources = sources("src");
    for source in sources
        .iter()
        .filter(|s| s.is_in(&["src/scoring", "src/scoring.rs"]))
    {
        for (number, line) in source.lines() {
            for word in BANNED_IN_SCORING
                .iter()
                .filter(|word| line.contains(**word))
            {
                complaints.push(format!("{}:{number}: `{word}` in the domain", source.path));
            }
        }
    }
    report(&complaints);
}

#[test]
fn what_is_for_unit_tests_is_no_code_and_what_follows_it_is() {
    let text = "\
mod a;
#[cfg(test)]
mod pinned;
fn b() {
    #[cfg(test)]
    assert!(
        true
    );
    c();
}
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = \"a test\")]
mod tests {
    fn d() {
    }
}
fn e() {}
";
    let source = Source {
        path: "src/a.rs".to_owned(),
        text: text.to_owned(),
    };
    let numbers: Vec<usize> = source.code().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 4, 9, 10, 17]);
}

#[test]
fn files_and_functions_fit_a_screen() {
    let mut complaints = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        let lines = source.code().len();
        if source.path.starts_with("src/") && lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines", source.path));
        }
        for (number, line) in source.text.lines().enumerate() {
            let is_long = line.chars().count() > COLUMNS_MAX;
            // Texts and stories are data.
            if is_long && !line.contains('"') && source.path.starts_with("src/") {
                complaints.push(format!("{}:{}: a long line", source.path, number + 1));
            }
        }
        let mut function: Option<(usize, usize)> = None;
        for (number, line) in source.code() {
            let indent = line.len() - line.trim_start().len();
            let starts = line.split_whitespace().any(|word| word == "fn")
                && !line.trim_start().starts_with("//")
                && !line.contains('"');
            match function {
                // What a trait asks for has no body.
                None if starts && !line.trim_end().ends_with(';') => {
                    function = Some((number, indent))
                }
                Some((began, at)) if line.trim_end() == format!("{}}}", " ".repeat(at)) => {
                    if number - began + 1 > FUNCTION_LINES_MAX {
                        complaints.push(format!(
                            "{}:{}: a function of {} lines",
                            source.path,
                            began,
                            number - began + 1
                        ));
                    }
                    function = None;
                }
                Some((began, _)) if number == began && line.trim_end().ends_with('}') => {
                    function = None;
                }
                None | Some(_) => {}
            }
        }
    }
    report(&complaints);
}

#[test]
fn nothing_is_skipped_or_left_undone_and_no_test_sleeps() {
    // Spelt in two parts, so that this file does not complain of itself.
    let banned = [
        ["#[ign", "ore"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["unimple", "mented!("].concat(),
        ["../sha", "red"].concat(),
        ["mod ", "utils"].concat(),
    ];
    let nap = ["sle", "ep("].concat();
    let mut complaints = Vec::new();
    let mut all = sources("src");
    for folder in ["tests", "benches", "fuzz"] {
        if Path::new(folder).is_dir() {
            all.extend(sources(folder));
        }
    }
    for source in &all {
        for (number, line) in source.text.lines().enumerate() {
            let naps = line.contains(&nap) && source.path.starts_with("tests/");
            if naps || banned.iter().any(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: {line}", source.path, number + 1));
            }
        }
        if source.path.ends_with("/mod.rs") {
            complaints.push(format!("{}: modules are called by their name", source.path));
        }
    }
    report(&complaints);
}

#[test]
fn every_signal_has_its_file_and_every_file_its_signal() {
    let folder = Path::new("src/scoring/signal");
    let sources = sources("src/scoring/signal");
    // What a signal is made of lies in a folder of its name.
    let paths = sources.iter().map(|source| Path::new(&source.path));
    let mut files: Vec<&str> = paths
        .filter(|path| path.parent() == Some(folder))
        .map(|path| path.file_stem().unwrap().to_str().unwrap())
        .collect();
    files.sort();
    let mut sections: Vec<&str> = Signal::ALL.iter().map(|signal| signal.section()).collect();
    sections.sort_unstable();
    assert_eq!(files, sections);
}

/// The policy reference as the README must have it.
fn policy_reference() -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in Policy::default().settings() {
        if setting.section != section {
            section = setting.section;
            text += &format!("\n#### `[{section}]`\n\n");
            text += "| setting | default | unit | range | what it does |\n|---|---|---|---|---|\n";
        }
        text += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            setting.name,
            setting.value,
            setting.unit,
            range(&setting),
            setting.text()
        );
    }
    text + "\n"
}

fn range(setting: &Setting) -> String {
    let range = setting.range;
    range.map_or_else(String::new, |(min, max)| format!("{min} – {max}"))
}

/// The presets as the README must have them.
fn preset_reference() -> String {
    let mut text = String::new();
    for preset in Preset::ALL {
        let differences = preset.differences();
        if differences.is_empty() {
            continue;
        }
        text += &format!("\n| `{preset}` | instead of | because |\n|---|---|---|\n");
        for Difference { path, value, why } in differences {
            let settings = Policy::default().settings();
            let default = settings.iter().find(|setting| setting.path() == *path);
            let default = default.unwrap().value;
            text += &format!("| `{path} = {value}` | {default} | {why} |\n");
        }
    }
    text + "\n"
}

/// The limits as the README must have them.
fn limits_reference() -> String {
    let mut text =
        "\n| setting | default | range | what it limits |\n|---|---|---|---|\n".to_owned();
    for limit in Limits::ALL {
        let range = limit.expected.trim_start_matches("a whole number from ");
        text += &format!(
            "| `{}` | {} | {range} | {} |\n",
            limit.path,
            limit.default,
            limit.what.concat().trim()
        );
    }
    text + "\n"
}

/// The metrics as the README must have them.
fn metrics_reference() -> String {
    let mut text = "\n| metric | type | labels | what it tells |\n|---|---|---|---|\n".to_owned();
    for family in families::ALL {
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        text += &format!(
            "| `{}` | {} | {} | {} |\n",
            family.name,
            family.kind.name(),
            labels.join(", "),
            family.help.trim()
        );
    }
    text + "\n"
}

/// The example of a policy file: every setting at its default, as a comment.
fn example_policy() -> String {
    let mut text = "\
# A policy for Doublecheck, with every setting at its default.
#
# Name this file with `--policy`, `policy.path` or DOUBLECHECK_POLICY, and take the # off what should
# differ. `doublecheck check --policy FILE --explain` tells what comes of it. What it does not name keeps
# the value of the preset, in later versions too.

# What the answers call the policy; without it, the name of the file.
#name = \"ours\"

# What to start from: balanced, cautious or lenient.
#preset = \"balanced\"

# Settings for payments of one kind or in one currency; a currency's stand against a kind's.
#[kind.gift.payee_new]
#weight = 0.5
#[currency.JPY.decision]
#confirm_from = 65.0
"
    .to_owned();
    let mut section = "";
    for setting in Policy::default().settings() {
        if setting.section != section {
            section = setting.section;
            text += &format!("\n[{section}]\n");
        }
        text += "\n";
        for line in setting.doc {
            text += &format!("# {}\n", line.trim());
        }
        let (unit, range) = (setting.unit, range(&setting));
        text += &format!("# Unit: {unit}. Range: {range}.\n");
        text += &format!("#{} = {}\n", setting.name, setting.value);
    }
    text
}

/// Holds `file` to what the code says, or writes it anew: `DOUBLECHECK_BLESS=1 cargo test --test tidy`.
fn hold_or_bless(file: &str, expected: &str) {
    let found = fs::read_to_string(file).unwrap_or_default();
    if std::env::var_os("DOUBLECHECK_BLESS").is_some() {
        fs::write(file, expected).unwrap();
    } else {
        assert!(found == expected, "{file} is out of date: bless it");
    }
}

#[test]
fn the_readme_explains_every_setting_and_every_reason() {
    let readme = fs::read_to_string("README.md").unwrap();
    for signal in Signal::ALL {
        assert!(
            readme.contains(&format!("`{signal}`")),
            "{signal} is not explained"
        );
    }
    let with_block = |text: String, name: &str, block: &str| {
        let (begin, end) = (
            format!("<!-- {name}: begin -->\n"),
            format!("<!-- {name}: end -->"),
        );
        let (before, rest) = text.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        format!("{before}{begin}{block}{end}{after}")
    };
    let expected = with_block(readme, "presets", &preset_reference());
    let expected = with_block(expected, "policy reference", &policy_reference());
    let expected = with_block(expected, "limits", &limits_reference());
    let expected = with_block(expected, "metrics", &metrics_reference());
    hold_or_bless("README.md", &with_version(&expected));
}

/// The text with every version of the built-in policy in it as it is now.
fn with_version(text: &str) -> String {
    const NAME: &str = "balanced-";
    const FINGERPRINT_CHARS: usize = 8;
    let version = Policy::default().version().to_string();
    let mut parts = text.split(NAME);
    let mut renewed = parts.next().unwrap().to_owned();
    for part in parts {
        let is_version = part
            .chars()
            .take(FINGERPRINT_CHARS)
            .all(|c| c.is_ascii_hexdigit());
        let rest = if is_version {
            &part[FINGERPRINT_CHARS..]
        } else {
            part
        };
        renewed += if is_version { &version } else { NAME };
        renewed += rest;
    }
    renewed
}

#[test]
fn the_example_policy_is_the_defaults() {
    const FILE: &str = "deploy/policy-example.toml";
    let example = example_policy();
    hold_or_bless(FILE, &example);

    // As it is, and with every # taken off but those of the head and of the prose.
    let (_, settings) = example.split_once("\n[decision]").unwrap();
    let uncommented: Vec<&str> = settings
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            Some(_) | None => line,
        })
        .collect();
    let uncommented = format!("[decision]{}", uncommented.join("\n"));
    let scratch = std::env::temp_dir().join(format!("doublecheck-{}.toml", std::process::id()));
    for text in [&example, &uncommented] {
        fs::write(&scratch, text).unwrap();
        let read = policy_file::read(&scratch);
        fs::remove_file(&scratch).unwrap();
        assert_eq!(read.unwrap().settings(), Policy::default().settings());
    }
}
