//! A second process on the data directory of one that serves, whatever was removed before.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Folder, Served, doublecheck};

/// That a second process that serves on `data` is refused.
fn assert_refused(data: &str) {
    let address = ["--grpc-address", "127.0.0.1:0"];
    let mut second = doublecheck(&[&["serve", "--data-dir", data], &address[..]].concat())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let told = "another process has it open";
    let is_last = |line: &String| line.contains("ready") || line.contains(told);
    let last = lines.map_while(Result::ok).find(is_last);
    second.kill().unwrap();
    second.wait().unwrap();
    assert!(last.is_some_and(|line| line.contains(told)));
}

/// One that looks after its files before every answer, and not every second.
fn start_synced(data: &str) -> Served {
    let synced = ["--journal-ack", "synced"];
    let address = ["--grpc-address", "127.0.0.1:0"];
    Served::start_on(data, &[&["serve"], &address[..], &synced[..]].concat())
}

fn is_replayed(served: &Served, payment_id: &str) -> bool {
    served.score_json(payment_id, &[])["replayed"] == true
}

/// Makes the data directory anew under the one that serves on it, and waits until it keeps its journal there.
fn make_anew(served: &Served, data: &str) {
    fs::remove_dir_all(data).unwrap();
    fs::create_dir(data).unwrap();
    let score = "score --account bob --payment-id p-2 --payee bakery --payee-type merchant --kind purchase \
                 --amount 9.00 --currency CNY";
    served.run(&score.split_whitespace().collect::<Vec<_>>());
    served.logged("the journal has failed");
    served.logged("the journal works again");
}

#[test]
fn without_the_lock_that_was_removed_a_second_process_is_refused_too() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let served = start_synced(&data);
    fs::remove_file(folder.path("data/lock")).unwrap();
    assert_refused(&data);
    served.score_json("p-1", &[]);
    assert!(
        fs::exists(folder.path("data/lock")).unwrap(),
        "it is made anew by whoever writes"
    );
    assert_refused(&data);
    let log = served.end();
    assert!(!log.contains("the journal has failed"), "{log}");
    assert!(is_replayed(&Served::start_with_data(&data), "p-1"));
}

#[test]
fn a_directory_that_another_process_made_anew_is_left_to_it_and_said_so() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let mut first = start_synced(&data);
    first.score_json("p-1", &[]);
    fs::remove_dir_all(&data).unwrap();
    let second = Served::start_with_data(&data);
    second.score_json("p-2", &[]);
    let degraded = first.score_json("p-3", &[]);
    assert_eq!(degraded["degraded"], true, "{degraded}");
    first.logged("the journal has failed");
    assert_eq!(first.metric("doublecheck_journal_degraded "), 1.0);

    second.end();
    // Nobody holds it any more, but what is in there is not the first one's to write over.
    first.signal("-TERM");
    assert_eq!(first.child.wait().unwrap().code(), Some(1));
    first.logged("files in it that another process may have written");
    let third = Served::start_with_data(&data);
    assert!(is_replayed(&third, "p-2"));
    assert!(!is_replayed(&third, "p-3"));
}

#[test]
fn a_directory_that_was_emptied_is_taken_again() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let served = Served::start_with_data(&data);
    served.score_json("p-1", &[]);
    make_anew(&served, &data);
    assert_refused(&data);
    served.score_json("p-3", &[]);
    served.kill();
    let next = Served::start_with_data(&data);
    for payment_id in ["p-1", "p-3"] {
        assert!(is_replayed(&next, payment_id), "{payment_id}");
    }
}

#[test]
fn a_question_that_is_asked_in_it_then_can_be_answered_after_a_restart() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let served = Served::start_with_data(&data);
    served.score_json("p-1", &[]);
    assert_eq!(served.report_succeeded("p-1").code, Some(0));
    make_anew(&served, &data);
    let asked = served.score_json("p-3", &[]);
    let token = asked["confirmation"]["token"].as_str().unwrap();
    served.end();
    let next = Served::start_with_data(&data);
    let answered = next.score_json("p-3", &["--token", token]);
    assert_eq!(answered["decision"], "DECISION_ALLOW", "{answered}");
}
