//! Loading the whole service with `doublecheck load`: what the benches that do so share.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a bench")]

use std::process::{Command, Stdio};

use serde_json::Value;

/// What is loaded, and the arguments that say so.
pub const LOADS: [(&str, &[&str]); 3] = [
    ("unary", &["--mode", "unary", "--in-flight", "32"]),
    ("stream", &["--mode", "stream", "--in-flight", "64"]),
    ("batch of 64", &["--mode", "batch", "--in-flight", "2"]),
];

/// What is told of each, and where the summary says it.
pub const FIGURES: [(&str, &str); 5] = [
    ("payments/s", "rate_per_second"),
    ("server CPU µs/payment", "server_cpu_us_per_payment"),
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("p99.9 µs", "p99_9_us"),
];

/// How long a brief round is.
pub const BRIEF: &[&str] = &["--payments", "2000", "--warm-up", "0s"];

/// How long a round is that counts, and so many accounts that next to none pays faster than people do: who does
/// is asked, and to ask takes longer.
pub const AT_LENGTH: &[&str] = &[
    "--duration",
    "2s",
    "--warm-up",
    "500ms",
    "--accounts",
    "1000000",
];

/// Runs the load; the summary has these `sides`. Every payment was answered, and every answer is right.
pub fn load(arguments: &[&str], sides: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_doublecheck"))
        .args(["load", "--json"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    let loaded: Value = serde_json::from_slice(&output.stdout).unwrap();
    for side in sides {
        let side = &loaded[side];
        assert!(side["answered"].as_u64() > Some(0), "{loaded}");
        for empty in ["errors", "wrong"] {
            assert_eq!(side[empty], Value::Object(Default::default()), "{loaded}");
        }
    }
    loaded
}
