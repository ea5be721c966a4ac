//! Sixty-four phones, one moment: whatever the order, the account decides one at a time.

use std::sync::Arc;

use doublecheck::grpc::DRAIN_MAX;
use doublecheck::grpc::pb::{self, Decision, ReasonCode};
use pb::risk_service_client::RiskServiceClient;
use prost::Message as _;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Server, codes, connect, payment_but, request};

/// How many race, each over a connection of its own.
const CLIENTS: usize = 64;

fn rounds() -> usize {
    let default = if cfg!(debug_assertions) { 100 } else { 1_000 };
    match std::env::var("DOUBLECHECK_RACE_ROUNDS") {
        Ok(rounds) => rounds.parse().unwrap(),
        Err(_) => default,
    }
}

/// One runtime over several threads, and several threads with a runtime each.
async fn servers() -> [Server; 2] {
    let on_workers = Server::start_on_workers(4, DRAIN_MAX).await;
    [Server::start().await, on_workers]
}

/// A payment of an account and to a payee that no other round has.
fn payment_of(round: usize, payment_id: &str) -> pb::Payment {
    payment_but(payment_id, |p| {
        p.account_id = format!("payer-{round}");
        p.payee.as_mut().unwrap().id = format!("payee-{round}");
    })
}

/// Each round, all clients send their payment at once. The answers, round by round.
async fn race(
    server: &Server,
    payment_of: fn(usize, usize) -> pb::Payment,
) -> Vec<Vec<pb::Assessment>> {
    let start = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for nth in 0..CLIENTS {
        let mut client = RiskServiceClient::new(connect(server.address).await);
        let start = Arc::clone(&start);
        clients.spawn(async move {
            let mut answers = Vec::new();
            for round in 0..rounds() {
                let request = request(payment_of(round, nth), "");
                start.wait().await;
                let answer = client.score_payment(request).await.unwrap();
                answers.push(answer.into_inner().assessment.unwrap());
            }
            answers
        });
    }
    let mut by_round = vec![Vec::new(); rounds()];
    for answers in clients.join_all().await {
        for (round, answer) in answers.into_iter().enumerate() {
            by_round[round].push(answer);
        }
    }
    by_round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_identical_payments_exactly_one_is_allowed() {
    for server in servers().await {
        let rounds = race(&server, |round, nth| payment_of(round, &format!("p{nth}"))).await;
        for (round, answers) in rounds.into_iter().enumerate() {
            let (allowed, others): (Vec<_>, Vec<_>) = answers
                .into_iter()
                .partition(|answer| answer.decision() == Decision::Allow);
            assert_eq!((allowed.len(), others.len()), (1, CLIENTS - 1), "{round}");
            for other in others {
                assert_eq!(other.decision(), Decision::Block, "{round}");
                assert!(codes(&other).contains(&ReasonCode::DuplicateInFlight));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_submissions_of_one_payment_exactly_one_is_decided_and_the_others_replay_it() {
    for server in servers().await {
        let rounds = race(&server, |round, _| payment_of(round, "p")).await;
        for (round, mut answers) in rounds.into_iter().enumerate() {
            let decided = answers.iter().filter(|answer| !answer.replayed).count();
            assert_eq!((decided, answers.len()), (1, CLIENTS), "{round}");
            for answer in &mut answers {
                answer.replayed = true;
            }
            let bytes = answers[0].encode_to_vec();
            assert!(answers.iter().all(|answer| answer.encode_to_vec() == bytes));
            assert_eq!(answers[0].decision(), Decision::Allow, "{round}");
        }
    }
}
