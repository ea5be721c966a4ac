//! What does scoring add to a bare call? The service and its echo twin (a bare server of the same
//! messages), loaded by turns with the same payments: unary, streamed, and in batches of 64.
//!
//! `cargo bench --bench edge_cost` runs `doublecheck load --echo` for each and puts the ratios side by
//! side; `-- --test` does so briefly. Other arguments after `--` go to `load`, such as `--accounts
//! 1000000 --prefill 4 --duration 2s`. Read ratios within one run: machines are noisy.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

/// What is loaded, and the arguments that say so.
const LOADS: [(&str, &[&str]); 3] = [
    ("unary", &["--mode", "unary", "--in-flight", "32"]),
    ("stream", &["--mode", "stream", "--in-flight", "64"]),
    ("batch of 64", &["--mode", "batch", "--in-flight", "2"]),
];

const BRIEF: &[&str] = &["--rounds", "1", "--payments", "2000", "--warm-up", "0s"];
const AT_LENGTH: &[&str] = &["--rounds", "5", "--duration", "2s", "--warm-up", "500ms"];

const FIGURES: [(&str, &str); 5] = [
    ("payments/s", "rate_per_second"),
    ("server CPU µs/payment", "server_cpu_us_per_payment"),
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("p99.9 µs", "p99_9_us"),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let is_brief = given.iter().any(|argument| argument == "--test");
    // Cargo adds `--bench`.
    let of_load = |argument: &String| argument != "--test" && argument != "--bench";
    let more: Vec<String> = given.into_iter().filter(of_load).collect();
    let lengths = match (is_brief, more.is_empty()) {
        (true, _) => BRIEF,
        (false, true) => AT_LENGTH,
        (false, false) => &[],
    };
    println!(
        "{:24} {:>12} {:>12} {:>24}",
        "median", "score", "echo", "score/echo (spread)"
    );
    for (name, arguments) in LOADS {
        let loaded = load(&[arguments, lengths].concat(), &more);
        println!("{name}");
        for (figure, key) in FIGURES {
            let ratio = &loaded["ratios"][key];
            println!(
                "  {figure:22} {:>12} {:>12} {:>8} ({}–{})",
                shown(&loaded["score"][key]["median"], 2),
                shown(&loaded["echo"][key]["median"], 2),
                shown(&ratio["median"], 3),
                shown(&ratio["min"], 3),
                shown(&ratio["max"], 3),
            );
        }
    }
}

/// Runs the load. Every answer is right, and every payment is answered.
fn load(arguments: &[&str], more: &[String]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_doublecheck"))
        .args(["load", "--echo", "--json"])
        .args(arguments)
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    let loaded: Value = serde_json::from_slice(&output.stdout).unwrap();
    for twin in ["score", "echo"] {
        let side = &loaded[twin];
        assert!(side["answered"].as_u64() > Some(0), "{loaded}");
        for empty in ["errors", "wrong"] {
            assert_eq!(side[empty], Value::Object(Default::default()), "{loaded}");
        }
    }
    loaded
}

fn shown(figure: &Value, digits: usize) -> String {
    let figure = figure.as_f64();
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}
