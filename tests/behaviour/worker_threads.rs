//! Several threads serve one address: connections are spread over them, and they start, announce their
//! end and end together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use doublecheck::grpc::listeners::Listeners;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::router::Router;
use doublecheck::grpc::server_state::ServerState;
use doublecheck::grpc::{DRAIN_MAX, Settings, workers};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::support::{Server, connect, payment_but, score_item};

const WORKERS: usize = 4;

/// So many that one worker cannot happen to get them all: that is one in 10^37.
const CONNECTIONS: usize = 64;

async fn listeners() -> Listeners {
    let threads = NonZeroUsize::new(WORKERS).unwrap();
    Listeners::bind("127.0.0.1:0", threads).await.unwrap()
}

/// A service that counts its calls.
fn counting(calls: impl Fn() + Clone + Send + Sync + 'static) -> Router {
    let health = HealthService::from_health_reporter(HealthReporter::new());
    let count = move |request| {
        calls();
        Result::<_, Status>::Ok(request)
    };
    Routes::new(HealthServer::with_interceptor(health, count)).into()
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let listeners = listeners().await;
    let address = listeners.address();
    let calls: Arc<[AtomicUsize; WORKERS]> = Arc::default();
    let (counters, started) = (Arc::clone(&calls), Arc::new(AtomicUsize::new(0)));
    let services = move |_| {
        let nth = started.fetch_add(1, Ordering::Relaxed);
        let counters = Arc::clone(&counters);
        counting(move || {
            counters[nth].fetch_add(1, Ordering::Relaxed);
        })
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let served = tokio::spawn(workers::run(
        listeners,
        ServerState::recovering(),
        services,
        Settings::default(),
        stopped,
    ));

    for _ in 0..CONNECTIONS {
        let mut client = HealthClient::new(connect(address).await);
        client.check(HealthCheckRequest::default()).await.unwrap();
    }
    let calls: Vec<usize> = calls.iter().map(|n| n.load(Ordering::Relaxed)).collect();
    assert_eq!(calls.iter().sum::<usize>(), CONNECTIONS, "{calls:?}");
    let busy = calls.iter().filter(|calls| **calls > 0).count();
    assert!(busy > 1, "{calls:?}");

    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_is_announced_on_every_worker_and_open_calls_end_first() {
    let server = Server::start_on_workers(WORKERS, DRAIN_MAX * 60).await;
    let mut open = Vec::new();
    for nth in 0..CONNECTIONS {
        let channel = connect(server.address).await;
        let watch = HealthClient::new(channel.clone())
            .watch(HealthCheckRequest::default())
            .await;
        let mut watch = watch.unwrap().into_inner();
        let status = watch.next().await.unwrap().unwrap().status();
        assert_eq!(status, ServingStatus::Serving, "{nth}");
        let (items, inbound) = mpsc::channel(1);
        let mut client = RiskServiceClient::new(channel);
        let answers = client.stream_payments(ReceiverStream::new(inbound)).await;
        open.push((watch, items, answers.unwrap().into_inner()));
    }

    let served = server.shut_down();
    for (nth, (mut watch, items, mut answers)) in open.into_iter().enumerate() {
        let status = watch.next().await.unwrap().unwrap().status();
        assert_eq!(status, ServingStatus::NotServing, "{nth}");
        assert!(!served.is_finished(), "{nth}");
        let payment = payment_but("p", |p| p.account_id = format!("payer-{nth}"));
        items.send(score_item(7, payment)).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().sequence, 7, "{nth}");
        drop(items);
        assert!(answers.next().await.is_none(), "{nth}");
    }
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_open_beyond_the_deadline_is_closed_on_every_worker() {
    let server = Server::start_on_workers(WORKERS, DRAIN_MAX / 500).await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = RiskServiceClient::new(connect(server.address).await);
        let silence = tokio_stream::pending();
        let answers = client.stream_payments(silence).await.unwrap();
        open.push(answers.into_inner());
    }
    server.shut_down().await.unwrap().unwrap();
    for mut answers in open {
        assert!(
            answers.next().await.unwrap().is_err(),
            "the connection is gone"
        );
    }
}

#[tokio::test]
async fn a_worker_that_fails_takes_the_others_with_it() {
    let started = Arc::new(AtomicUsize::new(0));
    let services = move |_| {
        let nth = started.fetch_add(1, Ordering::Relaxed);
        assert_ne!(nth, WORKERS / 2, "this one fails");
        counting(|| {})
    };
    let never = std::future::pending();
    let ended = workers::run(
        listeners().await,
        ServerState::recovering(),
        services,
        Settings::default(),
        never,
    )
    .await;
    assert_eq!(ended.unwrap_err().to_string(), "a worker panicked");
}

#[tokio::test]
async fn a_port_that_another_server_has_is_not_shared_with_it() {
    let theirs = listeners().await;
    let address = theirs.address().to_string();
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let refused = Listeners::bind(&address, threads).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    }
    drop(theirs);
    let again = Listeners::bind(&address, NonZeroUsize::MIN).await.unwrap();
    assert_eq!(again.address().to_string(), address);
}
