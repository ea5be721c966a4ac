//! What does scoring add to a bare call? The service and its echo twin (a bare server of the same
//! messages), loaded by turns with the same payments: unary, streamed, and in batches of 64.
//!
//! `cargo bench --bench edge_cost` runs `doublecheck load --echo` for each and puts the ratios side by
//! side; `-- --test` does so briefly. Other arguments after `--` go to `load` instead of the usual ones, such
//! as `--accounts 1000000 --prefill 4 --duration 2s`. Read ratios within one run: machines are noisy.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

mod loads;

use loads::{AT_LENGTH, BRIEF, FIGURES, LOADS};
use serde_json::Value;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let is_brief = given.iter().any(|argument| argument == "--test");
    // Cargo adds `--bench`.
    let of_load = |argument: &&String| *argument != "--test" && *argument != "--bench";
    let more: Vec<&str> = given.iter().filter(of_load).map(String::as_str).collect();
    let length = match (is_brief, more.is_empty()) {
        (true, _) => [&["--rounds", "1"], BRIEF].concat(),
        (false, true) => AT_LENGTH.to_vec(),
        (false, false) => Vec::new(),
    };
    println!(
        "{:24} {:>12} {:>12} {:>24}",
        "median", "score", "echo", "score/echo (spread)"
    );
    for (name, arguments) in LOADS {
        let asked = [&["--echo"], arguments, &*length, &more].concat();
        let loaded = loads::load(&asked, &["score", "echo"]);
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
        println!("  {:22} {:>12.3}", "share disturbed", disturbed(&loaded));
    }
}

/// Of all payments of a load, the share that was asked about or blocked: such answers cost more than others,
/// and accounts that are to pay without a pause are asked before long.
fn disturbed(loaded: &Value) -> f64 {
    let decisions = loaded["score"]["decisions"].as_object().unwrap();
    let count = |decision: &str| decisions[decision].as_f64().unwrap();
    let disturbed = count("confirm") + count("block");
    disturbed / (disturbed + count("allow"))
}

fn shown(figure: &Value, digits: usize) -> String {
    let figure = figure.as_f64();
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}
