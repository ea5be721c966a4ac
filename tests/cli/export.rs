//! `journal export`: how far back it goes; and directories that hold no journal.

use std::fs;

use crate::support::{Folder, Served, run};

const BEGINS: &str = "the export begins with record ";

#[test]
fn an_export_that_does_not_begin_with_the_first_record_says_so() {
    let folder = Folder::with(&[]);
    let (data, events) = (folder.path("data"), folder.path("events.jsonl"));
    let decide = |payment_id: &str| {
        let served = Served::start_with_data(&data);
        let assessment = served.score_json(payment_id, &[]);
        served.end();
        assessment["decision"].clone()
    };
    assert_eq!(decide("p-1"), "DECISION_ALLOW");
    run(&["journal", "export", &data, "--out", &events]).succeeded_quietly();

    // Each end takes a snapshot: now both stand for the first payment.
    Served::start_with_data(&data).end();
    assert_eq!(decide("p-2"), "DECISION_BLOCK");
    let exported = run(&["journal", "export", &data, "--out", &events]).succeeded();
    let lines = fs::read_to_string(&events).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("\"payment_id\":\"p-2\""), "{lines}");
    let begins = exported.err.strip_prefix(BEGINS).unwrap();
    let (record, more) = begins.split_once(", at 20").unwrap();
    assert!(record.parse::<u64>().unwrap() > 1, "{exported:?}");
    assert!(
        more.contains("what was known before is not in it"),
        "{exported:?}"
    );
}

#[test]
fn what_was_imported_is_not_in_an_export_and_that_is_said() {
    let past = r#"{"type":"payment","time":"2026-01-01T09:00:00Z","payment_id":"p-0","account_id":"alice","payee_id":"13812345678","payee_type":"phone","amount_minor":5000,"currency_code":"CNY","kind":"top_up"}"#;
    let folder = Folder::with(&[("past.jsonl", past)]);
    let data = folder.path("data");
    run(&["import", &folder.path("past.jsonl"), "--data-dir", &data]).succeeded();
    let export = || run(&["journal", "export", &data, "--out", "-"]);
    let exported = export();
    assert_eq!(exported.out, "", "{exported:?}");
    assert!(
        exported.err.starts_with("the export is empty: "),
        "{exported:?}"
    );

    let served = Served::start_with_data(&data);
    served.score_json("p-1", &[]);
    let exported = export();
    assert_eq!(exported.out.lines().count(), 1, "{exported:?}");
    // The first is that of the import, which stands in no journal.
    let begins = format!("{BEGINS}2, at 20");
    assert!(exported.err.starts_with(&begins), "{exported:?}");
}

#[test]
fn what_cannot_be_exported_leaves_the_file_that_was_there() {
    let folder = Folder::with(&[("keep.jsonl", "kept")]);
    let keep = folder.path("keep.jsonl");
    run(&["journal", "export", &folder.path("nowhere"), "--out", &keep]).complained(1, "nowhere: ");
    assert_eq!(fs::read_to_string(&keep).unwrap(), "kept");
}

#[test]
fn what_is_no_journal_is_not_taken_for_a_whole_one() {
    let folder = Folder::with(&[("payments.jsonl", "")]);
    let empty = folder.path("empty");
    fs::create_dir(&empty).unwrap();
    for directory in [empty, folder.path("")] {
        for command in [&["verify"][..], &["inspect"], &["export", "--out", "-"]] {
            let ran = run(&[&["journal"], command, &[&directory]].concat());
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
            let told = format!("error: {directory}: holds neither a journal nor a snapshot\n");
            assert_eq!(ran.err, told);
        }
    }
}
