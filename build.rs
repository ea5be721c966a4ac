//! Compiles the wire contract in `proto/` to Rust, with a compiler written in Rust: a fresh machine
//! needs no `protoc`. Nothing else happens here: no network, no version stamps.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");

    // Imports come along, and comments too: they become the documentation of the generated code.
    let files = protox::compile(["doublecheck/v1/risk_service.proto"], ["proto"])?;

    // What the reflection service tells its clients.
    let descriptor = PathBuf::from(env::var("OUT_DIR")?).join("doublecheck_descriptor.bin");
    fs::write(descriptor, files.encode_to_vec())?;

    // So that a message's description is found by its type.
    let mut named = tonic_prost_build::Config::new();
    named.enable_type_names();
    tonic_prost_build::configure()
        // The same type that the error details come in, so nothing is converted.
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds_with_config(files.clone(), named)?;

    // The server once more, of the same messages, with a codec of our own.
    let served = PathBuf::from(env::var("OUT_DIR")?).join("served");
    fs::create_dir_all(&served)?;
    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::grpc::codec::SliceCodec")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .extern_path(".doublecheck.v1", "crate::grpc::pb")
        .out_dir(served)
        .compile_fds(files)?;
    Ok(())
}
