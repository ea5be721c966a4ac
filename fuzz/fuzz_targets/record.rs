//! Any bytes as a record: they are none, or an event that is written and read back as itself.
#![no_main]

use doublecheck::journal::record::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = decode(bytes) else {
        return;
    };
    let mut written = Vec::new();
    encode(&event, &mut written);
    let read = decode(&written).expect("what was written is read");
    let mut again = Vec::new();
    encode(&read, &mut again);
    // Compared as bytes: a score that is not a number equals nothing.
    assert_eq!(again, written);
});
