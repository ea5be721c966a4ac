//! The server that `load` starts: found, given a place for its files, and ended with the load, however that ends.

use std::fs;
#[cfg(unix)]
use std::process::{Command, Stdio};

#[cfg(unix)]
use crate::load::serve;
use crate::load::{PATIENT, assert_all_answered, load, load_json};
use crate::support::{Folder, doublecheck};
#[cfg(unix)]
use crate::support::{metric, ran};

#[test]
fn a_server_is_found_whatever_it_logs() {
    let folder = Folder::with(&[("prod.toml", "[log]\nformat = \"json\"\n")]);
    let config = folder.path("prod.toml");
    for logging in [
        ["--log-format", "json"],
        ["--log-filter", "off"],
        ["--config", &config],
    ] {
        let brief = ["--payments", "5", "--"];
        let loaded = load_json(&[&brief[..], &logging, &PATIENT].concat());
        assert_all_answered(&loaded["score"], 5);
    }
    let echo = load_json(&["--echo", "--rounds", "1", "--payments", "5"]);
    assert_eq!(echo["echo"]["answered"], 5, "{echo}");
}

#[test]
#[cfg(unix)]
fn a_server_that_does_not_get_ready_is_not_waited_for() {
    let folder = Folder::with(&[]);
    // Who reads a pipe that nobody writes to waits for ever.
    let pipe = folder.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let ran = load(&["--patience", "100ms", "--", "--config", &pipe]);
    let why = "error: `doublecheck serve` was not ready within 100ms (--patience)\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), why), "{ran:?}");
    // What is no address is not taken for one.
    let ran = load(&["--", "--help"]);
    let why = "error: `doublecheck serve` did not start\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), why), "{ran:?}");
}

#[test]
fn what_its_server_keeps_is_gone_after_the_load_unless_a_place_is_given() {
    let folder = Folder::with(&[]);
    let (here, temporary) = (folder.path("here"), folder.path("temporary"));
    let is_loaded = |more: &[&str]| {
        let brief = ["load", "--warm-up", "0s", "--payments", "5", "--"];
        let ack = ["--journal-ack", "written"];
        doublecheck(&[&brief[..], &ack, more].concat())
            .current_dir(&here)
            .env("TMPDIR", &temporary)
            .output()
            .unwrap()
            .status
            .success()
    };
    let within = |path: &str| fs::read_dir(path).unwrap().count();
    fs::create_dir_all(&here).unwrap();
    fs::create_dir_all(&temporary).unwrap();
    assert!(is_loaded(&[]));
    assert_eq!((within(&here), within(&temporary)), (0, 0));
    let kept = folder.path("kept");
    assert!(is_loaded(&["--data-dir", &kept]));
    assert_eq!((within(&here), within(&temporary)), (0, 0));
    assert!(within(&kept) > 0);
}

#[test]
fn a_load_says_whether_its_server_keeps_what_it_answers() {
    let folder = Folder::with(&[]);
    let kept = folder.path("kept");
    for (more, journal_ack) in [
        (&[][..], "none"),
        (&["--journal-ack", "synced"], "synced"),
        (&["--data-dir", &kept], "written"),
    ] {
        let brief = ["--payments", "5", "--"];
        let arguments = [&brief[..], &PATIENT, more].concat();
        let loaded = load_json(&arguments);
        assert_eq!(loaded["parameters"]["journal_ack"], journal_ack, "{more:?}");
        let ran = load(&arguments);
        let told = format!("\nserver         its own, journal.ack {journal_ack}\n");
        assert!(ran.out.contains(&told), "{ran:?}");
    }
    let journal = fs::read_dir(&kept).unwrap().count();
    assert!(journal > 0, "nothing is kept where it was to be");
}

#[test]
#[cfg(unix)]
fn a_load_that_is_interrupted_tells_what_it_has() {
    for signal in ["INT", "TERM"] {
        let served = serve();
        let arguments = ["load", "--duration", "10m", "--warm-up", "0s"];
        let mut load = doublecheck(&[&arguments[..], &["--address", &served.address]].concat());
        let load = load.stdout(Stdio::piped()).stderr(Stdio::piped());
        let load = load.spawn().unwrap();
        // More than may be unanswered: some answers have come.
        while metric(
            &served.get("/metrics"),
            "doublecheck_decisions_total{decision=\"allow\"}",
        ) < 1_000.0
        {}
        let kill = format!("kill -{signal} {}", load.id());
        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.unwrap().success());
        let ran = ran(&load.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.starts_with("error: interrupted: "), "{ran:?}");
        assert!(ran.out.contains("\nanswered       "), "{ran:?}");
        assert!(!ran.out.contains("\nanswered       0 "), "{ran:?}");
        assert!(ran.out.contains("errors         none"), "{ran:?}");
    }
}

/// The process that another one started, once there is one.
#[cfg(target_os = "linux")]
fn child_of(parent: u32) -> u32 {
    let parent = format!("PPid:\t{parent}");
    let is_child = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        status.is_ok_and(|status| status.lines().any(|line| line == parent))
    };
    loop {
        let entries = fs::read_dir("/proc").unwrap().map_while(Result::ok);
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        if let Some(child) = pids.find(is_child) {
            return child;
        }
    }
}

/// Waits until a process has ended, even if nobody has asked how.
#[cfg(target_os = "linux")]
fn wait_for_end(pid: u32) {
    let runs = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while runs() {
        std::thread::yield_now();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_server_that_a_load_started_ends_with_it_however_that_ends() {
    for (signal, twin) in [("TERM", None), ("INT", Some("--echo")), ("KILL", None)] {
        let mut load = doublecheck(&["load", "--duration", "10m"]);
        let load = load.args(twin).stdout(Stdio::null());
        let mut load = load.stderr(Stdio::null()).spawn().unwrap();
        let server = child_of(load.id());
        let kill = format!("kill -{signal} {}", load.id());
        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.unwrap().success());
        assert!(!load.wait().unwrap().success());
        wait_for_end(server);
    }
}
