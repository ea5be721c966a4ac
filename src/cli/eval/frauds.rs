//! Frauds: how well the score ranks them, week by week, and what a fixed rate of false alarms catches.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::answers::Answer;
use super::evaluation::Figure;
use super::labels::Fraud;
use super::statistics::{Ranking, Share, mean_and_deviation, quantile, shown};
use crate::cli::show;
use crate::scoring::assessment::Decision;

/// The rates of false alarms at which recall is told.
const FALSE_ALARM_RATES: [f64; 2] = [0.001, 0.005];

const WEEK_DAYS: i64 = 7;

/// What is tested unless it is said: the last month, in whole weeks.
const WEEKS: u32 = 4;

/// How long banks take to hear of a fraud from who was defrauded, as those who publish such figures assume.
const DELAY_DAYS: u32 = 7;

/// How many accounts a day people can look into, in the same figures.
const ACCOUNTS_A_DAY: u32 = 100;

/// Which weeks frauds are tested in, and how.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "With labels of frauds")]
pub(in crate::cli) struct TestWeeks {
    /// First day of the test, counted from 0 [default: so that the weeks end with the labels]
    #[arg(long, value_name = "DAY")]
    first_day: Option<u32>,
    /// How many weeks to test
    #[arg(long, value_name = "COUNT", default_value_t = WEEKS, value_parser = clap::value_parser!(u32).range(1..=520))]
    weeks: u32,
    /// Days until a fraud is known: accounts known for one of the days so long before the week, and of the seven
    /// days before those, are left out
    #[arg(long, value_name = "DAYS", default_value_t = DELAY_DAYS)]
    delay: u32,
    /// How many accounts can be looked into each day, for CP@k
    #[arg(long, value_name = "COUNT", default_value_t = ACCOUNTS_A_DAY, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
}

impl Default for TestWeeks {
    /// As the command line has it when nothing is said.
    fn default() -> Self {
        Self {
            first_day: None,
            weeks: WEEKS,
            delay: DELAY_DAYS,
            k: ACCOUNTS_A_DAY,
        }
    }
}

/// How answers did on frauds.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Frauds {
    k: u32,
    weeks: Vec<Week>,
    points: Vec<Point>,
    stopped: Decided,
    disturbed: Decided,
}

#[derive(Debug, Serialize)]
struct Week {
    first_day: i64,
    payments: usize,
    frauds: usize,
    #[serde(flatten)]
    ranking: Ranking,
    card_precision: f64,
    card_precision_at_best: f64,
}

/// What is caught at one rate of false alarms: a point of the curve, no threshold to run with.
#[derive(Debug, Serialize)]
struct Point {
    /// The rate that was asked for; equal scores may keep it from being met.
    asked: f64,
    false_alarm_rate: f64,
    score_above: f64,
    recall: f64,
    precision: f64,
    recall_by_scenario: BTreeMap<u32, f64>,
}

/// What was decided of the frauds, or of the rest.
#[derive(Debug, Clone, Copy, Serialize)]
struct Decided {
    confirmed_or_blocked: f64,
    blocked: f64,
}

/// A payment, what it was, and what was answered.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    day: i64,
    account_id: &'a str,
    fraud: &'a Fraud,
    answer: Answer,
}

