//! The journal fails: every answer says so, whichever way it is asked for, and so does health.

use doublecheck::grpc::health::JOURNAL;
use doublecheck::grpc::pb::Decision;
use doublecheck::storage::simulated::{Operation, Simulated};
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Server, connect, payment, request, score_item, scored};

#[tokio::test]
async fn every_answer_says_that_a_restart_may_forget_it() {
    let disk = Simulated::new(1);
    let server = Server::start_on(&disk).await;
    let mut watch = HealthClient::new(connect(server.address).await)
        .watch(HealthCheckRequest {
            service: JOURNAL.to_owned(),
        })
        .await
        .unwrap()
        .into_inner();
    let mut status = async || watch.message().await.unwrap().unwrap().status();
    while status().await != ServingStatus::Serving {}

    for (broken, prefix) in [(false, "before"), (true, "while")] {
        disk.set_read_only(broken);
        disk.set_bytes_max(if broken { 0 } else { usize::MAX });
        let id = |nth: u32| format!("{prefix}-{nth}");
        let first = server.score(payment(&id(0))).await.unwrap();
        assert_eq!(first.degraded, broken);
        let batch = server
            .batch(vec![request(payment(&id(1)), "")])
            .await
            .unwrap();
        assert_eq!(batch[0].as_ref().unwrap().degraded, broken);
        let items = vec![
            score_item(1, payment(&id(2))),
            score_item(2, payment(&id(3))),
        ];
        for answer in server.stream(items).await {
            assert_eq!(scored(answer).unwrap().degraded, broken);
        }
        // An answer that is given again is as good as the journal is now.
        let again = server.score(payment(&id(0))).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.degraded, broken);
    }
    while status().await != ServingStatus::NotServing {}
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_no_payment() {
    let disk = Simulated::new(2);
    let server = Server::start_on(&disk).await;
    let first = server.score(payment("before")).await.unwrap();
    assert_eq!((first.decision(), first.degraded), (Decision::Allow, false));
    disk.hang(Some(Operation::Write));
    // It is still known what was paid before, however many ask at once.
    let mut calls = JoinSet::new();
    for nth in 0..50 {
        let mut client = server.client.clone();
        let repeat = request(payment(&format!("while-{nth}")), "");
        calls.spawn(async move { client.score_payment(repeat).await });
    }
    for repeat in calls.join_all().await {
        let repeat = repeat.unwrap().into_inner().assessment.unwrap();
        assert_ne!(repeat.decision(), Decision::Allow);
        assert!(repeat.degraded);
    }
    disk.hang(None);
}
