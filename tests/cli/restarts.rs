//! Stopping, and starting again, under load.
//!
//! Two instances, and a client that does what gateways and balancers do: it watches the health of both and
//! calls one that says SERVING. It retries nothing: every call must be answered. DOUBLECHECK_RESTARTS asks
//! for more restarts.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Folder, Served, purchase};

const RESTARTS: usize = 6;
const CALLERS: usize = 4;

/// Far longer than it takes a client to hear that it should turn away.
const GRACE_MS: &str = "1500";

fn start(data: &str, grace_ms: &str) -> Served {
    // A busy machine is another matter than a restart.
    let patient = ["--admission-queue-ms", "60000"];
    let address = [
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--drain-deadline-s",
        "600",
    ];
    let grace = ["--drain-grace-ms", grace_ms];
    Served::start_on(data, &[&address[..], &patient, &grace].concat())
}

async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// An instance as the client knows it.
#[derive(Clone)]
struct Known {
    channel: Channel,
    serves: Arc<AtomicBool>,
}

impl Known {
    /// Connects, and hears from then on how it is.
    async fn of(served: &Served) -> Self {
        let channel = connect(&served.address).await;
        let mut health = HealthClient::new(channel.clone());
        let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
        let mut watch = watch.into_inner();
        let serves = Arc::new(AtomicBool::new(false));
        let said = Arc::clone(&serves);
        tokio::spawn(async move {
            while let Some(Ok(answer)) = watch.next().await {
                let well = answer.status() == ServingStatus::Serving;
                said.store(well, Ordering::SeqCst);
            }
            said.store(false, Ordering::SeqCst);
        });
        while !serves.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        Self { channel, serves }
    }
}

/// Calls whoever serves, until `over`.
async fn call(
    known: Arc<parking_lot::Mutex<Vec<Known>>>,
    over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
) {
    while !over.load(Ordering::SeqCst) {
        let serving = known
            .lock()
            .iter()
            .find(|known| known.serves.load(Ordering::SeqCst))
            .cloned();
        let Known { channel, .. } = serving.expect("one of them serves");
        let nth = calls.fetch_add(1, Ordering::SeqCst);
        let answer = RiskServiceClient::new(channel)
            .score_payment(purchase(&format!("payer-{nth}"), "p1"))
            .await;
        answer.unwrap_or_else(|status| panic!("call {nth}: {status:?}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restarts_fail_no_call() {
    let asked = std::env::var("DOUBLECHECK_RESTARTS").ok();
    let restarts = asked.map_or(RESTARTS, |asked| asked.parse().unwrap());
    let folder = Folder::with(&[]);
    let data = ["one", "other"].map(|name| folder.path(name));
    let mut served = vec![start(&data[0], GRACE_MS), start(&data[1], GRACE_MS)];
    let known = vec![Known::of(&served[0]).await, Known::of(&served[1]).await];
    let known = Arc::new(parking_lot::Mutex::new(known));
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let caller = |_| {
        tokio::spawn(call(
            Arc::clone(&known),
            Arc::clone(&over),
            Arc::clone(&calls),
        ))
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    for nth in 0..restarts {
        let which = nth % 2;
        let ending = served.remove(which);
        tokio::task::block_in_place(|| ending.end());
        let again = tokio::task::block_in_place(|| start(&data[which], GRACE_MS));
        let heard = Known::of(&again).await;
        served.insert(which, again);
        known.lock()[which] = heard;
    }
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls > 10 * restarts, "{calls}");
    let told = format!("{restarts} restarts, {calls} calls, none failed\n");
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    served.into_iter().for_each(|served| drop(served.end()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let folder = Folder::with(&[]);
    let mut served = start(&folder.path("data"), "600000");
    let mut client = RiskServiceClient::new(connect(&served.address).await);
    let silence = tokio_stream::pending();
    let answers = client.stream_payments(silence).await.unwrap();
    served.signal("-TERM");
    served.logged("stopping");
    // Ten minutes of grace, and ten for the open stream, are ahead.
    assert!(served.child.try_wait().unwrap().is_none());
    served.signal("-TERM");
    served.logged("stopping at once");
    let ended = tokio::task::block_in_place(|| served.child.wait().unwrap());
    assert!(ended.success());
    drop(answers);
}
