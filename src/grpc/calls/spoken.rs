//! What a call is made by. Whatever else comes by HTTP could be read as a message, and be scored.

use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use crate::grpc::status::Fault;

const GRPC: &[u8] = b"application/grpc";

/// That a request is a call of gRPC, with messages as we read them.
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

/// The name alone means messages of Protocol Buffers; others, and the dialect for browsers, are longer.
fn is_grpc(content_type: &[u8]) -> bool {
    let Some((name, rest)) = content_type.split_at_checked(GRPC.len()) else {
        return false;
    };
    let rest = rest.strip_prefix(b"+proto").unwrap_or(rest);
    // What follows are parameters.
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