impl Frauds {
    /// # Errors
    /// When there are no payments in a week to test.
    pub(super) fn new<'a>(
        account_ids: impl Iterator<Item = &'a str>,
        truths: &'a [Fraud],
        answers: &[Answer],
        test: &TestWeeks,
    ) -> Result<Self, String> {
        let rows = account_ids.zip(truths).zip(answers);
        let days = Days::new(rows.map(|((account_id, fraud), answer)| Row {
            day: i64::from(fraud.day),
            account_id,
            fraud,
            answer: *answer,
        }));
        let mut weeks = Vec::new();
        let mut tested = Vec::new();
        for nth in 0..i64::from(test.weeks) {
            let first_day = days.first_tested(test) + WEEK_DAYS * nth;
            let rows = days.week(first_day, i64::from(test.delay));
            if rows.is_empty() {
                return Err(format!("no payments in the test week from day {first_day}"));
            }
            weeks.push(Week::new(first_day, &rows, test.k));
            tested.extend(rows);
        }
        let points = FALSE_ALARM_RATES.iter();
        Ok(Self {
            k: test.k,
            weeks,
            points: points
                .filter_map(|rate| Point::at(*rate, &tested))
                .collect(),
            stopped: Decided::of(&tested, true),
            disturbed: Decided::of(&tested, false),
        })
    }

    /// AUC, average precision and CP@k, each its mean over the weeks and the deviation from it. How well
    /// frauds are told from the rest, weeks say that have both.
    fn summary(&self) -> [(String, f64, f64); 3] {
        let has_both = |week: &&Week| 0 < week.frauds && week.frauds < week.payments;
        let ranked = || self.weeks.iter().filter(has_both).map(|week| week.ranking);
        let over_weeks = |name: String, values: Vec<f64>| {
            let (mean, deviation) = mean_and_deviation(&values);
            (name, mean, deviation)
        };
        let aucs = ranked().map(|ranking| ranking.auc);
        let precisions = ranked().map(|ranking| ranking.average_precision);
        let card_precisions = self.weeks.iter().map(|week| week.card_precision);
        [
            over_weeks("AUC".to_owned(), aucs.collect()),
            over_weeks("AP".to_owned(), precisions.collect()),
            over_weeks(format!("CP@{}", self.k), card_precisions.collect()),
        ]
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let means = self
            .summary()
            .map(|(name, mean, _)| Figure::new(name, mean));
        let recalls = self.points.iter().map(|point| {
            let rate = 100.0 * point.asked;
            Figure::new(format!("recall@{rate:.1}%"), point.recall)
        });
        let stopped = Figure::new("stopped", self.stopped.confirmed_or_blocked);
        let disturbed = Figure::new("disturbed", self.disturbed.confirmed_or_blocked);
        let mut figures = means.to_vec();
        figures.extend(recalls);
        figures.extend([stopped, disturbed]);
        figures
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let cells = |values: &[f64]| values.iter().map(|value| shown(*value, 4)).collect();
        let mut rows = vec![words("days payments frauds AUC AP")];
        rows[0].extend([format!("CP@{}", self.k), "at best".to_owned()]);
        for week in &self.weeks {
            let days = format!("{}-{}", week.first_day, week.first_day + WEEK_DAYS - 1);
            let mut row = vec![days, week.payments.to_string(), week.frauds.to_string()];
            let figures: Vec<String> = cells(&[
                week.ranking.auc,
                week.ranking.average_precision,
                week.card_precision,
                week.card_precision_at_best,
            ]);
            row.extend(figures);
            rows.push(row);
        }
        let summary = self.summary();
        for (name, values) in [
            ("mean", summary.each_ref().map(|(_, mean, _)| *mean)),
            (
                "deviation",
                summary.each_ref().map(|(_, _, deviation)| *deviation),
            ),
        ] {
            let mut row = vec![name.to_owned(), String::new(), String::new()];
            let figures: Vec<String> = cells(&values);
            row.extend(figures);
            rows.push(row);
        }
        rows.push(Vec::new());
        let scenarios = self.points.first().into_iter();
        let scenarios = scenarios.flat_map(|point| point.recall_by_scenario.keys());
        let mut heading = words("false_alarms score_above recall precision");
        heading.extend(scenarios.map(|scenario| format!("s{scenario}")));
        rows.push(heading);
        for point in &self.points {
            let mut row: Vec<String> = cells(&[
                point.false_alarm_rate,
                point.score_above,
                point.recall,
                point.precision,
            ]);
            let by_scenario: Vec<f64> = point.recall_by_scenario.values().copied().collect();
            let by_scenario: Vec<String> = cells(&by_scenario);
            row.extend(by_scenario);
            rows.push(row);
        }
        show::table(out, &rows)?;
        writeln!(
            out,
            "\nas decided: frauds stopped {} (blocked {}), others disturbed {} (blocked {})",
            shown(self.stopped.confirmed_or_blocked, 4),
            shown(self.stopped.blocked, 4),
            shown(self.disturbed.confirmed_or_blocked, 5),
            shown(self.disturbed.blocked, 5)
        )
    }

    pub(super) fn json(&self) -> Value {
        let [auc, ap, cp] = self
            .summary()
            .map(|(_, mean, deviation)| json!({ "mean": mean, "deviation": deviation }));
        let mut object = json!(self);
        object["auc"] = auc;
        object["average_precision"] = ap;
        object["card_precision"] = cp;
        object
    }
}

