//! `eval`: a stream or decisions, held against labels.

use serde_json::Value;

use super::support::{Folder, Ran, doublecheck, ran, run};

/// A top-up, its double press under a new id and under its own, and next day's; then the other payer.
const STREAM: &str = r#"{"type":"payment","time":"2026-01-01T10:00:00Z","payment_id":"p1","account_id":"alice","payee_id":"13812345678","payee_type":"phone","amount_minor":5000,"currency_code":"CNY","kind":"top_up"}
{"type":"payment","time":"2026-01-01T10:00:01Z","payment_id":"p2","account_id":"alice","payee_id":"13812345678","payee_type":"phone","amount_minor":5000,"currency_code":"CNY","kind":"top_up"}
{"type":"payment","time":"2026-01-01T10:00:02Z","payment_id":"p1","account_id":"alice","payee_id":"13812345678","payee_type":"phone","amount_minor":5000,"currency_code":"CNY","kind":"top_up"}
{"type":"outcome","time":"2026-01-01T10:00:03Z","account_id":"alice","payment_id":"p1","outcome":"succeeded"}
{"type":"payment","time":"2026-01-02T10:00:00Z","payment_id":"p3","account_id":"alice","payee_id":"13812345678","payee_type":"phone","amount_minor":5000,"currency_code":"CNY","kind":"top_up"}
{"type":"payment","time":"2026-01-02T11:00:00Z","payment_id":"p4","account_id":"bob","payee_id":"cafe","payee_type":"merchant","amount_minor":900,"currency_code":"CNY","kind":"purchase"}
"#;

const LABELS: &str = "line,klass,sub,label,account_id,caught_by\n\
    1,base,,0,alice,decision\n\
    2,double_press,new_id,1,alice,decision\n\
    3,double_press,same_id,1,alice,replayed\n\
    5,top_up_again,,0,alice,decision\n\
    6,base,,0,bob,decision\n";

fn folder(labels: &str) -> Folder {
    Folder::with(&[("stream.jsonl", STREAM), ("labels.csv", labels)])
}

fn eval(folder: &Folder, more: &[&str]) -> Ran {
    let (stream, labels) = (folder.path("stream.jsonl"), folder.path("labels.csv"));
    run(&[&["eval", &stream, "--labels", &labels], more].concat())
}

