//! **Doublecheck** asks, before money moves, whether the payer means this payment.
//!
//! A payment gateway calls it over gRPC for each payment; it answers allow, confirm (ask the payer
//! again) or block, with reasons, from what it remembers of the account. The README says what it is
//! for; this page is the map of the house.
//!
//! # A payment's way
//!
//! ```text
//! bytes → grpc::convert → Payment → Engine::score ─┬─ payee and device memories: read a few numbers
//!                                                  └─ one closure on the account: retry? expire,
//!                                                       measure, decide, record   (scoring)
//!                                                     └─ payee and device memories: told
//!                                                        └─ journal: appended
//! bytes ← grpc::convert ← journal: written ← Scored ←─┘
//! ```
//!
//! # The rooms, in reading order
//!
//! - [`scoring`]: the domain. What a payment is, what is remembered, the signals, the decision. Pure.
//! - [`clock`]: the time; the only place that reads it.
//! - [`random`]: numbers from a seed.
//! - [`prefetch`]: asking for memory before it is needed.
//! - [`store`]: state by key behind closures; the only place that knows the map.
//! - [`storage`]: files, through one small trait; real ones, and ones that fail by seed.
//! - [`journal`]: what changed the state, as it was: written, read back, judged when it is damaged.
//! - [`token`]: confirmation tokens, signed.
//! - [`access`]: who may call what.
//! - [`tls`]: who the service says it is, and whose clients it lets in.
//! - [`telemetry`]: logs and metrics.
//! - [`engine`]: all of these put together; what the edge calls.
//! - [`grpc`]: the wire: validation, conversion, statuses, the server.
//! - [`http`]: metrics and probes, for who does not speak gRPC.
//! - [`config`]: files, environment and flags into one checked configuration.
//! - [`cli`]: a module for each command.
//!
//! # Invariants
//!
//! - The domain reads no clock, does no IO, awaits nothing and knows no wire type. The same state,
//!   policy, moment and payment give the same answer, to the last bit.
//! - Everything that happens to an account happens in one step under one lock, and no lock guard leaves
//!   the store. Within an account's step its payee may be held, and within that its device, never the other
//!   way round; and the journal is appended to while all of them are. So the place of an event in the
//!   journal is its place in the life of each key that it touches.
//! - No answer leaves before the journal has it, as far as that is promised, and nobody waits for the
//!   journal while holding anything.
//! - After `grpc::convert` no wire type exists, and before it no domain type does.
//! - What is remembered is bounded per account, and what a bound costs is counted.
//!
//! `tests/tidy.rs` holds the house to this.

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