/// All payments by day, and who was defrauded on it.
struct Days<'a> {
    rows: BTreeMap<i64, Vec<Row<'a>>>,
    victims: BTreeMap<i64, HashSet<&'a str>>,
}

impl<'a> Days<'a> {
    fn new(all: impl Iterator<Item = Row<'a>>) -> Self {
        let mut rows: BTreeMap<i64, Vec<Row<'a>>> = BTreeMap::new();
        let mut victims: BTreeMap<i64, HashSet<&str>> = BTreeMap::new();
        for row in all {
            rows.entry(row.day).or_default().push(row);
            if row.fraud.is_fraud {
                victims.entry(row.day).or_default().insert(row.account_id);
            }
        }
        Self { rows, victims }
    }

    fn first_tested(&self, test: &TestWeeks) -> i64 {
        match test.first_day {
            Some(day) => i64::from(day),
            None => {
                let days = self.rows.last_key_value().map_or(0, |(last, _)| last + 1);
                (days - WEEK_DAYS * i64::from(test.weeks)).max(0)
            }
        }
    }

    /// The payments of the week from `first_day`, but for accounts whose fraud was known on the day: `delay` days
    /// have passed since it was made, and it was made no more than `delay` days and a week before the week.
    fn week(&self, first_day: i64, delay: i64) -> Vec<Row<'a>> {
        let mut week = Vec::new();
        for (day, rows) in self.rows.range(first_day..first_day + WEEK_DAYS) {
            let known_from = first_day - delay - WEEK_DAYS;
            let known: HashSet<&str> = self
                .victims
                .range(known_from..day - delay)
                .flat_map(|(_, victims)| victims.iter().copied())
                .collect();
            week.extend(rows.iter().filter(|row| !known.contains(row.account_id)));
        }
        week
    }
}

impl Week {
    fn new(first_day: i64, rows: &[Row<'_>], k: u32) -> Self {
        let score = |row: &Row<'_>| row.answer.score;
        let perfect = |row: &Row<'_>| f64::from(u8::from(row.fraud.is_fraud));
        Self {
            first_day,
            payments: rows.len(),
            frauds: rows.iter().filter(|row| row.fraud.is_fraud).count(),
            ranking: Ranking::of(
                rows.iter()
                    .map(|row| (score(row), row.fraud.is_fraud))
                    .collect(),
            ),
            card_precision: card_precision(rows, k, score),
            card_precision_at_best: card_precision(rows, k, perfect),
        }
    }
}

/// Each day the `k` accounts of the highest score are looked into; the share of them that were
/// defrauded on that day, averaged over the days. Who was found once is not looked into again.
fn card_precision(rows: &[Row<'_>], k: u32, score: impl Fn(&Row<'_>) -> f64) -> f64 {
    let mut days: BTreeMap<i64, HashMap<&str, (f64, bool)>> = BTreeMap::new();
    for row in rows {
        let accounts = days.entry(row.day).or_default();
        let (highest, is_victim) = accounts
            .entry(row.account_id)
            .or_insert((f64::NEG_INFINITY, false));
        *highest = highest.max(score(row));
        *is_victim |= row.fraud.is_fraud;
    }
    let mut found: HashSet<&str> = HashSet::new();
    let mut precisions = Vec::new();
    for accounts in days.values() {
        let unfound = accounts.iter().filter(|(id, _)| !found.contains(**id));
        let mut ranked: Vec<(f64, Reverse<&str>, bool)> = unfound
            .map(|(id, (score, is_victim))| (*score, Reverse(*id), *is_victim))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        let looked_into = ranked.iter().take(k as usize);
        let victims: Vec<&str> = looked_into
            .filter(|(_, _, is_victim)| *is_victim)
            .map(|(_, Reverse(id), _)| *id)
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "at most k")]
        precisions.push(victims.len() as f64 / f64::from(k));
        found.extend(victims);
    }
    mean_and_deviation(&precisions).0
}

