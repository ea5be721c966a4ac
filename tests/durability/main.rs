//! A restart forgets nothing that was answered: engines on disks that fail, ended and started again.

mod lives;
mod power;
mod support;
