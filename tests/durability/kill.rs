//! The process is killed while it answers: nothing that it answered is forgotten.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::pb::stream_payments_request::Item;
use doublecheck::grpc::pb::stream_payments_response::Answer;
use doublecheck::grpc::pb::{
    Assessment, Decision, Money, Payee, PayeeType, Payment, PaymentKind, ScorePaymentRequest,
    StreamPaymentsRequest,
};
use doublecheck::random::Random;
use tokio::task::JoinSet;
use tonic::transport::Channel;

/// How often the process is killed. `DOUBLECHECK_KILLS` asks for more.
fn kills() -> u64 {
    let asked = std::env::var("DOUBLECHECK_KILLS").ok();
    asked.map_or(8, |asked| asked.parse().expect("a number of kills"))
}

/// How many payments are open at once on the stream.
const OPEN: u64 = 200;

/// A data directory, gone with the test.
struct DataDir(PathBuf);

impl Drop for DataDir {
    fn drop(&mut self) {
        // What cannot be removed is the temporary directory's to keep.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The process, killed with the test at the latest.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(data: &DataDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_doublecheck"))
            .args(["serve", "--grpc-address", "127.0.0.1:0", "--threads", "2"])
            .args(["--http-address", "127.0.0.1:0"])
            .args(["--snapshot-journal-mib", "1", "--data-dir"])
            .arg(&data.0)
            // It asks for more kills, and is no setting of the service.
            .env_remove("DOUBLECHECK_KILLS")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, after) = line.split_once("ready address=").unzip();
            said.push(line.clone());
            let after = after?.split(' ').next();
            after.map(str::to_owned)
        });
        let address = address.unwrap_or_else(|| panic!("it did not start:\n{}", said.join("\n")));
        // Whoever logs must not wait for somebody to read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            child,
            url: format!("http://{address}"),
        }
    }

    async fn client(&self) -> RiskServiceClient<Channel> {
        RiskServiceClient::connect(self.url.clone()).await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The payment of this number in a life: everybody pays often, and everybody the same few payees.
fn payment(life: u64, client: &str, nth: u64) -> Payment {
    Payment {
        payment_id: format!("{life}-{client}-{nth}"),
        account_id: format!("{life}-{client}-payer-{}", nth / 3),
        payee: Some(Payee {
            id: format!("1381234{:04}", nth % 17),
            r#type: PayeeType::Phone.into(),
        }),
        money: Some(Money {
            amount_minor: 1_000 + nth.cast_signed() % 7,
            currency_code: "CNY".to_owned(),
        }),
        kind: PaymentKind::TopUp.into(),
        device_id: Some(format!("device-{}", nth % 5)),
        ..Payment::default()
    }
}

fn request(payment: Payment) -> ScorePaymentRequest {
    ScorePaymentRequest {
        payment: Some(payment),
        confirmation_token: String::new(),
    }
}

type Answered = Vec<(Payment, Assessment)>;

/// Pays one by one until the process is gone.
async fn pay(
    mut client: RiskServiceClient<Channel>,
    life: u64,
    name: &'static str,
    answers: Arc<AtomicU64>,
) -> Answered {
    let mut answered = Vec::new();
    for nth in 0.. {
        let payment = payment(life, name, nth);
        let Ok(answer) = client.score_payment(request(payment.clone())).await else {
            break;
        };
        answered.push((payment, answer.into_inner().assessment.unwrap()));
        answers.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

/// Pays in a stream until the process is gone.
async fn stream(
    mut client: RiskServiceClient<Channel>,
    life: u64,
    answers_in_all: Arc<AtomicU64>,
) -> Answered {
    let (items, requests) = tokio::sync::mpsc::channel(usize::try_from(OPEN).unwrap());
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let item = |nth| StreamPaymentsRequest {
        sequence: nth,
        item: Some(Item::Score(request(payment(life, "stream", nth)))),
    };
    for nth in 0..OPEN {
        items.send(item(nth)).await.unwrap();
    }
    let mut answered = Vec::new();
    let Ok(answers) = client.stream_payments(requests).await else {
        return answered;
    };
    let mut answers = answers.into_inner();
    while let Ok(Some(answer)) = answers.message().await {
        let Some(Answer::Assessment(assessment)) = answer.answer else {
            panic!("{answer:?}");
        };
        answered.push((payment(life, "stream", answer.sequence), assessment));
        answers_in_all.fetch_add(1, Ordering::Relaxed);
        if items.send(item(answer.sequence + OPEN)).await.is_err() {
            break;
        }
    }
    answered
}

/// Lets clients pay until there are so many answers and kills the process; returns what was answered.
async fn live_and_be_killed(process: Process, life: u64, lasts_answers: u64) -> Answered {
    let answers = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for name in ["north", "east", "south"] {
        let answers = Arc::clone(&answers);
        clients.spawn(pay(process.client().await, life, name, answers));
    }
    clients.spawn(stream(process.client().await, life, Arc::clone(&answers)));
    while answers.load(Ordering::Relaxed) < lasts_answers {
        tokio::task::yield_now().await;
    }
    drop(process);
    clients.join_all().await.into_iter().flatten().collect()
}

/// That every payment that was answered is answered with the same, and its duplicate is not let through.
async fn assert_all_remembered(process: &Process, life: u64, answered: &Answered) {
    let mut client = process.client().await;
    for (payment, assessment) in answered {
        let again = client
            .score_payment(request(payment.clone()))
            .await
            .unwrap();
        let again = again.into_inner().assessment.unwrap();
        let expected = Assessment {
            replayed: true,
            ..assessment.clone()
        };
        assert_eq!(again, expected, "life {life}: {payment:?}");
    }
    for (payment, assessment) in answered.iter().rev().take(50) {
        let duplicate = Payment {
            payment_id: format!("{}-again", payment.payment_id),
            ..payment.clone()
        };
        let again = client.score_payment(request(duplicate)).await.unwrap();
        let again = again.into_inner().assessment.unwrap();
        if assessment.decision() == Decision::Allow {
            assert_ne!(
                again.decision(),
                Decision::Allow,
                "life {life}: {payment:?}"
            );
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how often it was killed is part of the result"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_forgotten() {
    let folder = format!("doublecheck-kill-{}", std::process::id());
    let data = DataDir(std::env::temp_dir().join(folder));
    let mut random = Random::new(1);
    let mut process = Process::start(&data);
    let mut answered_in_all = 0;
    for life in 0..kills() {
        let answered = live_and_be_killed(process, life, random.below(1_000)).await;
        answered_in_all += answered.len();
        process = Process::start(&data);
        assert_all_remembered(&process, life, &answered).await;
    }
    println!(
        "{} kills, {answered_in_all} answers, none forgotten",
        kills()
    );
}