impl Point {
    /// Where a share `rate` of the genuine payments scores higher; `None` if there are none.
    fn at(rate: f64, rows: &[Row<'_>]) -> Option<Self> {
        let genuine = rows.iter().filter(|row| !row.fraud.is_fraud);
        let mut genuine: Vec<f64> = genuine.map(|row| row.answer.score).collect();
        genuine.sort_by(f64::total_cmp);
        let threshold = quantile(&genuine, 1.0 - rate)?;
        let is_hit = |row: &&Row<'_>| threshold < row.answer.score;
        let frauds = || rows.iter().filter(|row| row.fraud.is_fraud);
        let scenarios: BTreeSet<u32> = frauds().map(|row| row.fraud.scenario).collect();
        let recall_of = |scenario: u32| {
            let of = || frauds().filter(move |row| row.fraud.scenario == scenario);
            share(of().filter(is_hit).count(), of().count())
        };
        let hits = rows.iter().filter(is_hit).count();
        let frauds_hit = frauds().filter(is_hit).count();
        Some(Self {
            asked: rate,
            false_alarm_rate: share(hits - frauds_hit, genuine.len()),
            score_above: threshold,
            recall: share(frauds_hit, frauds().count()),
            precision: share(frauds_hit, hits),
            recall_by_scenario: scenarios.into_iter().map(|s| (s, recall_of(s))).collect(),
        })
    }
}

impl Decided {
    fn of(rows: &[Row<'_>], frauds: bool) -> Self {
        let (mut stopped, mut blocked) = (Share::default(), Share::default());
        for row in rows.iter().filter(|row| row.fraud.is_fraud == frauds) {
            stopped.add(row.answer.decision != Decision::Allow);
            blocked.add(row.answer.decision == Decision::Block);
        }
        Self {
            confirmed_or_blocked: stopped.value(),
            blocked: blocked.value(),
        }
    }
}

fn share(hits: usize, of: usize) -> f64 {
    Share { hits, of }.value()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: TestWeeks = TestWeeks {
        first_day: Some(14),
        weeks: 1,
        delay: 2,
        k: 1,
    };

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    /// `(day, account, score, scenario)`; scenario 0 is genuine.
    fn evaluated(rows: &[(u32, &str, f64, u32)], test: &TestWeeks) -> Result<Frauds, String> {
        let truths: Vec<Fraud> = rows
            .iter()
            .map(|(day, _, _, scenario)| Fraud {
                is_fraud: *scenario > 0,
                scenario: *scenario,
                day: *day,
            })
            .collect();
        let answers: Vec<Answer> = rows
            .iter()
            .map(|(_, _, score, _)| Answer {
                decision: if *score < 60.0 {
                    Decision::Allow
                } else {
                    Decision::Confirm
                },
                score: *score,
                replayed: false,
            })
            .collect();
        let account_ids = rows.iter().map(|(_, account_id, _, _)| *account_id);
        Frauds::new(account_ids, &truths, &answers, test)
    }

    #[test]
    fn a_week_is_ranked_and_known_accounts_are_left_out() {
        let frauds = evaluated(
            &[
                (4, "forgotten", 99.0, 1),
                (5, "known", 99.0, 1),
                (14, "forgotten", 10.0, 0),
                (14, "known", 99.0, 1),
                (14, "a", 80.0, 1),
                (14, "b", 80.0, 0),
                (15, "a", 90.0, 0),
                (15, "c", 70.0, 2),
                (15, "d", 20.0, 0),
            ],
            &TEST,
        );
        let frauds = frauds.unwrap();
        let week = &frauds.weeks[0];
        assert_eq!((week.payments, week.frauds), (6, 2));
        // Frauds at 80 and 70 against 10, 80, 90 and 20: 2.5 and 2 of 4 pairs each.
        assert!(close(week.ranking.auc, 4.5 / 8.0));
        // 90 -, {80 +, 80 -}, 70 +.
        let expected = 0.5 * (1.0 / 3.0) + 0.5 * (2.0 / 4.0);
        assert!(close(week.ranking.average_precision, expected));
        // Day 14: a and b tie, the id decides for a, a victim. Day 15: a is found already, c is next.
        assert!(close(week.card_precision, 1.0));
        assert!(close(week.card_precision_at_best, 1.0));
        assert!(close(frauds.stopped.confirmed_or_blocked, 1.0));
        assert!(close(frauds.disturbed.confirmed_or_blocked, 0.5));
        let point = &frauds.points[0];
        // The threshold lies between 80 and 90, just below 90: only a genuine payment is above.
        assert!(close(point.score_above, 80.0 + 10.0 * (3.0 * 0.999 - 2.0)));
        assert!(close(point.recall, 0.0) && close(point.false_alarm_rate, 0.25));
        assert_eq!(
            point.recall_by_scenario.keys().collect::<Vec<_>>(),
            [&1, &2]
        );
    }

    #[test]
    fn weeks_without_frauds_are_not_averaged() {
        let rows = [
            (14, "a", 80.0, 1),
            (14, "b", 20.0, 0),
            (21, "c", 10.0, 0),
            (28, "d", 10.0, 2),
        ];
        let weeks = TestWeeks { weeks: 3, ..TEST };
        let frauds = evaluated(&rows, &weeks).unwrap();
        let [auc, precision, _] = frauds.summary().map(|(_, mean, _)| mean);
        assert!(close(auc, 1.0) && close(precision, 1.0), "{frauds:?}");
        let mut out = Vec::new();
        frauds.write(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let week = out.lines().find(|row| row.starts_with("21-27")).unwrap();
        let week: Vec<&str> = week.split_whitespace().collect();
        assert_eq!(week[1..5], ["1", "0", "-", "-"], "{out}");

        let alike = [(14, "a", 5.0, 1), (14, "b", 5.0, 0)];
        let alike = evaluated(&alike, &TEST).unwrap();
        assert!(alike.points[0].precision.is_nan(), "nothing is caught");

        let none = evaluated(
            &rows[2..3],
            &TestWeeks {
                first_day: Some(21),
                ..TEST
            },
        );
        let mut out = Vec::new();
        none.unwrap().write(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("frauds stopped - (blocked -)"), "{out}");
        assert!(!out.contains("NaN"), "{out}");
    }

    #[test]
    fn a_week_without_payments_is_told() {
        let rows = [(3, "a", 1.0, 0)];
        assert_eq!(
            evaluated(&rows, &TEST).unwrap_err(),
            "no payments in the test week from day 14"
        );
        let by_default = TestWeeks {
            first_day: None,
            ..TEST
        };
        assert_eq!(evaluated(&rows, &by_default).unwrap().weeks[0].first_day, 0);
    }
}
