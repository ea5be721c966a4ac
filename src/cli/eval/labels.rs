//! Labels: what each payment of a stream truly was.

use std::borrow::Cow;
use std::path::Path;

use indicatif::ProgressBar;

use crate::cli::Failure;
use crate::cli::source::{self, Line};

/// The labels of a stream, in the order of its lines.
#[derive(Debug)]
pub(in crate::cli) struct Labels {
    lines: Vec<u64>,
    account_ids: Vec<Box<str>>,
    truths: Truths,
}

/// What payments truly were, in the order of the lines.
#[derive(Debug)]
pub(super) enum Truths {
    /// People's mistakes and look-alikes of them.
    Mistakes(Vec<Mistake>),
    /// Frauds.
    Frauds(Vec<Fraud>),
}

/// A payment of a stream of mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) class: Box<str>,
    pub(super) sub: Box<str>,
    /// Whether it should be stopped; `None` where that is not measured.
    pub(super) should_stop: Option<bool>,
    /// Whether it comes again under its own id: the stored answer catches it.
    pub(super) is_retry: bool,
}

/// A payment of a stream of frauds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fraud {
    pub(super) is_fraud: bool,
    pub(super) scenario: u32,
    /// Counted from 0.
    pub(super) day: u32,
}

/// What a label says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Labelled {
    pub(in crate::cli) class: String,
    pub(in crate::cli) sub: String,
    /// Whether the payment should be stopped; `None` where that is not measured.
    pub(in crate::cli) should_stop: Option<bool>,
}

const MISTAKE_COLUMNS: [&str; 6] = ["line", "klass", "sub", "label", "account_id", "caught_by"];
const FRAUD_COLUMNS: [&str; 5] = ["line", "fraud", "scenario", "account_id", "day"];

impl Labels {
    /// Reads the CSV file at `path`; its header tells which kind of labels it holds.
    ///
    /// # Errors
    /// When the file cannot be read or a row is bad, with its line and the reason.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self, Failure> {
        let in_error = |error| Failure::at_work(path.display(), &error);
        let mut source = source::open(path, &ProgressBar::hidden()).map_err(in_error)?;
        let mut buffer = Vec::new();
        let mut rows: Option<Rows> = None;
        let mut number = 0;
        while let Some(line) = source::next_line(source.as_mut(), &mut buffer).map_err(in_error)? {
            number += 1;
            let taken = text_of(&line)
                .and_then(fields)
                .and_then(|fields| match &mut rows {
                    Some(rows) => rows.add(&fields),
                    header => Rows::under(&fields).map(|rows| *header = Some(rows)),
                });
            taken.map_err(|reason| Failure::bad_line(path, number, reason))?;
        }
        match rows {
            Some(rows) if !rows.labels.lines.is_empty() => Ok(rows.labels),
            Some(_) | None => Err(Failure::Work(format!(
                "error: {}: holds no labels",
                path.display()
            ))),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Where the label of line `line` of the stream stands, and the account that it names.
    pub(super) fn find(&self, line: u64) -> Option<(usize, &str)> {
        let at = self.lines.binary_search(&line).ok()?;
        Some((at, self.account_ids.get(at)?))
    }

    /// The line of the stream that the label at `at` speaks of.
    pub(super) fn line(&self, at: usize) -> Option<u64> {
        self.lines.get(at).copied()
    }

    /// What the label of line `line` of the stream says.
    pub(in crate::cli) fn told(&self, line: u64) -> Option<Labelled> {
        let (at, _) = self.find(line)?;
        Some(match &self.truths {
            Truths::Mistakes(mistakes) => {
                let mistake = mistakes.get(at)?;
                Labelled {
                    class: mistake.class.to_string(),
                    sub: mistake.sub.to_string(),
                    should_stop: mistake.should_stop,
                }
            }
            Truths::Frauds(frauds) => {
                let fraud = frauds.get(at)?;
                let (class, sub) = if fraud.is_fraud {
                    ("fraud", format!("scenario {}", fraud.scenario))
                } else {
                    ("genuine", String::new())
                };
                Labelled {
                    class: class.to_owned(),
                    sub,
                    should_stop: Some(fraud.is_fraud),
                }
            }
        })
    }

    pub(super) fn account_ids(&self) -> impl Iterator<Item = &str> {
        self.account_ids.iter().map(AsRef::as_ref)
    }

    pub(super) const fn truths(&self) -> &Truths {
        &self.truths
    }
}

/// Rows as they are read: where the columns of interest stand, and what was read so far.
struct Rows {
    columns: Vec<usize>,
    labels: Labels,
}

impl Rows {
    fn under(header: &[Cow<'_, str>]) -> Result<Self, String> {
        let places = |names: &[&str]| -> Option<Vec<usize>> {
            let place = |name: &&str| header.iter().position(|column| column == name);
            names.iter().map(place).collect()
        };
        let (columns, truths) = if let Some(columns) = places(&MISTAKE_COLUMNS) {
            (columns, Truths::Mistakes(Vec::new()))
        } else if let Some(columns) = places(&FRAUD_COLUMNS) {
            (columns, Truths::Frauds(Vec::new()))
        } else {
            return Err(format!(
                "the header must name {} or {}",
                MISTAKE_COLUMNS.join(","),
                FRAUD_COLUMNS.join(",")
            ));
        };
        let labels = Labels {
            lines: Vec::new(),
            account_ids: Vec::new(),
            truths,
        };
        Ok(Self { columns, labels })
    }

    fn add(&mut self, fields: &[Cow<'_, str>]) -> Result<(), String> {
        let values: Vec<&str> = self
            .columns
            .iter()
            .map(|place| fields.get(*place).map(AsRef::as_ref))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("has only {} fields", fields.len()))?;
        let labels = &mut self.labels;
        let (line, account_id) = match (&mut labels.truths, values.as_slice()) {
            (Truths::Mistakes(truths), [line, class, sub, label, account_id, caught_by]) => {
                truths.push(mistake(class, sub, label, caught_by)?);
                (line, account_id)
            }
            (Truths::Frauds(truths), [line, is_fraud, scenario, account_id, day]) => {
                truths.push(fraud(is_fraud, scenario, day)?);
                (line, account_id)
            }
            (Truths::Mistakes(_) | Truths::Frauds(_), _) => return Err("is no label".to_owned()),
        };
        let line = number("line", line)?;
        if labels.lines.last().is_some_and(|last| line <= *last) {
            return Err("line: must be greater than in the row before".to_owned());
        }
        labels.lines.push(line);
        labels.account_ids.push(Box::from(*account_id));
        Ok(())
    }
}

fn mistake(class: &str, sub: &str, label: &str, caught_by: &str) -> Result<Mistake, String> {
    if class.is_empty() {
        return Err("klass: must not be empty".to_owned());
    }
    Ok(Mistake {
        class: Box::from(class),
        sub: Box::from(sub),
        should_stop: match label {
            "1" => Some(true),
            "0" => Some(false),
            "" => None,
            _ => return Err("label: must be 1, 0 or empty".to_owned()),
        },
        is_retry: match caught_by {
            "replayed" => true,
            "decision" => false,
            _ => return Err("caught_by: must be decision or replayed".to_owned()),
        },
    })
}

fn fraud(is_fraud: &str, scenario: &str, day: &str) -> Result<Fraud, String> {
    Ok(Fraud {
        is_fraud: match is_fraud {
            "1" => true,
            "0" => false,
            _ => return Err("fraud: must be 1 or 0".to_owned()),
        },
        scenario: number("scenario", scenario)?,
        day: number("day", day)?,
    })
}

fn number<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{column}: must be a whole number, 0 or more"))
}

fn text_of<'a>(line: &Line<'a>) -> Result<&'a str, String> {
    match line {
        Line::Text(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned())
        }
        Line::TooLong => Err("the line is longer than any label".to_owned()),
    }
}

