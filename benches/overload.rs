//! What becomes of five times as many calls as can be answered?
//!
//! A served process with one thread is asked, in a closed loop, how many calls it answers a second where it
//! refuses none, and another one is sent five times as many in an open loop, each with a deadline. Told are: the calls answered in time, as a
//! share of what it can; how long they took, from when they were due; how soon the others were told to come
//! later; and what memory that took. The bounds are those of a gateway that waits 50 ms for an answer.
//!
//! `cargo bench --bench overload [-- LOAD...]` prints medians of five rounds; `-- --test` does so briefly.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod common;
#[path = "../tests/cli/support.rs"]
#[allow(dead_code, reason = "the tests take the rest")]
mod support;
#[path = "../tests/behaviour/wire.rs"]
#[allow(dead_code, reason = "the tests take the rest")]
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{claim_memory, has_taken_memory, median_of};
use doublecheck::grpc::pb;
use doublecheck::random::Random;
use prost::Message as _;
use support::Served;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tonic::Code;
use wire::{BATCH, SCORE, Wire, packed};

/// The server's, so that memory that this bench claims is such as the server takes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times what can be answered is asked.
const OVERLOAD: f64 = 5.0;
const DEADLINE: Duration = Duration::from_millis(50);
/// That of calls of which there are no more than can be answered.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a call may wait for its turn, and how many a connection may have open: those of a service whose
/// callers wait no longer than that.
const QUEUE_MS: &str = "1";
const STREAMS: usize = 128;
/// Those of one whose callers have a pool of streams, and for how long such a caller waits for one. As many
/// as are answered in a few milliseconds: to refuse a call takes half of what it takes to answer it, so of five
/// times as many calls most must be refused where they come from.
const POOLED_QUEUE_MS: &str = "10";
const POOLED_STREAMS: usize = 16;
const POOL_WAIT: Duration = Duration::from_millis(2);
/// How many calls are made before it is asked again whether that is enough.
const AT_ONCE: usize = 1_600;
/// What answers may take before they are read.
const WINDOW_BYTES: u32 = 64 << 20;
const CONNECTIONS: usize = 8;
const ACCOUNTS: u64 = 100_000;
/// Up to how many calls a second none is left to the runtime's timer, which is up to a millisecond late. To look
/// at the clock between more of them would take the time in which they are to be made.
const SPUN_MAX: f64 = 50_000.0;
/// By how much the server and this bench grow in a round at most.
const GROWTH_BYTES: u64 = 768 << 20;
const CPU: &str = "process_cpu_seconds_total";

/// A kind of call.
struct Load {
    name: &'static str,
    path: &'static str,
    payments: usize,
    streams: usize,
    queue_ms: &'static str,
    /// For how long a call waits for a stream.
    stream_wait: Duration,
}

impl Load {
    /// How many calls on each connection keep the server as busy as any number does.
    const fn busy(&self) -> usize {
        match self.payments {
            1 => POOLED_STREAMS,
            _ => 2,
        }
    }

    /// Of callers that wait for a stream as long as for an answer.
    const fn new(name: &'static str, path: &'static str, payments: usize) -> Self {
        Self {
            name,
            path,
            payments,
            streams: STREAMS,
            queue_ms: QUEUE_MS,
            stream_wait: DEADLINE,
        }
    }
}

const LOADS: [Load; 4] = [
    Load::new("unary", SCORE, 1),
    Load {
        streams: POOLED_STREAMS,
        queue_ms: POOLED_QUEUE_MS,
        stream_wait: POOL_WAIT,
        ..Load::new("pooled unary", SCORE, 1)
    },
    Load::new("batch of 64", BATCH, 64),
    Load::new("batch of 1000", BATCH, 1_000),
];

/// How a call ended.
struct Ended {
    /// None of one that was over before it could leave, and was given up.
    code: Option<Code>,
    /// How long after it was due it was made, and ended.
    late: Duration,
    took: Duration,
}

/// What came of one round.
struct Round {
    capacity: f64,
    /// Processor time of the server for a call that it answers, where it refuses none, and in all that followed.
    answer_s: f64,
    used_s: f64,
    offered: f64,
    ended: Vec<Ended>,
    seconds: f64,
    grown_bytes: f64,
}

fn main() {
    if has_taken_memory() {
        return;
    }
    // Answers are noted as they come, however much is still to be sent.
    let runtime = Builder::new_current_thread()
        .event_interval(4)
        .enable_all()
        .build();
    runtime.unwrap().block_on(overload());
}

async fn overload() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let is_brief = given.iter().any(|argument| argument == "--test");
    let asked: Vec<_> = given
        .iter()
        .filter(|name| !name.starts_with("--"))
        .collect();
    let is_asked = |load: &&Load| {
        asked.is_empty() || asked.iter().any(|name| load.name.contains(name.as_str()))
    };
    let (rounds, length) = match is_brief {
        true => (1, Duration::from_millis(100)),
        false => (5, Duration::from_secs(2)),
    };
    println!(
        "five times what can be answered, one server thread, deadline {DEADLINE:?}; medians (spread)"
    );
    for load in LOADS.iter().filter(is_asked) {
        let mut told = Vec::new();
        for nth in 0..rounds {
            told.push(round(load, length, nth).await);
        }
        tell(load, &told, is_brief);
    }
}

