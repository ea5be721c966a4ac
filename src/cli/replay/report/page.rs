//! The page: its sections, in the order in which questions come up.

use std::fmt::Display;

use super::gathered::{BANDS, Counts, Gathered, HOUR_MS};
use super::html::{Html, grouped, payments, percent};
use super::{examples, moment, plots, written};
use crate::cli::eval::{Class, Evaluation, Mistakes, shown};
use crate::scoring::assessment::{Decision, ReasonCode};
use crate::scoring::policy::Policy;

/// What is known of the run besides its answers.
pub(super) struct Facts<'a> {
    pub(super) file: String,
    pub(super) policy: &'a Policy,
    /// How the answers did against labels, or why that cannot be said.
    pub(super) evaluation: Option<Result<Evaluation, String>>,
}

/// At most so many bars over time.
const BARS_MAX: i64 = 100;

/// A rate of fewer payments than this says little.
const FEW: u64 = 30;

pub(super) fn page(facts: &Facts<'_>, gathered: &Gathered) -> String {
    let mut html = Html::default();
    html.markup(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Doublecheck: backtest report</title>\n<style>\n",
    );
    html.markup(include_str!("style.css"));
    html.markup("</style>\n</head>\n<body>\n");
    head(&mut html, facts, gathered);
    over_time(&mut html, gathered);
    html.element("div", &[("class", &"pair")], |html| {
        scores(html, facts.policy, gathered);
        reasons(html, gathered);
    });
    heat(&mut html, gathered);
    match &facts.evaluation {
        None => {}
        Some(Ok(Evaluation::Mistakes(mistakes))) => mistakes_section(&mut html, mistakes),
        Some(Ok(evaluation @ Evaluation::Frauds(_))) => figures_section(&mut html, evaluation),
        Some(Err(reason)) => section(&mut html, "Against the labels", reason, |_| {}),
    }
    accounts(&mut html, gathered);
    let about = "Unfold one to see what was asked, and why it was answered so.";
    section(&mut html, "Examples", about, |html| {
        examples::write(html, &gathered.examples);
    });
    html.line(
        "footer",
        &[],
        format_args!(
            "Made by doublecheck {}. Times are UTC.",
            env!("CARGO_PKG_VERSION")
        ),
    );
    html.markup("</body>\n</html>\n");
    html.into_string()
}

fn section(html: &mut Html, title: &'static str, about: &str, inside: impl FnOnce(&mut Html)) {
    html.element("section", &[], |html| {
        html.line("h2", &[], title);
        html.line("p", &[], about);
        inside(html);
    });
}

fn head(html: &mut Html, facts: &Facts<'_>, gathered: &Gathered) {
    html.line("h1", &[], "Backtest report");
    let span = gathered.span.map_or_else(
        || "no payments".to_owned(),
        |(first, last)| format!("{} to {}", moment(first), moment(last)),
    );
    html.line(
        "p",
        &[],
        format_args!(
            "{} under policy {}, {span}",
            facts.file,
            facts.policy.version()
        ),
    );
    html.line(
        "p",
        &[("class", &"notice")],
        "This page is for the operator: it shows ids of accounts, payees, payments and devices in full.",
    );
    html.element("div", &[("class", &"tiles")], |html| tiles(html, gathered));
}

fn tiles(html: &mut Html, gathered: &Gathered) {
    let mut tile = |class: &'static str, value: String, name: &dyn Display| {
        html.element("div", &[("class", &class)], |html| {
            html.line("b", &[], value);
            html.line("span", &[], name);
        });
    };
    let decided = gathered.decided;
    tile(
        "tile",
        grouped(decided.all() + gathered.replayed),
        &"payments",
    );
    for (class, decision) in [
        ("tile allow", Decision::Allow),
        ("tile confirm", Decision::Confirm),
        ("tile block", Decision::Block),
    ] {
        let count = decided.of(decision);
        let name = format!("{decision}: {}", payments(count));
        tile(class, percent(count, decided.all()), &name);
    }
    tile(
        "tile",
        grouped(gathered.replayed),
        &"retries, answered as before",
    );
    tile(
        "tile",
        grouped(gathered.by_account.len() as u64),
        &"accounts",
    );
}