/// The fields of a CSV row (RFC 4180, but for line breaks within fields).
fn fields(row: &str) -> Result<Vec<Cow<'_, str>>, String> {
    if !row.contains('"') {
        return Ok(row.split(',').map(Cow::Borrowed).collect());
    }
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (Cow::Borrowed(field), after)
            }
            Some(quoted) => {
                let (field, after) = unquoted(quoted)?;
                (Cow::Owned(field), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => return Err("a comma must follow a closing quote".to_owned()),
        }
    }
}

/// What stands before the closing quote, and what comes after it. Two quotes mean one.
fn unquoted(quoted: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest
            .split_once('"')
            .ok_or_else(|| "a quote is not closed".to_owned())?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_quoted() {
        assert_eq!(fields("1,,a").unwrap(), ["1", "", "a"]);
        assert_eq!(
            fields(r#"1,"a,""b""",,"c""#).unwrap(),
            ["1", r#"a,"b""#, "", "c"]
        );
        assert_eq!(fields(r#""a"#), Err("a quote is not closed".to_owned()));
        assert!(fields(r#""a"b"#).is_err());
    }

    /// The labels in a file of `text`, or what is wrong with its last row.
    fn check(rows: &[&str]) -> Result<Labels, String> {
        let (header, rows) = rows.split_first().unwrap();
        let mut read = Rows::under(&fields(header).unwrap())?;
        for row in rows {
            read.add(&fields(row).unwrap())?;
        }
        Ok(read.labels)
    }

    #[test]
    fn the_header_tells_the_kind_and_the_order_of_the_columns() {
        let labels = check(&[
            "account_id,label,line,klass,caught_by,sub,more",
            "alice,1,3,double_press,replayed,same_id,x",
            "bob,,5,base,decision,,",
        ]);
        let labels = labels.unwrap();
        assert_eq!(labels.find(3), Some((0, "alice")));
        assert_eq!(labels.find(4), None);
        let Truths::Mistakes(mistakes) = labels.truths() else {
            panic!("{labels:?}");
        };
        assert_eq!(mistakes[0].should_stop, Some(true));
        assert!(mistakes[0].is_retry && !mistakes[1].is_retry);
        assert_eq!(mistakes[1].should_stop, None);

        let labels = check(&["line,fraud,scenario,account_id,day", "1,1,4,alice,12"]).unwrap();
        let Truths::Frauds(frauds) = labels.truths() else {
            panic!("{labels:?}");
        };
        let expected = Fraud {
            is_fraud: true,
            scenario: 4,
            day: 12,
        };
        assert_eq!(frauds, &[expected]);
    }

    #[test]
    fn a_bad_row_is_told_with_its_reason() {
        const HEADER: &str = "line,klass,sub,label,account_id,caught_by";
        for (rows, expected) in [
            (&["line,label"][..], "the header must name line,klass"),
            (&[HEADER, "1,base"], "has only 2 fields"),
            (&[HEADER, "x,base,,0,a,decision"], "line: must be a whole"),
            (&[HEADER, "1,base,,2,a,decision"], "label: must be 1, 0 or"),
            (&[HEADER, "1,,,0,a,decision"], "klass: must not be empty"),
            (&[HEADER, "1,base,,0,a,luck"], "caught_by: must be"),
            (
                &[HEADER, "1,base,,0,a,decision", "1,base,,0,a,decision"],
                "line: must be greater",
            ),
        ] {
            let found = check(rows).unwrap_err();
            assert!(found.starts_with(expected), "{rows:?}: {found}");
        }
    }
}
