//! Several instances behind a real HAProxy, as deploy/haproxy has it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::pb::{BatchScorePaymentsRequest, Decision};
use tokio::task::JoinSet;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};

use crate::support::{Folder, Served, is_installed, metric, purchase, run, serve};

const CONFIG: &str = "deploy/haproxy/haproxy.cfg";
const ACCOUNTS: usize = 300;

/// A HAProxy that listens on a socket of its own, gone with the test.
struct Proxy {
    child: Child,
    socket: String,
}

impl Proxy {
    /// Between whoever calls and these instances, by the configuration of deploy/haproxy.
    fn start(folder: &Folder, addresses: &[String]) -> Self {
        let socket = folder.path("proxy.sock");
        let config = fs::read_to_string(CONFIG).unwrap();
        assert_eq!(config.matches("bind :50051").count(), 1);
        let config = config.replace("bind :50051", &format!("bind unix@{socket}"));
        let (head, servers) = config.split_once("    server ").unwrap();
        assert_eq!(
            servers.matches("\n    server ").count() + 1,
            addresses.len()
        );
        // As many threads wherever this runs: each has connections of its own.
        let mut config = format!("global\n    nbthread 2\n{head}");
        for (nth, address) in addresses.iter().enumerate() {
            config += &format!("    server doublecheck-{nth} {address}\n");
        }
        let path = folder.path("haproxy.cfg");
        fs::write(&path, config).unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-q", "-f", &path])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut proxy = Self { child, socket };
        while UnixStream::connect(&proxy.socket).is_err() {
            assert_eq!(proxy.child.try_wait().unwrap(), None, "haproxy has ended");
            std::thread::yield_now();
        }
        proxy
    }

    async fn connect(&self) -> RiskServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket)).unwrap();
        RiskServiceClient::new(endpoint.connect().await.unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The decision on a payment that is routed by its account.
async fn score(
    client: &mut RiskServiceClient<Channel>,
    account: &str,
    payment_id: &str,
) -> Result<Decision, Status> {
    let mut request = Request::new(purchase(account, payment_id));
    let header = account.parse().unwrap();
    request.metadata_mut().insert("x-account-id", header);
    let answer = client.score_payment(request).await?.into_inner();
    Ok(answer.assessment.unwrap().decision())
}

#[tokio::test]
async fn duplicates_are_caught_whichever_instance_remembers() {
    if !is_installed("haproxy") {
        return;
    }
    let folder = Folder::with(&[]);
    let data = folder.path("first");
    let (first, second) = (
        Served::start_with_data(&data),
        Served::start(&["serve", "--grpc-address", "127.0.0.1:0"]),
    );
    let addresses = [first.address.clone(), second.address.clone()];
    let proxy = Proxy::start(&folder, &addresses);
    let mut client = proxy.connect().await;
    let accounts: Vec<String> = (0..ACCOUNTS).map(|nth| format!("payer-{nth}")).collect();
    for account in &accounts {
        let decision = score(&mut client, account, "once").await.unwrap();
        assert_eq!(decision, Decision::Allow, "{account}");
    }
    let held = |served: &Served| metric(&served.get("/metrics"), "doublecheck_accounts");
    let shares = [held(&first), held(&second)];
    assert_eq!(shares.iter().sum::<f64>(), ACCOUNTS as f64);
    assert!(
        shares.iter().all(|share| *share > ACCOUNTS as f64 / 10.0),
        "{shares:?}"
    );

    // While one is away its accounts wait for it: nobody who remembers nothing of them judges them.
    first.end();
    let mut asked = JoinSet::new();
    for account in accounts.clone() {
        let mut client = client.clone();
        asked.spawn(async move { (score(&mut client, &account, "twice").await, account) });
    }
    let mut away = 0.0;
    for (answer, account) in asked.join_all().await {
        match answer {
            Ok(decision) => assert_ne!(decision, Decision::Allow, "{account}"),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                away += 1.0;
            }
        }
    }
    assert_eq!(away, shares[0]);
    let _first = Served::start_at(&addresses[0], &data);
    for account in &accounts {
        let decision = score(&mut client, account, "thrice").await.unwrap();
        assert_ne!(decision, Decision::Allow, "{account}");
    }

    let without = client.score_payment(purchase("payer-0", "stray")).await;
    let without = without.unwrap_err();
    assert_eq!(without.code(), Code::FailedPrecondition, "{without}");
    assert_eq!(without.message(), "x-account-id is missing");
}

#[tokio::test]
async fn batches_of_one_account_go_by_the_proxy_and_no_others() {
    if !is_installed("haproxy") {
        return;
    }
    let (folder, served) = (Folder::with(&[]), [serve(), serve()]);
    let addresses = served.each_ref().map(|served| served.address.clone());
    let proxy = Proxy::start(&folder, &addresses);
    let mut client = proxy.connect().await;
    let mut batch = async |accounts: [&str; 2], header: Option<&str>| {
        let requests = accounts.map(|account| purchase(account, &format!("of {account}")));
        let mut batch = Request::new(BatchScorePaymentsRequest {
            requests: requests.to_vec(),
        });
        if let Some(header) = header {
            let header = header.parse().unwrap();
            batch.metadata_mut().insert("x-account-id", header);
        }
        let answer = client.batch_score_payments(batch).await;
        answer.map(|answer| answer.into_inner().results.len())
    };
    assert_eq!(batch(["payer-0"; 2], Some("payer-0")).await.unwrap(), 2);
    for (header, told) in [
        (
            Some("payer-0"),
            "the header x-account-id names another account",
        ),
        (None, "x-account-id is missing"),
    ] {
        let refused = batch(["payer-0", "payer-1"], header).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert_eq!(refused.message(), told);
    }
}

