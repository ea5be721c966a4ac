//! A summary as people read it.

use std::io::{self, Write};

use super::check::{Twin, Wrong};
use super::plan::Plan;
use super::senders::{Mode, Pace};
use super::summary::{Figures, Side, Spread, Summary};
use crate::cli::show;

/// `journal_ack` is what answers waited for, where that is known.
pub(super) fn write(
    out: &mut dyn Write,
    plan: &Plan,
    journal_ack: Option<&str>,
    summary: &Summary,
) -> io::Result<()> {
    let mut rows = head(plan, journal_ack);
    match (&summary.echo, &summary.ratios) {
        (Some(echo), Some(ratios)) => {
            show::table(out, &rows)?;
            writeln!(out)?;
            show::table(out, &comparison(&summary.score, echo, ratios))?;
            writeln!(out)?;
            rows = counts(&summary.score);
            rows.push(row(
                "echo",
                format!(
                    "{} answered, errors {}, wrong {}",
                    echo.answered,
                    list(&echo.errors),
                    list(&echo.wrong)
                ),
            ));
        }
        _ => {
            rows.extend(figures(plan, &summary.score));
            rows.extend(counts(&summary.score));
        }
    }
    show::table(out, &rows)
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

/// What was asked for.
fn head(plan: &Plan, journal_ack: Option<&str>) -> Vec<Vec<String>> {
    let connections = plan.connections;
    let mode = match plan.mode {
        Mode::Unary => "unary".to_owned(),
        Mode::Batch { size } => format!("batches of {size}"),
        Mode::Stream => "stream".to_owned(),
    };
    let pace = match plan.pace {
        Pace::Closed { in_flight } => {
            format!("closed loop, {connections} connections with {in_flight} in flight each")
        }
        Pace::Open {
            payments_per_second,
        } => format!("open loop, {payments_per_second} payments/s over {connections} connections"),
    };
    let spread = match plan.zipf_exponent {
        None => "uniform".to_owned(),
        Some(exponent) => format!("zipf {exponent}"),
    };
    let (accounts, prefill, seed) = (plan.accounts, plan.prefill, plan.seed);
    let payees = plan.population.payees_per_account;
    let server = match (&plan.address, plan.threads) {
        (Some(address), _) => address.clone(),
        (None, None) => "its own".to_owned(),
        (None, Some(threads)) => format!("its own, {threads} threads"),
    };
    let kept = journal_ack.map_or_else(String::new, |ack| format!(", journal.ack {ack}"));
    vec![
        row("calls", format!("{mode}, {pace}")),
        row(
            "payments",
            format!(
                "{accounts} accounts ({spread}), {payees} payees each, {prefill} payments before, seed {seed}"
            ),
        ),
        row("server", format!("{server}{}{kept}", secured(plan))),
    ]
}

/// How its calls are kept from others.
const fn secured(plan: &Plan) -> &'static str {
    let credentials = &plan.credentials;
    match (credentials.tls.is_some(), credentials.bearer.is_given()) {
        (false, false) => "",
        (true, false) => ", over TLS",
        (false, true) => ", with a token",
        (true, true) => ", over TLS, with a token",
    }
}

/// The figures of the service alone.
fn figures(plan: &Plan, side: &Side) -> Vec<Vec<String>> {
    let Figures {
        rate_per_second,
        server_cpu_us_per_payment,
        p50_us,
        p90_us,
        p99_us,
        p99_9_us,
        max_us,
        sent_late_p99_us,
    } = &side.figures;
    let cpu = server_cpu_us_per_payment.as_ref();
    let latencies = [
        ("p50", p50_us),
        ("p90", p90_us),
        ("p99", p99_us),
        ("p99.9", p99_9_us),
        ("max", max_us),
    ];
    let latencies = latencies.map(|(name, us)| Some(format!("{name} {}", shown(us.as_ref()?, 0))));
    let latencies: Option<Vec<String>> = latencies.into_iter().collect();
    let not_measured = || "not measured".to_owned();
    let mut rows = vec![
        row(
            "answered",
            format!("{} in {:.2} s", side.answered, side.seconds),
        ),
        row("rate", format!("{} payments/s", shown(rate_per_second, 0))),
        row(
            "server CPU",
            cpu.map_or_else(not_measured, |cpu| format!("{} µs/payment", shown(cpu, 2))),
        ),
        row(
            "latency µs",
            latencies.map_or_else(not_measured, |latencies| latencies.join("  ")),
        ),
    ];
    if matches!(plan.pace, Pace::Open { .. }) {
        rows.push(row(
            "sent late µs",
            sent_late_p99_us.map_or_else(not_measured, |late| format!("p99 {}", shown(&late, 0))),
        ));
    }
    rows
}

