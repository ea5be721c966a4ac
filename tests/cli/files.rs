//! How many files a server may have open.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use doublecheck::grpc::pb::batch_score_payments_response::result::Answer;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::pb::{self, PayeeType, PaymentKind};
use tonic::transport::Channel;

use crate::support::{Served, doublecheck_after, ran};

const SERVE: [&str; 5] = ["serve", "--grpc-address", "127.0.0.1:0", "--threads", "1"];

/// Only a server that never does takes this long.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

fn files_open(served: &Served) -> usize {
    let files = format!("/proc/{}/fd", served.child.id());
    fs::read_dir(files).unwrap().count()
}

/// Scores a hundred payments of as many accounts, of half a kilobyte each. Whether all of them were kept.
async fn are_kept(client: &mut RiskServiceClient<Channel>, batch: u32) -> bool {
    let long = "x".repeat(100);
    let nth = |nth| pb::ScorePaymentRequest {
        payment: Some(pb::Payment {
            payment_id: format!("{long}-{batch}-{nth}"),
            account_id: format!("{long}-{batch}-{nth}"),
            payee: Some(pb::Payee {
                id: format!("{long}-{batch}-{nth}"),
                r#type: PayeeType::Merchant.into(),
            }),
            money: Some(pb::Money {
                amount_minor: 5_000,
                currency_code: "CNY".to_owned(),
            }),
            kind: PaymentKind::Purchase.into(),
            order_id: Some(format!("{long}-{batch}-{nth}")),
            ..Default::default()
        }),
        confirmation_token: String::new(),
    };
    let requests = (0..100).map(nth).collect();
    let batch = pb::BatchScorePaymentsRequest { requests };
    let answers = client.batch_score_payments(batch).await.unwrap();
    let mut results = answers.into_inner().results.into_iter();
    results.all(|result| match result.answer {
        Some(Answer::Assessment(assessment)) => !assessment.degraded,
        other => panic!("{other:?}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_the_journal_the_metrics_and_the_snapshots_their_files() {
    const FILES_MAX: usize = 256;
    let often = ["--snapshot-journal-mib", "1"];
    let patient = ["--limits-handshake-ms", "600000"];
    let arguments = [&SERVE[..], &often, &patient].concat();
    let served = Served::start_after(&format!("ulimit -n {FILES_MAX}"), &arguments);
    let address = format!("http://{}", served.address);
    let mut client = RiskServiceClient::connect(address).await.unwrap();
    assert!(are_kept(&mut client, 0).await);
    // All of one address, which may have more, and that say nothing.
    let connect = |to: &str| TcpStream::connect(to).unwrap();
    let mut held: Vec<TcpStream> = (0..FILES_MAX).map(|_| connect(&served.address)).collect();
    let last = held.last_mut().unwrap();
    last.set_read_timeout(Some(CLOSED_WITHIN)).unwrap();
    assert_eq!(last.read(&mut [0]).unwrap(), 0, "one too many is closed");
    // Who probes and says nothing takes files too.
    let probes: Vec<TcpStream> = (0..64).map(|_| connect(&served.http_address)).collect();
    let taken = "doublecheck_snapshots_total{result=\"taken\"}";
    for batch in 1.. {
        assert!(are_kept(&mut client, batch).await);
        if served.metric(taken) > 0.0 {
            break;
        }
    }
    assert!(served.metric("doublecheck_connections_open") > 100.0);
    assert!(served.metric("doublecheck_connections_refused_total{reason=\"connections\"}") > 0.0);
    let failed = "doublecheck_connections_refused_total{reason=\"accept\"}";
    assert_eq!(served.metric(failed), 0.0);
    assert_eq!(served.metric("doublecheck_journal_degraded"), 0.0);
    drop((held, probes));
    served.end();
}

#[test]
fn refused_connections_are_told_of_once_in_a_while() {
    let limit = ["--limits-connections-per-address", "1"];
    let served = Served::start(&[&SERVE[..], &limit].concat());
    let has_place = TcpStream::connect(&served.address).unwrap();
    let refused = |count: u32| {
        for _ in 0..count {
            let mut refused = TcpStream::connect(&served.address).unwrap();
            refused.set_read_timeout(Some(CLOSED_WITHIN)).unwrap();
            assert_eq!(refused.read(&mut [0]).unwrap(), 0);
        }
    };
    refused(50);
    let counted = "doublecheck_connections_refused_total{reason=\"connections_per_address\"}";
    assert_eq!(served.metric(counted), 50.0);
    drop(has_place);
    let log = served.end();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("are refused"))
        .collect();
    // A second one where this took more than a minute.
    assert!(matches!(told.len(), 1 | 2), "{log}");
    for part in [
        "WARN",
        "limits.connections_per_address",
        "127.0.0.1",
        "refused=1",
    ] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
}

#[test]
fn a_server_of_many_threads_needs_no_more_files_than_are_kept() {
    let served = Served::start(&["serve", "--grpc-address", "127.0.0.1:0", "--threads", "16"]);
    // It may be ready before all of them are.
    while files_open(&served) < 16 * 5 {}
    served.score_json("p-1", &[]);
    let open = files_open(&served);
    // Probes have none open now, and no thread has a connection that it is about to refuse.
    assert!(open < 32 + 16 * 5, "{open}");
}

#[test]
fn a_start_asks_for_all_the_files_that_it_may_have() {
    let served = Served::start_after("ulimit -Sn 64", &SERVE);
    assert!(served.metric("process_max_fds") > 64.0);
}

#[test]
fn fewer_connections_than_are_allowed_are_warned_of() {
    let warning = "limits.connections: of 10000 at most 154 are taken, for the process may have 256 files open";
    let checked = |allowed: &str| {
        let arguments = ["check", "--threads", "1", "--limits-connections", allowed];
        ran(&doublecheck_after("ulimit -n 256", &arguments)
            .output()
            .unwrap())
    };
    let warned = checked("10000").succeeded();
    let expected = format!("warning: {warning}");
    assert!(warned.err.contains(&expected), "{warned:?}");
    let fine = checked("154");
    assert!(!fine.err.contains("warning: limits"), "{fine:?}");
    let log = Served::start_after("ulimit -n 256", &SERVE).end();
    assert!(log.contains(warning), "{log}");
}

#[test]
fn a_server_without_files_for_connections_goes_on_once_it_has_some() {
    const FILES_MAX: usize = 64;
    let served = Served::start_after(&format!("ulimit -n {FILES_MAX}"), &SERVE);
    // Fewer than are kept: probes can use all of them up.
    let connect = |_| TcpStream::connect(&served.http_address).unwrap();
    let held: Vec<TcpStream> = (0..FILES_MAX).map(connect).collect();
    while files_open(&served) < FILES_MAX {}
    let waiting = TcpStream::connect(&served.address).unwrap();
    // It cannot be accepted until others leave.
    served.logged("connections could not be accepted");
    drop(held);
    let open = |count: f64| while served.metric("doublecheck_connections_open") != count {};
    open(1.0);
    let failed = "doublecheck_connections_refused_total{reason=\"accept\"}";
    assert!(served.metric(failed) > 0.0);
    drop(waiting);
    open(0.0);
    served.score_json("p-1", &[]);
    served.end();
}
