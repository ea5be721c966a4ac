//! `replay --report`: one page for people, whatever outsiders put into their ids.

use std::fs;

use super::support::{Folder, Ran, run};

/// A double press of somebody who calls payments, payees and themselves names; and coffee by bob.
const STREAM: &str = r#"{"type":"payment","time":"2026-01-01T10:00:00Z","payment_id":"<script>alert(1)</script>","account_id":"a&lice\"","payee_id":"<img onerror=x>","payee_type":"wallet","amount_minor":5000,"currency_code":"CNY","kind":"gift","device_id":"<b>"}
{"type":"payment","time":"2026-01-01T10:00:01Z","payment_id":"'p2","account_id":"a&lice\"","payee_id":"<img onerror=x>","payee_type":"wallet","amount_minor":5000,"currency_code":"CNY","kind":"gift","device_id":"<b>"}
{"type":"payment","time":"2026-01-01T10:00:02Z","payment_id":"'p2","account_id":"a&lice\"","payee_id":"<img onerror=x>","payee_type":"wallet","amount_minor":5000,"currency_code":"CNY","kind":"gift","device_id":"<b>"}
{"type":"payment","time":"2026-01-02T11:00:00Z","payment_id":"p4","account_id":"bob","payee_id":"cafe","payee_type":"merchant","amount_minor":900,"currency_code":"JPY","kind":"purchase"}
"#;

const LABELS: &str = "line,klass,sub,label,account_id,caught_by\n\
    1,base,,0,\"a&lice\"\"\",decision\n\
    2,double_press,<i>new_id,1,\"a&lice\"\"\",decision\n\
    3,double_press,same_id,1,\"a&lice\"\"\",replayed\n\
    4,forgotten,<u>,1,bob,decision\n";

fn reported(folder: &Folder, more: &[&str]) -> (Ran, String) {
    let (stream, page) = (folder.path("stream.jsonl"), folder.path("report.html"));
    let ran = run(&[&["replay", &stream, "--report", &page], more].concat());
    (ran, fs::read_to_string(page).unwrap_or_default())
}

fn folder() -> Folder {
    Folder::with(&[("stream.jsonl", STREAM), ("labels.csv", LABELS)])
}

