//! What the journal promises: events are read back as they were, in order; damage is told and never
//! silent; what was promised survives power cuts and failing disks. The disks are simulated, by seed.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

mod damage;
mod events;
mod faults;
mod power_cuts;
mod snapshots;
mod threads;
