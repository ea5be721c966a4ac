//! `load` against real servers: every payment is answered, every answer is checked and counted.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, Ran, Served, run};

/// How long a server lets calls wait here: a busy machine is another matter.
pub(crate) const PATIENT: [&str; 2] = ["--admission-queue-ms", "60000"];

pub(crate) fn serve() -> Served {
    let usual = ["serve", "--grpc-address", "127.0.0.1:0"];
    Served::start(&[&usual[..], &PATIENT].concat())
}

/// Loads for a count of payments, at once.
pub(crate) fn load(arguments: &[&str]) -> Ran {
    let brief = ["load", "--warm-up", "0s"];
    let mut arguments = [&brief, arguments].concat();
    if !arguments
        .iter()
        .any(|argument| ["--", "--address"].contains(argument))
    {
        arguments.push("--");
        arguments.extend(PATIENT);
    }
    run(&arguments)
}

pub(crate) fn load_json(arguments: &[&str]) -> Value {
    load(&[&["--json", "--seed", "1"], arguments].concat())
        .succeeded_quietly()
        .json()
}

fn count(counts: &Value) -> u64 {
    let counts = counts.as_object().unwrap();
    counts.values().map(|count| count.as_u64().unwrap()).sum()
}

/// Every payment was answered and decided, no answer was wrong, and of the mistakes just the retries
/// under the same id were replayed.
pub(crate) fn assert_all_answered(side: &Value, payments: u64) {
    assert_eq!(side["answered"], payments, "{side}");
    assert_eq!(count(&side["decisions"]), payments, "{side}");
    assert_eq!(count(&side["errors"]), 0, "{side}");
    assert_eq!(count(&side["wrong"]), 0, "{side}");
    assert_eq!(side["replayed"], side["mistakes"]["same_id"], "{side}");
    let figures = ["rate_per_second", "p50_us", "p99_us", "p99_9_us"];
    for figure in figures {
        assert!(side[figure]["median"].as_f64().unwrap() > 0.0, "{side}");
    }
}

#[test]
fn a_closed_loop_gets_an_answer_to_every_payment() {
    let loaded = load_json(&["--payments", "2000", "--mistakes", "0.2"]);
    let score = &loaded["score"];
    assert_all_answered(score, 2_000);
    // A fifth of 2,000, less what is allowed to nobody and what would come after the end.
    let mistakes = count(&score["mistakes"]);
    assert!((200..500).contains(&mistakes), "{score}");
    for kind in ["double_press", "timeout_retry", "resubmit", "same_id"] {
        assert!(score["mistakes"][kind].as_u64() > Some(0), "{score}");
    }
    assert!(score["decisions"]["block"].as_u64() > Some(0), "{score}");
    if cfg!(target_os = "linux") && fs::exists("/proc/self/schedstat").unwrap() {
        let cpu = &score["server_cpu_us_per_payment"]["median"];
        assert!(cpu.as_f64() > Some(0.0), "{score}");
    }
    assert_eq!(loaded["echo"], Value::Null);
    assert_eq!(loaded["parameters"]["payments"], 2_000);
    assert_eq!(loaded["parameters"]["seed"], 1);
}

#[test]
fn batches_are_answered_to_the_last_payment() {
    let batches = ["--mode", "batch", "--batch-size", "64", "--in-flight", "2"];
    let loaded = load_json(&[&batches[..], &["--payments", "2000", "--mistakes", "0.1"]].concat());
    assert_all_answered(&loaded["score"], 2_000);
    assert!(loaded["score"]["replayed"].as_u64() > Some(0), "{loaded}");
    assert_eq!(loaded["parameters"]["batch_size"], 64);
}

#[test]
fn streams_are_answered_in_turn() {
    let streams = [
        "--mode",
        "stream",
        "--connections",
        "3",
        "--client-threads",
        "2",
    ];
    let loaded = load_json(&[&streams[..], &["--payments", "2001", "--mistakes", "0.1"]].concat());
    assert_all_answered(&loaded["score"], 2_001);
    assert!(loaded["score"]["replayed"].as_u64() > Some(0), "{loaded}");
}