/// The colours of these decisions.
fn key(html: &mut Html, decisions: &[(&'static str, &str)]) {
    html.element("div", &[("class", &"key")], |html| {
        for (class, name) in decisions {
            html.element("i", &[("class", class)], |_| {});
            html.text(name);
        }
    });
}

fn over_time(html: &mut Html, gathered: &Gathered) {
    let (bars, every) = bars_over_time(gathered);
    let about = format!("Each bar is {every}. Below, the same without what was allowed.");
    section(html, "Decisions over time", &about, |html| {
        key(
            html,
            &[
                ("allow", "allow"),
                ("confirm", "confirm"),
                ("block", "block"),
            ],
        );
        plots::over_time(html, &bars, Decision::ALL);
        plots::over_time(html, &bars, &[Decision::Confirm, Decision::Block]);
    });
}

/// The hours, joined to as many bars as can be told apart, and how long each is.
fn bars_over_time(gathered: &Gathered) -> (Vec<(String, Counts)>, &'static str) {
    const STEPS: [(i64, &str, &str); 5] = [
        (1, "one hour", "%m-%d %H:00"),
        (6, "six hours", "%m-%d %H:00"),
        (24, "one day", "%Y-%m-%d"),
        (7 * 24, "seven days", "%Y-%m-%d"),
        (28 * 24, "28 days", "%Y-%m-%d"),
    ];
    let hours = &gathered.by_hour;
    let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value())
    else {
        return (Vec::new(), "nothing");
    };
    // Days begin at midnight, weeks with the first day.
    let start = |step: i64| first - first.rem_euclid(step.min(24));
    let bars = |step: i64| (last - start(step)) / step + 1;
    let (mut step, every, format) = STEPS
        .into_iter()
        .find(|(step, _, _)| bars(*step) <= BARS_MAX)
        .unwrap_or((28 * 24, "28 days or more", "%Y-%m-%d"));
    while bars(step) > BARS_MAX {
        step *= 2;
    }
    let joined = |nth: i64| {
        let from = start(step) + nth * step;
        let within = hours.range(from..from + step);
        let counts = within.fold(Counts::default(), |sum, (_, counts)| sum.and(*counts));
        (written(from * HOUR_MS, format), counts)
    };
    ((0..bars(step)).map(joined).collect(), every)
}

fn scores(html: &mut Html, policy: &Policy, gathered: &Gathered) {
    let about = "How many scored what, on a logarithmic scale. A bar has the colour of the hardest decision in it.";
    section(html, "Scores", about, |html| {
        let thresholds = [
            (policy.decision.confirm_from, "confirm"),
            (policy.decision.block_from, "block"),
        ];
        plots::scores(html, &gathered.by_score, thresholds);
    });
}

fn reasons(html: &mut Html, gathered: &Gathered) {
    let about =
        "How often each counted, and how often somebody was disturbed then. Logarithmic too.";
    section(html, "Reasons", about, |html| {
        key(
            html,
            &[("allow", "all payments"), ("confirm", "disturbed ones")],
        );
        let mut reasons: Vec<(ReasonCode, Counts)> = gathered
            .by_reason
            .iter()
            .map(|(code, counts)| (*code, *counts))
            .collect();
        reasons.sort_by_key(|(code, counts)| (u64::MAX - counts.all(), *code));
        plots::reasons(html, &reasons);
    });
}

/// What is disturbed most, by kind and amount.
fn heat(html: &mut Html, gathered: &Gathered) {
    let about = "Confirm and block, in per cent of the payments of a kind and an amount (in whole units of its \
                 currency). Point at a cell for the counts; cells of few payments are pale.";
    let share = |counts: &Counts| {
        if counts.all() < FEW {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a colour")]
        let share = counts.disturbed() as f64 / counts.all() as f64;
        share
    };
    let cells = gathered.by_kind.values().flatten();
    let hottest = cells.map(share).fold(f64::MIN_POSITIVE, f64::max);
    section(html, "Who is disturbed: kinds and amounts", about, |html| {
        html.element("table", &[("class", &"heat")], |html| {
            html.element("tr", &[], |html| {
                html.line("th", &[], "kind");
                for (_, name) in BANDS {
                    html.line("th", &[], name);
                }
            });
            for (kind, bands) in &gathered.by_kind {
                html.element("tr", &[], |html| {
                    html.line("th", &[], kind);
                    for counts in bands {
                        heat_cell(html, counts, share(counts) / hottest);
                    }
                });
            }
        });
    });
}

fn heat_cell(html: &mut Html, counts: &Counts, heat: f64) {
    let all = counts.all();
    if all == 0 {
        return html.line("td", &[], "");
    }
    let [confirm, block] = [Decision::Confirm, Decision::Block].map(|decision| counts.of(decision));
    let told = format!(
        "{}: {} confirm, {} block",
        payments(all),
        grouped(confirm),
        grouped(block)
    );
    let style = format!("--heat:{heat:.3}");
    let class = if all < FEW { "few" } else { "many" };
    let shown = format!("{} / {}", percent(confirm, all), percent(block, all));
    html.line(
        "td",
        &[("class", &class), ("style", &style), ("title", &told)],
        shown,
    );
}

fn mistakes_section(html: &mut Html, mistakes: &Mistakes) {
    let about = format!(
        "Recall {} on average over the classes, precision {}, average precision {}. \
         Lines are 95 % intervals.",
        shown(mistakes.macro_recall(), 4),
        shown(mistakes.precision().value(), 4),
        shown(mistakes.average_precision(), 4)
    );
    let row = |class: &Class| (class.name.clone(), class.tally);
    let of = |should_stop: bool| {
        let classes = mistakes.classes.iter();
        let classes = classes.filter(move |class| class.should_stop == should_stop);
        classes.map(row).collect::<Vec<_>>()
    };
    let mut left_alone = of(false);
    left_alone.push(("all but base".to_owned(), mistakes.hard()));
    // Of nothing there is no share.
    left_alone.retain(|(_, tally)| tally.stopped.of > 0);
    section(html, "Against the labels", &about, |html| {
        for (title, class, shares) in [
            ("Caught", "good", of(true)),
            ("Disturbed though to be left alone", "confirm", left_alone),
        ] {
            if !shares.is_empty() {
                html.line("h3", &[], title);
                plots::intervals(html, class, &shares);
            }
        }
    });
}

fn figures_section(html: &mut Html, evaluation: &Evaluation) {
    let figures = evaluation.figures();
    let rows = figures
        .iter()
        .map(|figure| vec![figure.name.clone(), figure.shown()]);
    let about = "Frauds, by the score alone; `eval` tells it week by week.";
    section(html, "Against the labels", about, |html| {
        html.table(&["figure", ""], &rows.collect::<Vec<_>>());
    });
}

fn accounts(html: &mut Html, gathered: &Gathered) {
    let most = gathered.most_disturbed(10);
    let rows = most.into_iter().map(|(id, counts)| {
        vec![
            id.to_string(),
            grouped(counts.all()),
            grouped(counts.of(Decision::Confirm)),
            grouped(counts.of(Decision::Block)),
            percent(counts.disturbed(), counts.all()),
        ]
    });
    let about = "The ten with the most questions and blocks.";
    section(html, "Most disturbed accounts", about, |html| {
        let header = ["account", "payments", "confirm", "block", "disturbed"];
        html.table(&header, &rows.collect::<Vec<_>>());
    });
}
