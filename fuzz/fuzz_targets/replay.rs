//! Any bytes as a line of a replay file: an event, or every fault of it in words.
#![no_main]

use doublecheck::cli::replay::event::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(faults) = parse(bytes) {
        assert!(!faults.to_string().is_empty());
    }
});