#[test]
fn an_open_loop_sends_as_many_as_are_due() {
    for mode in ["unary", "batch", "stream"] {
        let loaded = load_json(&["--mode", mode, "--rate", "20000", "--payments", "1000"]);
        assert_all_answered(&loaded["score"], 1_000);
        assert_eq!(loaded["parameters"]["rate_per_second"], 20_000.0);
    }
    let timed = load_json(&["--rate", "1000", "--duration", "200ms"]);
    let answered = timed["score"]["answered"].as_u64().unwrap();
    // 200 are expected; Poisson's deviation is 14.
    assert!((120..280).contains(&answered), "{timed}");
}

#[test]
fn what_was_prefilled_is_remembered_and_not_counted() {
    let served = serve();
    let server = [
        "--address",
        &served.address,
        "--prefill",
        "3",
        "--accounts",
        "100",
    ];
    let zipf = [
        "--distribution",
        "zipf",
        "--payments",
        "500",
        "--mistakes",
        "0",
    ];
    let loaded = load_json(&[server, zipf].concat());
    assert_all_answered(&loaded["score"], 500);
    // The first and the last account, which differ most in how often they pay.
    let remembered = |account| {
        let evidence = served.run(&["evidence", "--json", "--account", account]);
        evidence.out.lines().count()
    };
    let (first, last) = (
        remembered("account-0000000001"),
        remembered("account-0000000100"),
    );
    assert!(last >= 3 && first > last + 3, "{first} {last}");
}

#[test]
fn the_echo_twin_is_measured_by_turns() {
    let loaded = load_json(&["--echo", "--rounds", "2", "--payments", "500"]);
    for side in ["score", "echo"] {
        assert_eq!(loaded[side]["answered"], 1_000, "{loaded}");
        assert_eq!(loaded[side]["rounds"].as_array().unwrap().len(), 2);
    }
    assert_all_answered(&loaded["score"], 1_000);
    assert_eq!(loaded["echo"]["decisions"]["allow"], 1_000, "{loaded}");
    assert!(loaded["ratios"]["rate_per_second"]["median"].as_f64() > Some(0.0));
    assert!(loaded["ratios"]["p99_us"]["max"].as_f64() > Some(0.0));
}

#[test]
fn people_read_a_table_and_tools_the_distribution() {
    let folder = Folder::with(&[]);
    let file = folder.path("latency.hgrm");
    let ran = load(&["--payments", "300", "--histogram", &file]).succeeded_quietly();
    for part in [
        "rate",
        "payments/s",
        "p99.9",
        "decisions",
        "wrong answers  none",
    ] {
        assert!(ran.out.contains(part), "{part}: {ran:?}");
    }
    let distribution = fs::read_to_string(file).unwrap();
    assert!(distribution.contains("1/(1-Percentile)"), "{distribution}");
    assert!(
        distribution.contains("Total count    =          300]"),
        "{distribution}"
    );
    let compared = load(&["--echo", "--rounds", "1", "--payments", "300"]);
    assert!(compared.out.contains("score/echo"), "{compared:?}");
}

#[test]
fn a_server_that_runs_is_loaded_and_left_running() {
    let served = serve();
    let loaded = load_json(&["--address", &served.address, "--payments", "300"]);
    assert_eq!(loaded["score"]["answered"], 300, "{loaded}");
    assert_eq!(loaded["parameters"]["journal_ack"], Value::Null);
    assert_eq!(loaded["score"]["server_cpu_us_per_payment"], Value::Null);
    assert_eq!(served.score_json("p-1", &[])["decision"], "DECISION_ALLOW");
}

#[test]
fn the_processor_time_of_named_processes_is_told() {
    let served = serve();
    let pid = std::process::id().to_string();
    let server = ["--address", &served.address, "--pid", &pid];
    let loaded = load_json(&[&server[..], &["--payments", "300"]].concat());
    let is_told = loaded["score"]["server_cpu_us_per_payment"].is_object();
    let is_known = std::path::Path::new("/proc/self/schedstat").exists();
    assert_eq!(is_told, is_known, "{loaded}");
    if is_known {
        // More than any system gives out.
        let missing = load(&["--address", &served.address, "--pid", "4294967295"]);
        let told = "error: --pid: there is no process 4294967295\n";
        assert_eq!((missing.code, missing.err.as_str()), (Some(2), told));
    }
    // A server of its own it knows by itself.
    assert_eq!(load(&["--pid", &pid]).code, Some(2));
}