async fn round(load: &Load, length: Duration, nth: u64) -> Round {
    let mut payers = Payers::new(nth);
    let (capacity, answer_s) = capacity(load, length, &mut payers).await;
    let served = serve(load.queue_ms, load.streams);
    let client = Client::connect(&served, load).await;
    // The first calls find everything cold.
    client.closed(payers.calls(load, 200), 1).await;
    let rss = served.metric("process_resident_memory_bytes");
    let count = (OVERLOAD * capacity * length.as_secs_f64()) as usize;
    let calls = payers.calls(load, count);
    claim_memory(GROWTH_BYTES);
    let (begun, used_s) = (Instant::now(), served.metric(CPU));
    let (ended, sent_in) = client.open(calls, OVERLOAD * capacity).await;
    let seconds = begun.elapsed().as_secs_f64();
    let used_s = served.metric(CPU) - used_s;
    let grown_bytes = served.metric("process_resident_memory_bytes") - rss;
    assert_eq!(ended.len(), count);
    served.end();
    Round {
        capacity,
        answer_s,
        used_s,
        offered: count as f64 / sent_in.as_secs_f64(),
        ended,
        seconds,
        grown_bytes,
    }
}

/// How many calls a second are answered where none is refused, and what processor time each takes.
async fn capacity(load: &Load, length: Duration, payers: &mut Payers) -> (f64, f64) {
    let served = serve("60000", load.streams);
    let client = Client::connect(&served, load).await;
    client.closed(payers.calls(load, 200), 1).await;
    claim_memory(GROWTH_BYTES);
    let (begun, used_s) = (Instant::now(), served.metric(CPU));
    let mut answered = 0;
    while begun.elapsed() < length {
        let calls = payers.calls(load, AT_ONCE);
        answered += calls.len();
        assert_eq!(client.closed(calls, load.busy()).await, AT_ONCE);
    }
    let capacity = answered as f64 / begun.elapsed().as_secs_f64();
    let answer_s = (served.metric(CPU) - used_s) / answered as f64;
    served.end();
    (capacity, answer_s)
}

fn serve(queue_ms: &str, streams: usize) -> Served {
    let streams = streams.to_string();
    Served::start(&[
        "serve",
        "--grpc-address",
        "127.0.0.1:0",
        "--threads",
        "1",
        "--journal-ack",
        "none",
        "--admission-queue-ms",
        queue_ms,
        "--limits-streams-per-connection",
        &streams,
    ])
}

fn tell(load: &Load, rounds: &[Round], is_brief: bool) {
    println!("{}", load.name);
    let line = |name: &str, figure: &dyn Fn(&Round) -> f64| {
        let (median, least, most) = median_of(&mut rounds.iter().map(figure).collect::<Vec<_>>());
        println!("  {name:44} {median:>10.2} ({least:.2}–{most:.2})");
    };
    const ANSWERED: Option<Code> = Some(Code::Ok);
    const REFUSED: Option<Code> = Some(Code::ResourceExhausted);
    const OVER: Option<Code> = Some(Code::DeadlineExceeded);
    line("calls a second that it can answer", &|round| round.capacity);
    line("offered ÷ that", &|round| round.offered / round.capacity);
    line("answered in time ÷ that (goal .9)", &|round| {
        round.in_time() / round.capacity
    });
    line("answered: p50 ms", &|round| round.ms(ANSWERED, 0.5));
    line("answered: p99 ms (goal 50)", &|round| {
        round.ms(ANSWERED, 0.99)
    });
    line("refused, of all", &|round| round.share(REFUSED));
    line("refused: p50 ms", &|round| round.ms(REFUSED, 0.5));
    line("refused: p99 ms (goal 5)", &|round| round.ms(REFUSED, 0.99));
    line("made late: p99 ms", &|round| round.late_ms(0.99));
    line("deadline over at the server, of all", &|round| {
        round.share(OVER)
    });
    line("given up before they left, of all", &|round| {
        round.share(None)
    });
    line("given up: p99 ms", &|round| round.ms(None, 0.99));
    line("server: cores", &|round| round.used_s / round.seconds);
    line("server: µs of a core for each answered", &|round| {
        round.answer_s * 1e6
    });
    line("server: µs of a core for each other", &Round::other_us);
    line("memory grown by, MB", &|round| round.grown_bytes / 1e6);
    for round in rounds {
        let expected = [ANSWERED, REFUSED, OVER, None];
        assert!(round.ended.iter().all(|end| expected.contains(&end.code)));
        assert!(is_brief || round.share(ANSWERED) > 0.0);
    }
}

impl Round {
    /// Calls that ended so.
    fn that(&self, code: Option<Code>) -> impl Iterator<Item = &Ended> {
        self.ended.iter().filter(move |ended| ended.code == code)
    }

