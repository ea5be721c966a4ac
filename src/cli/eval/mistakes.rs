//! Mistakes: the share caught of each class, and the share disturbed of what looks alike.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::answers::Answer;
use super::evaluation::Figure;
use super::labels::Mistake;
use super::statistics::{Ranking, Share, shown};
use crate::cli::show;
use crate::scoring::assessment::Decision;

/// The class of ordinary payments; every other class that should be left alone is a hard one.
const ORDINARY: &str = "base";

/// What sums up an evaluation, besides the recall of each class.
const SUMS: [&str; 4] = ["macro_recall", ORDINARY, "hard", "AP"];

/// What a retry's stored answer counts as: it is caught for certain.
const SCORE_MAX: f64 = 100.0;

/// How answers did on mistakes and on what looks like them.
#[derive(Debug)]
pub(in crate::cli) struct Mistakes {
    /// Those to be stopped first, each kind by name.
    pub(in crate::cli) classes: Vec<Class>,
    average_precision: f64,
    /// Answers given again where no retry was.
    replays_unexpected: usize,
}

/// Payments of one class.
#[derive(Debug)]
pub(in crate::cli) struct Class {
    pub(in crate::cli) name: String,
    /// Whether they are to be stopped, or to be left alone.
    pub(in crate::cli) should_stop: bool,
    pub(in crate::cli) tally: Tally,
    subs: BTreeMap<String, Tally>,
}

/// How many payments were stopped, and how many of them for good.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Tally {
    /// Confirm or block, or a retry answered as one.
    pub(in crate::cli) stopped: Share,
    /// Block.
    pub(in crate::cli) blocked: Share,
}

impl Tally {
    fn add(&mut self, is_stopped: bool, is_blocked: bool) {
        self.stopped.add(is_stopped);
        self.blocked.add(is_blocked);
    }

    const fn and(self, other: Self) -> Self {
        Self {
            stopped: self.stopped.and(other.stopped),
            blocked: self.blocked.and(other.blocked),
        }
    }
}

impl Mistakes {
    pub(super) fn new(truths: &[Mistake], answers: &[Answer]) -> Self {
        let mut classes: BTreeMap<(bool, &str), Class> = BTreeMap::new();
        let mut scores = Vec::new();
        let mut replays_unexpected = 0;
        for (truth, answer) in truths.iter().zip(answers) {
            replays_unexpected += usize::from(answer.replayed && !truth.is_retry);
            let Some(should_stop) = truth.should_stop else {
                continue;
            };
            // The money of a retry does not move twice, whatever the stored decision.
            let is_caught_retry = answer.replayed && truth.is_retry;
            let is_stopped = is_caught_retry || answer.decision != Decision::Allow;
            let is_blocked = !is_caught_retry && answer.decision == Decision::Block;
            let class = classes
                .entry((!should_stop, &truth.class))
                .or_insert_with(|| Class::new(&truth.class, should_stop));
            class.tally.add(is_stopped, is_blocked);
            if !truth.sub.is_empty() {
                let sub = class.subs.entry(truth.sub.to_string()).or_default();
                sub.add(is_stopped, is_blocked);
            }
            let score = if is_caught_retry {
                SCORE_MAX
            } else {
                answer.score
            };
            scores.push((score, should_stop));
        }
        Self {
            classes: classes.into_values().collect(),
            average_precision: Ranking::of(scores).average_precision,
            replays_unexpected,
        }
    }

    fn positives(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter().filter(|class| class.should_stop)
    }

    fn negatives(&self, ordinary: bool) -> Tally {
        let of_kind = |class: &&Class| !class.should_stop && (class.name == ORDINARY) == ordinary;
        let tallies = self.classes.iter().filter(of_kind).map(|class| class.tally);
        tallies.fold(Tally::default(), Tally::and)
    }

    /// Ordinary payments.
    pub(in crate::cli) fn ordinary(&self) -> Tally {
        self.negatives(true)
    }

    /// All that looks like a mistake and is none.
    pub(in crate::cli) fn hard(&self) -> Tally {
        self.negatives(false)
    }

