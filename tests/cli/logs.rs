//! What is logged, and that nobody's id is.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use doublecheck::clock::Stopwatch;
use doublecheck::grpc::pb::batch_score_payments_response::result::Answer;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::pb::{self, Outcome};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::{Folder, Served, doublecheck, run};

/// Ids as they might be: none of them is a part of anything else that is logged.
const ACCOUNT: &str = "acct-7Q-5501-whose";
const PAYEE: &str = "6222-0231-9988-0142";
const DEVICE: &str = "imei-49-015420-323751";
const SECRETS: [&str; 3] = [ACCOUNT, PAYEE, DEVICE];

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn payment(payment_id: &str) -> pb::Payment {
    pb::Payment {
        payment_id: payment_id.to_owned(),
        account_id: ACCOUNT.to_owned(),
        payee: Some(pb::Payee {
            id: PAYEE.to_owned(),
            r#type: pb::PayeeType::BankAccount.into(),
        }),
        money: Some(pb::Money {
            amount_minor: 5_000,
            currency_code: "CNY".to_owned(),
        }),
        kind: pb::PaymentKind::Transfer.into(),
        device_id: Some(DEVICE.to_owned()),
        ..Default::default()
    }
}

fn scoring(payment_id: &str, token: &str) -> pb::ScorePaymentRequest {
    pb::ScorePaymentRequest {
        payment: Some(payment(payment_id)),
        confirmation_token: token.to_owned(),
    }
}

/// A request of a trace that its caller records, routed as it should be.
fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let header = format!("00-{TRACE}-{SPAN}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", header);
    let header = ACCOUNT.parse().unwrap();
    request.metadata_mut().insert("x-account-id", header);
    request
}

async fn connect(served: &Served) -> RiskServiceClient<Channel> {
    let address = format!("http://{}", served.address);
    RiskServiceClient::connect(address).await.unwrap()
}

/// Every call there is, and every way in which one fails.
async fn session(client: &mut RiskServiceClient<Channel>, life: &str) {
    let id = |nth: u32| format!("{life}-{nth}");
    let code = |refused: Status| refused.code();
    client
        .score_payment(traced(scoring(&id(1), "")))
        .await
        .unwrap();
    client
        .score_payment(traced(scoring(&id(2), "")))
        .await
        .unwrap();
    let requests = vec![scoring(&id(3), ""), scoring(&id(4), "")];
    let batch = pb::BatchScorePaymentsRequest { requests };
    client.batch_score_payments(traced(batch)).await.unwrap();
    let item = pb::StreamPaymentsRequest {
        sequence: 1,
        item: Some(pb::stream_payments_request::Item::Score(scoring(
            &id(5),
            "",
        ))),
    };
    let stream = client
        .stream_payments(traced(tokio_stream::iter([item])))
        .await;
    stream
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    let report = |payment_id: String, payee_id: Option<&str>| pb::ReportOutcomeRequest {
        account_id: ACCOUNT.to_owned(),
        payment_id,
        outcome: Outcome::Fraud.into(),
        payee_id: payee_id.map(str::to_owned),
    };
    client.report_outcome(report(id(1), None)).await.unwrap();
    client
        .report_outcome(report(id(8), Some(PAYEE)))
        .await
        .unwrap();
    let unknown = client.report_outcome(report(id(9), None)).await;
    assert_eq!(code(unknown.unwrap_err()), Code::NotFound);
    let get = pb::GetPaymentRequest {
        account_id: ACCOUNT.to_owned(),
        payment_id: id(1),
    };
    client.get_payment(traced(get)).await.unwrap();

    let wrong = client.score_payment(scoring(&id(6), "no token")).await;
    assert_eq!(code(wrong.unwrap_err()), Code::FailedPrecondition);
    let mut other = scoring(&id(1), "");
    other.payment.as_mut().unwrap().order_id = Some("another".to_owned());
    let conflict = client.score_payment(other).await;
    assert_eq!(code(conflict.unwrap_err()), Code::AlreadyExists);
    let mut faulty = scoring(&id(7), "");
    faulty.payment.as_mut().unwrap().account_id = format!("{ACCOUNT}\n");
    faulty.payment.as_mut().unwrap().money = None;
    let invalid = client.score_payment(faulty).await;
    assert_eq!(code(invalid.unwrap_err()), Code::InvalidArgument);
    let mut misrouted = scoring(&id(7), "");
    misrouted.payment.as_mut().unwrap().account_id = format!("{ACCOUNT}-2");
    let misrouted = client.score_payment(traced(misrouted)).await;
    assert_eq!(code(misrouted.unwrap_err()), Code::FailedPrecondition);
}

