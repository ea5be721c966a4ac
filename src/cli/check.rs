//! `check`: tells what is wrong with a configuration before it is run.

use std::io::Write;

use super::settings::Settings;
use super::{Ended, show};
use crate::scoring::policy::{Policy, Setting};

/// Check configuration and policy without running anything
///
/// Reads what `serve` would read, from the same file, environment and flags. Prints `ok` and the
/// settings in force, or every fault at once on standard error, each as
/// `file:line:column: setting: what is wrong`.
///
/// Examples:
///   doublecheck check --config doublecheck.toml
///   doublecheck check --policy strict.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct CheckArguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs `check`.
///
/// # Errors
/// When the configuration is faulty.
pub fn run(arguments: &CheckArguments, out: &mut dyn Write) -> Ended {
    let config = arguments.settings.load()?;
    let file = arguments.settings.config.as_ref();
    let file = file.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let policy = format!("{} ({})", config.policy.version(), config.policy_source);
    writeln!(out, "ok")?;
    show::table(
        out,
        &[
            vec!["config".to_owned(), file],
            vec!["grpc.address".to_owned(), config.grpc_address.to_string()],
            vec!["policy".to_owned(), policy],
        ],
    )?;
    let changed = changes(&config.policy);
    if !changed.is_empty() {
        writeln!(out, "\nThe policy differs from balanced in:")?;
        show::table(out, &changed)?;
    }
    Ok(())
}

/// What differs from `balanced`: setting, value, and what it would be.
fn changes(policy: &Policy) -> Vec<Vec<String>> {
    let row = |(now, balanced): (Setting, Setting)| {
        vec![
            format!("{}.{}", now.section, now.name),
            format!("{} {}", now.value, now.unit),
            format!("balanced: {}", balanced.value),
        ]
    };
    policy
        .settings()
        .into_iter()
        .zip(Policy::default().settings())
        .filter(|(now, balanced)| now.value != balanced.value)
        .map(row)
        .collect()
}
