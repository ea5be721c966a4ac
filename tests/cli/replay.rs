//! `replay`: what becomes of the files it writes, and of lines that are no good.

use std::fs;
use std::process::Stdio;

use super::support::{Folder, Ran, doublecheck, ran, run};

/// A payment of alice's, always the same but for its id.
fn payment(time: &str, payment_id: &str, more: &str) -> String {
    format!(
        "{{\"type\":\"payment\",\"time\":\"{time}\",\"payment_id\":\"{payment_id}\",\"account_id\":\"alice\",\
         \"payee_id\":\"13812345678\",\"payee_type\":\"phone\",\"amount_minor\":5000,\
         \"currency_code\":\"CNY\",\"kind\":\"top_up\"{more}}}\n"
    )
}

fn one() -> String {
    payment("2026-01-01T10:00:00Z", "p1", "")
}

/// A folder with a stream of one good line, and one of a good and a bad one.
fn folder() -> Folder {
    let bad = one() + "no event\n";
    Folder::with(&[("good.jsonl", &one()), ("bad.jsonl", &bad), ("old", "old")])
}

fn names(folder: &Folder) -> usize {
    fs::read_dir(folder.path("")).unwrap().count()
}

#[test]
fn what_fails_leaves_the_files_that_were_there() {
    let folder = folder();
    let old = folder.path("old");
    let told = |name: &str, ran: &Ran| {
        assert_eq!(fs::read_to_string(&old).unwrap(), "old", "{ran:?}");
        assert_eq!(names(&folder), 3, "nothing is left beside it: {ran:?}");
        assert!(ran.err.contains(name), "{ran:?}");
    };
    let bad = folder.path("bad.jsonl");
    let ran = run(&["replay", &bad, "--out", &old]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    told("bad.jsonl:2: ", &ran);
    // A page that has nowhere to go is known before anything is decided.
    let (good, nowhere) = (folder.path("good.jsonl"), folder.path("no/report.html"));
    let ran = run(&["replay", &good, "--out", &old, "--report", &nowhere]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    told("no/report.html: ", &ran);

    run(&["replay", &good, "--out", &old]).succeeded();
    assert_ne!(fs::read_to_string(&old).unwrap(), "old");
    assert_eq!(names(&folder), 3);
}

#[test]
fn a_replay_says_that_it_takes_a_file_for_what_it_finds() {
    let usage = "<--out <FILE>|--report <FILE>>";
    let help = run(&["replay", "--help"]).succeeded();
    assert!(help.out.contains(usage), "{help:?}");
    run(&["replay", "payments.jsonl"]).complained(2, usage);
}

#[test]
#[cfg(unix)]
fn what_is_interrupted_leaves_nothing_beside_the_files_that_were_there() {
    for signal in ["INT", "TERM"] {
        let folder = folder();
        let (old, page) = (folder.path("old"), folder.path("page"));
        let mut replay = doublecheck(&["replay", "-", "--out", &old, "--report", &page]);
        let replay = replay.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut replay = replay.spawn().unwrap();
        // It waits for more.
        let mut events = replay.stdin.take().unwrap();
        std::io::Write::write_all(&mut events, one().as_bytes()).unwrap();
        while names(&folder) < 5 {
            std::thread::yield_now();
        }
        let kill = format!("kill -{signal} {}", replay.id());
        let killed = std::process::Command::new("sh")
            .args(["-c", &kill])
            .status();
        assert!(killed.unwrap().success());
        let ran = ran(&replay.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(ran.err, "error: interrupted: nothing was written\n");
        assert_eq!(names(&folder), 3, "{ran:?}");
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    }
}

#[test]
fn no_file_is_written_over_what_is_read_or_written_too() {
    let folder = folder();
    let (good, old) = (folder.path("good.jsonl"), folder.path("old"));
    let same_again = folder.path("../") + old.rsplit('/').nth(1).unwrap() + "/old";
    let new = folder.path("new");
    for (more, told) in [
        (&["--out", &good][..], "--out and the file to replay"),
        (&["--report", &good], "--report and the file to replay"),
        (
            &["--out", &old, "--report", &same_again],
            "--report and --out",
        ),
        (&["--out", &new, "--report", &new], "--report and --out"),
        (&["--out", "-", "--report", "-"], "--report and --out"),
        (
            &["--out", &old, "--report", &new, "--labels", &old],
            "--out and --labels",
        ),
    ] {
        let ran = run(&[&["replay", &good], more].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        let told = format!("error: {told} are the same, ");
        assert!(ran.err.starts_with(&told), "{told}: {ran:?}");
    }
    assert_eq!(fs::read_to_string(&good).unwrap(), one());
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    assert_eq!(names(&folder), 3);
    let ran = run(&["replay", "-", "--labels", "-", "--report", &new]);
    let told = "error: the file to replay and --labels are the same, standard input";
    assert_eq!((ran.code, ran.err.trim_end()), (Some(2), told), "{ran:?}");
    // Standard input and standard output have one name and are two.
    let ran = run(&["replay", "-", "--out", "-"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn pipes_and_links_are_written_through_and_modes_are_kept() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = folder();
    let good = folder.path("good.jsonl");
    let ran = run(&["replay", &good, "--out", "/dev/stdout"]);
    assert!(ran.out.starts_with("{\"line\":1,"), "{ran:?}");

    let (old, link) = (folder.path("old"), folder.path("link"));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&old, &link).unwrap();
    run(&["replay", &good, "--out", &link]).succeeded();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_ne!(fs::read_to_string(&old).unwrap(), "old");
    let mode = fs::metadata(&old).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_page_may_go_to_standard_output() {
    let folder = folder();
    let ran = run(&["replay", &folder.path("good.jsonl"), "--report", "-"]).succeeded();
    assert!(ran.out.starts_with("<!doctype html>"), "{ran:?}");
    assert!(ran.out.ends_with("</html>\n"), "{ran:?}");
    assert!(ran.err.starts_with("payments"), "{ran:?}");
}

#[test]
fn frames_that_hold_nothing_are_passed_over() {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    // As pzstd writes them: a frame that says how long the next one is, and that one.
    let file: Vec<u8> = [one(), payment("2026-01-01T10:00:01Z", "p2", "")]
        .iter()
        .flat_map(|line| {
            let frame = compress_to_vec(line.as_bytes(), CompressionLevel::Fastest);
            let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
            [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0], &length[..], &frame].concat()
        })
        .collect();
    let folder = Folder::with(&[]);
    let (stream, out) = (folder.path("stream.jsonl.zst"), folder.path("out.jsonl"));
    fs::write(&stream, file).unwrap();
    run(&["replay", &stream, "--out", &out]).succeeded();
    assert_eq!(fs::read_to_string(out).unwrap().lines().count(), 2);
}

#[test]
fn bad_lines_are_told_with_their_fields_and_with_the_line_that_set_the_time() {
    let lines = one()
        + &payment("2062-01-01T10:00:00Z", "p2", "")
        + &payment("2026-01-01T10:00:02Z", "p3", "")
        + &payment("2062-01-01T10:00:00Z", "p4", "").replace("5000", "\"50\"");
    let folder = Folder::with(&[("lines.jsonl", &lines)]);
    let (stream, out) = (folder.path("lines.jsonl"), folder.path("out.jsonl"));
    let ran = run(&["replay", &stream, "--out", &out, "--skip-bad"]).succeeded();
    let told = format!(
        "{stream}:3: time: must not be earlier than that of line 2\n\
         {stream}:4: amount_minor: must be a whole number\n"
    );
    assert_eq!(ran.err, told);
}

/// What nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Stdio::from(writer)
}

#[test]
fn decisions_are_whole_whoever_hears_of_bad_lines() {
    let lines = one() + "no event\n" + &payment("2026-01-01T10:00:01Z", "p2", "");
    let folder = Folder::with(&[("some.jsonl", &lines)]);
    let (some, out) = (folder.path("some.jsonl"), folder.path("out.jsonl"));
    let mut command = doublecheck(&["replay", &some, "--skip-bad", "--out", &out]);
    let ran = ran(&command.stderr(unread()).output().unwrap()).succeeded();
    assert!(
        ran.out.contains("bad lines passed over            1"),
        "{ran:?}"
    );
    assert_eq!(fs::read_to_string(out).unwrap().lines().count(), 2);
}

#[test]
fn the_page_is_made_though_nobody_reads_the_decisions() {
    let folder = folder();
    let (good, page) = (folder.path("good.jsonl"), folder.path("page.html"));
    let mut command = doublecheck(&["replay", &good, "--out", "-", "--report", &page]);
    ran(&command.stdout(unread()).output().unwrap()).succeeded();
    assert!(fs::read_to_string(page).unwrap().ends_with("</html>\n"));
}

#[test]
fn an_answer_that_is_too_late_for_the_policy_is_none() {
    let outcome = "{\"type\":\"outcome\",\"time\":\"2026-01-01T10:00:03Z\",\"account_id\":\"alice\",\
                   \"payment_id\":\"p1\",\"outcome\":\"succeeded\"}\n";
    let lines = one()
        + outcome
        + &payment("2026-01-01T10:05:00Z", "p2", "")
        + &payment("2026-01-01T10:05:05Z", "p3", ",\"confirms\":\"p2\"");
    let short = "[confirmation]\ntoken_ttl_ms = 1000\n";
    let folder = Folder::with(&[("lines.jsonl", &lines), ("short.toml", short)]);
    let (stream, out) = (folder.path("lines.jsonl"), folder.path("out.jsonl"));
    let decided = |policy: &str| {
        let ran = run(&["replay", &stream, "--out", &out, "--policy", policy]).succeeded();
        let decisions = fs::read_to_string(&out).unwrap();
        (ran.out, decisions.lines().last().unwrap().to_owned())
    };
    let (summary, third) = decided("balanced");
    assert!(third.contains("\"decision\":\"allow\""), "{third}");
    assert!(!summary.contains("confirmations not taken"), "{summary}");
    let (summary, third) = decided(&folder.path("short.toml"));
    assert!(third.contains("\"decision\":\"confirm\""), "{third}");
    let told = "\nconfirmations not taken          1\n";
    assert!(summary.contains(told), "{summary}");
}
