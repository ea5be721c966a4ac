//! What the domain decides, told as timelines. Time is part of each story; nothing sleeps.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod bounds;
mod busy;
mod confirmations;
mod doubts;
mod images;
mod outcomes;
mod policies;
mod retries;
mod runs;
mod signals;
mod silence;
mod texts;
mod timeline;
