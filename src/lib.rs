//! **Doublecheck** asks, before money moves, whether the payer means this payment.
//!
//! A payment gateway calls it over gRPC for each payment; it answers allow, confirm (ask the payer
//! again) or block, with reasons, from what it remembers of the account. The README says what it is
//! for; this page is the map of the code.
//!
//! # A payment's way
//!
//! ```text
//! bytes → grpc::convert → Payment → Engine::score ─┬─ read what all accounts know of the payee and the device
//!                                                  └─ one step on the account, under its lock: a retry? else
//!                                                     expire, measure, decide, record         (scoring)
//!                                                     └─ update payee and device, append to the journal
//! bytes ← grpc::convert ← once the journal has it ← Scored
//! ```
//!
//! To follow one in the code: [`grpc`], [`Engine::score`](engine::Engine::score),
//! [`Account::score`](scoring::account::Account::score), [`assess`](scoring::assess), and any file in
//! `scoring/signal/`.
//!
//! # Modules
//!
//! The domain:
//! - [`scoring`]: what a payment is, what is remembered, the signals, the decision. Pure functions and data.
//!
//! What it stands on:
//! - [`clock`]: the time; the only module that reads it.
//! - [`random`]: pseudo-random numbers from a seed.
//! - [`prefetch`]: requests memory before it is needed.
//! - [`store`]: state in memory, by key, behind closures.
//! - [`storage`]: files, behind a small trait; real ones, and simulated ones that fail by seed.
//! - [`journal`]: the log of everything that changed the state, and snapshots; on [`storage`].
//! - [`token`]: confirmation tokens and log aliases, keyed.
//! - [`access`]: bearer tokens, client certificates and their roles.
//! - [`tls`]: certificates of the server and of clients.
//! - [`telemetry`]: logs and metrics.
//!
//! The service:
//! - [`engine`]: all of the above put together.
//! - [`grpc`]: the gRPC server: validation, conversion, limits, errors.
//! - [`http`]: metrics and health probes over HTTP.
//!
//! The program:
//! - [`config`]: file, environment and flags into one validated configuration.
//! - [`cli`]: a module for each command.
//!
//! # Invariants
//!
//! - The domain reads no clock, does no IO, awaits nothing and knows no wire type. The same state, policy, time and
//!   payment give the same answer, to the last bit.
//! - Everything that happens to an account happens in one step under one lock, and no lock guard leaves the store.
//!   Within an account's step its payee may be locked, and within that its device, never the other way round; the
//!   journal is appended to while all of them are. So an event has the same place in the journal and in the history
//!   of each key that it touches.
//! - No answer is sent before the journal has it, as far as is promised, and nobody waits for the journal while
//!   holding a lock.
//! - Behind `grpc::convert` there is no wire type, and before it no domain type.
//! - What is remembered is bounded per account, and what a bound costs is counted.
//!
//! `tests/tidy.rs` checks what it can of this: which module may name which, what is banned where, how long files and
//! functions may be.

pub mod scoring;

pub mod clock;
pub mod random;
pub mod prefetch;
pub mod store;
pub mod storage;
pub mod journal;
pub mod token;
pub mod access;
pub mod tls;
pub mod telemetry;

pub mod engine;
pub mod grpc;
pub mod http;

pub mod config;
pub mod cli;
