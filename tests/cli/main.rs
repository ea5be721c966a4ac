//! The program as people run it: what it prints where, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(unix)]
mod deploy;
mod eval;
mod export;
#[cfg(target_os = "linux")]
mod files;
mod journal;
mod load;
mod load_server;
mod unanswered;
#[cfg(unix)]
mod logs;
mod memory;
mod policies;
#[cfg(unix)]
mod private;
#[cfg(unix)]
mod proxy;
mod reload;
mod replay;
mod report;
mod restarts;
mod second;
mod secured;
mod settings;
mod support;
#[cfg(feature = "otlp")]
mod traces;
mod watched;

#[cfg(target_os = "linux")]
use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use serde_json::Value;

use support::{Folder, Served, doublecheck, ran, run, serve};

/// What a table says of `name`: its value, and where that is from.
fn row(table: &str, name: &str) -> String {
    let said = |line: &str| {
        let cells = line.strip_prefix(name)?.strip_prefix(' ')?;
        Some(cells.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    table.lines().find_map(said).unwrap()
}

#[test]
fn check_says_ok_and_what_is_in_force() {
    let folder = Folder::with(&[
        (
            "strict.toml",
            "name = \"strict\"\n[decision]\nconfirm_from = 40\n",
        ),
        (
            "doublecheck.toml",
            "[grpc]\naddress = \"localhost:7\"\n[policy]\npath = \"strict.toml\"\n",
        ),
    ]);
    // Few enough for any machine: nothing is warned of.
    let few = ["--limits-connections", "10", "--memory-budget", "16MiB"];
    let config = folder.path("doublecheck.toml");
    let ran = run(&[&["check", "--config", &config][..], &few].concat()).succeeded_quietly();
    assert!(ran.out.starts_with("ok\n"), "{ran:?}");
    for part in ["localhost:7", "strict-", "decision.confirm_from", "40.0"] {
        assert!(ran.out.contains(part), "{part}: {ran:?}");
    }
    for (flag, given, setting, told) in [
        ("--threads", "3", "threads", "3"),
        ("--memory-budget", "1024MiB", "memory.budget", "1GiB"),
        ("--limits-idle-s", "60", "limits.idle_s", "60"),
        ("--admission-queue-ms", "7", "admission.queue_ms", "7"),
    ] {
        let ran = run(&["check", flag, given]);
        assert_eq!(row(&ran.out, setting), format!("{told} {flag}"), "{ran:?}");
    }
    let ran = run(&["check"]).succeeded();
    assert_eq!(row(&ran.out, "grpc.address"), "127.0.0.1:50051 default");
    assert_eq!(row(&ran.out, "tls.key"), "- default");
    assert_ne!(row(&ran.out, "memory.budget"), "");
}

#[test]
fn check_tells_file_line_and_setting_of_every_fault() {
    let folder = Folder::with(&[
        (
            "bad.toml",
            "[decision]\nconfirm_from = 50\nblok_from = 90\n",
        ),
        (
            "doublecheck.toml",
            "[grpc]\nadress = \"localhost:7\"\n[policy]\npath = \"bad.toml\"\n",
        ),
    ]);
    let config = folder.path("doublecheck.toml");
    let policy = folder.path("bad.toml");
    let ran = run(&["check", "--config", &config]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    let expected = format!(
        "{config}:2:1: grpc.adress: no such setting; did you mean `grpc.address`?\n\
         {policy}:3:1: decision.blok_from: no such setting; did you mean `decision.block_from`?\n"
    );
    assert_eq!(ran.err, expected);

    run(&["check", "--policy", &policy]).complained(2, "bad.toml:3:1: decision.blok_from");
}

#[test]
fn serve_refuses_to_start_with_a_faulty_setting() {
    let output = doublecheck(&["serve"])
        .env("DOUBLECHECK_GRPC_ADDRESS", "nowhere")
        .output();
    ran(&output.unwrap()).complained_first(2, "DOUBLECHECK_GRPC_ADDRESS: must be");
    let ran = run(&["serve", "--threads", "0"]);
    let expected = "--threads: must be a whole number from 1 to 1024\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), expected), "{ran:?}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["serve", "--grpc-adress", "localhost:1"][..],
        &["--no-such-flag"],
        &["serv"],
        &["score", "--account", "alice"],
        &[
            "outcome",
            "--account",
            "a",
            "--payment-id",
            "p",
            "--outcome",
            "paid",
        ],
    ] {
        run(arguments).complained_first(2, "error: ");
    }
}

#[test]
fn no_token_is_made_that_nobody_could_use() {
    run(&["token", " "]).complained(2, "must not be empty");
    let ran = run(&["token", "support", "--expires", "2026-01-01T00:00:00Z"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    let told = "error: --expires: 2026-01-01T00:00:00Z is over\n";
    assert_eq!(ran.err, told);
}

#[test]
fn help_teaches_an_example_and_the_exit_codes() {
    for command in [
        "serve", "score", "outcome", "evidence", "check", "demo", "replay", "eval", "load",
        "journal", "echo",
    ] {
        let ran = run(&[command, "--help"]).succeeded();
        for part in [&format!("  doublecheck {command}")[..], "Exit codes: 0"] {
            assert!(ran.out.contains(part), "{command}: {part}");
        }
    }
}

#[test]
fn a_taken_port_exits_with_1_and_names_the_address() {
    // Without a command, the program serves.
    let served = Served::start(&["--grpc-address", "127.0.0.1:0"]);
    let expected = format!("error: listening on {}: ", served.address);
    run(&["serve", "--grpc-address", &served.address]).complained(1, &expected);

    let http = &["--http-address", &served.http_address];
    let expected = format!("error: listening on {}: ", served.http_address);
    run(&[&["serve", "--grpc-address", "127.0.0.1:0"], &http[..]].concat())
        .complained(1, &expected);
}

#[test]
fn metrics_and_probes_are_served_over_http() {
    let served = serve();
    served.score_json("p-1", &[]);
    for path in ["/healthz", "/readyz"] {
        let answer = served.get(path);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
    }
    let page = served.get("/metrics");
    for line in [
        "\ndoublecheck_decisions_total{decision=\"allow\"} 1\n",
        "\ndoublecheck_accounts 1\n",
        "\ndoublecheck_journal_degraded 0\n",
        // The policy in force, and the payment.
        "\ndoublecheck_journal_appended_total 2\n",
        "\ndoublecheck_journal_kept_lag_records 0\n",
        "\ndoublecheck_recovery_events 0\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

#[test]
fn a_payment_its_duplicate_and_the_evidence() {
    let served = serve();
    let first = served.score_json("p-1", &[]);
    assert_eq!(first["decision"], "DECISION_ALLOW", "{first}");
    assert_eq!(first["history"], "HISTORY_NONE", "{first}");

    let second = served.score_json("p-2", &[]);
    assert_eq!(second["decision"], "DECISION_BLOCK", "{second}");
    let reason = &second["reasons"][0];
    assert_eq!(
        reason["code"], "REASON_CODE_DUPLICATE_IN_FLIGHT",
        "{second}"
    );
    assert_eq!(reason["duplicate"]["earlier_payment_id"], "p-1", "{second}");
    let elapsed = reason["duplicate"]["elapsed"].as_str().unwrap();
    assert!(elapsed.ends_with('s'), "{second}");

    let noted = served.report_succeeded("p-1");
    assert_eq!((noted.code, noted.out.as_str()), (Some(0), "noted\n"));

    let list = served.run(&["evidence", "--account", "alice", "--json"]);
    let records: Vec<Value> = list
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 2, "{list:?}");
    assert_eq!(records[0]["held_against"], "p-1", "{list:?}");
    assert_eq!(records[1]["outcome"], "OUTCOME_SUCCEEDED", "{list:?}");
    assert_eq!(records[1]["payment"]["money"]["amount_minor"], 5_000);

    let duplicates = served.run(&["evidence", "--account", "alice", "--duplicates-only"]);
    assert!(duplicates.out.contains("p-2"), "{duplicates:?}");
    assert_eq!(duplicates.out.lines().count(), 2, "{duplicates:?}");

    let one = served.run(&["evidence", "--account", "alice", "--payment-id", "p-1"]);
    assert!(one.out.contains("succeeded since "), "{one:?}");
    assert!(!one.out.contains("duplicate window"), "{one:?}");
}

#[test]
fn evidence_tells_of_duplicates_that_the_gateway_did_not_want_looked_for() {
    let served = serve();
    served.score_json("p-1", &[]);
    for (payment_id, window, told) in [
        (
            "p-2",
            "0s",
            "duplicate window  0s, set by the gateway: looked for by its order only",
        ),
        ("p-3", "60s", "duplicate window  60s, set by the gateway\n"),
    ] {
        served.score_json(payment_id, &["--duplicate-window", window]);
        let alice = ["evidence", "--account", "alice", "--payment-id", payment_id];
        let evidence = served.run(&alice);
        assert!(evidence.out.contains(told), "{evidence:?}");
    }
}

#[test]
fn the_payer_is_asked_and_says_yes() {
    let served = serve();
    served.score_json("p-1", &[]);
    served.report_succeeded("p-1");
    let asked = served.score_json("p-2", &["--lang", "zh"]);
    assert_eq!(asked["decision"], "DECISION_CONFIRM", "{asked}");
    let token = asked["confirmation"]["token"].as_str().unwrap();
    let confirmed = served.score_json("p-2", &["--token", token]);
    assert_eq!(confirmed["decision"], "DECISION_ALLOW", "{confirmed}");

    served
        .score("p-3", &["--token", token])
        .complained(1, "reason: CONFIRMATION_TOKEN_SPENT");
}

#[test]
fn people_read_decision_score_and_reasons() {
    let served = serve();
    served.score("p-1", &[]);
    let english = served.score("p-2", &[]);
    for part in [
        "decision",
        "block",
        "100.0",
        "DUPLICATE_IN_FLIGHT",
        "You paid 50.00 CNY",
    ] {
        assert!(english.out.contains(part), "{part}: {english:?}");
    }
    let chinese = served.score("p-3", &["--lang", "zh"]);
    assert!(chinese.out.contains("您在"), "{chinese:?}");
    let switched_off = served.score("p-4", &["--duplicate-window", "0s"]);
    assert!(switched_off.out.contains("allow"), "{switched_off:?}");
}

#[test]
fn refusals_name_every_bad_field_and_exit_with_1() {
    let served = serve();
    let ran = served.run(&[
        "score",
        "--account",
        "",
        "--payee",
        "m-1",
        "--payee-type",
        "merchant",
        "--kind",
        "purchase",
        "--amount-minor",
        "0",
        "--currency",
        "CNY",
    ]);
    ran.complained_first(1, "error: INVALID_ARGUMENT: ");
    for field in [
        "\n  payment.account_id: ",
        "\n  payment.money.amount_minor: ",
    ] {
        assert!(ran.err.contains(field), "{ran:?}");
    }
    served
        .run(&["evidence", "--account", "alice", "--payment-id", "p-9"])
        .complained_first(1, "error: NOT_FOUND: ");
}

#[test]
fn a_server_that_is_not_there_exits_with_1() {
    // Port 1 is nobody's.
    run(&[
        "evidence",
        "--account",
        "alice",
        "--server",
        "http://127.0.0.1:1",
    ])
    .complained_first(1, "error: connecting to http://127.0.0.1:1: ");
}

#[test]
fn the_demo_is_decided_as_promised() {
    let ran = run(&["demo"]).succeeded_quietly();
    let last = ran.out.lines().last().unwrap_or_default();
    assert!(
        last.ends_with(" stories, all decided as promised"),
        "{last}"
    );
    assert!(!ran.out.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = doublecheck(&["demo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_remembered_lies_on_large_pages() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        // This system has none.
        return;
    }
    let served = serve();
    let maps = format!("/proc/{}/smaps", served.child.id());
    let maps = fs::read_to_string(maps).unwrap();
    // `hg`: the system was asked for them.
    let asked = |line: &str| line.starts_with("VmFlags:") && line.contains(" hg");
    assert!(maps.lines().any(asked), "{maps}");
}
