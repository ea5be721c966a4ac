//! Checks that a request is a gRPC call. Anything else that comes over HTTP/2 could be misread as a message,
//! and scored.

use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use crate::grpc::status::Fault;

const GRPC: &[u8] = b"application/grpc";

/// Fails unless the request is a gRPC call with Protocol Buffers messages.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Fault> {
    if *request.method() != Method::POST {
        return Err(Fault::NotPosted);
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    match content_type.is_some_and(|content_type| is_grpc(content_type.as_bytes())) {
        true => Ok(()),
        false => Err(Fault::NotGrpc),
    }
}

/// `application/grpc` alone means Protocol Buffers; other encodings and gRPC-Web have longer names.
fn is_grpc(content_type: &[u8]) -> bool {
    let Some((name, rest)) = content_type.split_at_checked(GRPC.len()) else {
        return false;
    };
    let rest = rest.strip_prefix(b"+proto").unwrap_or(rest);
    // Parameters may follow.
    (name == GRPC || name.eq_ignore_ascii_case(GRPC)) && matches!(rest, [] | [b';' | b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_messages_of_protocol_buffers_is_grpc() {
        for grpc in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC",
            "application/grpc;charset=utf-8",
            "application/grpc+proto; x=y",
        ] {
            assert!(is_grpc(grpc.as_bytes()), "{grpc}");
        }
        for other in [
            "",
            "application",
            "text/plain",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc+json",
            "application/grpc+protobuf",
            "application/grpcfoo",
        ] {
            assert!(!is_grpc(other.as_bytes()), "{other}");
        }
    }
}