#[test]
fn a_stream_is_replayed_and_held_against_its_labels() {
    let folder = folder(LABELS);
    let found = eval(&folder, &["--json"]).succeeded_quietly().json();
    let press = &found["classes"][0];
    assert_eq!(press["class"], "double_press", "{found}");
    assert_eq!(
        (&press["stopped"], &press["blocked"]),
        (&1.0.into(), &0.5.into())
    );
    assert_eq!(found["base"]["count"], 2, "{found}");
    assert_eq!(found["hard"]["stopped"], 0.0, "{found}");
    assert_eq!(found["precision"], 1.0, "{found}");
    assert_eq!(found["average_precision"], 1.0, "{found}");

    let ran = eval(&folder, &["--subs"]);
    for part in [
        "caught",
        "same_id",
        "mean of the classes  1.0000",
        "AP 1.0000",
    ] {
        assert!(ran.out.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn a_bad_line_is_the_end_and_no_flag_is_advised_that_is_not_there() {
    let stream = format!("{STREAM}no event\n");
    let folder = Folder::with(&[("stream.jsonl", &stream), ("labels.csv", LABELS)]);
    let ran = eval(&folder, &[]);
    ran.complained(1, "stream.jsonl:7: ");
    assert!(!ran.err.contains("--skip-bad"), "{ran:?}");
    let replayed = run(&["replay", &folder.path("stream.jsonl"), "--out", "-"]);
    let advised = replayed
        .err
        .ends_with(" (`--skip-bad` passes over bad lines)\n");
    assert!(advised, "{replayed:?}");
}

#[test]
fn labels_may_begin_with_a_mark_of_their_encoding() {
    let ran = eval(&folder(&format!("\u{feff}{LABELS}")), &[]).succeeded();
    assert_eq!(ran.out, eval(&folder(LABELS), &[]).out);
}

#[test]
fn decisions_of_replay_come_to_the_same() {
    let folder = folder(LABELS);
    let (decisions, labels) = (folder.path("decisions.jsonl"), folder.path("labels.csv"));
    run(&["replay", &folder.path("stream.jsonl"), "--out", &decisions]).succeeded();
    let ran = run(&["eval", "--decisions", &decisions, "--labels", &labels]).succeeded();
    assert_eq!(ran.out, eval(&folder, &[]).out);
}

#[test]
fn switching_a_signal_off_shows_what_it_is_worth() {
    let ran = eval(&folder(LABELS), &["--ablate"]).succeeded();
    let row = |name: &str| {
        let mut rows = ran.out.lines().filter(|row| row.starts_with(name));
        let row = rows.next().unwrap().split_whitespace();
        row.skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        row("without"),
        ["macro_recall", "double_press", "base", "hard", "AP"]
    );
    assert_eq!(
        row("nothing"),
        ["1.0000", "1.0000", "0.00000", "0.00000", "1.0000"]
    );
    assert_eq!(row("DUPLICATE_IN_FLIGHT")[..2], ["-0.5000", "-0.5000"]);
    assert_eq!(row("HOUR_UNUSUAL")[..2], ["\u{b7}", "\u{b7}"]);
    let found = eval(&folder(LABELS), &["--ablate", "--json"]).json();
    assert_eq!(found["without"]["DUPLICATE_IN_FLIGHT"]["macro_recall"], 0.5);
}

#[test]
#[cfg(unix)]
fn a_stream_that_can_be_read_but_once_is_not_ablated() {
    let folder = folder(LABELS);
    let labels = folder.path("labels.csv");
    let eval = |more: &[&str]| {
        let (pipe, mut end) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut end, STREAM.as_bytes()).unwrap();
        drop(end);
        let arguments = ["eval", "/dev/stdin", "--labels", &labels];
        let mut command = doublecheck(&[&arguments[..], more].concat());
        ran(&command.stdin(pipe).output().unwrap())
    };
    let refused = eval(&["--ablate"]);
    let told = "error: --ablate reads the stream many times: /dev/stdin is no file\n";
    assert_eq!(
        (refused.code, refused.err.as_str()),
        (Some(2), told),
        "{refused:?}"
    );
    assert_eq!(eval(&[]).code, Some(0));
}

#[test]
fn what_nothing_is_known_of_is_a_dash_and_classes_keep_their_figures() {
    let labels = LABELS
        .replace("double_press", "base")
        .replace("5,top_up_again,,0,", "5,top_up_again,,,");
    let folder = folder(&labels);
    let table = eval(&folder, &["--ablate"]);
    let row = |name: &str| {
        let mut rows = table.out.lines().filter(|row| row.starts_with(name));
        let row = rows
            .next()
            .unwrap()
            .replace("base (caught)", "base(caught)");
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let head = ["macro_recall", "base(caught)", "base", "hard", "AP"];
    assert_eq!(row("without")[1..], head);
    assert_eq!(row("nothing")[4], "-", "{table:?}");
    assert_eq!(row("HOUR_UNUSUAL")[4], "-", "{table:?}");
    let found = eval(&folder, &["--ablate", "--json"]).json();
    assert_eq!(found["all"]["base"], 0.0, "{found}");
    assert_eq!(found["all"]["base (caught)"], 1.0, "{found}");
    assert_eq!(found["all"]["hard"], Value::Null, "{found}");
}

#[test]
fn labels_of_frauds_are_known_by_their_header() {
    let rows = [
        "1,0,0,alice,0",
        "2,1,3,alice,0",
        "3,0,0,alice,0",
        "5,0,0,alice,1",
        "6,0,0,bob,1",
    ];
    let labels = format!("line,fraud,scenario,account_id,day\n{}\n", rows.join("\n"));
    let folder = folder(&labels);
    let weeks = ["--weeks", "1", "--first-day", "0", "--k", "1", "--json"];
    let found = eval(&folder, &weeks).json();
    assert_eq!(found["auc"]["mean"], 1.0, "{found}");
    assert_eq!(found["card_precision"]["mean"], 0.5, "{found}");
    assert_eq!(
        found["points"][0]["recall_by_scenario"]["3"], 1.0,
        "{found}"
    );
    assert_eq!(found["stopped"]["blocked"], 1.0, "{found}");
    let ran = eval(&folder, &["--first-day", "3"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.err, "error: no payments in the test week from day 3\n");
}

#[test]
fn bad_labels_and_decisions_are_told_with_file_line_and_reason() {
    let base = "line,klass,sub,label,account_id,caught_by";
    for (labels, expected) in [
        ("", "labels.csv: holds no labels"),
        (
            "line,klass\n",
            "labels.csv:1: the header must name line,klass,sub,",
        ),
        (
            &format!("{base}\n1,base,,yes,alice,decision\n"),
            "labels.csv:2: label: must be 1, 0 or empty",
        ),
        (
            &format!("{base}\n1,base,,0,alice,decision\n"),
            "stream.jsonl:2: line 2 has a decision but no label",
        ),
        (
            &LABELS.replace("0,bob", "0,eve"),
            "stream.jsonl:6: line 6 is of account bob here and of eve in the labels",
        ),
        (
            &format!("{LABELS}9,base,,0,bob,decision\n"),
            "stream.jsonl: 1 of 6 labelled payments have no decision, the first in line 9",
        ),
    ] {
        let ran = eval(&folder(labels), &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {ran:?}");
    }
    let folder = folder(LABELS);
    run(&[
        "eval",
        "--decisions",
        &folder.path("stream.jsonl"),
        "--labels",
        &folder.path("labels.csv"),
    ])
    .complained(1, "stream.jsonl:1: missing field `line`");
    let ran = eval(&folder, &["--policy", "no-such.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = eval(&folder, &["--decisions", "d.jsonl"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = run(&["eval", "--labels", &folder.path("labels.csv")]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = run(&["eval", "-", "--labels", "-"]);
    let told = "error: the stream and --labels are the same, standard input";
    assert_eq!((ran.code, ran.err.trim_end()), (Some(2), told), "{ran:?}");
}