/// The service and its echo twin, side by side.
fn comparison(score: &Side, echo: &Side, ratios: &Figures<Spread>) -> Vec<Vec<String>> {
    let head = [
        "MEDIAN (SPREAD)",
        Twin::Score.name(),
        Twin::Echo.name(),
        "score/echo",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut add = |name: &str, digits, figure: fn(&Figures<Spread>) -> Option<Spread>| {
        let cell = |figures, digits| {
            let figure = figure(figures);
            figure.map_or_else(
                || "not measured".to_owned(),
                |figure| shown(&figure, digits),
            )
        };
        rows.push(vec![
            name.to_owned(),
            cell(&score.figures, digits),
            cell(&echo.figures, digits),
            cell(ratios, 3),
        ]);
    };
    add("payments/s", 0, |figures| Some(figures.rate_per_second));
    add("server CPU µs/payment", 2, |figures| {
        figures.server_cpu_us_per_payment
    });
    add("p50 µs", 0, |figures| figures.p50_us);
    add("p99 µs", 0, |figures| figures.p99_us);
    add("p99.9 µs", 0, |figures| figures.p99_9_us);
    rows
}

/// What was answered.
fn counts(side: &Side) -> Vec<Vec<String>> {
    let decisions = &side.decisions;
    let (allow, confirm, block) = (decisions.allow, decisions.confirm, decisions.block);
    let replayed = side.replayed;
    let mut rows = vec![
        row(
            "decisions",
            format!("allow {allow}, confirm {confirm}, block {block}; {replayed} replayed"),
        ),
        row("mistakes", list(&side.mistakes)),
        row("errors", list(&side.errors)),
        row("wrong answers", list(&side.wrong)),
    ];
    let (unanswered, unsent) = (side.unanswered, side.unsent);
    if unanswered + unsent > 0 {
        let given_up = format!("{unanswered} unanswered, {unsent} not sent");
        rows.push(row("given up", given_up));
    }
    rows
}

fn list<'a>(counts: impl IntoIterator<Item = (&'a &'static str, &'a u64)>) -> String {
    let counts = counts.into_iter().filter(|(_, count)| **count > 0);
    let told: Vec<String> = counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if told.is_empty() {
        return "none".to_owned();
    }
    told.join(", ")
}

/// The median, and the spread where there is any.
fn shown(spread: &Spread, digits: usize) -> String {
    let Spread { median, min, max } = spread;
    if min == max {
        return format!("{median:.digits$}");
    }
    format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
}

/// What keeps the load from having gone well, for standard error.
pub(super) fn complaints(plan: &Plan, summary: &Summary, is_interrupted: bool) -> Option<String> {
    let interrupted = "error: interrupted: this is what was measured until then";
    let interrupted = is_interrupted.then(|| interrupted.to_owned());
    let gone: u64 = summary.sides().map(|side| side.tally.gone()).sum();
    let gone = (gone > 0).then(|| {
        format!(
            "error: {gone} payments were answered by no server (UNAVAILABLE, CANCELLED or UNKNOWN)"
        )
    });
    let unanswered: u64 = summary.sides().map(|side| side.unanswered).sum();
    let unsent: u64 = summary.sides().map(|side| side.unsent).sum();
    let given_up = (unanswered + unsent > 0).then(|| {
        let patience = plan.bounds.patience;
        format!(
            "error: {unanswered} payments were unanswered after {patience:?} (--patience), and {unsent} not \
             sent for want of answers"
        )
    });
    let is_unanswered = summary.sides().any(|side| side.answered == 0);
    let unanswered_sides = summary.sides().filter(|side| side.answered == 0);
    let why = unanswered_sides
        .filter_map(|side| side.tally.first_error.as_ref())
        .next();
    let why = why.map(|told| format!("error: the first payment that failed was told {told}"));
    let nothing = is_unanswered.then(|| "error: no payment was answered".to_owned());
    let told: Vec<String> = [interrupted, wrongs(summary), gone, given_up, why, nothing]
        .into_iter()
        .flatten()
        .collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// Every wrong answer.
fn wrongs(summary: &Summary) -> Option<String> {
    let mut counts = [0; Wrong::ALL.len()];
    for side in summary.sides() {
        for (count, more) in counts.iter_mut().zip(side.tally.wrong) {
            *count += more;
        }
    }
    let told: Vec<String> = Wrong::ALL
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|(wrong, count)| format!("\n  {count} {}: {}", wrong.name(), wrong.text()))
        .collect();
    (!told.is_empty()).then(|| format!("error: wrong answers{}", told.concat()))
}
