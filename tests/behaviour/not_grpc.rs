//! What comes by HTTP/2 and is not gRPC.

use http::Request;
use tonic::Code;

use crate::support::{Server, payment, request};
use crate::wire::{HEALTH, SCORE, Wire, framed};

/// A question by this method of HTTP and of this type, where it has one.
fn question(path: &str, method: &str, content_type: &str) -> Request<()> {
    let mut question = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("te", "trailers");
    if !content_type.is_empty() {
        question = question.header("content-type", content_type);
    }
    question.body(()).unwrap()
}

#[tokio::test]
async fn what_is_not_grpc_is_refused_in_the_words_of_http() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let message = framed(&request(payment("p1"), ""));
    for (method, content_type, http) in [
        ("POST", "", 415),
        ("POST", "text/plain", 415),
        ("POST", "application/json", 415),
        ("POST", "application/grpc+json", 415),
        ("POST", "application/grpc-web+proto", 415),
        ("GET", "application/grpc", 405),
        ("PUT", "application/grpc", 405),
    ] {
        for path in [SCORE, HEALTH] {
            let question = question(path, method, content_type);
            let mut begun = wire.try_ask(question).await.unwrap();
            begun.body.send_data(message.clone(), true).unwrap();
            let ended = begun.end().await;
            assert_eq!(ended.http, http, "{method} {content_type} {path}");
            assert_eq!(ended.code(), Code::InvalidArgument);
            assert_eq!(ended.said("allow") == "POST", http == 405);
        }
    }
    assert!(server.remembered().await.is_empty());
    let question = question(SCORE, "POST", "application/grpc+proto");
    let mut begun = wire.try_ask(question).await.unwrap();
    begun.body.send_data(message, true).unwrap();
    assert_eq!(begun.end().await.code(), Code::Ok);
}