#[test]
fn no_instance_is_taken_out_for_what_is_found_of_its_name() {
    let config = fs::read_to_string(CONFIG).unwrap();
    let lines: Vec<&str> = config.lines().map(str::trim).collect();
    for why in ["nx", "refused", "timeout", "other", "obsolete"] {
        let held = format!("hold {why} 24d");
        assert!(lines.contains(&&*held), "{held}");
    }
    for server in lines.iter().filter(|line| line.starts_with("server ")) {
        // As HAProxy looks for it: it puts no search domain behind it.
        assert!(server.ends_with(".svc.cluster.local:50051"), "{server}");
    }
}

#[tokio::test]
async fn accounts_wait_for_an_instance_whose_name_is_not_found() {
    if !is_installed("haproxy") {
        return;
    }
    let (folder, served) = (Folder::with(&[]), serve());
    let unknown = "doublecheck-0.doublecheck.invalid:50051".to_owned();
    let proxy = Proxy::start(&folder, &[unknown, served.address.clone()]);
    let client = proxy.connect().await;
    let mut asked = JoinSet::new();
    for nth in 0..ACCOUNTS {
        let mut client = client.clone();
        asked.spawn(async move { score(&mut client, &format!("payer-{nth}"), "once").await });
    }
    let mut waiting = 0;
    for answer in asked.join_all().await {
        match answer {
            Ok(decision) => assert_eq!(decision, Decision::Allow),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                waiting += 1;
            }
        }
    }
    assert!((1..ACCOUNTS).contains(&waiting), "{waiting}");
}

#[tokio::test]
async fn clients_share_the_connections_of_the_proxy() {
    const CLIENTS: usize = 64;
    if !is_installed("haproxy") {
        return;
    }
    let folder = Folder::with(&[]);
    let served = [serve(), serve()];
    let addresses = served.each_ref().map(|served| served.address.clone());
    let proxy = Proxy::start(&folder, &addresses);
    let mut clients = Vec::new();
    for nth in 0..CLIENTS {
        let mut client = proxy.connect().await;
        let decision = score(&mut client, &format!("payer-{nth}"), "alone").await;
        assert_eq!(decision.unwrap(), Decision::Allow);
        clients.push(client);
    }
    let mut asked = JoinSet::new();
    for (nth, mut client) in clients.iter().cloned().enumerate() {
        asked.spawn(async move { score(&mut client, &format!("other-{nth}"), "together").await });
    }
    for decision in asked.join_all().await {
        assert_eq!(decision.unwrap(), Decision::Allow);
    }
    // All come from one address, of which no instance takes more than limits.connections_per_address.
    let taken = |served: &Served| {
        let page = served.get("/metrics");
        metric(&page, "doublecheck_connections_accepted_total")
    };
    let taken: f64 = served.iter().map(taken).sum();
    assert!(taken <= CLIENTS as f64 / 4.0, "{taken}");
}

/// Refuses every call, saying what it would be routed by.
#[allow(clippy::result_large_err, reason = "tonic's")]
fn refuse(request: Request<()>) -> Result<Request<()>, Status> {
    let header = request.metadata().get("x-account-id");
    let header = header.map(|value| String::from_utf8_lossy(value.as_encoded_bytes()).into_owned());
    Err(Status::aborted(format!("routed by {header:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_about_an_account_say_which() {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", incoming.local_addr().unwrap());
    let server = Server::builder()
        .layer(InterceptorLayer::new(refuse))
        .add_routes(Routes::default());
    tokio::spawn(server.serve_with_incoming(incoming));
    let score = "score --payee p --payee-type phone --kind top_up --amount 1 --currency CNY";
    let outcome = "outcome --payment-id p-1 --outcome succeeded";
    let one = "evidence --payment-id p-1";
    for command in [score, outcome, "evidence", one, "evidence --alias"] {
        for account in ["alice", "\u{5c0f}\u{660e}"] {
            let mut arguments: Vec<&str> = command.split(' ').collect();
            arguments.extend(["--account", account, "--server", &url]);
            let ran = run(&arguments);
            let told = format!("error: ABORTED: routed by Some(\"{account}\")\n");
            assert_eq!(ran.err, told, "{command}");
        }
    }
    for (mode, told) in [
        ("unary", "was told ABORTED: routed by Some(\"account-"),
        // They are of many accounts.
        ("batch", "was told ABORTED: routed by None\n"),
        ("stream", "was told ABORTED: routed by None\n"),
    ] {
        let load = [
            "load",
            "--payments",
            "5",
            "--warm-up",
            "0s",
            "--address",
            &url,
        ];
        let ran = run(&[&load[..], &["--mode", mode]].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains(told), "{mode}: {ran:?}");
    }
}