/// Cuts the end of the journal off, as a write does that was broken off.
fn tear(data: &str) {
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let journal = files.filter(|path| path.extension().is_some_and(|kind| kind == "journal"));
    let newest = journal.max().unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
}

#[track_caller]
fn assert_nobody_is_in(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_is_in_logs_or_metrics_whatever_happens() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let start = || {
        let arguments = [
            "serve",
            "--grpc-address",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ];
        let loud = [
            "--log-filter",
            "info,doublecheck=trace",
            "--log-sample",
            "1",
        ];
        Served::start_on(&data, &[&arguments[..], &loud].concat())
    };
    let mut logs = String::new();
    for (nth, life) in ["killed", "torn", "ended"].iter().enumerate() {
        let served = start();
        let mut client = connect(&served).await;
        session(&mut client, life).await;
        let alias = served.run(&["evidence", "--account", ACCOUNT, "--alias"]);
        let alias = alias.out.trim().to_owned();
        assert_eq!(alias.len(), 16);
        let page = served.get("/metrics");
        assert!(page.contains("doublecheck_accounts 1\n"));
        assert_nobody_is_in(&page);
        let log = match nth {
            0 | 1 => served.kill(),
            _ => served.end(),
        };
        assert!(log.contains(&format!("\"account\":\"{alias}\"")), "{log}");
        logs += &log;
        if nth == 0 {
            tear(&data);
        }
    }
    assert!(logs.contains("ended in the middle of a write"), "{logs}");
    assert_nobody_is_in(&logs);
    let events: Vec<Value> = logs
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let disturbed: Vec<&Value> = events
        .iter()
        .filter(|event| event["message"] == "a payment was disturbed")
        .collect();
    // In each of the lives, of single payments, a batch and a stream.
    assert!(disturbed.len() >= 9, "{disturbed:?}");
    for event in disturbed {
        assert_ne!(event["decision"], "allow");
        assert_eq!(event["trace_id"], TRACE, "{event}");
        assert_eq!(event["span_id"], SPAN);
        let score = event["score"].to_string();
        let digits = score.split_once('.').map_or("", |(_, digits)| digits);
        assert!((1..=2).contains(&digits.len()), "{event}");
        for alias in ["account", "payee", "device"] {
            assert_eq!(event[alias].as_str().unwrap().len(), 16, "{event}");
        }
        assert_ne!(event["account"], event["payee"]);
    }
}