#[test]
fn the_page_tells_everything_and_stands_alone() {
    let folder = folder();
    let (ran, page) = reported(&folder, &["--labels", &folder.path("labels.csv")]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(
        ran.out.starts_with("payments"),
        "the summary is told: {ran:?}"
    );
    for part in [
        "<h1>Backtest report</h1>",
        "under policy balanced-",
        "2026-01-01 10:00:00 to 2026-01-02 11:00:00",
        "it shows ids of accounts",
        "<h2>Decisions over time</h2>",
        "01-01 10:00: 1 block",
        "<h2>Scores</h2>",
        "95 to 100: 1 payment (0 confirm, 1 block)",
        "<h2>Reasons</h2>",
        "DUPLICATE_IN_FLIGHT: 1 payment, 1 disturbed",
        "<h2>Who is disturbed: kinds and amounts</h2>",
        "2 payments: 0 confirm, 1 block",
        "<h2>Against the labels</h2>",
        "1.0000 (0.3424 to 1.0000), blocked 0.5000, of 2",
        "<h2>Most disturbed accounts</h2>",
        "<h2>Examples</h2>",
        "<h3>Missed: forgotten</h3>",
        "<h3>Stopped first of all for DUPLICATE_IN_FLIGHT</h3>",
        "1 second ago and it is still in progress.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for outward in ["http", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outward), "{outward}");
    }
    let (_, again) = reported(&folder, &["--labels", &folder.path("labels.csv")]);
    assert_eq!(page, again, "the same replay gives the same page");
}

#[test]
fn ids_are_text_whatever_they_are() {
    let folder = folder();
    let (_, page) = reported(&folder, &["--labels", &folder.path("labels.csv")]);
    for written in [
        "&lt;script&gt;alert(1)",
        "&lt;img onerror",
        "a&amp;lice&quot;",
        "&lt;i&gt;new_id",
    ] {
        assert!(page.contains(written), "{written}");
    }
    for markup in ["<script>", "<img", "a&lice", "<i>new", "<u>", "<b>\""] {
        assert!(!page.contains(markup), "{markup}");
    }
}

#[test]
fn without_labels_the_page_says_nothing_of_them() {
    let folder = folder();
    let decisions = folder.path("decisions.jsonl");
    let (ran, page) = reported(&folder, &["--out", &decisions]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(page.contains("<h2>Examples</h2>") && !page.contains("Against the labels"));
    assert_eq!(fs::read_to_string(decisions).unwrap().lines().count(), 4);
}

#[test]
fn what_labels_do_not_hold_is_not_drawn() {
    let labels = |line_1: &str, line_2: &str, line_3: &str| {
        LABELS
            .replace("1,base,,0,", line_1)
            .replace("2,double_press,<i>new_id,1,", line_2)
            .replace("3,double_press,same_id,1,", line_3)
            .replace("4,forgotten,<u>,1,", "4,forgotten,,,")
    };
    for (labels, there, not_there) in [
        (LABELS.to_owned(), "<h3>Caught</h3>", "all but base"),
        (
            labels("1,base,,0,", "2,tickets,,0,", "3,tickets,,0,"),
            "all but base",
            "<h3>Caught</h3>",
        ),
        (
            labels("1,base,,,", "2,base,,,", "3,base,,,"),
            "Recall - on average",
            "<h3>",
        ),
    ] {
        let folder = Folder::with(&[("stream.jsonl", STREAM), ("labels.csv", &labels)]);
        let (ran, page) = reported(&folder, &["--labels", &folder.path("labels.csv")]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let begins = page.find("<h2>Against the labels</h2>").unwrap();
        let section = &page[begins..page.find("<h2>Most disturbed").unwrap()];
        assert!(!section.contains("NaN"), "{section}");
        assert!(section.contains(there), "{there}: {section}");
        assert!(!section.contains(not_there), "{not_there}: {section}");
    }
}

#[test]
fn sums_are_told_as_money() {
    let payment = |time: &str, payment_id: &str, amount: u32| {
        format!(
            "{{\"type\":\"payment\",\"time\":\"2026-01-{time}Z\",\"payment_id\":\"{payment_id}\",\
             \"account_id\":\"alice\",\"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\
             \"amount_minor\":{amount},\"currency_code\":\"CNY\",\"kind\":\"top_up\"}}\n"
        )
    };
    let days =
        (1..=30).map(|day| payment(&format!("{day:02}T10:00:00"), &format!("p{day}"), 5_000));
    let twice = ["31T10:00:00", "31T10:00:01"].map(|time| payment(time, time, 300_000));
    let stream = days.chain(twice).collect::<String>();
    let folder = Folder::with(&[("stream.jsonl", &stream)]);
    let (ran, page) = reported(&folder, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let row = page.split("SPEND_SURGE</th>").nth(1).unwrap();
    let row = row.split("</tr>").next().unwrap();
    let told = "payments, 6000.00 CNY within 3600 s; limit 150.00 CNY, usual 50.00 CNY";
    assert!(row.contains(told), "{row}");
}

#[test]
fn a_page_of_nothing_is_a_page() {
    let folder = Folder::with(&[("stream.jsonl", "")]);
    let (ran, page) = reported(&folder, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        page.contains("no payments") && page.contains("Nobody was disturbed."),
        "{page}"
    );
}

#[test]
fn what_cannot_be_reported_is_told() {
    let folder = folder();
    let stream = folder.path("stream.jsonl");
    let ran = run(&["replay", &stream]);
    assert_eq!(ran.code, Some(2), "neither --out nor --report: {ran:?}");
    let ran = run(&["replay", &stream, "--out", "-", "--labels", &stream]);
    assert_eq!(ran.code, Some(2), "labels are for the report: {ran:?}");
    let (ran, page) = reported(&folder, &["--labels", &stream]);
    assert_eq!((ran.code, page.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("stream.jsonl:1: "), "{ran:?}");
    let nowhere = folder.path("no/such/folder.html");
    run(&["replay", &stream, "--report", &nowhere]).complained(1, "folder.html: ");
}
