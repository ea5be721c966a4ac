//! Ablation: what each signal is worth, told by switching it off.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::ProgressBar;
use serde_json::{Map, json};

use super::evaluation::{Evaluation, Figure};
use super::statistics::shown;
use crate::cli::Failure;
use crate::scoring::policy::{Policy, Scope, Value};
use crate::scoring::signal::Signal;

/// Evaluations with all signals, and without each.
#[derive(Debug)]
pub(super) struct Ablation {
    all: Vec<Figure>,
    without: Vec<(Signal, Vec<Figure>)>,
}

/// Evaluates `policy` with all signals and without each, as many at once as there are processors.
///
/// # Errors
/// The first failure of `evaluate`.
pub(super) fn run(
    policy: &Policy,
    evaluate: &(dyn Fn(Policy) -> Result<Evaluation, Failure> + Sync),
) -> Result<Ablation, Failure> {
    let mut policies = vec![policy.clone()];
    for signal in Signal::ALL {
        policies.push(without(policy, *signal)?);
    }
    let progress = ProgressBar::new(policies.len() as u64);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<Figure>)>, Failure> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(policy) = policies.get(at) else {
                return Ok(done);
            };
            done.push((at, evaluate(policy.clone())?.figures()));
            progress.inc(1);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut done = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let of_worker = worker
                .join()
                .map_err(|_| Failure::Work("error: a replay broke down".to_owned()))?;
            done.extend(of_worker?);
        }
        Ok::<(), Failure>(())
    })?;
    progress.finish_and_clear();
    done.sort_by_key(|(at, _)| *at);
    let mut figures = done.into_iter().map(|(_, figures)| figures);
    Ok(Ablation {
        all: figures.next().unwrap_or_default(),
        without: Signal::ALL.iter().copied().zip(figures).collect(),
    })
}

/// A dot for no change: what matters should stand out. A dash where nothing is known.
fn change(all: &Figure, without: &Figure) -> String {
    let digits = all.digits();
    let change = without.value - all.value;
    if change.is_nan() {
        return shown(change, digits);
    }
    let change = format!("{change:+.digits$}");
    if change.contains(|digit: char| ('1'..='9').contains(&digit)) {
        change
    } else {
        "\u{b7}".to_owned()
    }
}

/// The same policy with `signal` switched off, for all payments.
fn without(policy: &Policy, signal: Signal) -> Result<Policy, Failure> {
    let weight = format!("{}.weight", signal.section());
    let settings = policy.settings().into_iter();
    let settings = settings.map(|setting| (Scope::ALL, setting.path(), setting.value));
    let overrides = policy.overrides();
    let overrides = overrides.map(|(scope, path, value)| (scope, path.to_owned(), value));
    let settings: Vec<(String, Value)> = settings
        .chain(overrides)
        .map(|(scope, path, value)| {
            let value = if path == weight {
                Value::Number(0.0)
            } else {
                value
            };
            (scope.path_of(&path), value)
        })
        .collect();
    let settings = settings.iter().map(|(path, value)| (path.as_str(), *value));
    Policy::from_settings(&format!("without-{}", signal.section()), settings)
        .map_err(|faults| Failure::Usage(faults.iter().map(ToString::to_string).collect()))
}

impl Ablation {
    /// One row with all signals, then the change that switching each off brings.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |figure: &Figure| figure.name.len().max(7);
        let name_width = Signal::ALL
            .iter()
            .map(|signal| signal.code().len())
            .max()
            .unwrap_or(0);
        let mut row = |name: &str, cells: &mut dyn Iterator<Item = (usize, String)>| {
            let cells: String = cells
                .map(|(width, cell)| format!("  {cell:>width$}"))
                .collect();
            writeln!(out, "{name:name_width$}{cells}")
        };
        let named = self
            .all
            .iter()
            .map(|figure| (width(figure), figure.name.clone()));
        row("without", &mut named.into_iter())?;
        let values = self
            .all
            .iter()
            .map(|figure| (width(figure), figure.shown()));
        row("nothing", &mut values.into_iter())?;
        for (signal, figures) in &self.without {
            let changes = self
                .all
                .iter()
                .zip(figures)
                .map(|(all, without)| (width(all), change(all, without)));
            row(signal.code(), &mut changes.into_iter())?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let object = |figures: &[Figure]| -> serde_json::Value {
            let figures = figures.iter();
            figures
                .map(|figure| (figure.name.clone(), json!(figure.value)))
                .collect::<Map<_, _>>()
                .into()
        };
        let without: Map<String, serde_json::Value> = self
            .without
            .iter()
            .map(|(signal, figures)| (signal.code().to_owned(), object(figures)))
            .collect();
        json!({ "all": object(&self.all), "without": without })
    }
}
