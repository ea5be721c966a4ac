//! Messages of the contract as people read them.

use std::io::{self, Write};

use crate::grpc::pb;
use crate::scoring::money::{Currency, Money};
use crate::scoring::text::is_invisible;

/// The languages that reasons are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// English
    En,
    /// Chinese, simplified
    Zh,
}

/// A value of an enum in lower case, without the name of the enum.
pub(super) fn word(full_name: &str, prefix: &str) -> String {
    match full_name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => "-".to_owned(),
        Some(name) => name.to_lowercase(),
        None => full_name.to_owned(),
    }
}

/// The full name of the value that `word` shortened.
pub(super) fn full_name(prefix: &str, word: &str) -> String {
    format!("{prefix}{}", word.to_uppercase())
}

pub(super) fn decision(decision: pb::Decision) -> String {
    word(decision.as_str_name(), "DECISION_")
}

pub(super) fn outcome(outcome: pb::Outcome) -> String {
    word(outcome.as_str_name(), "OUTCOME_")
}

/// A reason's code without the name of the enum, such as `DUPLICATE_ORDER`.
pub(super) fn code(reason: &pb::Reason) -> &'static str {
    let name = reason.code().as_str_name();
    name.strip_prefix("REASON_CODE_").unwrap_or(name)
}

/// A reason's sentence.
pub(super) fn sentence(reason: &pb::Reason, language: Language) -> &str {
    match (&reason.message, language) {
        (None, _) => "",
        (Some(message), Language::En) => &message.en,
        (Some(message), Language::Zh) => &message.zh,
    }
}

/// An amount as people write it: `50.00 CNY`.
pub(super) fn money(money: &pb::Money) -> String {
    let known = Currency::from_code(&money.currency_code)
        .ok()
        .and_then(|currency| Money::new(money.amount_minor, currency).ok());
    match known {
        Some(known) => known.to_string(),
        None => format!("{} {}", money.amount_minor, money.currency_code),
    }
}

/// A moment in RFC 3339.
pub(super) fn time(time: prost_types::Timestamp) -> String {
    match jiff::Timestamp::new(time.seconds, time.nanos) {
        Ok(known) => known.to_string(),
        Err(_) => format!("{}s", time.seconds),
    }
}

/// A length of time in seconds: `42s`, `0.5s`.
pub(super) fn duration(duration: prost_types::Duration) -> String {
    let prost_types::Duration { seconds, nanos } = duration;
    if nanos == 0 {
        return format!("{seconds}s");
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    let fraction = fraction.trim_end_matches('0');
    format!("{sign}{}.{fraction}s", seconds.unsigned_abs())
}

/// Columns, aligned. The last is left as it is.
pub(super) fn table(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| visible(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let width = *width;
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The text, with what is invisible in it spelt out: an id that reads as another is what support has to see.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_invisible(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The rows that tell of an assessment: what, and its value.
pub(super) fn assessment_rows(assessment: &pb::Assessment, language: Language) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut decided = decision(assessment.decision());
    if assessment.replayed {
        decided.push_str(" (the stored answer: a retry)");
    }
    if assessment.degraded {
        decided.push_str(" (degraded: a restart may forget it)");
    }
    let mut rows = vec![
        row("payment", assessment.payment_id.clone()),
        row("decision", decided),
        row("score", format!("{:.1}", assessment.score)),
    ];
    let longest = assessment.reasons.iter().map(|reason| code(reason).len());
    let width = longest.max().unwrap_or(0);
    for (nth, reason) in assessment.reasons.iter().enumerate() {
        let name = if nth == 0 { "reasons" } else { "" };
        let strength = reason.strength;
        let sentence = sentence(reason, language);
        rows.push(row(
            name,
            format!("{:width$} {strength:5.1}  {sentence}", code(reason)),
        ));
    }
    if assessment.challenge() != pb::Challenge::None {
        let challenge = word(assessment.challenge().as_str_name(), "CHALLENGE_");
        rows.push(row("challenge", challenge));
    }
    if let Some(confirmation) = &assessment.confirmation {
        let until = confirmation.expire_time.map_or_else(String::new, time);
        rows.push(row(
            "token",
            format!("{} until {until}", confirmation.token),
        ));
    }
    if let Some(retry_after) = assessment.retry_after {
        rows.push(row("retry after", duration(retry_after)));
    }
    rows.push(row(
        "history",
        word(assessment.history().as_str_name(), "HISTORY_"),
    ));
    rows.push(row("policy", assessment.policy_version.clone()));
    if assessment.shadow_decision() != pb::Decision::Unspecified {
        rows.push(row("shadow", decision(assessment.shadow_decision())));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_protobuf_writes_them() {
        let shown = |seconds, nanos| duration(prost_types::Duration { seconds, nanos });
        assert_eq!(shown(42, 0), "42s");
        assert_eq!(shown(0, 500_000_000), "0.5s");
        assert_eq!(shown(3, 1_000_000), "3.001s");
        assert_eq!(shown(-1, -500_000_000), "-1.5s");
    }

    #[test]
    fn tables_align_all_columns_but_the_last() {
        let rows = [["a", "1", "x y"], ["bcd", "22", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let mut out = Vec::new();
        table(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a    1   x y\nbcd  22\n");
    }

    #[test]
    fn a_table_spells_out_what_is_invisible() {
        let mut out = Vec::new();
        let rows = [["payee", "138\u{202e}4321 (phone)"]
            .map(str::to_owned)
            .to_vec()];
        table(&mut out, &rows).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "payee  138\\u{202e}4321 (phone)\n"
        );
    }
}
