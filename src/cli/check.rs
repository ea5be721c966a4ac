//! `check`: tells what is wrong with a configuration before it is run.

use std::io::Write;

use super::settings::Settings;
use super::{Ended, serve, show, tell};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Effective, Origin};
use crate::scoring::money::Currency;
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::{Policy, Scope, Setting};

mod explain;

/// Check configuration and policy without running anything
///
/// Reads what `serve` would read, from the same file, environment and flags. Prints `ok` and every
/// setting in force with who gave it, or every fault at once on standard error, each as
/// `file:line:column: setting: what is wrong`, or with the variable or flag in the place of both. What is
/// allowed and hardly meant is warned of on standard error.
///
/// With `--explain` it prints every setting of the policy instead, with what it does and where its value
/// is from; with `--kind` and `--currency`, what holds for such payments.
///
/// Examples:
///   doublecheck check --config doublecheck.toml
///   doublecheck check --policy strict.toml
///   doublecheck check --policy cautious --explain
///   doublecheck check --policy strict.toml --explain --kind gift --currency JPY
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct CheckArguments {
    #[command(flatten)]
    settings: Settings,
    /// Explain every setting of the policy
    #[arg(long)]
    explain: bool,
    /// For payments of this kind
    #[arg(long, requires = "explain", value_parser = kind_named)]
    kind: Option<PaymentKind>,
    /// For payments in this currency, by its ISO 4217 code
    #[arg(long, requires = "explain", value_name = "CODE", value_parser = Currency::from_code)]
    currency: Option<Currency>,
}

fn kind_named(name: &str) -> Result<PaymentKind, String> {
    PaymentKind::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = PaymentKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("must be one of {}", known.join(", "))
    })
}

/// Runs `check`.
///
/// # Errors
/// When the configuration is faulty.
pub fn run(arguments: &CheckArguments, out: &mut dyn Write) -> Ended {
    let config = arguments.settings.load()?;
    let file = arguments.settings.config.as_ref();
    let file = file.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let policies = &config.contents.policies;
    let policy = policies.primary();
    writeln!(out, "ok")?;
    if !arguments.explain {
        show::table(out, &settings(&config))?;
        writeln!(out)?;
    }
    let shadow = policies.shadow().map(|shadow| shadow.version().to_string());
    let versions = [
        vec!["config".to_owned(), file],
        vec!["policy".to_owned(), policy.version().to_string()],
        vec!["shadow".to_owned(), shadow.unwrap_or_else(none)],
    ];
    show::table(out, &versions)?;
    let open_files = serve::OpenFiles::raised();
    for warning in serve::warnings(&config, open_files, SystemClock::start().now()) {
        tell(format_args!("warning: {warning}"));
    }
    if arguments.explain {
        let CheckArguments { kind, currency, .. } = *arguments;
        let scope = Scope { currency, kind };
        explain::write(out, policy, &config.files.policy, scope)?;
        return Ok(());
    }
    let changed = changes(policy);
    if !changed.is_empty() {
        writeln!(out, "\nThe policy differs from balanced in:")?;
        show::table(out, &changed)?;
    }
    Ok(())
}

/// Every setting: path, value, who gave it.
fn settings(config: &Config) -> Vec<Vec<String>> {
    let row = |effective: &Effective| {
        let Effective {
            path,
            value,
            origin,
        } = effective;
        let origin = match (*path, origin) {
            ("memory.budget", Origin::Default) => config.memory_budget.source(),
            (_, origin) => origin.to_string(),
        };
        vec![
            (*path).to_owned(),
            value.clone().unwrap_or_else(none),
            origin,
        ]
    };
    config.effective.iter().map(row).collect()
}

fn none() -> String {
    "-".to_owned()
}

/// What differs from `balanced`: setting, value, and what it would be.
fn changes(policy: &Policy) -> Vec<Vec<String>> {
    let row = |(now, balanced): (Setting, Setting)| {
        vec![
            now.path(),
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
        .chain(explain::overrides(policy, Scope::ALL))
        .collect()
}
