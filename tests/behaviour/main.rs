//! What Doublecheck does, seen from outside: real calls over real connections. One file per behaviour.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod stalling_disk;
mod support;
mod wire;

mod cancelled_calls;
mod chunks;
mod confirm_protocol;
mod connections;
mod deadlines;
mod degraded;
mod evidence_and_listing;
mod fair_turns;
mod floods;
mod health_and_reflection;
mod idempotent_retry;
mod invalid_request;
mod metrics;
mod not_grpc;
mod not_utf8;
mod outcome_report;
mod overload;
mod races;
mod routed;
mod stream;
mod unfinished_requests;
mod unread_answers;
mod wasted_work;
mod worker_threads;
