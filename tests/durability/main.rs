//! A restart forgets nothing that was answered: engines on disks that fail, ended and started again.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod aside;
mod changes;
mod faults;
mod imports;
mod kill;
mod lives;
mod power;
mod support;
