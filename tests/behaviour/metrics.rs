//! Metrics and probes: what is told, and to whom.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::grpc::auth::Auth;
use doublecheck::grpc::pb;
use doublecheck::grpc::server_state::ServerState;
use doublecheck::http::{Http, Told};
use doublecheck::random;
use doublecheck::scoring::policy::{Policies, Policy, Preset};
use doublecheck::telemetry::{LinesLost, Process, families};
use doublecheck::token::TokenKey;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use super::support::{START, Server, connect, payment, payment_but, request, score_item};
use super::wire::{SCORE, Wire, framed, packed};

const LIST: &str = "/doublecheck.v1.RiskService/ListPayments";

/// The status line and the rest of the answer to `request`.
fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (status, rest) = answer.split_once("\r\n").unwrap();
    (status.to_owned(), rest.to_owned())
}

fn get(http: &Http, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ask(http.address(), &request)
}

/// The metrics without the head of the answer.
fn metrics(http: &Http) -> String {
    let (status, rest) = get(http, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let (head, page) = rest.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    page.to_owned()
}

/// What there is to tell of a service behind `server_state`.
fn told(server_state: &ServerState) -> Told {
    Told {
        server_state: server_state.clone(),
        auth: Auth::default(),
        reloads: Arc::default(),
        snapshot_interval: Duration::from_secs(900),
        lines_lost: LinesLost::default(),
        process: Process { started: START },
    }
}

fn http_of(server: &Server) -> Http {
    Http::start("127.0.0.1:0", told(&server.server_state)).unwrap()
}

/// Every sample of a page without its number.
fn series(page: &str) -> BTreeSet<&str> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let named = samples.map(|line| {
        let (name, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        name
    });
    named.collect()
}

/// The number of the one sample that begins with this.
fn number(page: &str, begins: &str) -> f64 {
    let mut found = page.lines().filter_map(|line| line.strip_prefix(begins));
    let number = found.next().unwrap_or_else(|| panic!("{begins}: {page}"));
    assert_eq!(found.next(), None, "{begins}");
    let (_, number) = number.rsplit_once(' ').unwrap();
    number.parse().unwrap()
}

/// Three payments one by one, one of them a retry, and three in a stream; an outcome; and two calls that
/// are refused. What is told of it all.
async fn after_some_traffic() -> String {
    let server = Server::start().await;
    let http = http_of(&server);
    server.ask("p-1", "p-2").await;
    server.score(payment("p-2")).await.unwrap();
    server.report("p-1", pb::Outcome::Succeeded).await.unwrap();
    let items = (3..6).map(|nth| score_item(nth, payment(&format!("p-{nth}"))));
    server.stream(items.collect()).await;
    let nobody = payment_but("p-9", |payment| payment.account_id.clear());
    let refused = server.score(nobody).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let unknown = server.report("p-10", pb::Outcome::Succeeded).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    metrics(&http)
}

#[tokio::test]
async fn calls_are_counted_by_how_they_end() {
    let page = after_some_traffic().await;
    let calls = |family: &str, kind: &str, method: &str, code: &str| {
        let service = "grpc_service=\"doublecheck.v1.RiskService\"";
        let labels = format!("grpc_type=\"{kind}\",{service},grpc_method=\"{method}\"");
        number(&page, &format!("grpc_server_{family}{{{labels}{code}"))
    };
    let handled = |kind, method, code| {
        calls(
            "handled_total",
            kind,
            method,
            &format!(",grpc_code=\"{code}\""),
        )
    };
    assert_eq!(handled("unary", "ScorePayment", "OK"), 3.0);
    assert_eq!(handled("unary", "ScorePayment", "InvalidArgument"), 1.0);
    assert_eq!(handled("unary", "ReportOutcome", "OK"), 1.0);
    assert_eq!(handled("unary", "ReportOutcome", "NotFound"), 1.0);
    assert_eq!(handled("bidi_stream", "StreamPayments", "OK"), 1.0);
    assert_eq!(handled("bidi_stream", "StreamPayments", "Canceled"), 0.0);
    let score = |family| calls(family, "unary", "ScorePayment", "");
    assert_eq!(score("started_total"), 4.0);
    assert_eq!(score("handling_seconds_count"), 4.0);
    assert!(score("handling_seconds_sum") > 0.0);
    assert_eq!(number(&page, "grpc_server_msg_received_total"), 3.0);
    assert_eq!(number(&page, "grpc_server_msg_sent_total"), 3.0);
}

#[tokio::test]
async fn decisions_and_reasons_are_counted() {
    let page = after_some_traffic().await;
    let decided = |decision: &str| {
        let begins = format!("doublecheck_decisions_total{{decision=\"{decision}\"}}");
        number(&page, &begins)
    };
    let all = decided("allow") + decided("confirm") + decided("block");
    assert_eq!(all, 5.0);
    assert_eq!(number(&page, "doublecheck_retries_replayed_total"), 1.0);
    let reason = "doublecheck_reasons_total{code=\"DUPLICATE_RECENT\",decision=\"confirm\"}";
    assert!(number(&page, reason) >= 1.0);
    let outcome = "doublecheck_outcomes_total{outcome=\"succeeded\"}";
    assert_eq!(number(&page, outcome), 1.0);
    assert_eq!(number(&page, "doublecheck_accounts"), 1.0);
    let memory = "doublecheck_memory_bytes{kind=\"accounts\"}";
    assert!(number(&page, memory) > 0.0);
}

#[tokio::test]
async fn questions_are_counted_by_how_they_end() {
    let server = Server::start().await;
    let http = http_of(&server);
    let counts = || {
        let page = metrics(&http);
        ["asked", "confirmed", "cancelled", "expired"].map(|event| {
            let begins = format!("doublecheck_confirmations_total{{event=\"{event}\"}}");
            number(&page, &begins)
        })
    };
    let token = server.ask("p-1", "p-2").await;
    assert_eq!(counts(), [1.0, 0.0, 0.0, 0.0]);
    server.score_with(payment("p-3"), &token).await.unwrap();
    assert_eq!(counts(), [1.0, 1.0, 0.0, 0.0]);
    // The same answer again is no second one.
    server.score_with(payment("p-3"), &token).await.unwrap();
    let spent = server.score_with(payment("p-4"), &token).await;
    assert_eq!(spent.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(counts(), [1.0, 1.0, 0.0, 0.0]);

    server.advance_secs(30);
    let asked = server.score(payment("p-5")).await.unwrap();
    assert_eq!(asked.decision(), pb::Decision::Confirm);
    for _ in 0..2 {
        server.report("p-5", pb::Outcome::Cancelled).await.unwrap();
        server.report("p-3", pb::Outcome::Cancelled).await.unwrap();
    }
    assert_eq!(counts(), [2.0, 1.0, 1.0, 0.0]);

    server.advance_secs(30);
    let asked = server.score(payment("p-6")).await.unwrap();
    assert_eq!(asked.decision(), pb::Decision::Confirm);
    server.advance_secs(9 * 60);
    server.record("p-6").await.unwrap();
    assert_eq!(counts(), [3.0, 1.0, 1.0, 0.0]);
    server.advance_secs(2 * 60);
    for _ in 0..2 {
        server.record("p-6").await.unwrap();
        assert_eq!(counts(), [3.0, 1.0, 1.0, 1.0]);
    }
}

#[tokio::test]
async fn calls_that_never_reach_the_service_are_counted() {
    let server = Server::start().await;
    let http = http_of(&server);
    let channel = connect(server.address).await;
    let call = async |method: &'static str, bytes: usize| {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static(method);
        let mut message = pb::BatchScorePaymentsRequest::default();
        let long = payment_but("p", |payment| payment.account_id = "x".repeat(bytes));
        message.requests.push(request(long, ""));
        let codec = ProstCodec::<_, pb::BatchScorePaymentsResponse>::default();
        client
            .unary(Request::new(message), path, codec)
            .await
            .unwrap_err()
            .code()
    };
    let unknown = call("/doublecheck.v1.RiskService/PayTwice", 1).await;
    assert_eq!(unknown, Code::Unimplemented);
    let large = call("/doublecheck.v1.RiskService/BatchScorePayments", 5 << 20).await;
    assert_eq!(large, Code::ResourceExhausted);
    let wire = Wire::connect(server.address).await;
    for path in [LIST, SCORE] {
        let mut garbled = wire.begin(path, &[]).await;
        let no_message = packed(0, &[0xff; 9]);
        garbled.body.send_data(no_message, true).unwrap();
        assert_eq!(garbled.end().await.code(), Code::InvalidArgument);
    }
    // The service itself refuses this one, and nobody else counts it.
    let empty = server.batch(Vec::new()).await.unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument);
    let page = metrics(&http);
    let handled = |method: &str, code: &str| {
        let service = "grpc_type=\"unary\",grpc_service=\"doublecheck.v1.RiskService\"";
        let labels = format!("{service},grpc_method=\"{method}\",grpc_code=\"{code}\"");
        number(&page, &format!("grpc_server_handled_total{{{labels}"))
    };
    assert_eq!(handled("unknown", "Unimplemented"), 1.0);
    assert_eq!(handled("BatchScorePayments", "ResourceExhausted"), 1.0);
    assert_eq!(handled("ListPayments", "InvalidArgument"), 1.0);
    assert_eq!(handled("ScorePayment", "InvalidArgument"), 1.0);
    assert_eq!(handled("BatchScorePayments", "InvalidArgument"), 1.0);
    assert!(!page.contains("PayTwice"));
}

