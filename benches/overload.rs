//! What becomes of five times as many calls as can be answered?
//!
//! A served process with one thread is asked, in a closed loop, how many calls it answers a second, and then
//! sent five times as many in an open loop, each with a deadline. Told are: the calls answered in time, as a
//! share of what it can; how long they took, from when they were due; how soon the others were told to come
//! later; and what memory that took. The bounds are those of a gateway that waits 50 ms for an answer.
//!
//! `cargo bench --bench overload` prints medians of five rounds; `-- --test` does so briefly.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a bench"
)]

#[allow(
    dead_code,
    clippy::panic,
    clippy::expect_used,
    unreachable_pub,
    reason = "shared with tests"
)]
#[path = "../tests/cli/support.rs"]
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use doublecheck::grpc::pb;
use doublecheck::random::Random;
use h2::client::SendRequest;
use http::Request;
use prost::Message as _;
use support::Served;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;

/// How many times what can be answered is asked.
const OVERLOAD: f64 = 5.0;
const DEADLINE: Duration = Duration::from_millis(50);
/// That of calls of which there are no more than can be answered.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a call may wait for its turn, and how many a connection may have open: those of a service whose
/// callers wait no longer than that.
const QUEUE_MS: &str = "4";
const STREAMS: &str = "128";
const CONNECTIONS: usize = 8;
const ACCOUNTS: u64 = 100_000;

/// A kind of call.
struct Load {
    name: &'static str,
    path: &'static str,
    payments: usize,
}

const LOADS: [Load; 3] = [
    Load {
        name: "unary",
        path: "ScorePayment",
        payments: 1,
    },
    Load {
        name: "batch of 64",
        path: "BatchScorePayments",
        payments: 64,
    },
    Load {
        name: "batch of 1000",
        path: "BatchScorePayments",
        payments: 1_000,
    },
];

/// How a call ended, and how long after it was due.
struct Ended {
    code: Code,
    took: Duration,
}

/// What came of one round.
struct Round {
    capacity: f64,
    offered: f64,
    ended: Vec<Ended>,
    seconds: f64,
    grown_bytes: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_brief = std::env::args().any(|argument| argument == "--test");
    let (rounds, length) = match is_brief {
        true => (1, Duration::from_millis(100)),
        false => (5, Duration::from_secs(2)),
    };
    println!(
        "five times what can be answered, one server thread, deadline {DEADLINE:?}; medians (spread)"
    );
    for load in &LOADS {
        let mut told = Vec::new();
        for nth in 0..rounds {
            told.push(round(load, length, nth).await);
        }
        tell(load, &told, is_brief);
    }
}

async fn round(load: &Load, length: Duration, nth: u64) -> Round {
    let served = Served::start(&[
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--threads",
        "1",
        "--journal-ack",
        "none",
        "--admission-queue-ms",
        QUEUE_MS,
        "--limits-streams-per-connection",
        STREAMS,
    ]);
    let mut payers = Payers::new(nth);
    let client = Client::connect(&served.address, load.path).await;
    // The first calls find everything cold.
    client.closed(payers.calls(load, 200), 1).await;
    let begun = Instant::now();
    let mut answered = 0;
    while begun.elapsed() < length {
        answered += client.closed(payers.calls(load, 400), 2).await;
    }
    let capacity = answered as f64 / begun.elapsed().as_secs_f64();
    let rss = served.metric("process_resident_memory_bytes");
    let count = (OVERLOAD * capacity * length.as_secs_f64()) as usize;
    let calls = payers.calls(load, count);
    let begun = Instant::now();
    let (ended, sent_in) = client.open(calls, OVERLOAD * capacity).await;
    let seconds = begun.elapsed().as_secs_f64();
    let grown_bytes = served.metric("process_resident_memory_bytes") - rss;
    assert_eq!(ended.len(), count);
    served.end();
    Round {
        capacity,
        offered: count as f64 / sent_in.as_secs_f64(),
        ended,
        seconds,
        grown_bytes,
    }
}

fn tell(load: &Load, rounds: &[Round], is_brief: bool) {
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let is_answered = |ended: &&Ended| ended.code == Code::Ok;
    let in_time = |round: &Round| {
        let in_time = round
            .ended
            .iter()
            .filter(is_answered)
            .filter(|ended| ended.took <= DEADLINE);
        in_time.count() as f64 / round.seconds
    };
    let quantile = |round: &Round, code: Code, share: f64| {
        let mut took: Vec<f64> = round
            .ended
            .iter()
            .filter(|ended| ended.code == code)
            .map(|ended| ms(ended.took))
            .collect();
        took.sort_by(f64::total_cmp);
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    };
    let count = |round: &Round, code: Code| {
        round
            .ended
            .iter()
            .filter(|ended| ended.code == code)
            .count() as f64
    };
    println!("{}", load.name);
    let line = |name: &str, figure: &dyn Fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        println!(
            "  {name:44} {:>10.2} ({:.2}–{:.2})",
            figures[figures.len() / 2],
            figures[0],
            figures[figures.len() - 1]
        );
    };
    line("calls a second that it can answer", &|round| round.capacity);
    line("offered ÷ that", &|round| round.offered / round.capacity);
    line("answered in time ÷ that (goal .9)", &|round| {
        in_time(round) / round.capacity
    });
    line("answered: p50 ms", &|round| quantile(round, Code::Ok, 0.5));
    line("answered: p99 ms (goal 50)", &|round| {
        quantile(round, Code::Ok, 0.99)
    });
    line("refused, of all", &|round| {
        count(round, Code::ResourceExhausted) / round.ended.len() as f64
    });
    line("refused: p50 ms", &|round| {
        quantile(round, Code::ResourceExhausted, 0.5)
    });
    line("refused: p99 ms (goal 5)", &|round| {
        quantile(round, Code::ResourceExhausted, 0.99)
    });
    line("deadline over, of all", &|round| {
        count(round, Code::DeadlineExceeded) / round.ended.len() as f64
    });
    line("memory grown by, MB", &|round| round.grown_bytes / 1e6);
    for round in rounds {
        let expected = [Code::Ok, Code::ResourceExhausted, Code::DeadlineExceeded];
        assert!(
            round
                .ended
                .iter()
                .all(|ended| expected.contains(&ended.code))
        );
        assert!(is_brief || count(round, Code::Ok) > 0.0);
    }
}

