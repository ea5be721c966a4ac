//! What does it cost that answers outlive the process? The service with `journal.ack` at `none`, `written`
//! and `synced`, loaded by turns with the same payments: unary, streamed, and in batches of 64.
//!
//! `cargo bench --bench journal_cost` prints medians of five rounds and their ratios to `none`; `-- --test`
//! does so briefly. Journals go to a directory beside the build: what `synced` costs is that disk's to say.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

mod loads;

use std::fs;
use std::path::Path;

use loads::{AT_LENGTH, BRIEF, FIGURES, LOADS};
use serde_json::Value;

const ACKS: [&str; 3] = ["none", "written", "synced"];

fn main() {
    let is_brief = std::env::args().any(|argument| argument == "--test");
    let (rounds, length): (usize, &[&str]) = match is_brief {
        true => (1, BRIEF),
        false => (5, AT_LENGTH),
    };
    println!(
        "{:24} {:>12} {:>22} {:>22}",
        "median (÷ none)", "none", "written", "synced"
    );
    for (name, arguments) in LOADS {
        let mut loaded = [const { Vec::new() }; ACKS.len()];
        for _ in 0..rounds {
            for (ack, loaded) in ACKS.iter().zip(&mut loaded) {
                loaded.push(load(&[arguments, length].concat(), ack));
            }
        }
        println!("{name}");
        for (figure, key) in FIGURES {
            let [none, written, synced] = loaded.each_ref().map(|rounds| median(rounds, key));
            println!(
                "  {figure:22} {none:>12.2} {written:>12.2} ({:>7.3}) {synced:>12.2} ({:>7.3})",
                written / none,
                synced / none
            );
        }
    }
}

/// Loads a server with this `journal.ack`.
fn load(arguments: &[&str], ack: &str) -> Value {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal_cost");
    let kept_in = data.to_str().unwrap();
    let served = [
        "--rounds",
        "1",
        "--",
        "--journal-ack",
        ack,
        "--data-dir",
        kept_in,
    ];
    let loaded = loads::load(&[arguments, &served].concat(), &["score"]);
    // The next one begins with nothing; without a journal there is nothing to remove.
    let _ = fs::remove_dir_all(&data);
    loaded
}

fn median(rounds: &[Value], key: &str) -> f64 {
    let figure = |loaded: &Value| loaded["score"][key]["median"].as_f64();
    let mut figures: Vec<f64> = rounds.iter().filter_map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