#[test]
fn wrong_answers_are_counted_and_exit_with_1() {
    // The echo twin lets everything through, which the service must not.
    let echo = Served::start(&["echo", "--grpc-address", "127.0.0.1:0"]);
    let ran = load(&[
        "--address",
        &echo.address,
        "--payments",
        "1000",
        "--mistakes",
        "0.2",
    ]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("mistake_allowed "), "{ran:?}");
    for part in [
        "error: wrong answers",
        " mistake_allowed: ",
        " retry_not_replayed: ",
    ] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn refusals_are_counted_by_code() {
    let served = serve();
    let modes = [("unary", "1"), ("batch", "2"), ("stream", "3")];
    for (mode, seed) in modes {
        // The same ids again: for another payee a conflict, for the same one a stored answer.
        let paid = |payees| {
            let server = ["--address", &served.address, "--mode", mode, "--json"];
            let made_up = ["--seed", seed, "--payees-per-account", payees];
            load(
                &[
                    &server[..],
                    &made_up,
                    &["--payments", "300", "--mistakes", "0"],
                ]
                .concat(),
            )
        };
        assert_eq!(paid("4").code, Some(0));
        let again = paid("2");
        let loaded = again.json();
        let score = &loaded["score"];
        let conflicts = score["errors"]["ALREADY_EXISTS"].as_u64().unwrap();
        let replayed = score["wrong"]["new_replayed"].as_u64().unwrap();
        assert_eq!(conflicts + replayed, 300, "{mode}: {score}");
        assert_eq!(score["answered"], replayed, "{mode}: {score}");
        assert!((50..250).contains(&replayed), "{mode}: {score}");
        assert_eq!(again.code, Some(1));
        assert!(again.err.contains("is this --seed in use"), "{again:?}");
    }
}

#[test]
fn a_server_that_does_not_start_or_answer_exits_with_1() {
    load(&["--address", "127.0.0.1:1"])
        .complained_first(1, "error: connecting to http://127.0.0.1:1: ");
}

#[test]
fn what_its_server_does_not_take_is_wrong_usage_of_the_load() {
    for (arguments, why) in [
        (["--policy", "no-such.toml"], "no-such.toml: cannot be read"),
        (["--nope", "1"], "unexpected argument '--nope'"),
    ] {
        let ran = load(&[&["--payments", "1", "--"][..], &arguments].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        for part in ["did not start", why] {
            assert!(ran.err.contains(part), "{part}: {ran:?}");
        }
    }
}

#[test]
fn a_histogram_that_cannot_be_written_is_told_before_the_load() {
    let folder = Folder::with(&[]);
    let file = folder.path("no/such/folder/latency.hgrm");
    // It would be waited for without end.
    let why = format!("error: creating {file}: ");
    load(&["--duration", "10m", "--histogram", &file]).complained_first(1, &why);
    let why = "error: --histogram is a file";
    load(&["--duration", "10m", "--histogram", "-"]).complained_first(2, why);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_takes_no_figures_away() {
    let ran = load(&["--payments", "5", "--histogram", "/dev/full"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("answered       5 in "), "{ran:?}");
    assert!(ran.err.starts_with("error: writing /dev/full: "), "{ran:?}");
}

#[test]
fn contradictions_are_explained() {
    for (arguments, why) in [
        (
            &["--rate", "5", "--in-flight", "1"][..],
            "--rate and --in-flight: ",
        ),
        (&["--batch-size", "5"], "--batch-size: only --mode batch"),
        (
            &["--zipf-exponent", "1"],
            "--zipf-exponent: only --distribution zipf",
        ),
        (&["--client-threads", "9"], "--client-threads: each thread"),
        (&["--address", "a:1", "--echo"], "--address and --echo: "),
        (
            &["--address", "a:1", "--threads", "1"],
            "--address: a server that runs",
        ),
        (&["--accounts", "3"], "--mistakes: with 3 accounts"),
        (&["--mistakes", "tripple=0.1"], "no such mistake: tripple"),
        (
            &["--rate", "0"],
            "must be 0.01 to 10000000 payments a second",
        ),
        (&["--duration", "soon"], "must be a length of time"),
        (&["--in-flight", "0"], "'--in-flight <COUNT>'"),
    ] {
        let ran = run(&[&["load"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(
            ran.err.starts_with("error: ") && ran.err.contains(why),
            "{ran:?}"
        );
    }
}