    /// The recall of each class, averaged: rare classes count as much as common ones.
    #[expect(clippy::cast_precision_loss, reason = "a handful of classes")]
    pub(in crate::cli) fn macro_recall(&self) -> f64 {
        let recalls = self.positives().map(|class| class.tally.stopped.value());
        recalls.sum::<f64>() / self.positives().count() as f64
    }

    /// The share of the stopped that should be, with as many of each as the labels hold.
    pub(in crate::cli) fn precision(&self) -> Share {
        let hits = self.positives().map(|class| class.tally.stopped.hits).sum();
        let misses = self.ordinary().and(self.hard()).stopped.hits;
        Share {
            hits,
            of: hits + misses,
        }
    }

    pub(in crate::cli) const fn average_precision(&self) -> f64 {
        self.average_precision
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let [mean, ordinary, hard, precision] = SUMS;
        let mut figures = vec![Figure::new(mean, self.macro_recall())];
        for class in self.positives() {
            let name = match class.name.as_str() {
                name if SUMS.contains(&name) => format!("{name} (caught)"),
                name => name.to_owned(),
            };
            figures.push(Figure::new(name, class.tally.stopped.value()));
        }
        figures.push(Figure::new(ordinary, self.ordinary().stopped.value()));
        figures.push(Figure::new(hard, self.hard().stopped.value()));
        figures.push(Figure::new(precision, self.average_precision));
        figures
    }

    pub(super) fn write(&self, out: &mut dyn Write, subs: bool) -> io::Result<()> {
        let recall = self.positives().flat_map(|class| class.rows(subs));
        let mut rows = vec![heading("caught")];
        rows.extend(recall);
        rows.push(vec![
            "mean of the classes".to_owned(),
            shown(self.macro_recall(), 4),
        ]);
        rows.push(Vec::new());
        rows.push(heading("disturbed"));
        let negatives = self.classes.iter().filter(|class| !class.should_stop);
        rows.extend(negatives.flat_map(|class| class.rows(subs)));
        rows.push(row("all but base", false, self.hard()));
        show::table(out, &rows)?;
        writeln!(
            out,
            "\nprecision {} (at this share of mistakes)  AP {}",
            shown(self.precision().value(), 4),
            shown(self.average_precision, 4)
        )?;
        if self.replays_unexpected > 0 {
            writeln!(
                out,
                "{} payments that are no retry were answered as one",
                self.replays_unexpected
            )?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let (ordinary, hard) = (self.ordinary(), self.hard());
        json!({
            "classes": self.classes.iter().map(Class::json).collect::<Vec<_>>(),
            "macro_recall": self.macro_recall(),
            "base": tally_json(ordinary),
            "hard": tally_json(hard),
            "precision": self.precision().value(),
            "average_precision": self.average_precision,
            "replays_unexpected": self.replays_unexpected,
        })
    }
}

impl Class {
    fn new(name: &str, should_stop: bool) -> Self {
        Self {
            name: name.to_owned(),
            should_stop,
            tally: Tally::default(),
            subs: BTreeMap::new(),
        }
    }

    fn rows(&self, subs: bool) -> Vec<Vec<String>> {
        let mut rows = vec![row(&self.name, self.should_stop, self.tally)];
        if subs {
            let subs = self.subs.iter();
            rows.extend(
                subs.map(|(name, tally)| row(&format!("  {name}"), self.should_stop, *tally)),
            );
        }
        rows
    }

