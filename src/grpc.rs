//! The edge: gRPC in, gRPC out. No decisions are made here.

pub mod pb;