/// More lines than a pipe and the queue before it hold.
const LINES_UNREAD: usize = 12_000;
const BATCH: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn no_payment_waits_for_whoever_reads_the_log() {
    let log = ["--log-format", "json", "--log-sample", "1"];
    let serve = ["serve", "--grpc-address", "127.0.0.1:0"];
    // Once it is ready nobody reads, and all but the first of these are disturbed, and logged.
    let (mut served, lines) = Served::start_unread(&[&serve[..], &log].concat());
    let mut client = connect(&served).await;
    let mut disturbed = 0;
    for batch in 0..LINES_UNREAD / BATCH {
        let nth = |nth| scoring(&format!("{batch}-{nth}"), "");
        let requests = (0..BATCH).map(nth).collect();
        let batch = pb::BatchScorePaymentsRequest { requests };
        let answers = client.batch_score_payments(batch).await.unwrap();
        for result in answers.into_inner().results {
            match result.answer {
                Some(Answer::Assessment(it)) if it.decision() == pb::Decision::Allow => {}
                Some(Answer::Assessment(_)) => disturbed += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(disturbed, LINES_UNREAD - 1);
    let lost = served.metric("doublecheck_log_lines_lost_total");
    assert!(0.0 < lost && lost < disturbed as f64, "{lost}");
    // Nor does the end wait. What was written is whole, but for the line that nobody took to its end.
    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
    let written: Vec<String> = lines.map_while(Result::ok).collect();
    let (_, whole) = written.split_last().unwrap();
    for line in whole {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn lines_for_a_reader_who_has_left_are_counted() {
    let (served, lines) = Served::start_unread(&["serve", "--grpc-address", "127.0.0.1:0"]);
    let lost = "doublecheck_log_lines_lost_total";
    assert_eq!(served.metric(lost), 0.0);
    drop(lines);
    // It logs each.
    served.signal("-HUP");
    while served.metric(lost) == 0.0 {}
}

/// Only an end that never comes takes this long.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_start_that_fails_ends_though_nobody_reads_why() {
    let (mut full, _unread) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.write(&[0; 4_096]).is_ok() {}
    while full.write(&[0]).is_ok() {}
    full.set_nonblocking(false).unwrap();
    for (arguments, code) in [
        (&["serve", "--data-dir", "/dev/null"][..], 1),
        (&["serve", "--threads", "none"], 2),
        (&["serve", "--no-such-flag"], 2),
    ] {
        let mut child = doublecheck(arguments)
            .env("DOUBLECHECK_GRPC_ADDRESS", "127.0.0.1:0")
            .stderr(OwnedFd::from(full.try_clone().unwrap()))
            .spawn()
            .unwrap();
        let started = Stopwatch::start();
        let ended = loop {
            match child.try_wait().unwrap() {
                Some(ended) => break Some(ended),
                None if started.elapsed() > ENDED_WITHIN => break None,
                None => std::thread::yield_now(),
            }
        };
        // Whoever does not end by itself is ended.
        let _ = child.kill();
        let ended = ended.unwrap_or_else(|| panic!("{arguments:?} never ends"));
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_number_is_a_number_in_a_log_of_json() {
    let serve = ["serve", "--grpc-address", "127.0.0.1:0", "--threads", "2"];
    let log = Served::start(&[&serve[..], &["--log-format", "json"]].concat()).end();
    let mut events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ready = events.find(|event| event["message"] == "ready").unwrap();
    assert_eq!(ready["threads"], 2, "{ready}");
}

#[test]
fn a_log_of_json_says_in_json_why_a_start_failed() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let no_directory = "opening the data directory /dev/null: ";
    let no_address = format!("listening on {taken}: ");
    for (address, told) in [("127.0.0.1:0", no_directory), (&taken, &no_address)] {
        let arguments = [
            "serve",
            "--grpc-address",
            address,
            "--data-dir",
            "/dev/null",
        ];
        let local = ["--http-address", "127.0.0.1:0", "--log-format", "json"];
        let ran = run(&[&arguments[..], &local].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let events = ran.err.lines().map(serde_json::from_str);
        let events: Vec<Value> = events.map(Result::unwrap).collect();
        let last = events.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{last}");
        assert_eq!(last["target"], "doublecheck", "{last}");
        let text = |name: &str| last[name].as_str().unwrap();
        assert!(text("message").starts_with(told), "{last}");
        assert!(text("timestamp").ends_with('Z'), "{last}");
    }
}

#[test]
fn faults_in_what_to_log_are_told() {
    const FILTER: &str = "levels, such as info or warn,doublecheck=debug (off, error, warn, info, \
        debug, trace); `doublecheck:debug` is none\n";
    let faults = [
        ("--log-format", "xml", "one of pretty, json"),
        ("--log-filter", "doublecheck=loud", "levels, such as"),
        ("--log-filter", "warn,doublecheck:debug", FILTER),
        ("--log-sample", "-1", "a whole number from 0 to 1000000"),
    ];
    for (flag, value, expected) in faults {
        run(&["check", &format!("{flag}={value}")])
            .complained_first(2, &format!("{flag}: must be {expected}"));
    }
    // Without the feature it must be left out, and with it be an address.
    run(&["check", "--otlp-endpoint", "collector"])
        .complained_first(2, "--otlp-endpoint: must be ");
    let ran = run(&["check", "--log-format", "json", "--log-sample", "0"]).succeeded();
    let rows: Vec<Vec<&str>> = ran
        .out
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    for row in [
        ["log.format", "json"],
        ["log.filter", "info"],
        ["log.sample", "0"],
    ] {
        assert!(rows.iter().any(|told| told.starts_with(&row)), "{ran:?}");
    }
}
