//! What every gRPC tool asks first: are you well, and what do you speak. And the way out.

use std::collections::BTreeSet;
use std::time::Duration;

use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use prost::Message as _;
use tokio_stream::StreamExt as _;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{Server, connect, payment, request};

const SERVICE: &str = "doublecheck.v1.RiskService";

/// Longer than any test may take.
const FOR_EVER: Duration = Duration::from_secs(3_600);

fn health_of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn watch(server: &Server, service: &str) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(connect(server.address).await);
    let watch = client.watch(health_of(service)).await.unwrap();
    watch.into_inner()
}

async fn next_status(watch: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    watch.next().await.unwrap().unwrap().status()
}

#[tokio::test]
async fn the_server_and_its_service_are_well_and_nothing_else_is_known() {
    let server = Server::start().await;
    let mut client = HealthClient::new(connect(server.address).await);
    for service in ["", SERVICE] {
        let answer = client.check(health_of(service)).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
    let status = client.check(health_of("else")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_of_a_name_that_is_not_known_says_so_and_lasts_as_long_as_others() {
    let server = Server::start_draining_for(FOR_EVER).await;
    let (mut unknown, mut known) = (watch(&server, "else").await, watch(&server, "").await);
    assert_eq!(
        next_status(&mut unknown).await,
        ServingStatus::ServiceUnknown
    );
    assert_eq!(next_status(&mut known).await, ServingStatus::Serving);

    let served = server.shut_down();
    assert_eq!(next_status(&mut known).await, ServingStatus::NotServing);
    assert!(known.next().await.is_none());
    assert!(unknown.next().await.is_none());
    // Nor does anybody wait for it to leave.
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_is_announced_to_who_watches_and_then_nobody_does() {
    for service in ["", SERVICE] {
        let server = Server::start_draining_for(FOR_EVER).await;
        let mut watch = watch(&server, service).await;
        assert_eq!(next_status(&mut watch).await, ServingStatus::Serving);

        let served = server.shut_down();
        assert_eq!(next_status(&mut watch).await, ServingStatus::NotServing);
        assert!(watch.next().await.is_none());
        // The client is still there, and nobody waits for it to leave.
        served.await.unwrap().unwrap();
        drop(watch);
    }
}

#[tokio::test]
async fn calls_are_still_taken_between_the_announcement_and_the_end() {
    let settings = doublecheck::grpc::Settings {
        drain_grace: FOR_EVER,
        ..Default::default()
    };
    let server = Server::start_with_settings(settings).await;
    let mut watch = watch(&server, "").await;
    assert_eq!(next_status(&mut watch).await, ServingStatus::Serving);
    let (address, client) = (server.address, server.client.clone());
    let served = server.shut_down();
    assert_eq!(next_status(&mut watch).await, ServingStatus::NotServing);
    // On an open connection, and on a new one.
    for mut client in [client, RiskServiceClient::new(connect(address).await)] {
        client
            .score_payment(request(payment("p1"), ""))
            .await
            .unwrap();
    }
    assert!(!served.is_finished());
    served.abort();
}

#[tokio::test]
async fn reflection_can_be_switched_off() {
    let settings = doublecheck::grpc::Settings {
        reflection: false,
        ..Default::default()
    };
    let server = Server::start_with_settings(settings).await;
    server.score(payment("p1")).await.unwrap();
    let channel = connect(server.address).await;
    let mut v1 = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let status = v1
        .server_reflection_info(tokio_stream::empty())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let mut v1alpha = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let status = v1alpha
        .server_reflection_info(tokio_stream::empty())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

/// Asks one version of reflection: the services that it lists, and the names of the files that it
/// gives for our service.
macro_rules! reflected {
    ($version:ident, $address:expr) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;

        let questions = [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol(SERVICE.to_owned()),
            MessageRequest::FileByFilename("google/rpc/status.proto".to_owned()),
        ];
        let questions = questions.map(|question| $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        });
        let mut client = ServerReflectionClient::new(connect($address).await);
        let questions = tokio_stream::iter(questions);
        let answers = client.server_reflection_info(questions).await.unwrap();
        let answers: Vec<_> = answers.into_inner().collect().await;
        let (mut services, mut files) = (BTreeSet::new(), BTreeSet::new());
        for answer in answers {
            match answer.unwrap().message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    services.extend(list.service.into_iter().map(|service| service.name));
                }
                MessageResponse::FileDescriptorResponse(found) => {
                    for file in found.file_descriptor_proto {
                        let file = prost_types::FileDescriptorProto::decode(file.as_slice());
                        files.insert(file.unwrap().name().to_owned());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        (services, files)
    }};
}

#[tokio::test]
async fn reflection_tells_what_is_spoken_in_both_versions() {
    let server = Server::start().await;
    let v1 = reflected!(v1, server.address);
    let v1alpha = reflected!(v1alpha, server.address);
    for (services, files) in [&v1, &v1alpha] {
        assert!(services.contains(SERVICE), "{services:?}");
        assert!(services.contains("grpc.health.v1.Health"), "{services:?}");
        assert!(
            files.contains("doublecheck/v1/risk_service.proto"),
            "{files:?}"
        );
        assert!(files.contains("google/rpc/status.proto"), "{files:?}");
    }
}