/// Who pays: never the same payment twice.
struct Payers {
    random: Random,
    round: u64,
    next: u64,
}

impl Payers {
    fn new(round: u64) -> Self {
        Self {
            random: Random::new(round + 1),
            round,
            next: 0,
        }
    }

    /// Messages, framed as gRPC has them.
    fn calls(&mut self, load: &Load, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.call(load)).collect()
    }

    fn call(&mut self, load: &Load) -> Bytes {
        let requests: Vec<_> = (0..load.payments).map(|_| self.request()).collect();
        let message = match load.payments {
            1 => requests[0].encode_to_vec(),
            _ => pb::BatchScorePaymentsRequest { requests }.encode_to_vec(),
        };
        let mut framed = vec![0];
        framed.extend((message.len() as u32).to_be_bytes());
        framed.extend(message);
        framed.into()
    }

    fn request(&mut self) -> pb::ScorePaymentRequest {
        self.next += 1;
        let account = self.random.next() % ACCOUNTS;
        let payment = pb::Payment {
            payment_id: format!("{:08}-{:027}", self.round, self.next),
            account_id: format!("account-{account:08}"),
            payee: Some(pb::Payee {
                id: format!("138{:08}", account % 4_000),
                r#type: pb::PayeeType::Phone.into(),
            }),
            money: Some(pb::Money {
                amount_minor: (1_000 + self.random.next() % 5_000) as i64,
                currency_code: "CNY".to_owned(),
            }),
            kind: pb::PaymentKind::TopUp.into(),
            ..Default::default()
        };
        pb::ScorePaymentRequest {
            payment: Some(payment),
            ..Default::default()
        }
    }
}

/// Connections to a server, and the method that is called on them.
struct Client {
    connections: Vec<SendRequest<Bytes>>,
    path: String,
}

impl Client {
    async fn connect(address: &str, path: &str) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(1 << 20)
                .initial_connection_window_size(64 << 20)
                // However many small answers come before they are read.
                .data_frame_budget(usize::MAX >> 8)
                .handshake(stream)
                .await
                .unwrap();
            tokio::spawn(async { connection.await.unwrap() });
            connections.push(sender);
        }
        let path = format!("http://{address}/doublecheck.v1.RiskService/{path}");
        Self { connections, path }
    }

    /// Makes the calls, so many on each connection at a time; how many were answered.
    async fn closed(&self, calls: Vec<Bytes>, in_flight: usize) -> usize {
        let mut calls = calls.into_iter();
        let mut under_way = JoinSet::new();
        let mut answered = 0;
        for nth in 0.. {
            if under_way.len() == in_flight * CONNECTIONS
                && let Some(code) = under_way.join_next().await
            {
                answered += usize::from(code.unwrap() == Code::Ok);
            }
            let Some(message) = calls.next() else { break };
            let sender = self.connections[nth % CONNECTIONS].clone();
            let path = self.path.clone();
            under_way.spawn(async move {
                let mut sender = sender.ready().await.unwrap();
                call(&mut sender, &path, PATIENCE, message).await
            });
        }
        answered
            + under_way
                .join_all()
                .await
                .iter()
                .filter(|code| **code == Code::Ok)
                .count()
    }

    /// Makes the calls at this rate, whether they are answered or not; and how long it took to send them.
    async fn open(&self, calls: Vec<Bytes>, a_second: f64) -> (Vec<Ended>, Duration) {
        let mut under_way = JoinSet::new();
        let begun = Instant::now();
        for (nth, message) in calls.into_iter().enumerate() {
            let due = begun + Duration::from_secs_f64(nth as f64 / a_second);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            } else if nth % 64 == 0 {
                tokio::task::yield_now().await;
            }
            let sender = self.connections[nth % CONNECTIONS].clone();
            let path = self.path.clone();
            under_way.spawn(async move {
                let mut sender = sender.ready().await.unwrap();
                // As clients do, one that is over before it could leave is given up.
                let code = match DEADLINE.checked_sub(due.elapsed()) {
                    Some(left) if !left.is_zero() => call(&mut sender, &path, left, message).await,
                    _ => Code::DeadlineExceeded,
                };
                Ended {
                    code,
                    took: due.elapsed(),
                }
            });
        }
        let sent_in = begun.elapsed();
        (under_way.join_all().await, sent_in)
    }
}

/// Makes a call that may take so long; how it ended.
async fn call(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    timeout: Duration,
    message: Bytes,
) -> Code {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", format!("{}u", timeout.as_micros()))
        .body(())
        .unwrap();
    let (response, mut sent) = sender.send_request(request, false).unwrap();
    sent.send_data(message, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    while let Some(data) = body.data().await {
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let code = trailers.get("grpc-status");
    let code = code.or_else(|| head.headers.get("grpc-status"));
    Code::from_bytes(code.unwrap().as_bytes())
}
