//! `check`: tells what is wrong with a configuration before it is run.

use std::io::Write;

use super::settings::Settings;
use super::{Ended, show};
use crate::config::SnapshotEvery;
use crate::grpc::limits::{Limit, Limits};
use crate::scoring::money::Currency;
use crate::scoring::payment::PaymentKind;
use crate::scoring::policy::{Policy, Scope, Setting};

mod explain;

/// Check configuration and policy without running anything
///
/// Reads what `serve` would read, from the same file, environment and flags. Prints `ok` and the
/// settings in force, or every fault at once on standard error, each as
/// `file:line:column: setting: what is wrong`.
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
    let policy = format!("{} ({})", config.policy.version(), config.policy_source);
    let memory = config.memory_budget;
    let memory = format!("{memory} ({})", memory.source());
    let SnapshotEvery { interval, journal } = config.snapshot_every;
    let mut rows = vec![
        vec!["config".to_owned(), file],
        vec!["grpc.address".to_owned(), config.grpc_address.to_string()],
        vec!["http.address".to_owned(), config.http_address.to_string()],
        vec!["threads".to_owned(), config.threads.to_string()],
        vec!["data_dir".to_owned(), config.data_dir.display().to_string()],
        vec!["journal.ack".to_owned(), config.journal_ack.to_string()],
        vec!["snapshot.interval_s".to_owned(), interval.to_string()],
        vec!["snapshot.journal_mib".to_owned(), journal.to_string()],
        vec!["memory.budget".to_owned(), memory],
        vec!["log.format".to_owned(), config.log.format.to_string()],
        vec!["log.filter".to_owned(), config.log.filter.to_string()],
        vec!["log.sample".to_owned(), config.log.sample.to_string()],
    ];
    if let Some(endpoint) = &config.log.otlp_endpoint {
        rows.push(vec!["otlp.endpoint".to_owned(), endpoint.to_string()]);
    }
    let limit = |limit: &Limit| vec![limit.path.to_owned(), config.limits.of(limit).to_string()];
    rows.extend(Limits::ALL.iter().map(limit));
    rows.push(vec!["policy".to_owned(), policy]);
    if let (Some(shadow), Some(source)) = (&config.shadow, &config.shadow_source) {
        let shadow = format!("{} ({source})", shadow.version());
        rows.push(vec!["shadow".to_owned(), shadow]);
    }
    writeln!(out, "ok")?;
    show::table(out, &rows)?;
    if arguments.explain {
        let CheckArguments { kind, currency, .. } = *arguments;
        let scope = Scope { currency, kind };
        explain::write(out, &config.policy, &config.policy_source, scope)?;
        return Ok(());
    }
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
