//! Any bytes as the file of settings, as a policy and as tokens: taken, or told of with their place.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use doublecheck::config::fault::Fault;
use doublecheck::config::{Config, Environment, Flags, policy_file, tokens_file};
use libfuzzer_sys::fuzz_target;

/// A file of this process's own.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("doublecheck-fuzz-{}.toml", std::process::id())));

fn assert_told<T>(read: Result<T, Vec<Fault>>) {
    if let Err(faults) = read {
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
    }
}

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("a file can be written");
    assert_told(Config::load(Some(&FILE), &Environment::new(), &Flags::default()));
    assert_told(policy_file::read(&FILE));
    assert_told(tokens_file::read(&FILE));
});