#[tokio::test]
async fn a_call_takes_its_time_from_when_it_came() {
    let server = Server::start().await;
    let wire = Wire::connect(server.address).await;
    let mut late = wire.begin(SCORE, &[]).await;
    // Another call waits for its message in vain, for 20 ms.
    let vain = wire.begin(SCORE, &[("grpc-timeout", "20m")]).await;
    assert_eq!(vain.end().await.code(), Code::DeadlineExceeded);
    let message = framed(&request(payment("p1"), ""));
    late.body.send_data(message, true).unwrap();
    assert_eq!(late.end().await.code(), Code::Ok);
    assert_eq!(server.took_over("ScorePayment", "0.01"), 2);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_process_is_told_of() {
    let server = Server::start().await;
    let http = http_of(&server);
    let page = metrics(&http);
    assert!(number(&page, "process_resident_memory_bytes") > 1e6);
    assert!(number(&page, "process_virtual_memory_bytes") > 1e6);
    let open = number(&page, "process_open_fds");
    assert!(
        open > 3.0 && open < number(&page, "process_max_fds"),
        "{page}"
    );
    let before = number(&page, "process_cpu_seconds_total");
    let mut after = before;
    while after <= before {
        after = number(&metrics(&http), "process_cpu_seconds_total");
    }
}

#[tokio::test]
async fn policy_and_shadow_have_a_series_each() {
    let clock = Arc::new(ManualClock::at(START));
    let key = TokenKey::from_bytes(&[7; 32]);
    let shadow = Preset::Cautious.policy();
    let policies = Policies::new(Policy::default(), Some(shadow.clone()));
    let server_state = ServerState::from(Arc::new(Engine::new(policies, clock, key)));
    let http = Http::start("127.0.0.1:0", told(&server_state)).unwrap();
    let page = metrics(&http);
    let policy = Policy::default();
    for (role, version) in [("primary", policy.version()), ("shadow", shadow.version())] {
        let series = format!("doublecheck_policy_info{{role=\"{role}\",version=\"{version}\"}}");
        assert_eq!(number(&page, &series), 1.0);
    }
}

#[tokio::test]
async fn every_metric_is_on_the_page_once() {
    let server = Server::start().await;
    let page = metrics(&http_of(&server));
    let told: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .collect();
    let told: Vec<&str> = told
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let known: Vec<&str> = families::ALL.iter().map(|family| family.name).collect();
    assert_eq!(told, known);
}

/// How many strangers ask. `DOUBLECHECK_STRANGERS` asks for more.
fn strangers() -> u32 {
    let asked = std::env::var("DOUBLECHECK_STRANGERS").ok();
    asked.map_or(20_000, |asked| asked.parse().unwrap())
}

#[tokio::test]
async fn strangers_add_no_series_and_leave_no_trace() {
    let server = Server::start().await;
    let http = http_of(&server);
    let before = metrics(&http);
    let stranger = |nth: u32| format!("stranger{:016x}", random::nth(nth.into()));
    let strangers = strangers();
    for first in (0..strangers).step_by(1_000) {
        let requests = (first..strangers.min(first + 1_000)).map(|nth| {
            request(
                payment_but(&stranger(nth), |payment| {
                    payment.account_id = stranger(nth);
                    payment.device_id = Some(stranger(nth));
                    payment.payee.as_mut().unwrap().id = stranger(nth);
                }),
                "",
            )
        });
        let answers = server.batch(requests.collect()).await.unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
    let after = metrics(&http);
    assert_eq!(series(&before), series(&after));
    assert_eq!(number(&after, "doublecheck_accounts"), f64::from(strangers));
    assert!(!after.contains("stranger"), "{after}");
}

#[tokio::test]
async fn ready_is_who_takes_calls() {
    let server_state = ServerState::recovering();
    let http = Http::start("127.0.0.1:0", told(&server_state)).unwrap();
    assert_eq!(get(&http, "/healthz").0, "HTTP/1.1 200 OK");
    assert_eq!(get(&http, "/readyz").0, "HTTP/1.1 503 Service Unavailable");
    assert!(!metrics(&http).contains("doublecheck_accounts"));
    let clock = Arc::new(ManualClock::at(START));
    let key = TokenKey::from_bytes(&[7; 32]);
    server_state.set_engine(Arc::new(Engine::new(Policy::default(), clock, key)));
    assert_eq!(get(&http, "/readyz").0, "HTTP/1.1 200 OK");
    assert_eq!(number(&metrics(&http), "doublecheck_accounts"), 0.0);

    let server = Server::start().await;
    let http = http_of(&server);
    assert_eq!(get(&http, "/readyz").0, "HTTP/1.1 200 OK");
    server.shut_down().await.unwrap().unwrap();
    assert_eq!(get(&http, "/readyz").0, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(get(&http, "/healthz").0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn whoever_asks_does_not_wait_for_those_that_say_nothing() {
    let server = Server::start().await;
    let http = http_of(&server);
    let mut silent: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(http.address()).unwrap())
        .collect();
    assert_eq!(get(&http, "/healthz").0, "HTTP/1.1 200 OK");
    // The oldest had to leave for it; the newest was there before it, and still is.
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    let newest = silent.last_mut().unwrap();
    newest.set_nonblocking(true).unwrap();
    let read = newest.read(&mut [0]);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn other_requests_are_turned_away() {
    let server = Server::start().await;
    let http = http_of(&server);
    assert_eq!(get(&http, "/").0, "HTTP/1.1 404 Not Found");
    assert_eq!(get(&http, "/metrics/").0, "HTTP/1.1 404 Not Found");
    let posted = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    let (status, rest) = ask(http.address(), posted);
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    assert!(rest.contains("allow: GET, HEAD\r\n"), "{rest}");
    for path in ["/metrics", "/healthz", "/readyz"] {
        let (got, page) = get(&http, path);
        let asked = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (status, rest) = ask(http.address(), &asked);
        assert_eq!(status, got);
        // All but the page itself, of which it says how long it is.
        assert!(rest.ends_with("\r\n\r\n"), "{rest}");
        assert!(rest.contains("\r\ncontent-length: "), "{rest}");
        assert!(!page.ends_with("\r\n\r\n"), "{page}");
    }
    let (status, _) = ask(http.address(), "nonsense\r\n\r\n");
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    // One that never ends is not read to its end, whether or not the client hears why.
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let endless = format!("GET /metrics HTTP/1.1\r\nX-Long: {}", "long".repeat(10_000));
    let mut answer = Vec::new();
    let sent = stream.write_all(endless.as_bytes());
    let _ = sent.and_then(|()| stream.read_to_end(&mut answer));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"));
}
