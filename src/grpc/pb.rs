//! The wire contract as generated from `proto/`. Named only within [`grpc`](crate::grpc) and by clients.
#![allow(
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code"
)]

tonic::include_proto!("doublecheck.v1");

/// The server again, generated with our own codec. The one above uses tonic's, for the echo twin.
pub(super) mod served {
    include!(concat!(env!("OUT_DIR"), "/served/doublecheck.v1.rs"));
}

/// What the reflection service tells of the contract.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    tonic::include_file_descriptor_set!("doublecheck_descriptor");