    fn json(&self) -> Value {
        let mut object = tally_json(self.tally);
        object["class"] = json!(self.name);
        object["should_stop"] = json!(self.should_stop);
        let subs = self.subs.iter();
        object["subs"] = subs
            .map(|(name, tally)| (name.clone(), tally_json(*tally)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        object
    }
}

fn tally_json(tally: Tally) -> Value {
    let (low, high) = tally.stopped.interval();
    json!({
        "stopped": tally.stopped.value(),
        "low": low,
        "high": high,
        "blocked": tally.blocked.value(),
        "count": tally.stopped.of,
    })
}

fn heading(stopped: &str) -> Vec<String> {
    ["class", stopped, "95 % interval", "blocked", "count"]
        .map(str::to_owned)
        .to_vec()
}

/// A class as a row. Disturbances are rare: they need the fifth digit.
fn row(name: &str, should_stop: bool, tally: Tally) -> Vec<String> {
    let digits = if should_stop { 4 } else { 5 };
    let (low, high) = tally.stopped.interval();
    let interval = if tally.stopped.of == 0 {
        "-".to_owned()
    } else {
        format!("{low:.digits$} to {high:.digits$}")
    };
    vec![
        name.to_owned(),
        shown(tally.stopped.value(), digits),
        interval,
        shown(tally.blocked.value(), digits),
        tally.stopped.of.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    /// One row a line: class, label, how it is caught, the decision, the score; `again` for a replay.
    fn evaluated(rows: &str) -> Mistakes {
        let (mut truths, mut answers) = (Vec::new(), Vec::new());
        for row in rows.lines() {
            let words: Vec<&str> = row.split_whitespace().collect();
            let (class, sub) = words[0].split_once('/').unwrap_or((words[0], ""));
            truths.push(Mistake {
                class: Box::from(class),
                sub: Box::from(sub),
                should_stop: match words[1] {
                    "stop" => Some(true),
                    "leave" => Some(false),
                    _ => None,
                },
                is_retry: words[2] == "retry",
            });
            answers.push(Answer {
                decision: Decision::from_name(words[3]).unwrap(),
                score: words[4].parse().unwrap(),
                replayed: words.get(5) == Some(&"again"),
            });
        }
        Mistakes::new(&truths, &answers)
    }

    #[test]
    fn what_is_caught_and_who_is_disturbed() {
        let mistakes = evaluated(
            "press/same stop retry allow 10 again
             press/new  stop new   block 90
             press/new  stop new   allow 20
             slip       stop new   confirm 70
             base       leave new  allow 0
             base       leave new  allow 0
             base       leave new  confirm 65
             base       unmeasured new block 99
             coffee     leave new  allow 5
             tickets    leave new  block 95",
        );
        let stopped: Vec<(&str, usize, usize, usize)> = mistakes
            .classes
            .iter()
            .map(|class| {
                let Tally { stopped, blocked } = class.tally;
                (class.name.as_str(), stopped.hits, blocked.hits, stopped.of)
            })
            .collect();
        assert_eq!(
            stopped,
            [
                ("press", 2, 1, 3),
                ("slip", 1, 0, 1),
                ("base", 1, 0, 3),
                ("coffee", 0, 0, 1),
                ("tickets", 1, 1, 1),
            ]
        );
        assert!(close(mistakes.macro_recall(), (2.0 / 3.0 + 1.0) / 2.0));
        assert_eq!(mistakes.precision(), Share { hits: 3, of: 5 });
        assert_eq!(mistakes.hard().stopped, Share { hits: 1, of: 2 });
        // By score: 100 +, 95 -, 90 +, 70 +, 65 -, 20 +, then three that should be left alone.
        let expected = (1.0 / 1.0 + 2.0 / 3.0 + 3.0 / 4.0 + 4.0 / 6.0) / 4.0;
        assert!(close(mistakes.average_precision, expected));
        let press = &mistakes.json()["classes"][0];
        assert_eq!(press["subs"]["new"]["stopped"], 0.5, "{press}");
        assert_eq!(press["subs"]["same"]["blocked"], 0.0, "{press}");
    }

    #[test]
    fn a_replay_of_what_is_no_retry_catches_nothing_and_is_told() {
        let mistakes = evaluated("base leave new allow 0 again\npress stop new allow 0 again");
        assert_eq!(mistakes.classes[0].tally.stopped.hits, 0);
        let mut out = Vec::new();
        mistakes.write(&mut out, false).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("2 payments that are no retry"), "{out}");
        assert!(out.contains("all but base         -          -"), "{out}");
    }
}
