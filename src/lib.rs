//! draft

pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod grpc;
pub mod scoring;
pub mod store;
pub mod telemetry;
pub mod token;
