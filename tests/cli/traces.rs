//! Spans, sent to a collector of OpenTelemetry's own protocol.

use std::net::SocketAddr;
use std::sync::mpsc;

use doublecheck::grpc::pb;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

use crate::support::Served;

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

struct Collector(mpsc::Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn scoring(account: &str, flags: &str) -> Request<pb::ScorePaymentRequest> {
    let payment = pb::Payment {
        payment_id: "p-1".to_owned(),
        account_id: account.to_owned(),
        payee: Some(pb::Payee {
            id: "a-payee-of-ours".to_owned(),
            r#type: pb::PayeeType::Merchant.into(),
        }),
        money: Some(pb::Money {
            amount_minor: 5_000,
            currency_code: "CNY".to_owned(),
        }),
        kind: pb::PaymentKind::Purchase.into(),
        device_id: Some("a-device-of-ours".to_owned()),
        ..Default::default()
    };
    let mut request = Request::new(pb::ScorePaymentRequest {
        payment: Some(payment),
        confirmation_token: String::new(),
    });
    let header = format!("00-{TRACE:032x}-{SPAN:016x}-{flags}");
    let header = header.parse().unwrap();
    request.metadata_mut().insert("traceparent", header);
    request
}

/// A server that sends its spans to the collector at this address, and a client of it.
async fn serve_and_tell(collector: &SocketAddr) -> (Served, RiskServiceClient<Channel>) {
    let endpoint = format!("http://{collector}");
    let usual = ["serve", "--grpc-address", "127.0.0.1:0"];
    let served = Served::start(&[&usual[..], &["--otlp-endpoint", &endpoint]].concat());
    let address = format!("http://{}", served.address);
    let client = RiskServiceClient::connect(address).await.unwrap();
    (served, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_recorded_trace_become_spans_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listened = listener.local_addr().unwrap();
    let (collector, collected) = mpsc::channel();
    let service = TraceServiceServer::new(Collector(collector));
    let router = Server::builder().add_service(service);
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));

    let (served, mut client) = serve_and_tell(&listened).await;
    client
        .score_payment(scoring("an-account-of-ours", "01"))
        .await
        .unwrap();
    client
        .score_payment(scoring("an-account-of-ours", "00"))
        .await
        .unwrap();
    client.score_payment(scoring("", "01")).await.unwrap_err();
    tokio::task::spawn_blocking(|| served.end()).await.unwrap();

    let exports: Vec<_> = collected.try_iter().collect();
    let told = format!("{exports:?}");
    for secret in ["an-account-of-ours", "a-payee-of-ours", "a-device-of-ours"] {
        assert!(!told.contains(secret), "{told}");
    }
    let resources = exports.into_iter().flat_map(|export| export.resource_spans);
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
    assert_eq!(spans.len(), 2, "{told}");
    for span in spans {
        assert_eq!(span.name, "doublecheck.v1.RiskService/ScorePayment");
        assert_eq!(span.trace_id, TRACE.to_be_bytes());
        assert_eq!(span.parent_span_id, SPAN.to_be_bytes());
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert!(
        told.contains("IntValue(0)") && told.contains("IntValue(3)"),
        "{told}"
    );
}

/// It takes connections and reads what comes, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_does_not_answer_holds_up_no_call_and_no_end() {
    /// More than wait for a collector at most.
    const CALLS: usize = 5_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listened = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(
                async move { tokio::io::copy(&mut connection, &mut tokio::io::sink()).await },
            );
        }
    });
    let (served, mut client) = serve_and_tell(&listened).await;
    for nth in 0..CALLS {
        client
            .score_payment(scoring(&format!("account-{nth}"), "01"))
            .await
            .unwrap();
    }
    let log = tokio::task::spawn_blocking(|| served.end()).await.unwrap();
    assert!(log.contains("the last spans could not be sent"), "{log}");
    assert!(log.contains("stopped"), "{log}");
}