    fn share(&self, code: Option<Code>) -> f64 {
        self.that(code).count() as f64 / self.ended.len() as f64
    }

    /// Calls a second that were answered in time.
    fn in_time(&self) -> f64 {
        let answered = self.that(Some(Code::Ok));
        let in_time = answered.filter(|ended| ended.took <= DEADLINE);
        in_time.count() as f64 / self.seconds
    }

    /// What processor time of the server, in microseconds, calls take that are not answered.
    fn other_us(&self) -> f64 {
        let answered = self.that(Some(Code::Ok)).count() as f64;
        let never_left = self.that(None).count() as f64;
        let others = self.ended.len() as f64 - answered - never_left;
        (self.used_s - answered * self.answer_s) * 1e6 / others
    }

    /// Within how many milliseconds this share of those that ended so did; no number where none did.
    fn ms(&self, code: Option<Code>, share: f64) -> f64 {
        quantile_ms(self.that(code).map(|ended| ended.took), share)
    }

    /// The same of how late calls were made, which is this bench's own doing.
    fn late_ms(&self, share: f64) -> f64 {
        quantile_ms(self.ended.iter().map(|ended| ended.late), share)
    }
}

fn quantile_ms(times: impl Iterator<Item = Duration>, share: f64) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let nth = (times.len() as f64 * share) as usize;
    let quantile = times.get(nth);
    quantile.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
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
        packed(0, &message)
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

/// Waits until a call is `due`, of so many a second.
async fn wait_until(due: Instant, a_second: f64) {
    if a_second > SPUN_MAX {
        return tokio::time::sleep_until(due.into()).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// Connections to a server, and the method that is called on them.
struct Client {
    connections: Vec<Connection>,
    path: &'static str,
    stream_wait: Duration,
}

/// A connection, and how many more calls may be open on it. HTTP/2's library would take more, and keep those
/// that the server does not let it send.
#[derive(Clone)]
struct Connection {
    wire: Wire,
    places: Arc<Semaphore>,
}

impl Client {
    async fn connect(served: &Served, load: &Load) -> Self {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let address = served.address.parse().unwrap();
            connections.push(Connection {
                wire: Wire::connect_with(address, WINDOW_BYTES).await,
                places: Arc::new(Semaphore::new(load.streams)),
            });
        }
        Self {
            connections,
            path: load.path,
            stream_wait: load.stream_wait,
        }
    }

    /// Makes the calls, so many on each connection at a time; how many were answered.
    async fn closed(&self, calls: Vec<Bytes>, in_flight: usize) -> usize {
        let mut under_way = JoinSet::new();
        let mut answered = 0;
        let mut count = |ended: Ended| answered += usize::from(ended.code == Some(Code::Ok));
        for (nth, message) in calls.into_iter().enumerate() {
            if under_way.len() == in_flight * CONNECTIONS
                && let Some(ended) = under_way.join_next().await
            {
                count(ended.unwrap());
            }
            under_way.spawn(self.call(nth, message, Instant::now(), PATIENCE, PATIENCE));
        }
        under_way.join_all().await.into_iter().for_each(count);
        answered
    }

    /// Makes the calls at this rate, whether they are answered or not; and how long it took to send them.
    async fn open(&self, calls: Vec<Bytes>, a_second: f64) -> (Vec<Ended>, Duration) {
        let mut under_way = JoinSet::new();
        let begun = Instant::now();
        for (nth, message) in calls.into_iter().enumerate() {
            let due = begun + Duration::from_secs_f64(nth as f64 / a_second);
            if due > Instant::now() {
                wait_until(due, a_second).await;
            } else if nth % 64 == 0 {
                tokio::task::yield_now().await;
            }
            under_way.spawn(self.call(nth, message, due, DEADLINE, self.stream_wait));
        }
        let sent_in = begun.elapsed();
        (under_way.join_all().await, sent_in)
    }

    /// Makes a call that is over so long after it was `due`: where it found no stream by then, or for so long
    /// as it waits for one, it is given up, as clients do.
    fn call(
        &self,
        nth: usize,
        message: Bytes,
        due: Instant,
        deadline: Duration,
        stream_wait: Duration,
    ) -> impl Future<Output = Ended> + use<> {
        let (connection, path) = (self.connections[nth % CONNECTIONS].clone(), self.path);
        async move {
            let late = due.elapsed();
            let place = connection.places.acquire();
            let place = timeout_at((due + stream_wait).into(), place).await;
            let left = deadline.saturating_sub(due.elapsed()).as_micros();
            let mut code = None;
            if place.is_ok() && left > 0 {
                let timeout = format!("{left}u");
                let headers = [("grpc-timeout", timeout.as_str())];
                let mut begun = connection.wire.begin(path, &headers).await;
                begun.body.send_data(message, true).unwrap();
                code = Some(begun.end().await.code());
            }
            Ended {
                code,
                late,
                took: due.elapsed(),
            }
        }
    }
}
